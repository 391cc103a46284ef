// The chart of one series with all that belongs to it: what it is, its newest value, the period, what the line means,
// the number under the cursor, how complete the data are, and the same as a table.
import { useSignal, type Signal } from '@preact/signals';
import type { Series } from '../api/types';
import { age, number, step as stepText } from '../format/numbers';
import { digitsOf, kindOf, unitOf, type Kind } from '../format/quantities';
import { time, zoned } from '../format/time';
import { rowAt, type ChartData, type Columns } from '../model/chartdata';
import { markedOf } from '../model/flags';
import { resolve } from '../model/period';
import { chart, retry, type Chart } from '../state/chart';
import { now, serverNow } from '../state/clock';
import { lang, t } from '../state/language';
import { extent, go, period, shownSeries } from '../state/navigation';
import { latestOf, link, seriesByName, stateOf, stations, views } from '../state/store';
import { ChartTable, flagNames } from './ChartTable';
import { PeriodPicker } from './PeriodPicker';
import { Plot } from './Plot';
import { StateMark } from './marks';
import { seriesTitle, valueText } from './Tile';

interface Pointed {
  drawn: Columns;
  index: number;
}

function Newest({ series }: { series: Series }) {
  const item = latestOf(series.series).value;
  if (item === null || item.value === null) return null;
  const state = stateOf(series.series);
  const old = age((now.value - Date.parse(item.time)) / 1_000, lang.value);
  return (
    <p class="newest" data-state={state}>
      <span class="newest-value">
        <b>{valueText(item.value, series.quantity, lang.value)}</b> <i>{unitOf(series.unit, lang.value)}</i>
      </span>
      <span class="newest-age">
        <StateMark state={state} /> {t(`state.${state}`)} · {t('stations.age', { age: old })}
      </span>
    </p>
  );
}

/** What a bucket's value is, by the kind of quantity; as `aggregates` asks for it. */
const MEANINGS = {
  gauge: 'chart.mean',
  amount: 'chart.sum',
  counter: 'chart.increase',
  angle: 'chart.direction',
  state: 'chart.last',
} as const;

function meaning(data: ChartData, kind: Kind): string {
  if (data.stepMs === null) return t('chart.each');
  const step = stepText(data.stepMs, lang.value);
  return t(MEANINGS[kind], { step });
}

function Readout({ data, series, pointed }: { data: ChartData; series: Series; pointed: Signal<Pointed | null> }) {
  const at = pointed.value;
  const moment = at?.drawn.times[at.index];
  if (at === null || moment === undefined) {
    return (
      <p class="readout">
        <span class="key" data-look={data.look} /> {meaning(data, kindOf(series.quantity))}
        {markedOf(data.rows.map(({ flags }) => flags)).includes(true) && (
          <>
            {' · '}
            <span class="key" data-look="mark" /> {t('chart.mark')}
          </>
        )}
        <span class="hint">{t('chart.drag')}</span>
      </p>
    );
  }
  const digits = digitsOf(series.quantity);
  const unit = unitOf(series.unit, lang.value);
  const write = (value: number): string => number(value, digits, lang.value);
  // A gap is at its own moment, not at that of the last reading before it.
  const row = at.drawn.values[at.index] === null ? undefined : rowAt(data, moment);
  const start = row?.time ?? moment;
  const value = at.drawn.values[at.index] ?? null;
  const [low, high] = [at.drawn.min[at.index] ?? null, at.drawn.max[at.index] ?? null];
  const flags = row?.flags ?? [];
  return (
    <p class="readout pointed">
      <span>{zoned(start, data.stepMs === null ? 'full' : 'minute', lang.value)}</span>{' '}
      <b>{value === null ? t('chart.gap') : `${write(value)} ${unit}`}</b>
      {low !== null && high !== null && <span> {`${write(low)} – ${write(high)}`}</span>}
      {flags.length > 0 && <span> {flagNames(flags)}</span>}
    </p>
  );
}

function Completeness({ data }: { data: ChartData }) {
  const found = data.completeness;
  if (found === null) return null;
  const texts = [
    `${t('data.received', { n: found.received })}${found.expected === null ? '' : ` ${t('data.expected', { n: found.expected })}`}`,
  ];
  if (found.late) texts.push(t('data.late', { n: found.late }));
  if (found.flagged) texts.push(t('data.flagged', { n: found.flagged }));
  if (found.excluded > 0) texts.push(t('data.excluded', { n: found.excluded }));
  return <span class="completeness">{texts.join(' · ')}</span>;
}

function Empty() {
  const known = extent.value;
  return (
    <div class="empty chart-empty">
      <p>
        <strong>{t('chart.empty')}</strong>
      </p>
      {known && (
        <>
          <p>
            {t('chart.extent', {
              first: zoned(known.first, 'minute', lang.value),
              last: zoned(known.last, 'minute', lang.value),
            })}
          </p>
          <button type="button" class="button" onClick={() => go({ period: { kind: 'preset', preset: 'all' } })}>
            {t('chart.show_all')}
          </button>
        </>
      )}
    </div>
  );
}

function Body({ current, series, station }: { current: Chart; series: Series; station: string }) {
  const pointed = useSignal<Pointed | null>(null);
  if (current.status === 'failed') {
    return (
      <div class="empty chart-empty" role="alert">
        <p>{t('chart.failed', { reason: current.reason })}</p>
        <button type="button" class="button" onClick={retry}>
          {t('chart.retry')}
        </button>
      </div>
    );
  }
  if (current.status !== 'ready') {
    return (
      <div class="loading chart-loading" role="status">
        <span class="hidden">{t('chart.loading')}</span>
        <div class="ghost" />
      </div>
    );
  }
  const { data, range } = current;
  if (!data.rows.some(({ value }) => value !== null)) return <Empty />;
  const quantity = seriesTitle(series, lang.value);
  const digits = digitsOf(series.quantity);
  const unit = unitOf(series.unit, lang.value);
  const label = t('chart.label', {
    quantity,
    station,
    from: zoned(range.from, 'minute', lang.value),
    to: zoned(range.to, 'minute', lang.value),
  });
  return (
    <>
      <Readout data={data} series={series} pointed={pointed} />
      <Plot
        data={data}
        range={range}
        digits={digits}
        lang={lang.value}
        label={label}
        onCursor={(drawn, index) => {
          pointed.value = index === null ? null : { drawn, index };
        }}
        onZoom={(from, to) => go({ period: { kind: 'fixed', from, to } })}
      />
      <p class="chart-foot">
        <span>{`${time(range.from, 'minute', lang.value)} – ${zoned(range.to, 'minute', lang.value)}`}</span>
        <Completeness data={data} />
        {range.live && link.value.phase === 'live' && <span class="live-note">{t('chart.updated')}</span>}
        {period.value.kind === 'fixed' && (
          <button type="button" class="button" onClick={() => go({ period: null })}>
            {t('chart.zoom_back')}
          </button>
        )}
      </p>
      <ChartTable data={data} quantity={quantity} station={station} unit={unit} digits={digits} lang={lang.value} />
    </>
  );
}

export function ChartPanel() {
  const name = shownSeries.value;
  const series = seriesByName.value.get(name ?? '');
  const view = views.value.find(({ id }) => id === series?.station);
  const current = chart.value;
  const range =
    current.status === 'none' ? resolve(period.value, extent.value, serverNow()) : current.range;
  return (
    <section class="chart" id="chart" tabIndex={-1} aria-label={t('app.chart')}>
      <button type="button" class="button back" onClick={() => go({ series: null, station: null })}>
        <span aria-hidden="true">←</span> {t('app.back')}
      </button>
      {series === undefined || view === undefined ? (
        <p class="empty">
          {name !== null && stations.value !== null ? t('chart.unknown', { series: name }) : t('chart.pick')}
        </p>
      ) : (
        <>
          <header class="chart-head">
            <div>
              <h2>{seriesTitle(series, lang.value)}</h2>
              <p>{[view.name, view.kecamatan ?? t('stations.unassigned')].join(' · ')}</p>
            </div>
            <Newest series={series} />
          </header>
          <PeriodPicker range={range} />
          <Body key={series.series} current={current} series={series} station={view.name} />
        </>
      )}
    </section>
  );
}
