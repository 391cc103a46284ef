// When a value stops being the present. The server says so with every item; between two items the page must
// notice by itself, because a sensor that fell silent sends nothing. The rule is that of ingest's API.
import type { Series, State } from '../api/types';

/** How a value is shown: its state, or unknown while the page is cut off and cannot know. */
export type Shown = State | 'unknown';

const ORDER: readonly Shown[] = ['fresh', 'stale', 'silent', 'unknown'];

/** Intervals after which a value is stale, and after which its sensor counts as silent. */
export const STALE_INTERVALS = 3;
export const SILENT_INTERVALS = 20;
/** Lower bounds, so that a pause of seconds in a fast series alarms nobody. */
export const STALE_FLOOR_S = 30;
export const SILENT_FLOOR_S = 900;
/** Taken where the interval is not known yet. */
export const UNKNOWN_INTERVAL_S = 300;

/** The interval seen so far and one more distance: follows longer ones at once, shorter ones bit by bit. */
export function observe(seenS: number | undefined, distanceS: number): number {
  return seenS === undefined ? distanceS : Math.max(distanceS, 0.8 * seenS);
}

/** Seconds between readings: as the server says, else as seen live, else on average; null while not known. */
export function intervalOf(series: Series | undefined, seenS?: number): number | null {
  if (series === undefined) return null;
  if (typeof series.interval_s === 'number') return series.interval_s;
  if (seenS !== undefined) return seenS;
  if (series.first === null || series.last === null || series.points === null || series.points < 2) return null;
  return (Date.parse(series.last) - Date.parse(series.first)) / 1_000 / (series.points - 1);
}

/** How a value of this age looks. */
export function stateByAge(ageS: number, intervalS: number | null): State {
  const interval = intervalS !== null && intervalS > 0 ? intervalS : UNKNOWN_INTERVAL_S;
  if (ageS > Math.max(SILENT_FLOOR_S, SILENT_INTERVALS * interval)) return 'silent';
  if (ageS > Math.max(STALE_FLOOR_S, STALE_INTERVALS * interval)) return 'stale';
  return 'fresh';
}

export function worse<S extends Shown>(a: S, b: S): S {
  return ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b;
}

export function worst(states: Iterable<Shown>): Shown {
  let found: Shown = 'fresh';
  for (const state of states) found = worse(found, state);
  return found;
}
