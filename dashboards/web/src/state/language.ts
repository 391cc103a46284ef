// The reader's language: from the link, else as chosen before, else as the browser says. Indonesian and English.
import { computed, effect, signal } from '@preact/signals';
import { count } from '../format/numbers';
import type { Lang } from '../format/quantities';
import { en } from '../i18n/en';
import { fill, type Params } from '../i18n/fill';
import { id, type Key } from '../i18n/id';

export type { Key, Lang };

const STORED = 'pantau.lang';
const texts: Record<Lang, Record<Key, string>> = { id, en };

function remembered(): Lang | null {
  try {
    const found = localStorage.getItem(STORED);
    return found === 'id' || found === 'en' ? found : null;
  } catch {
    return null; // storage may be forbidden
  }
}

export const lang = signal<Lang>(remembered() ?? (navigator.language.startsWith('id') ? 'id' : 'en'));
export const collator = computed(() => new Intl.Collator(lang.value, { numeric: true }));

export function choose(chosen: Lang): void {
  lang.value = chosen;
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    // then it lasts as long as the page
  }
}

/** The text for a key in the reader's language. Numbers among the parameters are written as that language does. */
export function t(key: Key, params: Params = {}): string {
  const written = Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, typeof value === 'number' ? count(value, lang.value) : value]),
  );
  const many = params['n'];
  return fill(texts[lang.value][key], written, typeof many === 'number' ? many : undefined);
}

effect(() => {
  document.documentElement.lang = lang.value;
});
