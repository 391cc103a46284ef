// Narrows the list of stations: by text, by quantity, by state. The counts are a summary as well.
import { signal, useComputed } from '@preact/signals';
import type { State } from '../api/types';
import { rankOf, titleOf } from '../format/quantities';
import type { Shown } from '../model/freshness';
import type { Filter } from '../model/stations';
import { lang, t } from '../state/language';
import { series, stateOf, views } from '../state/store';
import { StateMark } from './marks';

const STATES: readonly State[] = ['fresh', 'stale', 'silent'];

export const filter = signal<Filter>({ text: '', quantity: '', state: '' });

const change = (part: Partial<Filter>): void => {
  filter.value = { ...filter.value, ...part };
};

function States() {
  const counts = useComputed(() => {
    const found: Record<Shown, number> = { fresh: 0, stale: 0, silent: 0, unknown: 0 };
    for (const one of series.value) found[stateOf(one.series)] += 1;
    return found;
  }).value;
  return (
    <div class="chips" role="group" aria-label={t('filter.state')}>
      {STATES.map((state) => (
        <button
          key={state}
          type="button"
          data-state={state}
          data-some={counts[state] > 0}
          aria-pressed={filter.value.state === state}
          title={t(`state.${state}.help`)}
          onClick={() => change({ state: filter.value.state === state ? '' : state })}
        >
          <StateMark state={state} />
          <span>
            {t('state.count', {
              n: counts.unknown > 0 ? '–' : counts[state],
              state: t(`state.${state}`).toLowerCase(),
            })}
          </span>
        </button>
      ))}
    </div>
  );
}

export function Filters({ shown }: { shown: number }) {
  const quantities = useComputed(() =>
    [...new Set(series.value.map(({ quantity }) => quantity))].sort((a, b) => rankOf(a) - rankOf(b)),
  ).value;
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        name="text"
        autocomplete="off"
        aria-label={t('filter.text')}
        placeholder={t('filter.placeholder')}
        value={filter.value.text}
        onInput={(event) => change({ text: event.currentTarget.value })}
      />
      <select
        name="quantity"
        aria-label={t('filter.quantity')}
        value={filter.value.quantity}
        onChange={(event) => change({ quantity: event.currentTarget.value })}
      >
        <option value="">{t('filter.all')}</option>
        {quantities.map((quantity) => (
          <option key={quantity} value={quantity}>
            {titleOf(quantity, lang.value)}
          </option>
        ))}
      </select>
      <States />
      <output class="shown">{t('filter.shown', { shown, n: views.value.length })}</output>
    </form>
  );
}
