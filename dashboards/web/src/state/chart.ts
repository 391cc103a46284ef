// The readings of the chart that is shown: read for the chosen series and period, then kept up with live readings.
import { effect, signal, untracked } from '@preact/signals';
import * as api from '../api/client';
import { kindOf } from '../format/quantities';
import { aggregates, append, chartData, type ChartData } from '../model/chartdata';
import { resolve, type Range } from '../model/period';
import { chooseStep, RAW, RAW_MAX, type Step } from '../model/steps';
import { now, serverNow } from './clock';
import { extent, period, shownSeries } from './navigation';
import { generation, intervalFor, link, onReadings, seriesByName } from './store';

export type Chart =
  | { status: 'none' }
  | { status: 'loading'; series: string; range: Range }
  | { status: 'failed'; series: string; range: Range; reason: string }
  | { status: 'ready'; series: string; range: Range; data: ChartData };

export const chart = signal<Chart>({ status: 'none' });
/** Width of the plot, in CSS pixels, in coarse steps: a wider plot asks for finer steps. */
export const width = signal(640);
/** Raised to read again. */
const wish = signal(0);

export const retry = (): void => {
  wish.value = wish.peek() + 1;
};

/** Buckets cannot be continued reading by reading: they are read again at this pace. */
const BUCKETS_MS = 10_000;

async function read(name: string, range: Range, step: Step, signal: AbortSignal): Promise<ChartData> {
  const kind = kindOf(seriesByName.peek().get(name)?.quantity ?? '');
  const agg = step.ms === null ? [] : aggregates(kind);
  const answer = await api.readings(name, range, step.iso, agg, signal);
  const [one] = answer.series;
  return chartData(one ?? { series: name, unit: '', times: [] }, kind, step.ms, range.to - range.from);
}

/** The chart (series and period) that turned out to have few readings although its series is a fast one today. */
let few = '';

function load(name: string): () => void {
  const range = resolve(period.peek(), extent.peek(), serverNow());
  const interval = untracked(() => intervalFor(name));
  const before = chart.peek();
  if (before.status !== 'ready' || before.series !== name) chart.value = { status: 'loading', series: name, range };
  const abort = new AbortController();
  const key = `${name} ${JSON.stringify(period.peek())}`;
  const step = few === key ? RAW : chooseStep(range.from, range.to, width.peek(), interval);
  const inSteps = (): Promise<ChartData> => {
    few = '';
    return read(name, range, chooseStep(range.from, range.to, width.peek(), 0.001), abort.signal);
  };
  read(name, range, step, abort.signal)
    .then((data) => {
      // The interval is only typical: there may be far more readings than it promised, or far fewer.
      if (step.ms === null) return data.rows.length > 2 * RAW_MAX ? inSteps() : data;
      if ((data.completeness?.received ?? Infinity) > RAW_MAX) return data;
      few = key;
      return read(name, range, RAW, abort.signal);
    })
    .catch((error: unknown) => {
      if (step.ms === null && error instanceof api.ApiError && error.status >= 400 && error.status < 500) return inSteps();
      throw error;
    })
    .then((data) => {
      if (!abort.signal.aborted) chart.value = { status: 'ready', series: name, range, data };
    })
    .catch((error: unknown) => {
      if (abort.signal.aborted) return;
      // A chart that was read stays; the banner tells that the connection is lost.
      const kept = chart.peek();
      if (kept.status === 'ready' && kept.series === name && link.peek().phase === 'lost') return;
      chart.value = { status: 'failed', series: name, range, reason: error instanceof Error ? error.message : String(error) };
    });
  return () => abort.abort();
}

/** Starts following the address. Called once, by main. */
export function start(): void {
  let shown = '';
  effect(() => {
    const name = shownSeries.value;
    const key = `${name ?? ''} ${JSON.stringify(period.value)}`;
    void [generation.value, width.value, wish.value];
    if (name === null || !seriesByName.value.has(name)) {
      chart.value = { status: 'none' };
      return undefined;
    }
    if (key !== shown) chart.value = { status: 'none' };
    shown = key;
    return load(name);
  });

  onReadings((items) => {
    const current = chart.peek();
    if (current.status !== 'ready' || !current.range.live || current.data.stepMs !== null) return;
    let data = current.data;
    for (const item of items) {
      if (item.series !== current.series) continue;
      const row = { time: Date.parse(item.time), value: item.value, min: null, max: null, flags: item.flags };
      data = append(data, row, current.range.from);
    }
    if (data !== current.data) chart.value = { ...current, data };
  });

  let read = serverNow();
  effect(() => {
    const current = chart.peek();
    const time = now.value;
    if (current.status !== 'ready' || !current.range.live || link.peek().phase !== 'live') return;
    if (current.data.stepMs !== null && time - read > Math.min(60_000, Math.max(BUCKETS_MS, current.data.stepMs / 2))) {
      read = time;
      retry();
    }
    const range = resolve(period.peek(), extent.peek(), time);
    if (range.live && range.to !== current.range.to) chart.value = { ...current, range };
  });
}
