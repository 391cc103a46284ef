// From an answer of /readings to what a chart and its table draw. Pure.
//
// Three looks: `line` (every reading), `band` (mean with minimum and maximum per bucket), `bars` (sums per bucket, or
// single amounts such as rain), and `dots` where joining points by a line would say something untrue (wind direction).
import type { Completeness, ReadingsOfSeries } from '../api/types';
import { marked } from './flags';
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

/** The aggregates that make sense for a kind of quantity. The first is the value, others its band. */
export function aggregates(kind: Kind): readonly string[] {
  switch (kind) {
    case 'amount':
      return ['sum'];
    case 'angle':
    case 'counter':
    case 'state':
      return ['last'];
    case 'gauge':
      return ['mean', 'min', 'max'];
  }
}

function lookOf(kind: Kind, stepMs: number | null): Look {
  if (kind === 'amount') return 'bars';
  if (kind === 'angle') return 'dots';
  return kind === 'gauge' && stepMs !== null ? 'band' : 'line';
}

export function chartData(answer: ReadingsOfSeries, kind: Kind, stepMs: number | null): ChartData {
  const values = answer.values ?? answer.mean ?? answer.sum ?? answer.last ?? [];
  const rows = answer.times.map((time, i): Row => ({
    time,
    value: values[i] ?? null,
    min: answer.min?.[i] ?? null,
    max: answer.max?.[i] ?? null,
    flags: answer.flags?.[i] ?? [],
  }));
  return { look: lookOf(kind, stepMs), stepMs, rows, completeness: answer.completeness ?? null };
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

/** What uPlot draws: gaps opened, a bucket placed at its middle. */
export function columns(data: ChartData): Columns {
  let rows = data.rows;
  if (data.stepMs !== null && rarerThan(rows, data.stepMs)) rows = rows.filter(({ value }) => value !== null);
  const middle = (data.stepMs ?? 0) / 2;
  const opened = openGaps(
    rows.map(({ time }) => time + middle),
    [
      rows.map(({ value }) => value),
      rows.map(({ min }) => min),
      rows.map(({ max }) => max),
      rows.map(({ value, flags }) => (marked(flags) ? value : null)),
    ],
  );
  const [values = [], min = [], max = [], marks = []] = opened.columns;
  return { times: opened.times, values, min, max, marks };
}

/** Whether buckets are shorter than the usual distance between readings: then an empty one is no gap. */
function rarerThan(rows: readonly Row[], stepMs: number): boolean {
  const times = rows.filter(({ value }) => value !== null).map(({ time }) => time);
  const distances = times.slice(1).map((time, i) => time - (times[i] ?? time));
  distances.sort((a, b) => a - b);
  return (distances[(distances.length - 1) >> 1] ?? stepMs) > 1.5 * stepMs;
}
