// The page as people meet it: in Debian's Chromium, against a real demo with its simulated devices and replayed year.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Browser, faultsByAxe, SIZES } from './browser.js';
import { Demo, until } from './demo.js';

const OUT = fileURLToPath(new URL('out/', import.meta.url));
const PICTURES = fileURLToPath(new URL('../../dashboards/pictures/', import.meta.url));

let demo;
let browser;
/** The demo's series, longest history first. */
let series;
/** A gap in the history of one of them: { series, from, to (ms, the readings on either side), interval }. */
let gap;

const shown = (page) => page.locator('.tile-value b').first().waitFor();
const texts = (page, selector) => page.locator(selector).allInnerTexts();
/** Waits until the strip says that all is well: right after its start the demo still takes in a year. */
const allWell = (page) =>
  until('good news', async () => (await page.locator('.strip').getAttribute('data-level')) === 'good', 90_000);
const plotted = (page) => page.locator('.plot canvas').waitFor();

async function findGap(candidates) {
  for (const { series: name, first } of candidates.slice(0, 24)) {
    // The replayed year is hourly: 200 days are few enough to be read one by one.
    const from = new Date(first);
    const to = new Date(from.getTime() + 200 * 86_400_000);
    const query = `series=${encodeURIComponent(name)}&from=${from.toISOString()}&to=${to.toISOString()}&step=raw`;
    const answer = await demo.get(`/readings?${query}`).catch(() => undefined); // too many to be read one by one
    const times = answer?.series[0].times ?? [];
    const distances = times.slice(1).map((time, i) => time - times[i]);
    const interval = distances.toSorted((a, b) => a - b)[distances.length >> 1];
    const at = distances.findIndex((distance) => distance >= 4 * interval && distance <= 40 * interval);
    if (at >= 0) return { series: name, from: times[at], to: times[at + 1], interval };
  }
  return undefined;
}

/** How many pixels of the chart's colour stand in the column of the plot at `time`. */
function inkAt(page, time) {
  return page.evaluate((moment) => {
    const query = new URLSearchParams(location.search);
    const [from, to] = [Date.parse(query.get('from')), Date.parse(query.get('to'))];
    const canvas = document.querySelector('.plot canvas');
    const over = document.querySelector('.plot .u-over').getBoundingClientRect();
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    const x = Math.round((over.left - box.left + ((moment - from) / (to - from)) * over.width) * scale);
    const [, r, g, b] = /#(..)(..)(..)/.exec(getComputedStyle(document.documentElement).getPropertyValue('--chart')).map((hex) => parseInt(hex, 16));
    const { data } = canvas.getContext('2d').getImageData(x, 0, 1, canvas.height);
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 100 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 90) found += 1;
    }
    return found;
  }, time);
}

before(async () => {
  await mkdir(OUT, { recursive: true });
  demo = await Demo.start();
  browser = await Browser.start();
  await until('live readings', async () => (await demo.get('/latest?limit=1000')).items.filter(({ state }) => state === 'fresh').length >= 10);
  gap = await until('a year of history with a gap in it', async () => {
    const { items } = await demo.get('/series?limit=1000');
    const length = ({ first, last }) => (first && last ? Date.parse(last) - Date.parse(first) : 0);
    series = items.toSorted((a, b) => length(b) - length(a));
    return findGap(series);
  }, 90_000, 1_000);
}, { timeout: 240_000 });

// A page left open goes on drawing and slows the next one.
afterEach(() => browser.closePages());

after(async () => {
  await browser?.stop();
  await demo?.remove();
});

test('every station appears, by kecamatan, unassigned ones last', async () => {
  const page = await browser.open(demo.url);
  await shown(page);
  const { items } = await demo.get('/stations?limit=1000');
  const cards = await page.locator('.station').evaluateAll((all) => all.map((card) => card.dataset.station));
  assert.deepEqual(cards.toSorted(), items.map(({ station }) => station).toSorted());
  const groups = (await texts(page, '.group h3')).map((text) => text.replace(/\s*\d+$/, '').trim());
  const kecamatan = [...new Set(items.filter(({ assigned }) => assigned).map((item) => item.kecamatan).filter(Boolean))].sort();
  assert.deepEqual(groups.filter((name) => name !== 'Not assigned yet'), kecamatan);
  if (groups.includes('Not assigned yet')) assert.equal(groups.at(-1), 'Not assigned yet');
  assert.deepEqual(page.faults, []);
});

test('values and ages move without anyone touching the page', async () => {
  const page = await browser.open(demo.url);
  await shown(page);
  const values = async () => (await texts(page, '.tile-value b')).join();
  const first = await values();
  await until('a value changes', async () => (await values()) !== first, 15_000);
  await page.locator('.tile[data-state=fresh]').first().waitFor();
  assert.match(await page.locator('.tile[data-state=fresh] .tile-age').first().innerText(), /\d+ (sec|min)/);
  assert.deepEqual(page.faults, []);
});

test('the strip says in words that all readings arrived', async () => {
  const page = await browser.open(demo.url);
  await allWell(page);
  assert.equal(await page.locator('.verdict strong').innerText(), 'All readings arrived');
  assert.equal(await page.locator('[data-cell=page] dd').innerText(), 'Live');
  assert.equal(await page.locator('[data-cell=lost] dd').innerText(), 'none');
  await page.locator('.strip-more').click();
  assert.ok((await page.locator('.gateways tbody tr').count()) >= 1);
  assert.deepEqual(page.faults, []);
});

test('the filters narrow the list', async () => {
  const page = await browser.open(demo.url);
  await shown(page);
  const all = await page.locator('.station').count();
  const id = await page.locator('.station').first().getAttribute('data-station');
  await page.locator('input[name=text]').fill(id);
  await until('one station is left', async () => (await page.locator('.station').count()) < all);
  assert.ok((await page.locator(`.station[data-station="${id}"]`).count()) === 1);
  await page.locator('input[name=text]').fill('no such station anywhere');
  await page.getByText('No station matches this filter.').waitFor();
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  assert.equal(await page.locator('.station').count(), all);
  await page.locator('select[name=quantity]').selectOption({ index: 1 });
  const titles = new Set(await texts(page, '.tile-title'));
  assert.equal(titles.size, 1);
  assert.deepEqual(page.faults, []);
});

test('a chart draws the whole history', async () => {
  const page = await browser.open(`${demo.url}/?series=${gap.series}&period=all`);
  await plotted(page);
  await page.locator('.numbers summary').click();
  const pager = await page.locator('.pager span').innerText();
  assert.ok(Number(/(\d[\d,]*)$/.exec(pager)[1].replaceAll(',', '')) > 100, pager);
  assert.equal(await page.locator('.segments [data-preset=all]').getAttribute('aria-pressed'), 'true');
  assert.deepEqual(page.faults, []);
});

test('the line stays open where nothing was measured', async () => {
  const around = 24 * gap.interval;
  const [from, to] = [gap.from - around, gap.to + around].map((time) => new Date(time).toISOString());
  const page = await browser.open(`${demo.url}/?series=${gap.series}&from=${from}&to=${to}`);
  await plotted(page);
  const middle = (gap.from + gap.to) / 2;
  await until('the line is drawn', async () => (await inkAt(page, gap.from - 8.5 * gap.interval)) > 0);
  assert.equal(await inkAt(page, middle), 0, 'nothing is drawn in the gap');
  assert.ok((await inkAt(page, gap.to + 8.5 * gap.interval)) > 0, 'and the line goes on after it');
  await page.screenshot({ path: `${OUT}gap.png` });
  assert.deepEqual(page.faults, []);
});

test('a chart that shows every reading grows with the live ones', async () => {
  const page = await browser.open(`${demo.url}/?lang=en`);
  const name = await page.locator('.tile[data-state=fresh]').first().getAttribute('data-series');
  await page.goto(`${demo.url}/?series=${name}&period=1h&lang=en`);
  await plotted(page);
  await page.locator('.numbers summary').click();
  const newest = () => page.locator('.numbers tbody time').first().getAttribute('datetime');
  const first = await newest();
  await until('a newer row', async () => (await newest()) > first, 30_000);
  assert.deepEqual(page.faults, []);
});

test('choosing a value and a period changes the address, and back goes back', async () => {
  const page = await browser.open(demo.url);
  await shown(page);
  const tile = page.locator('.tile').nth(1);
  const name = await tile.getAttribute('data-series');
  await tile.click();
  await page.locator('[data-preset="7d"]').click();
  assert.equal(new URL(page.url()).searchParams.get('series'), name);
  assert.equal(new URL(page.url()).searchParams.get('period'), '7d');
  await page.goBack();
  assert.equal(new URL(page.url()).searchParams.get('period'), null);
  assert.equal(new URL(page.url()).searchParams.get('series'), name);
  assert.deepEqual(page.faults, []);
});

test('Indonesian and English can be switched and are remembered', async () => {
  const page = await browser.open(demo.url, { lang: 'id' });
  await shown(page);
  assert.equal(await page.locator('html').getAttribute('lang'), 'id');
  await allWell(page);
  assert.equal(await page.locator('.verdict strong').innerText(), 'Semua bacaan telah sampai');
  assert.match((await texts(page, '.tile-value b')).join(' '), /\d,\d/);
  await page.getByRole('button', { name: 'English' }).click();
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  await page.reload();
  await shown(page);
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  assert.equal(await page.locator('#stations-title').innerText(), 'Stations');
  await page.goto(`${demo.url}/?lang=id`);
  await shown(page);
  assert.equal(await page.locator('#stations-title').innerText(), 'Stasiun');
  assert.deepEqual(page.faults, []);
});

test('times are WIB although the machine is elsewhere', async () => {
  const page = await browser.open(`${demo.url}/?series=${gap.series}&period=all`);
  await plotted(page);
  const inJakarta = (ms, options) =>
    new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Jakarta', hourCycle: 'h23', ...options }).format(ms);
  const clock = await page.locator('.clock').innerText();
  const minutes = [-60_000, 0, 60_000].map((shift) => inJakarta(Date.now() + shift, { hour: '2-digit', minute: '2-digit' }));
  assert.ok(minutes.some((minute) => clock.includes(minute)) && clock.includes('WIB'), clock);
  await page.locator('.numbers summary').click();
  const row = page.locator('.numbers tbody time').first();
  const time = inJakarta(Date.parse(await row.getAttribute('datetime')), {
    day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit',
  });
  assert.equal(await row.innerText(), time);
});

test('a period can be typed on the wall clock of the station', async () => {
  const page = await browser.open(`${demo.url}/?series=${gap.series}&period=all&lang=en`);
  await plotted(page);
  await page.locator('[data-preset=custom]').click();
  await page.locator('[name=from-time]').fill('25:00');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.getByRole('alert').waitFor();
  const day = new Date(gap.from).toISOString().slice(0, 10);
  const next = new Date(gap.from + 3 * 86_400_000).toISOString().slice(0, 10);
  await page.locator('[name=from-date]').fill(day);
  await page.locator('[name=from-time]').fill('00:00');
  await page.locator('[name=to-date]').fill(next);
  await page.locator('[name=to-time]').fill('12:30');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  const { searchParams } = new URL(page.url());
  assert.equal(searchParams.get('from'), new Date(`${day}T00:00:00+07:00`).toISOString());
  assert.equal(searchParams.get('to'), new Date(`${next}T12:30:00+07:00`).toISOString());
  assert.deepEqual(page.faults, []);
});

test('everything can be done from the keyboard', async () => {
  const page = await browser.open(`${demo.url}/?series=${gap.series}&period=all&lang=en`);
  await plotted(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'text');
  await page.locator('.plot').focus();
  await page.keyboard.press('ArrowRight');
  const first = await page.locator('.readout.pointed').innerText();
  await page.keyboard.press('ArrowRight');
  await until('the cursor moves on', async () => (await page.locator('.readout.pointed').innerText()) !== first, 5_000);
  assert.match(first, /WIB/);
  await page.locator('.numbers summary').focus();
  await page.keyboard.press('Enter');
  await page.locator('.numbers table').waitFor();
  assert.deepEqual(page.faults, []);
});

test('a phone shows the list or the chart, and keeps the place in the list', async () => {
  const page = await browser.open(demo.url, { size: SIZES.phone });
  await shown(page);
  const tile = page.locator('.station').nth(5).locator('.tile').first();
  await tile.scrollIntoViewIfNeeded();
  const place = await page.evaluate(() => scrollY);
  assert.ok(place > 0);
  await tile.click();
  await plotted(page);
  assert.equal(await page.locator('#stations').isVisible(), false);
  assert.equal(await page.evaluate(() => scrollY), 0);
  await page.getByRole('button', { name: 'Back to the list of stations' }).click();
  await until('the same place', async () => Math.abs((await page.evaluate(() => scrollY)) - place) < 50, 5_000);
  assert.equal(await page.locator('#chart').isVisible(), false);
  assert.deepEqual(page.faults, []);
});

for (const [name, size] of Object.entries(SIZES)) {
  for (const lang of ['id', 'en']) {
    for (const theme of ['light', 'dark']) {
      // axe takes seconds; what it sees differs between themes, and hardly between languages.
      const axe = (lang === 'id') === (theme === 'light');
      test(`no barrier and nothing cut off: ${name}, ${lang}, ${theme}`, async () => {
        const page = await browser.open(`${demo.url}/`, { size, lang, theme });
        await shown(page);
        await allWell(page);
        if (name !== 'phone') await plotted(page);
        await page.screenshot({ path: `${OUT}${name}-${lang}-${theme}.png` });
        // On a phone the list is a view of its own, elsewhere it is looked through beside the chart.
        if (axe && name === 'phone') assert.deepEqual(await faultsByAxe(page), []);
        const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok((await wide()) <= 0, 'nothing sticks out to the right');

        await page.goto(`${demo.url}/?series=${gap.series}&period=all`);
        await plotted(page);
        await page.screenshot({ path: `${OUT}${name}-${lang}-${theme}-chart.png` });
        await page.locator('.numbers summary').click();
        await page.locator('.numbers table').waitFor();
        if (axe) assert.deepEqual(await faultsByAxe(page), []);
        assert.ok((await wide()) <= 0, 'nothing sticks out to the right');
        assert.deepEqual(page.faults, []);
      });
    }
  }
}

const takePictures = async () => {
  await mkdir(PICTURES, { recursive: true });
  const [from, to] = [-15, 15].map((days) => new Date(gap.from + days * 86_400_000).toISOString());
  const month = `from=${from}&to=${to}`;
  for (const [name, size, lang, theme, query] of [
    ['wall', 'wall', 'id', 'dark', ''],
    ['laptop', 'laptop', 'en', 'light', ''],
    ['history', 'laptop', 'en', 'light', `?series=${gap.series}&${month}`],
    ['phone', 'phone', 'id', 'light', ''],
  ]) {
    const page = await browser.open(`${demo.url}/${query}`, { size: SIZES[size], lang, theme });
    await shown(page);
    await allWell(page);
    if (name !== 'phone') await plotted(page);
    await page.screenshot({ path: `${PICTURES}${name}.png` });
  }
};
// Only on demand: they are committed, and differ at every run.
if (process.env.UPDATE_PICTURES === '1') test('pictures for the README', takePictures);

test('a page whose server is gone says so loudly, shows no value as the present, and comes back by itself', async () => {
  const page = await browser.open(`${demo.url}/?lang=en`);
  await shown(page);
  await allWell(page);
  await demo.kill('SIGKILL');
  await page.locator('.banner').waitFor({ timeout: 20_000 });
  assert.equal(await page.locator('.strip').getAttribute('data-level'), 'bad');
  assert.match(await page.locator('.verdict strong').innerText(), /no connection to the server since \d\d:\d\d:\d\d WIB/);
  assert.match(await page.locator('.banner').innerText(), /not the present/);
  const states = await page.locator('.tile').evaluateAll((tiles) => [...new Set(tiles.map((tile) => tile.dataset.state))]);
  assert.deepEqual(states, ['unknown']);
  await page.screenshot({ path: `${OUT}gone.png` });
  assert.deepEqual(await faultsByAxe(page), []);
  await demo.run();
  await page.locator('.banner').waitFor({ state: 'detached', timeout: 40_000 });
  await until('live again', async () => (await page.locator('[data-cell=page] dd').innerText()) === 'Live');
  await page.locator('.tile[data-state=fresh]').first().waitFor();
});
