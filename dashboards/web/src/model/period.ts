// The period a chart shows: the last hours or days up to now, everything there is, or a fixed from–to.

export const PRESETS = ['1h', '24h', '7d', '30d', 'all'] as const;
export type Preset = (typeof PRESETS)[number];
export type Period = { kind: 'preset'; preset: Preset } | { kind: 'fixed'; from: number; to: number };

const HOUR = 3_600_000;
const LENGTH: Record<Exclude<Preset, 'all'>, number> = {
  '1h': HOUR,
  '24h': 24 * HOUR,
  '7d': 7 * 24 * HOUR,
  '30d': 30 * 24 * HOUR,
};

/** Where a series has data; null while that is not known. */
export interface Extent {
  first: number;
  last: number;
}

export interface Range {
  from: number;
  to: number;
  /** Whether the end is now and moves on. */
  live: boolean;
}

export function isPreset(text: string | null): text is Preset {
  return (PRESETS as readonly (string | null)[]).includes(text);
}

export function resolve(period: Period, extent: Extent | null, now: number): Range {
  if (period.kind === 'fixed') return { from: period.from, to: period.to, live: false };
  if (period.preset !== 'all') return { from: now - LENGTH[period.preset], to: now, live: true };
  if (extent === null) return { from: now - LENGTH['24h'], to: now, live: true };
  const span = Math.max(HOUR / 60, extent.last - extent.first);
  const live = now - extent.last < Math.max(HOUR, span / 50);
  return { from: extent.first, to: live ? now : extent.last + 1, live };
}

/** The period of the same length before (-1) or after (1) this one; never beyond now. */
export function shift(range: Range, direction: -1 | 1, now: number): Period {
  const span = range.to - range.from;
  const to = Math.min(range.to + direction * span, Math.max(now, range.to));
  return { kind: 'fixed', from: to - span, to };
}

/** What is shown when nobody chose: the last hour of a young series, the last day, or all where that is long ago. */
export function defaultPeriod(extent: Extent | null, now: number): Period {
  if (extent !== null && now - extent.last > LENGTH['24h']) return { kind: 'preset', preset: 'all' };
  const young = extent !== null && now - extent.first < LENGTH['1h'];
  return { kind: 'preset', preset: young ? '1h' : '24h' };
}
