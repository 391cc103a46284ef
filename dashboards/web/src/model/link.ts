// Whether what the page shows is the present. Pure: (link, event, now) → link.
//
// connecting ──stream opened──► live ──stream failed, or nothing heard for 15 s──► lost ──opened──► live
//      └──────failed, or 10 s──────────────────────────────────────────────────────►┘
// "Heard" is any answer or event from the server, so that a half-open connection is noticed too.

export type Link =
  | { phase: 'connecting'; since: number; heard: number }
  | { phase: 'live'; since: number; heard: number }
  | { phase: 'lost'; since: number; heard: number; stream: boolean };

export type LinkEvent = 'opened' | 'failed' | 'heard' | 'tick';

export const SILENCE_MS = 15_000;
export const PATIENCE_MS = 10_000;

export const begin = (now: number): Link => ({ phase: 'connecting', since: now, heard: now });

export function next(link: Link, event: LinkEvent, now: number): Link {
  switch (event) {
    case 'opened':
      return link.phase === 'live' ? { ...link, heard: now } : { phase: 'live', since: now, heard: now };
    case 'failed':
      return link.phase === 'lost'
        ? { ...link, stream: false }
        : { phase: 'lost', since: now, heard: link.heard, stream: false };
    case 'heard':
      // The stream is still open and the server speaks again: a pause, now over.
      if (link.phase === 'lost' && link.stream) return { phase: 'live', since: now, heard: now };
      return { ...link, heard: now };
    case 'tick': {
      if (link.phase === 'connecting' && now - link.since > PATIENCE_MS) {
        return { phase: 'lost', since: link.since, heard: link.heard, stream: false };
      }
      if (link.phase === 'live' && now - link.heard > SILENCE_MS) {
        return { phase: 'lost', since: link.heard, heard: link.heard, stream: true };
      }
      return link;
    }
  }
}
