// What the page knows: stations, series, newest values, gateways, and its own connection.
//
// Every series has a signal of its own, so that a reading redraws one tile. Live readings are gathered and applied
// together four times a second: faster than that nobody reads, and a thousand readings a second cost little.
import { batch, computed, signal, type Signal } from '@preact/signals';
import * as api from '../api/client';
import { watchLive } from '../api/live';
import type { Gateway, Latest, Series, State, Station } from '../api/types';
import { intervalOf, observe, stateByAge, worse, type Shown } from '../model/freshness';
import { begin, next, type Link, type LinkEvent } from '../model/link';
import { join } from '../model/stations';
import { truth } from '../model/truth';
import { learn, now, serverNow, tick } from './clock';

const APPLY_MS = 250;
const GATEWAYS_MS = 5_000;
/** Live pushes may be lossy: everything is read again this often. */
const REFRESH_MS = 60_000;
/** Wait before everything is read again after it could not be, give or take a half. */
const RETRY_MS = 3_000;

export const stations = signal<Station[] | null>(null);
export const series = signal<Series[]>([]);
export const gateways = signal<Gateway[] | null>(null);
export const link = signal<Link>(begin(serverNow()));
/** Counts complete (re)readings, so that charts know when to read again. */
export const generation = signal(0);

export const views = computed(() => join(stations.value ?? [], series.value));
export const seriesByName = computed(() => new Map(series.value.map((one) => [one.series, one])));
export const strip = computed(() => truth(link.value, gateways.value, now.value));

const newest = new Map<string, Signal<Latest | null>>();

export function latestOf(name: string): Signal<Latest | null> {
  let found = newest.get(name);
  if (!found) {
    found = signal<Latest | null>(null);
    newest.set(name, found);
  }
  return found;
}

/** How a series' newest value looks now; a series without a value is silent. */
export function stateOf(name: string): Shown {
  if (link.value.phase === 'lost') return 'unknown';
  const item = latestOf(name).value;
  if (item === null) return 'silent';
  const interval = intervalFor(name);
  const byAge = stateByAge((now.value - Date.parse(item.time)) / 1_000, interval);
  return worse<State>(item.state, byAge);
}

/** Distances between live readings, for series whose interval the server does not tell. */
const seen = new Map<string, number>();

/** Typical seconds between readings of a series; null while not known. */
export function intervalFor(name: string): number | null {
  return intervalOf(seriesByName.value.get(name), seen.get(name));
}

type Listener = (items: readonly Latest[]) => void;
const listeners = new Set<Listener>();

/** Calls `listener` with every batch of live readings until the returned function is called. */
export function onReadings(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function put(items: readonly Latest[]): void {
  for (const item of items) {
    const cell = latestOf(item.series);
    const before = cell.peek();
    const distance = before === null ? 0 : Date.parse(item.time) - Date.parse(before.time);
    if (distance < 0) continue;
    // A pause of hours says nothing about the interval.
    if (distance > 0 && distance < 7_200_000) seen.set(item.series, observe(seen.get(item.series), distance / 1_000));
    cell.value = item;
  }
}

function told(event: LinkEvent): void {
  const before = link.peek();
  const after = next(before, event, serverNow());
  if (after !== before) link.value = after;
  // A pause of an open stream is over: what came meanwhile may be gone.
  if (event === 'heard' && before.phase === 'lost' && after.phase === 'live') void load();
}

let loading = false;
let again = false;

/** Reads everything. One at a time; a wish that comes meanwhile is served after it. */
async function load(): Promise<void> {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  let failed = false;
  try {
    const [newStations, newSeries, newLatest] = await Promise.all([api.stations(), api.series(), api.latest()]);
    batch(() => {
      learn(newLatest[0]);
      tick();
      stations.value = newStations;
      series.value = newSeries;
      put(newLatest);
      generation.value = generation.peek() + 1;
    });
    told('heard');
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    failed = true;
  } finally {
    loading = false;
    const wanted = again;
    again = false;
    if (wanted) void load();
    else if (failed) setTimeout(() => void load(), RETRY_MS * (0.5 + Math.random()));
  }
}

async function askGateways(): Promise<void> {
  try {
    gateways.value = await api.gateways(GATEWAYS_MS - 500);
    told('heard');
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error; // silence is noticed by the link's own clock
  }
}

let pending: Latest[] = [];

function apply(): void {
  if (pending.length === 0) return;
  const items = pending;
  pending = [];
  const known = seriesByName.peek();
  batch(() => {
    put(items);
    for (const listener of listeners) listener(items);
  });
  if (items.some((item) => !known.has(item.series))) void load();
}

/** Starts reading. Called once, by main. */
export function start(): void {
  void load();
  void askGateways();
  setInterval(apply, APPLY_MS);
  setInterval(() => void askGateways(), GATEWAYS_MS);
  setInterval(() => void load(), REFRESH_MS);
  setInterval(() => {
    tick();
    told('tick');
  }, 1_000);
  document.addEventListener('visibilitychange', () => {
    // Timers of a hidden page are slowed down: show the present at once.
    if (document.hidden) return;
    tick();
    told('tick');
    void load();
  });
  watchLive({
    opened: () => {
      told('opened');
      void load();
      void askGateways();
    },
    failed: () => told('failed'),
    lagged: () => void load(),
    readings: (items) => {
      pending.push(...items);
      told('heard');
    },
  });
}
