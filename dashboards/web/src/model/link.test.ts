import { expect, test } from 'vitest';
import { begin, next, PATIENCE_MS, SILENCE_MS, type Link, type LinkEvent } from './link';

const after = (link: Link, ...events: [LinkEvent, number][]): Link =>
  events.reduce((state, [event, now]) => next(state, event, now), link);

test('the page is live once the stream is open', () => {
  expect(after(begin(0), ['opened', 5])).toMatchObject({ phase: 'live', since: 5 });
});

test('a failed stream is a lost connection at once, and its start stays', () => {
  const lost = after(begin(0), ['opened', 5], ['failed', 100], ['failed', 900], ['tick', 2_000]);
  expect(lost).toMatchObject({ phase: 'lost', since: 100 });
});

test('an answer to a poll does not bring back a stream that is closed', () => {
  expect(after(begin(0), ['failed', 100], ['heard', 200]).phase).toBe('lost');
});

test('silence on an open stream is noticed, and ends when the server speaks again', () => {
  const silent = after(begin(0), ['opened', 0], ['heard', 1_000], ['tick', 1_000 + SILENCE_MS + 1]);
  expect(silent).toMatchObject({ phase: 'lost', since: 1_000 });
  expect(next(silent, 'heard', 30_000).phase).toBe('live');
});

test('a page that never gets through says so', () => {
  expect(next(begin(0), 'tick', PATIENCE_MS).phase).toBe('connecting');
  expect(next(begin(0), 'tick', PATIENCE_MS + 1).phase).toBe('lost');
});
