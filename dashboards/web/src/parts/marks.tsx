// Small drawn marks. A state is never told by colour alone: each has a shape of its own and words beside it.
import type { Shown } from '../model/freshness';
import type { Level } from '../model/truth';

/** ● fresh, ◆ stale, ✕ silent, ○ unknown. */
export function StateMark({ state }: { state: Shown }) {
  return (
    <svg class="mark" data-state={state} viewBox="0 0 12 12" aria-hidden="true">
      {state === 'fresh' && <circle cx="6" cy="6" r="4" />}
      {state === 'stale' && <path d="M6 .8 11.200 6 6 11.200 .8 6z" />}
      {state === 'unknown' && <circle class="open" cx="6" cy="6" r="4" />}
      {state === 'silent' && <path class="open" d="M2.500 2.500l7 7m0-7l-7 7" />}
    </svg>
  );
}

/** A tick, a question, a triangle, an octagon. */
export function LevelMark({ level }: { level: Level }) {
  return (
    <svg class="level-mark" viewBox="0 0 24 24" aria-hidden="true">
      {level === 'good' && (
        <>
          <circle cx="12" cy="12" r="10" />
          <path class="cut" d="M7 12.500l3.500 3.500L17 9" />
        </>
      )}
      {level === 'unknown' && (
        <>
          <circle cx="12" cy="12" r="9" class="hollow" />
          <path class="line" d="M8 12h.01M12 12h.01M16 12h.01" />
        </>
      )}
      {level === 'warn' && (
        <>
          <path d="M12 2 23 21.500H1z" />
          <path class="cut" d="M12 9v5.500M12 18h.01" />
        </>
      )}
      {level === 'bad' && (
        <>
          <path d="M7.500 1.500h9l6 6v9l-6 6h-9l-6-6v-9z" />
          <path class="cut" d="M12 6.500v7M12 17.500h.01" />
        </>
      )}
    </svg>
  );
}
