// The stream of live readings. Reconnects by itself with full jitter; what it missed is the caller's to read again:
// `opened` is called at every (re)connection and `lagged` when the server says that this page was too slow.
import type { Latest } from './types';

export interface LiveEvents {
  opened(): void;
  failed(): void;
  readings(items: Latest[]): void;
  lagged(): void;
}

const FIRST_MS = 1_000;
const LONGEST_MS = 15_000;

/** Wait before try `attempt` (0, 1, …): half fixed, half drawn, so that a wall of screens does not come back at once. */
export function retryDelay(attempt: number, random: number): number {
  const bound = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return bound / 2 + (bound / 2) * random;
}

/** Opens the stream and keeps it open until the returned function is called. */
export function watchLive(events: LiveEvents): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;

  const open = (): void => {
    const stream = new EventSource('/api/v1/live');
    source = stream;
    stream.addEventListener('open', () => {
      attempt = 0;
      events.opened();
    });
    stream.addEventListener('reading', (event) => {
      const data = JSON.parse((event as MessageEvent<string>).data) as Latest | Latest[];
      events.readings(Array.isArray(data) ? data : [data]);
    });
    stream.addEventListener('lagged', () => events.lagged());
    stream.addEventListener('error', () => {
      stream.close();
      events.failed();
      timer = setTimeout(open, retryDelay(attempt, Math.random()));
      attempt += 1;
    });
  };

  open();
  return () => {
    clearTimeout(timer);
    source?.close();
  };
}
