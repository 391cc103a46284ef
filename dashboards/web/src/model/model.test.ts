// Freshness, periods, addresses, and the list of stations.
import { expect, test } from 'vitest';
import type { Series, Station } from '../api/types';
import { intervalOf, observe, SILENT_FLOOR_S, STALE_FLOOR_S, stateByAge, worst } from './freshness';
import { defaultPeriod, resolve, shift } from './period';
import { format, parse } from './route';
import { group, join, opening, type Filter } from './stations';

test('a value turns stale and silent by its own interval', () => {
  expect(stateByAge(3 * 60, 60)).toBe('fresh');
  expect(stateByAge(3 * 60 + 1, 60)).toBe('stale');
  expect(stateByAge(20 * 60 + 1, 60)).toBe('silent');
  expect(stateByAge(20 * 3_600, 3_600)).toBe('stale');
});

test('a fast series is given some seconds', () => {
  expect(stateByAge(STALE_FLOOR_S, 1)).toBe('fresh');
  expect(stateByAge(STALE_FLOOR_S + 1, 1)).toBe('stale');
  expect(stateByAge(SILENT_FLOOR_S + 1, 1)).toBe('silent');
});

test('an interval that the server does not tell is taken from the number of readings', () => {
  const bare = { ...series('a/ph'), points: 11, first: '2026-01-01T00:00:00Z', last: '2026-01-01T00:10:00Z' };
  expect(intervalOf({ ...bare, interval_s: null })).toBe(60);
  expect(intervalOf({ ...bare, interval_s: null }, 1)).toBe(1);
  expect(intervalOf({ ...bare, interval_s: 5 })).toBe(5);
  expect(intervalOf({ ...bare, points: null, interval_s: null })).toBeNull();
  expect(intervalOf(series('a/ph'))).toBe(1);
  expect(intervalOf(undefined)).toBeNull();
});

test('an interval that is seen live follows longer distances at once and shorter ones slowly', () => {
  expect(observe(undefined, 5)).toBe(5);
  expect(observe(5, 60)).toBe(60);
  expect(observe(60, 1)).toBe(48);
});

test('an unknown interval still ages', () => {
  expect(stateByAge(10_000, null)).toBe('silent');
  expect(stateByAge(10_000, 0)).toBe('silent');
});

test('a station is as bad as its worst series', () => {
  expect(worst(['fresh', 'silent', 'stale'])).toBe('silent');
  expect(worst([])).toBe('fresh');
});

const DAY = 86_400_000;

test('a preset ends now and moves on; a fixed period stays', () => {
  expect(resolve({ kind: 'preset', preset: '24h' }, null, 5 * DAY)).toEqual({ from: 4 * DAY, to: 5 * DAY, live: true });
  expect(resolve({ kind: 'fixed', from: 1, to: 2 }, null, 5 * DAY)).toEqual({ from: 1, to: 2, live: false });
});

test('all data ends at the last reading, or now where they still come', () => {
  const all = { kind: 'preset', preset: 'all' } as const;
  expect(resolve(all, { first: 0, last: 10 * DAY }, 500 * DAY)).toEqual({ from: 0, to: 10 * DAY + 1, live: false });
  expect(resolve(all, { first: 0, last: 10 * DAY - 1_000 }, 10 * DAY)).toEqual({ from: 0, to: 10 * DAY, live: true });
});

test('a series that began just now is shown from close by', () => {
  expect(defaultPeriod({ first: 10 * DAY - 60_000, last: 10 * DAY }, 10 * DAY)).toEqual({ kind: 'preset', preset: '1h' });
});

test('a period moves by its own length and not beyond now', () => {
  const range = { from: 2 * DAY, to: 3 * DAY, live: false };
  expect(shift(range, -1, 100 * DAY)).toEqual({ kind: 'fixed', from: DAY, to: 2 * DAY });
  expect(shift(range, 1, 3.5 * DAY)).toEqual({ kind: 'fixed', from: 2.5 * DAY, to: 3.5 * DAY });
});

test('a series that ended long ago is shown whole', () => {
  expect(defaultPeriod({ first: 0, last: DAY }, 100 * DAY)).toEqual({ kind: 'preset', preset: 'all' });
  expect(defaultPeriod({ first: 0, last: 100 * DAY }, 100 * DAY)).toEqual({ kind: 'preset', preset: '24h' });
});

test('an address says all again that it was made from', () => {
  for (const search of [
    '',
    '?station=a&series=a/pm2_5&period=7d&lang=id',
    '?station=a&series=a/pm2_5&from=2013-01-01T00:00:00.000Z&to=2013-02-01T00:00:00.000Z',
  ]) {
    expect(format(parse(search))).toBe(search);
  }
});

test('a bad address is read as far as it makes sense', () => {
  expect(parse('?series=a/b&from=tomorrow&to=5&period=3w&lang=fr')).toEqual({ station: 'a', series: 'a/b', period: null, lang: null });
});

const station = (id: string, kecamatan: string | null, assigned = true): Station => ({
  station: id, name: `Stasiun ${id}`, latitude: null, longitude: null, kecamatan, kind: null, series: [], assigned,
});
const series = (name: string): Series => {
  const [device = '', quantity = ''] = name.split('/');
  return { series: name, station: device, quantity, unit: '', channel: null, gateway: 'gw', points: 0, first: null, last: null, interval_s: 1 };
};
const none: Filter = { text: '', quantity: '', state: '' };
const views = join(
  [station('b', 'Weru'), station('a', 'Baki'), station('x', 'Baki', false)],
  ['a/pm10', 'a/air_temperature', 'b/pm10', 'x/pm10', 'new/ph'].map(series),
);
const list = (filter: Filter) =>
  group(views, filter, (name) => (name === 'b/pm10' ? 'silent' : 'fresh'), new Intl.Collator('id'), (view) => `${view.name} ${view.kecamatan ?? ''}`)
    .map(({ kecamatan, stations }) => [kecamatan, ...stations.flatMap((view) => view.series.map((one) => one.series))]);

test('stations are grouped by kecamatan, unassigned and unlisted ones last', () => {
  expect(list(none)).toEqual([['Baki', 'a/air_temperature', 'a/pm10'], ['Weru', 'b/pm10'], [null, 'new/ph', 'x/pm10']]);
});

test('the page opens with what people ask for first, wherever it stands in the list', () => {
  const rain = join([station('r', 'Baki'), station('w', 'Weru')], ['r/rainfall', 'w/air_temperature'].map(series));
  expect(opening(rain)?.id).toBe('w');
  expect(opening([])).toBe(undefined);
});

test('a filter narrows by words, quantity and state', () => {
  expect(list({ ...none, text: 'WERU stasiun' })).toEqual([['Weru', 'b/pm10']]);
  expect(list({ ...none, quantity: 'air_temperature' })).toEqual([['Baki', 'a/air_temperature']]);
  expect(list({ ...none, state: 'silent' })).toEqual([['Weru', 'b/pm10']]);
  expect(list({ ...none, text: 'nowhere' })).toEqual([]);
});
