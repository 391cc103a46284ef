// Starts the pages: first what they show, then what keeps it true.
import { render } from 'preact';
import './style/tokens.css';
import './style/base.css';
import './style/shared.css';
import './style/strip.css';
import './style/stations.css';
import './style/chart.css';
import { Overview } from './pages/Overview';
import { Header } from './parts/Header';
import { TruthStrip } from './parts/TruthStrip';
import * as chart from './state/chart';
import * as navigation from './state/navigation';
import * as store from './state/store';

function App() {
  return (
    <>
      <Header />
      <TruthStrip />
      <Overview />
    </>
  );
}

navigation.listen();
store.start();
chart.start();

const root = document.getElementById('app');
if (root) render(<App />, root);
