// From an answer of /readings to what a chart and its table draw. Pure.
//
// Four looks: `line` (every reading), `band` (mean with minimum and maximum per bucket), `bars` (sums or rises per bucket, or
// single amounts such as rain), and `dots` where joining points by a line would say something untrue (wind direction).
import type { Completeness, ReadingsOfSeries } from '../api/types';
import { markedOf } from './flags';
import { openGaps } from './gaps';
import type { Kind } from '../format/quantities';

export type Look = 'line' | 'band' | 'bars' | 'dots';

export interface Row {
  /** Epoch milliseconds; the start of the bucket where there is a step. */
  time: number;
  value: number | null;
  min: number | null;
  max: number | null;
  flags: readonly string[];
}

export interface ChartData {
  look: Look;
  /** Length of a bucket; null where every reading is drawn. */
  stepMs: number | null;
  rows: Row[];
  completeness: Completeness | null;
}

/** The aggregates that make sense for a kind of quantity: its value, its band, and how many readings there were. */
export function aggregates(kind: Kind): readonly string[] {
  switch (kind) {
    case 'amount':
      return ['sum', 'count'];
    case 'angle':
      return ['vector_mean', 'count'];
    case 'counter':
      return ['increase', 'count'];
    case 'state':
      return ['last', 'count'];
    case 'gauge':
      return ['mean', 'min', 'max', 'count'];
  }
}

function lookOf(kind: Kind, stepMs: number | null): Look {
  if (kind === 'amount' || (kind === 'counter' && stepMs !== null)) return 'bars';
  if (kind === 'angle') return 'dots';
  return kind === 'gauge' && stepMs !== null ? 'band' : 'line';
}

/** Usual milliseconds between the readings of an answer; null when there are too few to tell. */
function usualInterval(answer: ReadingsOfSeries, stepMs: number | null): number | null {
  const counts = answer.count?.flatMap((count) => (count !== null && count > 0 ? [count] : [])) ?? [];
  const numbers = stepMs === null ? answer.times.slice(1).map((time, i) => time - (answer.times[i] ?? time)) : counts;
  const middle = numbers.sort((a, b) => a - b)[numbers.length >> 1];
  if (middle === undefined || middle === 0) return null;
  return stepMs === null ? middle : stepMs / middle;
}

/** How much more than this period's own interval promises may be expected before the promise is not believed. */
const BELIEVED = 5;

/** What to expect is reckoned from today's interval; where the period had a much longer one, that says nothing. */
function believable(answer: ReadingsOfSeries, stepMs: number | null, spanMs: number): Completeness | null {
  const found = answer.completeness ?? null;
  const usual = usualInterval(answer, stepMs);
  if (found === null || found.expected === null || usual === null) return found;
  return found.expected > (BELIEVED * spanMs) / usual ? { ...found, expected: null } : found;
}

export function chartData(answer: ReadingsOfSeries, kind: Kind, stepMs: number | null, spanMs = Infinity): ChartData {
  const values = answer.values ?? answer.mean ?? answer.sum ?? answer.increase ?? answer.vector_mean ?? answer.last ?? [];
  const rows = answer.times.map((time, i): Row => ({
    time,
    value: values[i] ?? null,
    min: answer.min?.[i] ?? null,
    max: answer.max?.[i] ?? null,
    flags: answer.flags?.[i] ?? [],
  }));
  return { look: lookOf(kind, stepMs), stepMs, rows, completeness: believable(answer, stepMs, spanMs) };
}

/** Adds a live reading at the end; late and repeated ones are left to the next full answer. */
export function append(data: ChartData, row: Row, from: number): ChartData {
  const last = data.rows[data.rows.length - 1];
  if (data.stepMs !== null || (last !== undefined && row.time <= last.time)) return data;
  const start = data.rows.findIndex(({ time }) => time >= from);
  const kept = start < 0 ? [] : data.rows.slice(start);
  kept.push(row);
  return { ...data, rows: kept };
}

export interface Columns {
  times: number[];
  values: (number | null)[];
  min: (number | null)[];
  max: (number | null)[];
  /** The value again where a mark belongs, else null. */
  marks: (number | null)[];
}

/** What uPlot draws: gaps opened, a bucket placed at its middle as far as that is inside the range. */
export function columns(data: ChartData, { from, to }: { from: number; to: number }): Columns {
  let rows = data.rows;
  if (data.stepMs !== null && rarerThan(rows, data.stepMs)) rows = rows.filter(({ value }) => value !== null);
  const middle = (data.stepMs ?? 0) / 2;
  const mark = markedOf(rows.map(({ flags }) => flags));
  const opened = openGaps(
    rows.map(({ time }) => (middle === 0 ? time : Math.min(Math.max(time + middle, from), Math.max(time, to)))),
    [
      rows.map(({ value }) => value),
      rows.map(({ min }) => min),
      rows.map(({ max }) => max),
      rows.map(({ value }, i) => (mark[i] ? value : null)),
    ],
  );
  const [values = [], min = [], max = [], marks = []] = opened.columns;
  return { times: opened.times, values, min, max, marks };
}

/** The reading drawn at `moment`, or the bucket that holds it. */
export function rowAt(data: ChartData, moment: number): Row | undefined {
  return data.rows.findLast(({ time }) => time <= moment);
}

/** Whether buckets are shorter than the usual distance between readings: then an empty one is no gap. */
function rarerThan(rows: readonly Row[], stepMs: number): boolean {
  const times = rows.filter(({ value }) => value !== null).map(({ time }) => time);
  const distances = times.slice(1).map((time, i) => time - (times[i] ?? time));
  distances.sort((a, b) => a - b);
  return (distances[(distances.length - 1) >> 1] ?? stepMs) > 1.5 * stepMs;
}
