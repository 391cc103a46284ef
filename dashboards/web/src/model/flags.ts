// The flags a reading can carry, in the order of their bits.

export const FLAGS = [
  'out_of_range',
  'spike',
  'stuck',
  'late',
  'clock_uncertain',
  'calibrated',
  'arrival_time',
  'bad_quality',
  'simulated',
] as const;

export type Flag = (typeof FLAGS)[number];

/** Flags that say nothing bad about the value: shown in the table, not marked. */
const QUIET: ReadonlySet<string> = new Set<Flag>(['calibrated', 'arrival_time']);

/** In a history that was brought in afterwards everything is late: beyond this share, being late is no news. */
const LATE_SHARE = 0.2;

export function isFlag(name: string): name is Flag {
  return (FLAGS as readonly string[]).includes(name);
}

/** Whether a reading with these flags is marked. */
export function marked(flags: readonly string[]): boolean {
  return flags.some((flag) => !QUIET.has(flag));
}

/** Which of many readings are marked. */
export function markedOf(all: readonly (readonly string[])[]): boolean[] {
  const late = all.reduce((count, flags) => count + Number(flags.includes('late')), 0);
  const quietLate = late > LATE_SHARE * all.length;
  return all.map((flags) => marked(quietLate ? flags.filter((flag) => flag !== 'late') : flags));
}
