// Each gateway in one line, behind the truth strip's button.
import { age, count, lag } from '../format/numbers';
import { gone } from '../model/truth';
import { now } from '../state/clock';
import { lang, t, type Key } from '../state/language';
import { gateways } from '../state/store';

const CLOCKS: Record<string, Key> = {
  trusted: 'gateway.clock.trusted',
  untrusted: 'gateway.clock.untrusted',
};

export function GatewayTable() {
  const all = gateways.value ?? [];
  const accepted = all.some((gateway) => typeof gateway.accepted === 'number');
  if (all.length === 0) return <p class="gateways-none">{t('truth.no_gateway')}</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t('truth.details')}>
      <table class="gateways">
        <thead>
          <tr>
            <th scope="col">{t('gateway.name')}</th>
            <th scope="col">{t('gateway.seen')}</th>
            <th scope="col">{t('truth.lag')}</th>
            <th scope="col">{t('truth.backlog')}</th>
            {accepted && <th scope="col">{t('gateway.accepted')}</th>}
            <th scope="col">{t('truth.rejected.label')}</th>
            <th scope="col">{t('truth.lost.label')}</th>
            <th scope="col">{t('gateway.clock')}</th>
          </tr>
        </thead>
        <tbody>
          {all.map((gateway) => (
            <tr key={gateway.gateway} data-gone={gone(gateway, now.value)}>
              <th scope="row">{gateway.gateway}</th>
              <td>
                {gateway.last_seen === null
                  ? t('gateway.never')
                  : t('stations.age', { age: age((now.value - Date.parse(gateway.last_seen)) / 1_000, lang.value) })}
              </td>
              <td>{gateway.lag_s === null ? t('truth.unknown') : lag(gateway.lag_s, lang.value)}</td>
              <td>{gateway.backlog === null ? t('truth.unknown') : count(gateway.backlog, lang.value)}</td>
              {accepted && <td>{count(gateway.accepted ?? 0, lang.value)}</td>}
              <td>{count(gateway.quarantined, lang.value)}</td>
              <td>{count(gateway.lost, lang.value)}</td>
              <td>{t(CLOCKS[gateway.clock] ?? 'gateway.clock.unspecified')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
