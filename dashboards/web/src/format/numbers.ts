// Numbers and durations in the language of the reader.
import type { Lang } from './quantities';

export const LOCALE: Record<Lang, string> = { id: 'id-ID', en: 'en-GB' };

const cache = new Map<string, Intl.NumberFormat>();

function formatter(lang: Lang, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = lang + JSON.stringify(options);
  const known = cache.get(key);
  if (known) return known;
  // British English writes "3 secs", which is one letter too many in a tile.
  const locale = options.style === 'unit' && lang === 'en' ? 'en' : LOCALE[lang];
  const made = new Intl.NumberFormat(locale, options);
  cache.set(key, made);
  return made;
}

/** With exactly `digits` after the decimal sign, so that a column does not jump. */
export function number(value: number, digits: number, lang: Lang): string {
  const text = formatter(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  return /[1-9]/.test(text) ? text : text.replace(/^[-−]/, ''); // no minus before a zero
}

/** Digits that tell ticks this far apart from each other. */
export function digitsFor(increment: number): number {
  for (let digits = 0; digits < 6; digits += 1) {
    const scaled = increment * 10 ** digits;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return digits;
  }
  return 6;
}

export function count(value: number, lang: Lang): string {
  return formatter(lang, { maximumFractionDigits: 0 }).format(value);
}

type Unit = 'second' | 'minute' | 'hour' | 'day' | 'year';

function unit(value: number, name: Unit, lang: Lang, digits = 0): string {
  return formatter(lang, {
    style: 'unit',
    unit: name,
    // "2 j" for two hours is not what Indonesian readers expect.
    unitDisplay: lang === 'id' && name !== 'second' && name !== 'minute' ? 'long' : 'short',
    maximumFractionDigits: digits,
  }).format(value);
}

/** How old something is, in the greatest unit that says enough. */
export function age(seconds: number, lang: Lang): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return unit(s, 'second', lang);
  if (s < 3_600) return unit(Math.floor(s / 60), 'minute', lang);
  if (s < 48 * 3_600) return unit(Math.floor(s / 3_600), 'hour', lang);
  if (s < 730 * 86_400) return unit(Math.floor(s / 86_400), 'day', lang);
  return unit(Math.floor(s / (365.25 * 86_400)), 'year', lang);
}

/** A lag: tenths below ten seconds, since there they matter. */
export function lag(seconds: number, lang: Lang): string {
  return seconds < 10 ? unit(Math.max(0, seconds), 'second', lang, 1) : age(seconds, lang);
}

/** A step such as 10 minutes. */
export function step(ms: number, lang: Lang): string {
  return ms >= 86_400_000 ? unit(ms / 86_400_000, 'day', lang) : age(ms / 1_000, lang);
}
