// Always on top: can what is shown be trusted? Good news in one sentence, every problem in words.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { count, lag } from '../format/numbers';
import { zoned } from '../format/time';
import type { Finding, Level, Truth } from '../model/truth';
import { BEHIND_S, FAR_BEHIND_S } from '../model/truth';
import { lang, t } from '../state/language';
import { gateways, link, strip } from '../state/store';
import { GatewayTable } from './GatewayTable';
import { LevelMark } from './marks';

const since = (ms: number): string => zoned(ms, Date.now() - ms > 43_200_000 ? 'full' : 'time', lang.value);

function words(finding: Finding): string {
  switch (finding.what) {
    case 'page_lost':
      return t('truth.page_lost', { time: since(finding.since) });
    case 'lost':
      return t('truth.lost', { n: finding.count });
    case 'gateway_gone':
      return t('truth.gateway_gone', { gateway: finding.gateway, time: since(finding.since) });
    case 'gateways_gone':
      return t('truth.gateways_gone', { n: finding.count });
    case 'behind':
      return t('truth.behind', {
        gateway: finding.gateway,
        lag: lag(finding.lagS, lang.value),
        backlog: finding.backlog,
      });
    case 'rejected':
      return t('truth.rejected', { n: finding.count });
    case 'clock':
      return t('truth.clock', { gateway: finding.gateway });
  }
}

function calm(truth: Truth): string {
  if (truth.level === 'good') return t('truth.good');
  return t(gateways.value?.length === 0 && link.value.phase === 'live' ? 'truth.no_gateway' : 'truth.waiting');
}

interface CellProps {
  label: string;
  value: string;
  level: Level;
  title?: string;
  name: string;
}

function Cell({ label, value, level, title, name }: CellProps) {
  return (
    <div class="cell" data-level={level} data-cell={name} title={title}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Cells({ truth }: { truth: Truth }) {
  const { phase } = link.value;
  const known = truth.lagS !== null && phase !== 'lost';
  // What is lost or rejected is counted by the city, whatever the gateways say.
  const counted = truth.gateways > 0 && phase !== 'lost';
  const amount = (n: number): string => {
    if (n > 0) return count(n, lang.value);
    return t(counted ? 'truth.none' : 'truth.unknown');
  };
  const quiet: Level = counted ? 'good' : 'unknown';
  let behind: Level = known ? 'good' : 'unknown';
  if (known && (truth.lagS ?? 0) >= BEHIND_S) behind = (truth.lagS ?? 0) >= FAR_BEHIND_S ? 'bad' : 'warn';
  let page: [string, Level] = [t('truth.live'), 'good'];
  if (phase === 'connecting') page = [t('truth.connecting'), 'unknown'];
  if (phase === 'lost') page = [t('truth.reconnecting', { time: since(link.value.since) }), 'bad'];
  return (
    <dl class="cells">
      <Cell
        name="lag"
        label={t('truth.lag')}
        value={known ? lag(truth.lagS ?? 0, lang.value) : t('truth.unknown')}
        level={behind}
        title={t('truth.lag.help')}
      />
      <Cell name="backlog" label={t('truth.backlog')} value={known ? amount(truth.backlog) : t('truth.unknown')} level={behind} />
      <Cell
        name="rejected"
        label={t('truth.rejected.label')}
        value={amount(truth.rejected)}
        level={truth.rejected > 0 ? 'warn' : quiet}
      />
      <Cell name="lost" label={t('truth.lost.label')} value={amount(truth.lost)} level={truth.lost > 0 ? 'bad' : quiet} />
      <Cell name="page" label={t('truth.page')} value={page[0]} level={page[1]} />
    </dl>
  );
}

export function TruthStrip() {
  const open = useSignal(false);
  const box = useRef<HTMLElement>(null);
  const truth = strip.value;
  useEffect(() => {
    // What sticks below the strip must know how high it is.
    const observer = new ResizeObserver(([entry]) => {
      const height = entry?.borderBoxSize[0]?.blockSize ?? 0;
      document.documentElement.style.setProperty('--strip-height', `${Math.ceil(height)}px`);
    });
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const [first, ...others] = truth.findings;
  return (
    <section class="strip" ref={box} data-level={truth.level} aria-label={t('truth.title')}>
      <div class="strip-row">
        <div class="verdict" role="status">
          <LevelMark level={truth.level} />
          <p>
            <strong>{first ? words(first) : calm(truth)}</strong>
            {others.length > 0 && <span>{others.map(words).join(' · ')}</span>}
          </p>
        </div>
        <Cells truth={truth} />
        <button
          class="strip-more"
          type="button"
          aria-expanded={open.value}
          aria-controls="gateways"
          onClick={() => {
            open.value = !open.value;
          }}
        >
          <span>{t('truth.details')}</span>
          <small>{t('truth.details.count', { present: truth.present, n: truth.gateways })}</small>
        </button>
      </div>
      <div id="gateways" hidden={!open.value}>
        {open.value && <GatewayTable />}
      </div>
    </section>
  );
}
