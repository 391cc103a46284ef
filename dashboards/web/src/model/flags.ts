// The flags a reading can carry, in the order of their bits.

export const FLAGS = [
  'out_of_range',
  'spike',
  'stuck',
  'late',
  'clock_uncertain',
  'calibrated',
  'arrival_time',
] as const;

export type Flag = (typeof FLAGS)[number];

/** Flags that say nothing bad about the value: shown in the table, not marked on the chart. */
const QUIET: ReadonlySet<string> = new Set<Flag>(['calibrated', 'arrival_time']);

export function isFlag(name: string): name is Flag {
  return (FLAGS as readonly string[]).includes(name);
}

/** Whether the chart marks a reading with these flags. */
export function marked(flags: readonly string[] | null | undefined): boolean {
  return flags?.some((flag) => !QUIET.has(flag)) ?? false;
}
