import { expect, test } from 'vitest';
import { retryDelay } from './live';

test('waits grow, are bounded, and differ from screen to screen', () => {
  expect(retryDelay(0, 0)).toBe(500);
  expect(retryDelay(0, 1)).toBe(1_000);
  expect(retryDelay(3, 0.5)).toBe(6_000);
  expect(retryDelay(1_000, 1)).toBe(15_000);
});
