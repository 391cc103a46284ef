// Times in the station's zone, whatever the zone of the reader's machine. Hours count from 00 to 23.
import type { Lang } from './quantities';
import { LOCALE } from './numbers';

/** Western Indonesia. One zone for all stations until the registry knows better. */
export const ZONE = 'Asia/Jakarta';
export const ZONE_NAME = 'WIB';

const SHAPES = {
  clock: { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' },
  full: { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' },
  minute: { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' },
  time: { hour: '2-digit', minute: '2-digit', second: '2-digit' },
  axisSecond: { hour: '2-digit', minute: '2-digit', second: '2-digit' },
  axisMinute: { hour: '2-digit', minute: '2-digit' },
  axisDay: { day: 'numeric', month: 'short' },
  axisMonth: { month: 'short', year: 'numeric' },
  axisYear: { year: 'numeric' },
  date: { day: 'numeric', month: 'short', year: 'numeric' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;

export type Shape = keyof typeof SHAPES;

const cache = new Map<string, Intl.DateTimeFormat>();

export function time(ms: number, shape: Shape, lang: Lang): string {
  const key = lang + shape;
  let formatter = cache.get(key);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat(LOCALE[lang], { ...SHAPES[shape], timeZone: ZONE, hourCycle: 'h23' });
    cache.set(key, formatter);
  }
  return formatter.format(ms);
}

/** The same with the name of the zone. */
export function zoned(ms: number, shape: Shape, lang: Lang): string {
  return `${time(ms, shape, lang)} ${ZONE_NAME}`;
}

const parts = new Intl.DateTimeFormat('en-US', {
  timeZone: ZONE, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
});

function wall(ms: number): Record<string, string> {
  return Object.fromEntries(parts.formatToParts(ms).map(({ type, value }) => [type, value]));
}

/** Date (YYYY-MM-DD) and time (HH:MM) on the station's wall, for input fields. */
export function toFields(ms: number): { date: string; time: string } {
  const p = wall(ms);
  return { date: `${p['year']}-${p['month']}-${p['day']}`, time: `${p['hour']}:${p['minute']}` };
}

/** The other way; null when it is no date or time. */
export function fromFields(date: string, clock: string): number | null {
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || !/^([01]\d|2[0-3])[:.][0-5]\d$/.test(clock)) return null;
  const asUtc = Date.parse(`${date}T${clock.replace('.', ':')}:00Z`);
  if (Number.isNaN(asUtc)) return null;
  const p = wall(asUtc);
  const shown = Date.UTC(
    Number(p['year']), Number(p['month']) - 1, Number(p['day']), Number(p['hour']), Number(p['minute']), Number(p['second']),
  );
  return asUtc - (shown - asUtc);
}

const DAY = 86_400_000;

/** The shape of axis labels for ticks this far apart. */
export function axisShape(incrementMs: number): Shape {
  if (incrementMs < 60_000) return 'axisSecond';
  if (incrementMs < DAY) return 'axisMinute';
  if (incrementMs < 28 * DAY) return 'axisDay';
  return incrementMs < 360 * DAY ? 'axisMonth' : 'axisYear';
}

/** Labels of ticks; where only the time of day shows, the first tick and every new day also tell the date. */
export function axisLabels(ticks: readonly number[], incrementMs: number, lang: Lang): string[] {
  const shape = axisShape(incrementMs);
  let before = '';
  return ticks.map((tick) => {
    const text = time(tick, shape, lang);
    if (shape !== 'axisSecond' && shape !== 'axisMinute' && shape !== 'axisDay') return text;
    const context = time(tick, shape === 'axisDay' ? 'axisYear' : 'axisDay', lang);
    const same = context === before;
    before = context;
    return same ? text : `${text}\n${context}`;
  });
}
