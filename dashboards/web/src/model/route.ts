// The page's state that a link can carry: station, series, period, language. Pure.
//
// ?station=jkt-air-07&series=jkt-air-07/pm2_5&period=24h&lang=id   or   &from=2013-01-01T00:00:00Z&to=…
import { isPreset, type Period } from './period';

export interface Route {
  station: string | null;
  series: string | null;
  /** Null: nobody chose. */
  period: Period | null;
  lang: 'id' | 'en' | null;
}

function time(text: string | null): number | null {
  if (text === null || text === '') return null;
  const ms = /^-?\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(ms) ? ms : null;
}

export function parse(search: string): Route {
  const query = new URLSearchParams(search);
  const series = query.get('series');
  const from = time(query.get('from'));
  const to = time(query.get('to'));
  const preset = query.get('period');
  const lang = query.get('lang');
  let period: Period | null = null;
  if (from !== null && to !== null && from < to) period = { kind: 'fixed', from, to };
  else if (isPreset(preset)) period = { kind: 'preset', preset };
  return {
    station: query.get('station') ?? series?.split('/')[0] ?? null,
    series,
    period,
    lang: lang === 'id' || lang === 'en' ? lang : null,
  };
}

export function format(route: Route): string {
  const query = new URLSearchParams();
  if (route.station !== null) query.set('station', route.station);
  if (route.series !== null) query.set('series', route.series);
  if (route.period?.kind === 'preset') query.set('period', route.period.preset);
  if (route.period?.kind === 'fixed') {
    query.set('from', new Date(route.period.from).toISOString());
    query.set('to', new Date(route.period.to).toISOString());
  }
  if (route.lang !== null) query.set('lang', route.lang);
  const text = query.toString().replaceAll('%2F', '/').replaceAll('%3A', ':');
  return text === '' ? '' : `?${text}`;
}
