// The server's time as far as this page knows it. The clock of a wall screen may be wrong; ages must not be.
import { signal } from '@preact/signals';
import type { Latest } from '../api/types';

let offset = 0;

/** Milliseconds since the epoch by the server's clock. */
export const serverNow = (): number => Date.now() + offset;

/** Learns the server's clock: an item's time plus its age was the server's now when it answered. */
export function learn(item: Latest | undefined): void {
  if (item === undefined) return;
  const now = Date.parse(item.time) + item.age_s * 1_000;
  if (Number.isFinite(now)) offset = now - Date.now();
}

/** Moves on every second. */
export const now = signal(serverNow());

export function tick(): void {
  now.value = serverNow();
}
