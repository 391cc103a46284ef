import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { catalogue } from '../generated/quantities';
import { age, count, digitsFor, lag, number, step } from './numbers';
import { titleOf, unitOf } from './quantities';
import { axisLabels, fromFields, time, toFields, zoned } from './time';

const NOON = Date.parse('2026-11-24T05:03:09Z'); // 12:03:09 in Sukoharjo

test('numbers are written as the reader writes them', () => {
  expect(number(1006.66, 1, 'id')).toBe('1.006,7');
  expect(number(1006.66, 1, 'en')).toBe('1,006.7');
  expect(number(-0.04, 1, 'en')).toBe('0.0');
  expect(count(48211, 'id')).toBe('48.211');
});

test('ages are told in the greatest unit that says enough', () => {
  expect(age(3.9, 'id')).toBe('3 dtk');
  expect(age(-2, 'en')).toBe('0 sec');
  expect(age(3 * 60, 'id')).toBe('3 mnt');
  expect(age(2 * 3_600, 'id')).toBe('2 jam');
  expect(age(47.9 * 3_600, 'en')).toBe('47 hr');
  expect(age(3 * 86_400, 'id')).toBe('3 hari');
  expect(age(13 * 365.25 * 86_400, 'id')).toBe('13 tahun');
  expect(lag(0.26, 'id')).toBe('0,3 dtk');
  expect(step(86_400_000, 'en')).toBe('1 day');
});

test('ticks get as many digits as tell them apart', () => {
  expect([2.5, 1, 0.5, 0.25, 0.001].map(digitsFor)).toEqual([1, 0, 1, 2, 3]);
});

test('times are WIB with hours from 00 to 23, whatever the machine says', () => {
  expect(zoned(NOON, 'full', 'id')).toBe('24 Nov 2026, 12.03.09 WIB');
  expect(zoned(NOON, 'full', 'en')).toBe('24 Nov 2026, 12:03:09 WIB');
  expect(time(Date.parse('2026-11-23T17:00:00Z'), 'time', 'en')).toBe('00:00:00');
});

test('fields and instants turn into each other', () => {
  expect(toFields(NOON)).toEqual({ date: '2026-11-24', time: '12:03' });
  expect(fromFields('2026-11-24', '12:03')).toBe(Date.parse('2026-11-24T05:03:00Z'));
  expect(fromFields('2026-11-24', '12.03')).toBe(Date.parse('2026-11-24T05:03:00Z'));
  expect(fromFields('2026-11-24', '24:00')).toBeNull();
  expect(fromFields('', '12:00')).toBeNull();
});

test('an axis of hours tells the date at its start and at every new day', () => {
  const ticks = [16, 20, 24, 28].map((hour) => Date.parse('2026-11-22T17:00:00Z') + hour * 3_600_000);
  expect(axisLabels(ticks, 4 * 3_600_000, 'id')).toEqual(['16.00\n23 Nov', '20.00', '00.00\n24 Nov', '04.00']);
});

test('the catalogue of the page is the catalogue of the services', async () => {
  const script = new URL('../../scripts/quantities.mjs', import.meta.url).pathname;
  const { render } = (await import(/* @vite-ignore */ script)) as { render: (csv: string) => string };
  const csv = readFileSync(new URL('../../../../proto/quantities.csv', import.meta.url), 'utf8');
  expect(readFileSync(new URL('../generated/quantities.ts', import.meta.url), 'utf8')).toBe(render(csv));
});

test('no unit of the catalogue is shown with the brackets of UCUM', () => {
  for (const [name, , id, en, ucum] of catalogue) {
    expect(`${unitOf(ucum, 'id')}${unitOf(ucum, 'en')}`).not.toMatch(/[[\]{}]/);
    expect([titleOf(name, 'id'), titleOf(name, 'en')]).toEqual([id, en]);
  }
});
