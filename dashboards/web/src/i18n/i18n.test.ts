import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FLAGS } from '../model/flags';
import { PRESETS } from '../model/period';
import { en } from './en';
import { fill } from './fill';
import { id } from './id';

const texts = { id, en } as unknown as Record<'id' | 'en', Record<string, string>>;
const root = new URL('..', import.meta.url);
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name) && !name.includes('.test.') && !name.startsWith('i18n'))
  .map((name) => [name, readFileSync(new URL(name, root), 'utf8')] as const);

/** Keys that are put together from a prefix and a value. */
const composed = [
  ...['fresh', 'stale', 'silent', 'unknown'].flatMap((state) => [`state.${state}`, `state.${state}.help`]),
  ...PRESETS.map((preset) => `period.${preset}`),
  ...FLAGS.map((flag) => `flag.${flag}`),
];

test('both languages have the same texts, none empty', () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(id).sort());
  for (const [key, text] of [...Object.entries(id), ...Object.entries(en)]) expect(text, key).not.toBe('');
});

test('both languages use the same values in a text', () => {
  const values = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
  for (const key of Object.keys(id)) expect(values(texts.en[key] ?? ''), key).toEqual(values(texts.id[key] ?? ''));
});

test('every text that is used exists, and every text that exists is used', () => {
  const used = new Set(composed);
  for (const [, text] of sources) {
    for (const [, key] of text.matchAll(/'([a-z]+(?:\.[a-z0-9_]+)+)'/g)) if (key !== undefined && key in id) used.add(key);
    for (const [, key] of text.matchAll(/\bt\('([^']+)'/g)) expect(key !== undefined && key in id, key).toBe(true);
  }
  for (const key of composed) expect(key in id, key).toBe(true);
  expect(Object.keys(id).filter((key) => !used.has(key))).toEqual([]);
});

test('no words stand in the pages outside the dictionaries', () => {
  for (const [name, text] of sources.filter(([file]) => file.endsWith('.tsx'))) {
    const words = [...text.matchAll(/>([^<>{}=;()]*[A-Za-z]{3,}[^<>{}=;()]*)</g)].map(([, word]) => word?.trim());
    expect(words.filter((word) => word !== 'Pantau'), name).toEqual([]);
    expect([...text.matchAll(/(?:title|aria-label|placeholder|alt)="([^"]+)"/g)].map(([, word]) => word), name).toEqual([]);
  }
});

test('a number chooses between one and many', () => {
  expect(fill('{n} reading|{n} readings', { n: '1' }, 1)).toBe('1 reading');
  expect(fill('{n} reading|{n} readings', { n: '0' }, 0)).toBe('0 readings');
  expect(fill('{n} bacaan', { n: '2' }, 2)).toBe('2 bacaan');
  expect(fill('{a} and {b}', { a: 'x' }, undefined)).toBe('x and {b}');
});
