// The drawn chart. Mouse: point and drag to zoom. Keyboard: arrows move the cursor, Home and End jump, Escape leaves.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Lang } from '../format/quantities';
import { columns, type ChartData, type Columns } from '../model/chartdata';
import type { Range } from '../model/period';
import { width } from '../state/chart';
import { plotOptions, toPlot } from './plotoptions';

interface Props {
  data: ChartData;
  range: Range;
  digits: number;
  lang: Lang;
  label: string;
  onCursor: (drawn: Columns, index: number | null) => void;
  onZoom: (from: number, to: number) => void;
}

const dark = matchMedia('(prefers-color-scheme: dark)');
const theme = signal(dark.matches);
dark.addEventListener('change', () => {
  theme.value = dark.matches;
});

const WIDTH_STEP = 160;

/** The next point with a value, from `index` in `direction`. */
function step(values: Columns['values'], index: number | null, direction: 1 | -1): number | null {
  let at = index ?? (direction > 0 ? -1 : values.length);
  do at += direction;
  while (at >= 0 && at < values.length && values[at] === null);
  return at >= 0 && at < values.length ? at : index;
}

export function Plot({ data, range, digits, lang, label, onCursor, onZoom }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef({ range, onCursor, onZoom, drawn: columns(data, range) });
  now.current.range = range;
  now.current.onCursor = onCursor;
  now.current.onZoom = onZoom;

  useEffect(() => {
    const target = box.current;
    if (target === null) return undefined;
    const size = (): { width: number; height: number } => ({
      width: Math.max(200, target.clientWidth),
      height: Math.max(160, target.clientHeight),
    });
    const made = new uPlot(
      plotOptions(
        {
          look: data.look,
          digits,
          lang,
          range: () => now.current.range,
          onCursor: (index) => now.current.onCursor(now.current.drawn, index),
          onZoom: (from, to) => now.current.onZoom(from, to),
        },
        size(),
      ),
      toPlot(now.current.drawn),
      target,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize(size());
      width.value = Math.ceil(target.clientWidth / WIDTH_STEP) * WIDTH_STEP;
    });
    observer.observe(target);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [data.look, digits, lang, theme.value]);

  useEffect(() => {
    now.current.drawn = columns(data, range);
    plot.current?.setData(toPlot(now.current.drawn));
  }, [data, range]);

  const press = (event: KeyboardEvent): void => {
    const made = plot.current;
    if (made === null) return;
    const { values, times } = now.current.drawn;
    const at = made.cursor.idx ?? null;
    let to: number | null;
    if (event.key === 'ArrowRight') to = step(values, at, 1);
    else if (event.key === 'ArrowLeft') to = step(values, at, -1);
    else if (event.key === 'Home') to = step(values, -1, 1);
    else if (event.key === 'End') to = step(values, values.length, -1);
    else if (event.key === 'Escape') to = null;
    else return;
    event.preventDefault();
    const time = to === null ? undefined : times[to];
    made.setCursor(time === undefined ? { left: -10, top: -10 } : { left: made.valToPos(time, 'x'), top: 10 });
  };

  return (
    <div class="plot" ref={box} tabIndex={0} role="group" aria-roledescription="chart" aria-label={label} onKeyDown={press} />
  );
}
