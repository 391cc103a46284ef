// Which step a chart asks for: every reading where there are few, else the mean with minimum and maximum
// per bucket of about two pixels. More points than that cannot be seen, only waited for.

const S = 1_000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

/** Buckets people can name, and how ISO 8601 writes them. */
const NICE: readonly (readonly [number, string])[] = [
  [S, 'PT1S'], [2 * S, 'PT2S'], [5 * S, 'PT5S'], [10 * S, 'PT10S'], [15 * S, 'PT15S'], [30 * S, 'PT30S'],
  [M, 'PT1M'], [2 * M, 'PT2M'], [5 * M, 'PT5M'], [10 * M, 'PT10M'], [15 * M, 'PT15M'], [30 * M, 'PT30M'],
  [H, 'PT1H'], [2 * H, 'PT2H'], [3 * H, 'PT3H'], [6 * H, 'PT6H'], [12 * H, 'PT12H'],
  [D, 'P1D'], [2 * D, 'P2D'], [7 * D, 'P7D'], [14 * D, 'P14D'], [30 * D, 'P30D'], [90 * D, 'P90D'],
];

const PIXELS_PER_BUCKET = 2;
/** Readings up to which a chart draws every one. */
export const RAW_MAX = 4_000;

export type Step = { iso: 'raw'; ms: null } | { iso: string; ms: number };

/** Every reading. */
export const RAW: Step = { iso: 'raw', ms: null };

export function chooseStep(from: number, to: number, widthPx: number, intervalS: number | null): Step {
  const span = Math.max(0, to - from);
  const intervalMs = Math.max(1, (intervalS !== null && intervalS > 0 ? intervalS : 60) * S);
  if (span / intervalMs <= RAW_MAX) return RAW;
  const wanted = span / Math.max(50, widthPx / PIXELS_PER_BUCKET);
  // A bucket shorter than the interval would be empty now and then, and look like a gap.
  const least = Math.max(wanted, intervalMs);
  const found = NICE.find(([ms]) => ms >= least) ?? NICE[NICE.length - 1];
  return found ? { iso: found[1], ms: found[0] } : { iso: 'P90D', ms: 90 * D };
}
