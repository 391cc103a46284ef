import { expect, test } from 'vitest';
import { aggregates, append, chartData, columns } from './chartdata';

const all = { from: -Infinity, to: Infinity };
const row = (time: number, value: number | null) => ({ time, value, min: null, max: null, flags: [] });

test('every kind of quantity has its aggregates', () => {
  expect(aggregates('gauge')).toEqual(['mean', 'min', 'max', 'count']);
  expect(aggregates('amount')).toEqual(['sum', 'count']);
  expect(aggregates('angle')).toEqual(['vector_mean', 'count']);
  expect(aggregates('counter')).toEqual(['increase', 'count']);
});

test('an empty bucket leaves the line open and a bucket stands at its middle', () => {
  const data = chartData(
    { series: 's/x', unit: 'm', times: [0, 10, 20, 30], mean: [1, null, 3, 4], min: [0, null, 2, 3], max: [2, null, 4, 5] },
    'gauge',
    10,
  );
  expect(data.look).toBe('band');
  expect(columns(data, all)).toMatchObject({ times: [5, 15, 25, 35], values: [1, null, 3, 4], min: [0, null, 2, 3] });
});

test('empty buckets are no gaps where readings are rarer than buckets', () => {
  const times = Array.from({ length: 13 }, (_, i) => i * 10);
  const mean = times.map((_, i) => (i % 3 === 0 ? i : null));
  const drawn = columns(chartData({ series: 's/x', unit: 'm', times, mean }, 'gauge', 10), all);
  expect(drawn.values).toEqual([0, 3, 6, 9, 12]);
});

test('only flags that doubt the value are marked', () => {
  const data = chartData(
    { series: 's/x', unit: 'm', times: [0, 1, 2], values: [5, 6, 7], flags: [['spike'], ['arrival_time'], []] },
    'gauge',
    null,
  );
  expect(columns(data, all).marks).toEqual([5, null, null]);
});

test('in a history that was brought in afterwards, late is no mark', () => {
  const flags = [['late'], ['late'], ['late', 'spike'], ['late']];
  const data = chartData({ series: 's/x', unit: 'm', times: [0, 1, 2, 3], values: [5, 6, 7, 8], flags }, 'gauge', null);
  expect(columns(data, all).marks).toEqual([null, null, 7, null]);
});

test('the buckets at the ends stand inside the range', () => {
  const data = chartData({ series: 's/x', unit: 'm', times: [0, 10], mean: [1, 2] }, 'gauge', 10);
  expect(columns(data, { from: 7, to: 12 }).times).toEqual([7, 12]);
});

test('an expectation from another interval than the period had is not shown', () => {
  const completeness = { expected: 36_000, received: 10, late: 0, flagged: 0, excluded: 0 };
  const hourly = Array.from({ length: 10 }, (_, i) => i * 3_600_000);
  const raw = { series: 's/x', unit: 'm', times: hourly, values: hourly, completeness };
  const span = 36_000_000;
  expect(chartData(raw, 'gauge', null, span).completeness?.expected).toBeNull();
  expect(chartData({ ...raw, completeness: { ...completeness, expected: 11 } }, 'gauge', null, span).completeness?.expected).toBe(11);
  const steps = { series: 's/x', unit: 'm', times: [0, 18_000_000], mean: [1, 2], count: [5, 5], completeness };
  expect(chartData(steps, 'gauge', 18_000_000, span).completeness?.expected).toBeNull();
});

test('what a counter rose by is drawn as bars, the counter itself as a line', () => {
  const answer = { series: 's/x', unit: 'mm', times: [0, 10], increase: [0.2, null], count: [1, 0] };
  const data = chartData(answer, 'counter', 10);
  expect([data.look, data.rows.map(({ value }) => value)]).toEqual(['bars', [0.2, null]]);
  expect(chartData({ ...answer, values: [1, 2] }, 'counter', null).look).toBe('line');
});

test('rain is drawn as bars and wind direction without a line', () => {
  const answer = { series: 's/x', unit: '', times: [], values: [] };
  expect(chartData(answer, 'amount', null).look).toBe('bars');
  expect(chartData(answer, 'angle', null).look).toBe('dots');
});

test('a live reading is added at the end and old ones leave at the start', () => {
  const data = { look: 'line' as const, stepMs: null, rows: [row(0, 1), row(10, 2)], completeness: null };
  expect(append(data, row(20, 3), 5).rows).toEqual([row(10, 2), row(20, 3)]);
  expect(append(data, row(20, 3), 15).rows).toEqual([row(20, 3)]);
});

test('repeated and late readings, and buckets, are left to the next full answer', () => {
  const data = { look: 'line' as const, stepMs: null, rows: [row(10, 2)], completeness: null };
  expect(append(data, row(10, 3), 0)).toBe(data);
  expect(append({ ...data, stepMs: 60 }, row(20, 3), 0).rows).toEqual([row(10, 2)]);
});
