// Debian's Chromium, and pages that remember everything a user must never meet.
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const SIZES = {
  wall: { width: 1920, height: 1080 },
  laptop: { width: 1366, height: 768 },
  phone: { width: 390, height: 844 },
};

export class Browser {
  static async start() {
    const browser = new Browser();
    browser.folder = await mkdtemp(join(tmpdir(), 'pantau-chromium-'));
    browser.engine = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
        `--crash-dumps-dir=${browser.folder}`,
      ],
    });
    return browser;
  }

  /**
   * A page of its own context. The machine's zone is New York on purpose: the page must show WIB all the same.
   * `page.faults` gathers console errors, exceptions and requests to other hosts.
   */
  async open(url, { size = SIZES.laptop, lang = 'en', theme = 'light' } = {}) {
    const context = await this.engine.newContext({
      viewport: size,
      locale: lang === 'id' ? 'id-ID' : 'en-US',
      colorScheme: theme,
      timezoneId: 'America/New_York',
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    page.faults = [];
    const { host } = new URL(url);
    page.on('console', (message) => {
      if (message.type() === 'error') page.faults.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => page.faults.push(`exception: ${error.message}`));
    page.on('request', (request) => {
      if (new URL(request.url()).host !== host) page.faults.push(`request to another host: ${request.url()}`);
    });
    await page.goto(url);
    return page;
  }

  async closePages() {
    await Promise.all(this.engine.contexts().map((context) => context.close()));
  }

  async stop() {
    await this.engine.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** What axe finds, one line a fault. */
export async function faultsByAxe(page) {
  await page.evaluate(axe); // evaluated from outside: the page's own policy stays as strict as it is
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html.slice(0, 160)} (${failureSummary?.replace(/\s+/g, ' ')})`));
}
