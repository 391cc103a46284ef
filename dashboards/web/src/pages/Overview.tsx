// The first page: every station beside the chart of one series. On a phone one of the two at a time.
import { link } from '../state/store';
import { Banner } from '../parts/Banner';
import { ChartPanel } from '../parts/ChartPanel';
import { Stations } from '../parts/Stations';

export function Overview() {
  return (
    <main class="overview" data-link={link.value.phase}>
      <Banner />
      <Stations />
      <ChartPanel />
    </main>
  );
}
