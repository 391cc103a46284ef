// What the truth strip says, worst first. Zero problems must read as good news, and a problem as what it is. Pure.
import type { Gateway } from '../api/types';
import type { Link } from './link';

export type Level = 'good' | 'unknown' | 'warn' | 'bad';

export type Finding =
  | { what: 'page_lost'; level: 'bad'; since: number }
  | { what: 'lost'; level: 'bad'; count: number }
  | { what: 'gateway_gone'; level: 'bad'; gateway: string; since: number }
  | { what: 'gateways_gone'; level: 'bad'; count: number }
  | { what: 'behind'; level: 'warn' | 'bad'; gateway: string; lagS: number; backlog: number }
  | { what: 'rejected'; level: 'warn'; count: number }
  | { what: 'clock'; level: 'warn'; gateway: string };

export interface Truth {
  level: Level;
  findings: Finding[];
  /** Greatest lag of any gateway; null while none has said. */
  lagS: number | null;
  backlog: number;
  rejected: number;
  lost: number;
  gateways: number;
  present: number;
}

/** A gateway reports every few seconds; after this long without a word it counts as gone. */
export const GONE_MS = 30_000;
/** One without an open stream gets this long to come back before it is called gone. */
export const RECONNECT_MS = 10_000;
/** Lag that is more than one batch on its way. */
export const BEHIND_S = 10;
export const FAR_BEHIND_S = 120;

export function gone(gateway: Gateway, now: number): boolean {
  if (gateway.last_seen === null) return true;
  const quiet = now - Date.parse(gateway.last_seen);
  return quiet > (gateway.connected ? GONE_MS : RECONNECT_MS);
}

const sum = (gateways: readonly Gateway[], of: (gateway: Gateway) => number | null): number =>
  gateways.reduce((total, gateway) => total + (of(gateway) ?? 0), 0);

/** `gateways` is null until the first answer came. */
export function truth(link: Link, gateways: readonly Gateway[] | null, now: number): Truth {
  const all = gateways ?? [];
  const findings: Finding[] = [];
  if (link.phase === 'lost') findings.push({ what: 'page_lost', level: 'bad', since: link.since });

  const lost = sum(all, (gateway) => gateway.lost);
  if (lost > 0) findings.push({ what: 'lost', level: 'bad', count: lost });

  // Without a link the page knows nothing new about gateways, and must not blame them.
  const seen = all.filter(({ last_seen }) => last_seen !== null);
  const missing = link.phase === 'lost' ? [] : seen.filter((gateway) => gone(gateway, now));
  const [first] = missing;
  if (missing.length === 1 && first?.last_seen) {
    findings.push({ what: 'gateway_gone', level: 'bad', gateway: first.gateway, since: Date.parse(first.last_seen) });
  } else if (missing.length > 1) {
    findings.push({ what: 'gateways_gone', level: 'bad', count: missing.length });
  }
  for (const { gateway, lag_s, backlog } of all) {
    if (lag_s === null || lag_s < BEHIND_S) continue;
    findings.push({ what: 'behind', level: lag_s >= FAR_BEHIND_S ? 'bad' : 'warn', gateway, lagS: lag_s, backlog: backlog ?? 0 });
  }
  const rejected = sum(all, (gateway) => gateway.quarantined);
  if (rejected > 0) findings.push({ what: 'rejected', level: 'warn', count: rejected });
  for (const { gateway, clock } of all) {
    if (clock === 'untrusted') findings.push({ what: 'clock', level: 'warn', gateway });
  }

  const lags = all.flatMap(({ lag_s }) => lag_s ?? []);
  let level: Level = findings.some((finding) => finding.level === 'bad') ? 'bad' : 'warn';
  if (findings.length === 0) level = seen.length > 0 && lags.length > 0 && link.phase === 'live' ? 'good' : 'unknown';
  return {
    level,
    findings,
    lagS: lags.length === 0 ? null : Math.max(...lags),
    backlog: sum(all, (gateway) => gateway.backlog),
    rejected,
    lost,
    gateways: all.length,
    present: all.filter((gateway) => !gone(gateway, now)).length,
  };
}
