import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = readFileSync(new URL('tokens.css', import.meta.url), 'utf8');
const [light = '', dark = ''] = css.split('@media (prefers-color-scheme: dark)');

const tokens = (text: string): Map<string, string> =>
  new Map([...text.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = '', value = '']) => [name, value]));

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

/** Which ink stands on which grounds. */
const INK: Record<string, string[]> = {
  text: ['bg', 'surface', 'raised', 'accent-weak', 'stale-weak', 'silent-weak', 'hatch-stale', 'hatch-silent', 'line'],
  muted: ['bg', 'surface', 'raised', 'accent-weak', 'line'],
  accent: ['surface', 'raised', 'bg'],
  'on-accent': ['accent'],
  'on-head': ['head'],
  'head-muted': ['head'],
  fresh: ['surface', 'raised', 'accent-weak'],
  stale: ['surface', 'raised', 'stale-weak', 'hatch-stale'],
  silent: ['surface', 'raised', 'silent-weak', 'hatch-silent'],
  good: ['surface', 'good-weak'],
  warn: ['surface', 'warn-weak'],
  bad: ['surface', 'bad-weak'],
};

for (const [theme, found] of [['light', tokens(light)], ['dark', tokens(dark)]] as const) {
  test(`every ink can be read on every ground it stands on: ${theme}`, () => {
    for (const [ink, grounds] of Object.entries(INK)) {
      for (const ground of grounds) {
        expect(contrast(found.get(ink) ?? '', found.get(ground) ?? ''), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
      }
    }
  });

  test(`lines of charts and edges of fields can be seen: ${theme}`, () => {
    for (const ink of ['chart', 'line-strong', 'stale']) {
      expect(contrast(found.get(ink) ?? '', found.get('surface') ?? ''), ink).toBeGreaterThanOrEqual(3);
    }
  });
}
