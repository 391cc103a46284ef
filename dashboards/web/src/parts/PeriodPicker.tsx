// Which time the chart shows: the usual lengths up to now, everything, or from–to on the station's wall clock.
// Times are typed as text: a native time field would show AM and PM to some, whatever the language of the page.
import { useSignal } from '@preact/signals';
import { fromFields, toFields, ZONE_NAME } from '../format/time';
import { PRESETS, shift, type Range } from '../model/period';
import { serverNow } from '../state/clock';
import { t } from '../state/language';
import { go, period } from '../state/navigation';

function Custom({ range, close }: { range: Range; close: () => void }) {
  const from = useSignal(toFields(range.from));
  const to = useSignal(toFields(range.to));
  const bad = useSignal(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    const start = fromFields(from.value.date, from.value.time);
    const end = fromFields(to.value.date, to.value.time);
    bad.value = start === null || end === null || start >= end;
    if (bad.value || start === null || end === null) return;
    go({ period: { kind: 'fixed', from: start, to: end } });
    close();
  };
  const ends = [
    ['from', from, t('period.from')],
    ['to', to, t('period.to')],
  ] as const;
  return (
    <form class="custom" onSubmit={submit} noValidate>
      {ends.map(([name, field, label]) => (
        <fieldset key={name}>
          <legend>{label}</legend>
          <input
            type="date"
            name={`${name}-date`}
            aria-label={`${label}: ${t('period.date')}`}
            value={field.value.date}
            onInput={(event) => {
              field.value = { ...field.value, date: event.currentTarget.value };
            }}
          />
          <input
            type="text"
            inputMode="numeric"
            size={5}
            maxLength={5}
            name={`${name}-time`}
            aria-label={`${label}: ${t('period.time')} (${ZONE_NAME})`}
            value={field.value.time}
            onInput={(event) => {
              field.value = { ...field.value, time: event.currentTarget.value };
            }}
          />
        </fieldset>
      ))}
      <span class="zone">{ZONE_NAME}</span>
      <button type="submit" class="button primary">
        {t('period.apply')}
      </button>
      {bad.value && (
        <p class="field-error" role="alert">
          {t('period.bad')}
        </p>
      )}
    </form>
  );
}

export function PeriodPicker({ range }: { range: Range }) {
  const open = useSignal(false);
  const current = period.value;
  return (
    <div class="period">
      <div class="segments" role="group" aria-label={t('period.title')}>
        {PRESETS.map((preset) => (
          <button
            key={preset}
            type="button"
            data-preset={preset}
            aria-pressed={current.kind === 'preset' && current.preset === preset}
            onClick={() => {
              open.value = false;
              go({ period: { kind: 'preset', preset } });
            }}
          >
            {t(`period.${preset}`)}
          </button>
        ))}
        <button
          type="button"
          data-preset="custom"
          aria-pressed={current.kind === 'fixed'}
          aria-expanded={open.value}
          onClick={() => {
            open.value = !open.value;
          }}
        >
          {t('period.custom')}
        </button>
        <span class="steps">
          <button
            type="button"
            aria-label={t('period.earlier')}
            title={t('period.earlier')}
            onClick={() => go({ period: shift(range, -1, serverNow()) })}
          >
            <span aria-hidden="true">‹</span>
          </button>
          <button
            type="button"
            aria-label={t('period.later')}
            title={t('period.later')}
            disabled={range.live}
            onClick={() => go({ period: shift(range, 1, serverNow()) })}
          >
            <span aria-hidden="true">›</span>
          </button>
        </span>
      </div>
      {open.value && (
        <Custom
          range={range}
          close={() => {
            open.value = false;
          }}
        />
      )}
    </div>
  );
}
