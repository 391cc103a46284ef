// The address of what is shown. Choosing a series or period makes an entry in the browser's history.
import { computed, effect, signal } from '@preact/signals';
import { defaultPeriod, type Extent, type Period } from '../model/period';
import { format, parse, type Route } from '../model/route';
import { opening } from '../model/stations';
import { serverNow } from './clock';
import { choose, lang } from './language';
import { seriesByName, views } from './store';

export const route = signal<Route>(parse(location.search));

if (route.peek().lang !== null) choose(route.peek().lang ?? 'id');

/** Where a phone shows one view at a time: where the list was left. */
const narrow = matchMedia('(max-width: 900px)');
let listScroll = 0;

function turnTo(view: 'list' | 'chart'): void {
  if (!narrow.matches) return;
  requestAnimationFrame(() => {
    scrollTo(0, view === 'chart' ? 0 : listScroll);
    document.getElementById(view === 'chart' ? 'chart' : 'stations')?.focus({ preventScroll: true });
  });
}

export function go(change: Partial<Route>): void {
  const before = route.peek().series;
  const target = { ...route.peek(), ...change };
  if (format(target) === format(route.peek())) return;
  if (before === null) listScroll = scrollY;
  route.value = target;
  history.pushState(null, '', format(target) || location.pathname);
  if ((before === null) !== (target.series === null)) turnTo(before === null ? 'chart' : 'list');
}

/** Changes the language; a link that names one then names the new one. */
export function speak(chosen: 'id' | 'en'): void {
  choose(chosen);
  if (route.peek().lang === null) return;
  route.value = { ...route.peek(), lang: chosen };
  history.replaceState(null, '', format(route.peek()));
}

/** The series whose chart is shown; null while nothing was chosen and nothing is known. */
export const shownSeries = computed<string | null>(() => {
  const { series, station } = route.value;
  if (series !== null) return series;
  const view = station === null ? opening(views.value) : views.value.find(({ id }) => id === station);
  return view?.series[0]?.series ?? null;
});

export const extent = computed<Extent | null>(() => {
  const known = seriesByName.value.get(shownSeries.value ?? '');
  if (!known?.first || !known.last) return null;
  return { first: Date.parse(known.first), last: Date.parse(known.last) };
});

export const period = computed<Period>(() => route.value.period ?? defaultPeriod(extent.value, serverNow()));

export function listen(): void {
  addEventListener('popstate', () => {
    route.value = parse(location.search);
    const named = route.peek().lang;
    if (named !== null && named !== lang.peek()) choose(named);
  });
  effect(() => {
    // A phone shows one of the two: the list, or the chart that was asked for.
    document.documentElement.dataset['view'] = route.value.series === null ? 'list' : 'chart';
  });
}
