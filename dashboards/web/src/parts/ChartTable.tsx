// The chart's numbers as a table, newest first: for keyboards, screen readers, and whoever wants the number itself.
import { useSignal } from '@preact/signals';
import { number } from '../format/numbers';
import type { Lang } from '../format/quantities';
import { time, ZONE_NAME } from '../format/time';
import type { ChartData, Row } from '../model/chartdata';
import { isFlag } from '../model/flags';
import { t, type Key } from '../state/language';

const ROWS = 50;

interface Props {
  data: ChartData;
  quantity: string;
  station: string;
  unit: string;
  digits: number;
  lang: Lang;
}

export function flagNames(flags: readonly string[]): string {
  return flags.map((flag) => (isFlag(flag) ? t(`flag.${flag}`) : flag)).join(', ');
}

function valueTitle(data: ChartData): Key {
  if (data.stepMs === null) return 'table.value';
  if (data.look === 'band') return 'table.mean';
  return data.look === 'bars' ? 'table.sum' : 'table.last';
}

export function ChartTable({ data, quantity, station, unit, digits, lang }: Props) {
  const open = useSignal(false);
  const page = useSignal(0);
  const band = data.look === 'band';
  const flagged = data.rows.some(({ flags }) => flags.length > 0);
  const pages = Math.max(1, Math.ceil(data.rows.length / ROWS));
  const at = Math.min(page.value, pages - 1);
  const end = data.rows.length - at * ROWS;
  const rows = open.value ? data.rows.slice(Math.max(0, end - ROWS), end).reverse() : [];
  const cell = (value: number | null): string => (value === null ? '–' : number(value, digits, lang));
  const title = (key: Key): string => (unit === '' ? t(key) : `${t(key)} (${unit})`);
  return (
    <details
      class="numbers"
      open={open.value}
      onToggle={(event) => {
        open.value = event.currentTarget.open;
      }}
    >
      <summary>{t('table.show')}</summary>
      {open.value && (
        <>
          <div class="scroll" tabIndex={0} role="region" aria-label={t('table.show')}>
            <table>
              <caption class="hidden">{t('table.caption', { quantity, station, zone: ZONE_NAME })}</caption>
              <thead>
                <tr>
                  <th scope="col">
                    {t('table.time')} ({ZONE_NAME})
                  </th>
                  <th scope="col">{title(valueTitle(data))}</th>
                  {band && <th scope="col">{title('table.min')}</th>}
                  {band && <th scope="col">{title('table.max')}</th>}
                  {flagged && <th scope="col">{t('table.flags')}</th>}
                </tr>
              </thead>
              <tbody>
                {rows.map((row: Row) => (
                  <tr key={row.time}>
                    <th scope="row">
                      <time dateTime={new Date(row.time).toISOString()}>{time(row.time, 'full', lang)}</time>
                    </th>
                    <td>{row.value === null ? t('chart.gap') : cell(row.value)}</td>
                    {band && <td>{cell(row.min)}</td>}
                    {band && <td>{cell(row.max)}</td>}
                    {flagged && <td class="words">{flagNames(row.flags)}</td>}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p class="pager">
            <button type="button" class="button" disabled={at === 0} onClick={() => (page.value = at - 1)}>
              {t('table.newer')}
            </button>
            <span>
              {t('table.page', { from: Math.min(data.rows.length, at * ROWS + 1), to: at * ROWS + rows.length, n: data.rows.length })}
            </span>
            <button type="button" class="button" disabled={at >= pages - 1} onClick={() => (page.value = at + 1)}>
              {t('table.older')}
            </button>
          </p>
        </>
      )}
    </details>
  );
}
