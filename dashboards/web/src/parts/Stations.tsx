// Every station with its newest values, by kecamatan; the ones nobody has assigned come last.
import { useComputed } from '@preact/signals';
import { group, type Group, type StationView } from '../model/stations';
import { titleOf } from '../format/quantities';
import { worst } from '../model/freshness';
import { collator, lang, t } from '../state/language';
import { link, stateOf, stations, views } from '../state/store';
import { Filters, filter } from './Filters';
import { StateMark } from './marks';
import { Tile } from './Tile';

function Station({ view }: { view: StationView }) {
  const state = useComputed(() => worst(view.series.map(({ series }) => stateOf(series)))).value;
  return (
    <article class="station" data-station={view.id} data-state={state}>
      <header>
        <h4>{view.name}</h4>
        <p class="station-facts">
          {view.name !== view.id && <span>{view.id}</span>}
          {view.gateway && <span>{view.gateway}</span>}
        </p>
        <p class="station-state" data-state={state} title={t(`state.${state}.help`)}>
          <StateMark state={state} /> {t(`state.${state}`)}
        </p>
      </header>
      <div class="tiles">
        {view.series.map((series) => (
          <Tile key={series.series} series={series} />
        ))}
      </div>
    </article>
  );
}

function searchable({ id, name, kecamatan, kind, gateway, series }: StationView): string {
  const titles = series.map(({ quantity }) => `${quantity} ${titleOf(quantity, lang.value)}`);
  return [id, name, kecamatan, kind, gateway, ...titles].filter(Boolean).join(' ');
}

function Groups({ groups }: { groups: readonly Group[] }) {
  return (
    <div class="groups">
      {groups.map(({ kecamatan, stations: members }) => (
        <section class="group" data-wide={members.length > 2} key={kecamatan ?? ''}>
          <h3>
            {kecamatan ?? t('stations.unassigned')} <small>{members.length}</small>
          </h3>
          <div class="group-stations">
            {members.map((view) => (
              <Station key={view.id} view={view} />
            ))}
          </div>
        </section>
      ))}
    </div>
  );
}

function Nothing() {
  if (stations.value === null && link.value.phase === 'lost') return <p class="empty">{t('stations.failed')}</p>;
  if (stations.value === null) {
    return (
      <div class="loading" role="status">
        <span class="hidden">{t('stations.loading')}</span>
        <div class="ghost" />
        <div class="ghost" />
        <div class="ghost" />
      </div>
    );
  }
  if (views.value.length === 0) {
    return (
      <div class="empty">
        <p>
          <strong>{t('stations.empty')}</strong>
        </p>
        <p>{t('stations.empty.text')}</p>
      </div>
    );
  }
  return (
    <div class="empty">
      <p>{t('filter.none')}</p>
      <button
        type="button"
        class="button"
        onClick={() => {
          filter.value = { text: '', quantity: '', state: '' };
        }}
      >
        {t('filter.clear')}
      </button>
    </div>
  );
}

export function Stations() {
  const groups = useComputed(() =>
    group(views.value, filter.value, stateOf, collator.value, searchable),
  ).value;
  const shown = groups.reduce((sum, { stations: members }) => sum + members.length, 0);
  return (
    <section class="stations" id="stations" tabIndex={-1} aria-labelledby="stations-title">
      <div class="stations-head">
        <h2 id="stations-title">{t('app.stations')}</h2>
        <Filters shown={shown} />
      </div>
      {groups.length === 0 ? <Nothing /> : <Groups groups={groups} />}
    </section>
  );
}
