// How uPlot draws a chart of ours: the station's time on the axis, gaps open, marks on flagged readings.
// Columns: time, max, min, value, marks. Without a band, max and min are empty.
import uPlot from 'uplot';
import { digitsFor, number } from '../format/numbers';
import type { Lang } from '../format/quantities';
import { axisLabels, ZONE } from '../format/time';
import type { Columns, Look } from '../model/chartdata';
import type { Range } from '../model/period';

export interface PlotLook {
  look: Look;
  digits: number;
  lang: Lang;
  range: () => Range;
  onCursor: (index: number | null) => void;
  onZoom: (from: number, to: number) => void;
}

/** Least time that dragging can zoom to. */
const LEAST_MS = 10_000;

export function toPlot({ times, max, min, values, marks }: Columns): uPlot.AlignedData {
  return [times, max, min, values, marks];
}

/** The y range: some air, never so near that the last digit looks like an event. */
function yRange(look: Look, digits: number, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  if (look === 'bars') return [0, Math.max(high * 1.1, 10 ** -digits * 10)];
  const least = 10 ** -digits * 10;
  const air = Math.max((high - low) * 0.08, (least - (high - low)) / 2, 0);
  return [low >= 0 && low - air < 0 ? 0 : low - air, high + air];
}

export function plotOptions(look: PlotLook, size: { width: number; height: number }): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const ink = token('--muted');
  const line = token('--chart');
  const font = `${Math.round(0.8 * parseFloat(style.fontSize))}px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: ink, font, grid: { stroke: token('--grid'), width: 1 }, ticks: { stroke: token('--grid'), width: 1, size: 5 } };
  const isBars = look.look === 'bars';
  const isDots = look.look === 'dots';
  return {
    ...size,
    ms: 1,
    tzDate: (ms) => uPlot.tzDate(new Date(ms), ZONE),
    legend: { show: false },
    padding: [10, 30, 0, 0],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      points: { size: 9, width: 2, stroke: token('--surface'), fill: line },
    },
    scales: {
      x: { range: () => [look.range().from, look.range().to] },
      y: { range: (_, low, high) => yRange(look.look, look.digits, low, high) },
    },
    axes: [
      { ...axis, space: 80, size: 46, values: (_, ticks, __, ___, increment) => axisLabels(ticks, increment, look.lang) },
      {
        ...axis,
        space: 44,
        size: (_, labels) => 18 + 7.2 * Math.max(3, ...(labels ?? []).map((label) => label.length)),
        values: (_, ticks, __, ___, increment) =>
          ticks.map((tick) => number(tick, digitsFor(increment), look.lang)),
      },
    ],
    series: [
      {},
      { show: look.look === 'band', width: 0, points: { show: false } },
      { show: look.look === 'band', width: 0, points: { show: false } },
      {
        stroke: line,
        width: isBars ? 0 : 1.75,
        ...(isBars ? { fill: line } : {}),
        ...(isBars && uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.8, 40, 2] }) } : {}),
        ...(isDots ? { paths: () => null } : {}),
        points: isDots ? { show: true, size: 4, fill: line, width: 0 } : { ...(isBars ? { show: false } : {}), size: 5, fill: line },
      },
      { width: 0, stroke: token('--stale'), paths: () => null, points: { show: true, size: 9, width: 2, fill: token('--surface'), stroke: token('--stale') } },
    ],
    bands: look.look === 'band' ? [{ series: [1, 2], fill: token('--chart-band') }] : [],
    hooks: {
      setCursor: [(plot) => look.onCursor(plot.cursor.left !== undefined && plot.cursor.left >= 0 ? (plot.cursor.idx ?? null) : null)],
      setSelect: [
        (plot) => {
          if (plot.select.width < 5) return;
          const from = plot.posToVal(plot.select.left, 'x');
          const to = plot.posToVal(plot.select.left + plot.select.width, 'x');
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (to - from >= LEAST_MS) look.onZoom(Math.round(from), Math.round(to));
        },
      ],
    },
  };
}
