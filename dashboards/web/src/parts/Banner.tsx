// Covers the values while the page has no connection: what is below is the past.
import { zoned } from '../format/time';
import { lang, t } from '../state/language';
import { link } from '../state/store';
import { LevelMark } from './marks';

export function Banner() {
  if (link.value.phase !== 'lost') return null;
  return (
    <div class="banner" role="alert">
      <LevelMark level="bad" />
      <p>
        <strong>{t('banner.title')}</strong>{' '}
        <span>{t('banner.text', { time: zoned(link.value.heard, 'full', lang.value) })}</span>
      </p>
    </div>
  );
}
