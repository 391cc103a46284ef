import { expect, test } from 'vitest';
import { breaks, openGaps } from './gaps';

const every = (step: number, from: number, n: number): number[] => Array.from({ length: n }, (_, i) => from + i * step);

test('a regular series has no gap', () => {
  expect(breaks(every(60, 0, 100)).size).toBe(0);
});

test('one missing reading does not break the line, three do', () => {
  const times = every(60, 0, 100);
  expect(breaks(times.filter((_, i) => i !== 40)).size).toBe(0);
  expect([...breaks(times.filter((_, i) => i < 40 || i > 42))]).toEqual([40]);
});

test('a series that changes its interval is broken only between the two', () => {
  const hourly = every(3_600, 0, 50);
  const fast = every(1, 10_000_000, 50);
  expect([...breaks([...hourly, ...fast])]).toEqual([50]);
});

test('jitter is no gap', () => {
  const times = every(60, 0, 200).map((time, i) => time + ((i * 7) % 13));
  expect(breaks(times).size).toBe(0);
});

test('two or no readings are no gap', () => {
  expect(breaks([]).size).toBe(0);
  expect(breaks([5]).size).toBe(0);
  expect(breaks([5, 500]).size).toBe(0);
});

test('a point without a value is spliced into a gap', () => {
  const { times, columns } = openGaps([0, 1, 2, 10, 11, 12], [[1, 2, 3, 4, 5, 6]]);
  expect(times).toEqual([0, 1, 2, 6, 10, 11, 12]);
  expect(columns).toEqual([[1, 2, 3, null, 4, 5, 6]]);
});
