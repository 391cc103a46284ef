import { expect, test } from 'vitest';
import type { Gateway } from '../api/types';
import type { Link } from './link';
import { BEHIND_S, FAR_BEHIND_S, GONE_MS, RECONNECT_MS, truth } from './truth';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const live: Link = { phase: 'live', since: 0, heard: NOW };
const lost: Link = { phase: 'lost', since: NOW - 60_000, heard: NOW - 60_000, stream: false };

const gateway = (change: Partial<Gateway> = {}): Gateway => ({
  gateway: 'gw-1',
  last_seen: new Date(NOW - 1_000).toISOString(),
  backlog: 3,
  lag_s: 0.2,
  lost: 0,
  quarantined: 0,
  connected: true,
  clock: 'trusted',
  ...change,
});

test('no problem is good news', () => {
  expect(truth(live, [gateway()], NOW)).toMatchObject({ level: 'good', findings: [], lagS: 0.2, present: 1 });
});

test('nothing known is not good news', () => {
  expect(truth(live, null, NOW).level).toBe('unknown');
  expect(truth(live, [], NOW).level).toBe('unknown');
  expect(truth(live, [gateway({ last_seen: null })], NOW).level).toBe('unknown');
});

test('a lost reading is the worst, a rejected one a warning', () => {
  expect(truth(live, [gateway({ lost: 4 })], NOW)).toMatchObject({ level: 'bad', lost: 4 });
  expect(truth(live, [gateway({ quarantined: 2 })], NOW)).toMatchObject({ level: 'warn', rejected: 2 });
});

test('a silent gateway is named, several are counted', () => {
  const old = new Date(NOW - GONE_MS - 1).toISOString();
  expect(truth(live, [gateway({ last_seen: old })], NOW).findings[0]).toMatchObject({ what: 'gateway_gone', gateway: 'gw-1' });
  const two = [gateway({ last_seen: old }), gateway({ gateway: 'gw-2', last_seen: old })];
  expect(truth(live, two, NOW).findings[0]).toMatchObject({ what: 'gateways_gone', count: 2 });
});

test('a gateway that hung up is gone sooner than one that is only quiet', () => {
  const last_seen = new Date(NOW - RECONNECT_MS - 1).toISOString();
  expect(truth(live, [gateway({ last_seen })], NOW).level).toBe('good');
  expect(truth(live, [gateway({ last_seen, connected: false })], NOW).level).toBe('bad');
});

test('a gateway that has not told its backlog yet is not taken for one without', () => {
  expect(truth(live, [gateway({ lag_s: null, backlog: null })], NOW)).toMatchObject({ level: 'unknown', lagS: null });
});

test('lag is judged, a backlog that is on its way is not', () => {
  expect(truth(live, [gateway({ backlog: 100_000 })], NOW).level).toBe('good');
  expect(truth(live, [gateway({ lag_s: BEHIND_S })], NOW).level).toBe('warn');
  expect(truth(live, [gateway({ lag_s: FAR_BEHIND_S })], NOW).level).toBe('bad');
});

test('a page without connection blames itself and no gateway', () => {
  const old = new Date(NOW - 60_000).toISOString();
  expect(truth(lost, [gateway({ last_seen: old })], NOW).findings.map(({ what }) => what)).toEqual(['page_lost']);
});

test('a clock that is not trusted is said', () => {
  expect(truth(live, [gateway({ clock: 'untrusted' })], NOW).findings).toEqual([
    { what: 'clock', level: 'warn', gateway: 'gw-1' },
  ]);
});
