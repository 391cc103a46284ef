// Where a line must break. A chart never draws over a time in which nothing was measured.

const FACTOR = 2.5;
/** Distances on either side that say what is typical here: a series may change its interval. */
const REACH = 8;

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}

/** Indices `i` such that the line from point `i-1` to point `i` must not be drawn. `times` rises. */
export function breaks(times: readonly number[]): Set<number> {
  const found = new Set<number>();
  const distances: number[] = [];
  for (let i = 1; i < times.length; i += 1) distances.push((times[i] ?? 0) - (times[i - 1] ?? 0));
  const shortest = distances.reduce((a, b) => Math.min(a, b), Infinity);
  for (let i = 0; i < distances.length; i += 1) {
    const distance = distances[i] ?? 0;
    if (distance <= FACTOR * shortest) continue; // cheap way out for regular series
    const near = [
      ...distances.slice(Math.max(0, i - REACH), i),
      ...distances.slice(i + 1, i + 1 + REACH),
    ];
    if (near.length > 0 && distance > FACTOR * median(near)) found.add(i + 1);
  }
  return found;
}

/**
 * Splices a point without values into every gap, so that no line crosses it. `columns` are as long as `times`.
 * Buckets without a value break the line by themselves (null), except where readings are rarer than buckets.
 */
export function openGaps(
  times: readonly number[],
  columns: readonly (readonly (number | null)[])[],
): { times: number[]; columns: (number | null)[][] } {
  const cuts = breaks(times);
  const outTimes: number[] = [];
  const out: (number | null)[][] = columns.map(() => []);
  times.forEach((time, i) => {
    if (cuts.has(i)) {
      outTimes.push(((times[i - 1] ?? time) + time) / 2);
      for (const column of out) column.push(null);
    }
    outTimes.push(time);
    columns.forEach((column, c) => out[c]?.push(column[i] ?? null));
  });
  return { times: outTimes, columns: out };
}
