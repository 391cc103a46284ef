// One series: its newest value, how old it is and whether that is fine. Pressing it shows its chart.
import { useComputed } from '@preact/signals';
import type { Series } from '../api/types';
import { age, number } from '../format/numbers';
import { digitsOf, titleOf, unitOf, type Lang } from '../format/quantities';
import { marked } from '../model/flags';
import { now } from '../state/clock';
import { lang, t } from '../state/language';
import { go, shownSeries } from '../state/navigation';
import { latestOf, stateOf } from '../state/store';
import { StateMark } from './marks';

/** A value as text, without its unit. */
export function valueText(value: number, quantity: string, language: Lang): string {
  if (quantity === 'switch') return t(value === 0 ? 'switch.off' : 'switch.on');
  return number(value, digitsOf(quantity), language);
}

export function seriesTitle(series: Series, language: Lang): string {
  const title = titleOf(series.quantity, language);
  return series.channel ? `${title} · ${series.channel}` : title;
}

export function Tile({ series }: { series: Series }) {
  const cell = latestOf(series.series);
  const state = useComputed(() => stateOf(series.series));
  const old = useComputed(() =>
    cell.value === null ? '' : age((now.value - Date.parse(cell.value.time)) / 1_000, lang.value),
  );
  const item = cell.value;
  const unit = unitOf(series.unit, lang.value);
  const flagged = item !== null && marked(item.flags);
  return (
    <button
      class="tile"
      type="button"
      data-state={state.value}
      data-series={series.series}
      aria-pressed={shownSeries.value === series.series}
      onClick={() => go({ series: series.series, station: series.station })}
    >
      <span class="tile-title">{seriesTitle(series, lang.value)}</span>
      {item === null || item.value === null ? (
        <span class="tile-none">{t('stations.no_value')}</span>
      ) : (
        <span class="tile-value">
          <b>{valueText(item.value, series.quantity, lang.value)}</b>
          {unit !== '°' && ' '}
          <i>{unit}</i>
        </span>
      )}
      <span class="tile-age">
        <StateMark state={state.value} />
        <span class={state.value === 'fresh' || state.value === 'unknown' ? 'hidden' : 'tile-state'}>{t(`state.${state.value}`)}</span>{' '}
        <span>{old}</span>
        {flagged && <span class="tile-flag">{t('chart.mark')}</span>}
      </span>
    </button>
  );
}
