// The name, the time where the stations are, and the language.
import { ZONE_NAME, time } from '../format/time';
import { now } from '../state/clock';
import { lang, t, type Lang } from '../state/language';
import { speak } from '../state/navigation';

const LANGUAGES: readonly (readonly [Lang, string])[] = [
  ['id', 'Indonesia'],
  ['en', 'English'],
];

function Clock() {
  return (
    <p class="clock">
      <span class="clock-date">{time(now.value, 'clock', lang.value)} </span>
      <span class="clock-time">{time(now.value, 'time', lang.value)}</span> <abbr>{ZONE_NAME}</abbr>
    </p>
  );
}

export function Header() {
  return (
    <header class="header">
      <a class="skip" href="#stations">
        {t('app.skip')}
      </a>
      <h1 class="brand">
        <img src="/favicon.svg" alt="" width="28" height="28" />
        <span class="brand-name">Pantau</span> <span class="brand-tagline">{t('app.tagline')}</span>
      </h1>
      <Clock />
      <div class="languages" role="group" aria-label={t('app.language')}>
        {LANGUAGES.map(([code, name]) => (
          <button
            key={code}
            type="button"
            lang={code}
            title={name}
            aria-pressed={lang.value === code}
            onClick={() => speak(code)}
          >
            <span class="long">{name}</span>
            <span class="short">{code.toUpperCase()}</span>
          </button>
        ))}
      </div>
    </header>
  );
}
