import { expect, test } from 'vitest';
import { chooseStep, RAW_MAX } from './steps';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

test('few readings are drawn one by one', () => {
  expect(chooseStep(0, HOUR, 700, 1)).toEqual({ iso: 'raw', ms: null });
  expect(chooseStep(0, 30 * DAY, 700, 3_600)).toEqual({ iso: 'raw', ms: null });
});

test('many readings are asked for in buckets of about two pixels', () => {
  const step = chooseStep(0, 24 * HOUR, 700, 1);
  expect(step).toEqual({ iso: 'PT5M', ms: 300_000 });
});

test('a wider plot asks for finer buckets', () => {
  const narrow = chooseStep(0, 24 * HOUR, 320, 1).ms ?? 0;
  const wide = chooseStep(0, 24 * HOUR, 1_600, 1).ms ?? 0;
  expect(wide).toBeLessThan(narrow);
});

test('a bucket is never shorter than the interval', () => {
  for (const interval of [1, 60, 600, 3_600]) {
    const step = chooseStep(0, interval * (RAW_MAX + 1) * 1_000, 100_000, interval);
    expect(step.ms ?? 0).toBeGreaterThanOrEqual(interval * 1_000);
  }
});

test('a series of unknown interval still gets a step', () => {
  expect(chooseStep(0, 365 * DAY, 700, null).iso).toBe('P2D');
});

test('a century still has a step', () => {
  expect(chooseStep(0, 36_500 * DAY, 700, 1).iso).toBe('P90D');
});

test('the ISO text of every step says its milliseconds', () => {
  for (let span = HOUR; span < 40_000 * DAY; span *= 1.7) {
    const { iso, ms } = chooseStep(0, span, 700, 0.001);
    const [, days, hours, minutes, seconds] = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(iso) ?? [];
    const n = (text: string | undefined): number => Number(text ?? 0);
    expect(((n(days) * 24 + n(hours)) * 60 + n(minutes)) * 60 + n(seconds)).toBe((ms ?? 0) / 1_000);
  }
});
