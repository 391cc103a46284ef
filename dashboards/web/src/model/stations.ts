// The list of stations: joined with their series, grouped, filtered, counted. Pure.
import type { Series, State, Station } from '../api/types';
import type { Shown } from './freshness';
import { rankOf } from '../format/quantities';

export interface StationView {
  id: string;
  name: string;
  kecamatan: string | null;
  kind: string | null;
  gateway: string | null;
  series: Series[];
}

export interface Group {
  /** Null: stations that no one has assigned yet; always last. */
  kecamatan: string | null;
  stations: StationView[];
}

export interface Filter {
  text: string;
  quantity: string;
  state: State | '';
}

const fold = (text: string): string => text.normalize('NFKD').toLowerCase();

/** Every station with its series, in the order of the list; a series whose station is not listed still has its device as station. */
export function join(stations: readonly Station[], series: readonly Series[]): StationView[] {
  const views = new Map<string, StationView>();
  for (const { station, name, kecamatan, kind, assigned } of stations) {
    views.set(station, {
      id: station, name: name ?? station, kecamatan: assigned ? kecamatan : null, kind, gateway: null, series: [],
    });
  }
  for (const one of series) {
    const view = views.get(one.station) ?? {
      id: one.station, name: one.station, kecamatan: null, kind: null, gateway: null, series: [],
    };
    view.series.push(one);
    view.gateway ??= one.gateway;
    views.set(one.station, view);
  }
  for (const { series: own } of views.values()) {
    own.sort(
      (a, b) => rankOf(a.quantity) - rankOf(b.quantity) || (a.channel ?? '').localeCompare(b.channel ?? ''),
    );
  }
  return [...views.values()].sort(
    (a, b) =>
      Number(a.kecamatan === null) - Number(b.kecamatan === null) ||
      (a.kecamatan ?? '').localeCompare(b.kecamatan ?? '') ||
      a.name.localeCompare(b.name),
  );
}

/** The station to open with: the first one that measures what people ask for first. */
export function opening(views: readonly StationView[]): StationView | undefined {
  const rank = (view: StationView): number => {
    const first = view.series[0];
    return first === undefined ? Infinity : rankOf(first.quantity);
  };
  return views.reduce<StationView | undefined>(
    (best, view) => (best === undefined || rank(view) < rank(best) ? view : best),
    undefined,
  );
}

export function group(
  views: readonly StationView[],
  filter: Filter,
  stateOf: (series: string) => Shown,
  collator: Intl.Collator,
  searchable: (view: StationView) => string,
): Group[] {
  const words = fold(filter.text).split(/\s+/).filter(Boolean);
  const groups = new Map<string | null, StationView[]>();
  for (const view of views) {
    const text = fold(searchable(view));
    if (!words.every((word) => text.includes(word))) continue;
    const series = view.series.filter(
      (one) =>
        (filter.quantity === '' || one.quantity === filter.quantity) &&
        (filter.state === '' || [filter.state, 'unknown'].includes(stateOf(one.series))),
    );
    if (series.length === 0 && (filter.quantity !== '' || filter.state !== '')) continue;
    const members = groups.get(view.kecamatan) ?? [];
    members.push({ ...view, series });
    groups.set(view.kecamatan, members);
  }
  return [...groups]
    .map(([kecamatan, stations]) => ({
      kecamatan,
      stations: stations.sort((a, b) => collator.compare(a.name, b.name)),
    }))
    .sort((a, b) => {
      if (a.kecamatan === null) return 1;
      if (b.kecamatan === null) return -1;
      return collator.compare(a.kecamatan, b.kecamatan);
    });
}
