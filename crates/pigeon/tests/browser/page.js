// A person before the page: opens it, types, reads. The only file that knows the page's names for
// its parts (crates/pigeon-web/page/README.md).

import assert from 'node:assert/strict';
import { SOON, sleep, until } from './harness.js';

/** The page's parts. */
export const PART = {
  log: '#log',
  row: '#log .row',
  rowName: '.name',
  rowText: '.text',
  input: '#text',
  name: '#name',
  people: '#people',
  rooms: '#rooms',
  status: '#status',
  isLive: `document.querySelector('#status')?.dataset.state === 'live'`,
};

/** Characters that must never be on a page raw: controls, bidi, zero width, separators. */
export const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ue000-\uf8ff\ufeff\ufff9-\ufffb]/u;

/** In the page: keeps every row that was ever shown, by its position. */
function record({ row, rowName, rowText }) {
  const seen = (globalThis.seenRows = new Map());
  const read = (element) => {
    const position = Number(element.dataset.position);
    if (!position) return;
    const text = element.querySelector(rowText)?.textContent ?? '';
    const name = element.querySelector(rowName)?.textContent ?? '';
    seen.set(position, { position, name, text, at: Date.now() });
  };
  const look = (records) => {
    for (const { type, target, addedNodes } of records) {
      if (type === 'attributes') read(target);
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        if (node.matches(row)) read(node);
        else node.querySelectorAll(row).forEach(read);
      }
    }
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-position'] });
}

export class Person {
  /** Opens the page in a new tab of `context`, and waits until it is a member. */
  static async open(context, url, { name, observe = true } = {}) {
    const person = new Person(await context.newPage());
    if (observe) await person.page.addInitScript(record, PART);
    await person.page.goto(url);
    await person.live();
    if (name) await person.rename(name);
    return person;
  }

  /** A tab that is open already. */
  static async of(page) {
    const person = new Person(page);
    await person.live();
    await page.addInitScript(record, PART);
    await page.evaluate(record, PART);
    return person;
  }

  constructor(page) {
    this.page = page;
    this.context = page.context();
    /** What was shown before a reload. */
    this.ledger = new Map();
    this.faults = [];
    this.#watch();
  }

  /** Notes what no page of ours does: errors, dialogs, requests to other hosts. */
  #watch() {
    const { page, faults } = this;
    page.on('pageerror', (error) => faults.push(`error: ${error.stack}`));
    page.on('dialog', (dialog) => {
      faults.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('console', (message) => {
      const text = message.text();
      // The browser's own words about a connection that a test cuts.
      if (message.type() === 'error' && !/WebSocket connection|ERR_|net::|status of|Cross-Origin-Opener-Policy/.test(text)) faults.push(`console: ${text}`);
    });
    page.on('response', (response) => {
      if (response.status() >= 400) faults.push(`${response.status()} for ${response.url()}`);
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      const own = new URL(page.url());
      if (/^(http|ws)s?:$/.test(url.protocol) && own.host && url.host !== own.host) faults.push(`request: ${url}`);
    });
  }

  async checkFaults() {
    const ran = await this.page.evaluate(() => globalThis.ran ?? null);
    if (ran !== null) this.faults.push(`a text ran as a script: ${ran}`);
    assert.deepEqual(this.faults, []);
  }

  // The connection.

  live(within = 30_000) {
    return until(() => `the page is live; ${this.faults.join('; ')}`, () => this.page.evaluate(PART.isLive), within);
  }

  /** `live`, or another word of the page's for what it is doing. */
  connection() {
    return this.page.$eval(PART.status, (status) => status.dataset.state);
  }

  async reload() {
    await this.#keep();
    await this.page.reload();
    await this.live();
  }

  // Speaking.

  async myName() {
    return this.page.$eval(PART.name, (input) => input.value);
  }

  async rename(name) {
    await this.inSide(async () => {
      await this.page.fill(PART.name, name);
      await this.page.press(PART.name, 'Enter');
    });
    await until(`the name is ${name}`, async () => (await this.people()).some((one) => one.name === name));
  }

  /** Does something at the side, which a phone opens for it. */
  async inSide(act) {
    const { page } = this;
    const isNarrow = await page.isVisible('#open-side');
    if (isNarrow && (await page.getAttribute('#open-side', 'aria-expanded')) === 'false') await page.click('#open-side');
    const result = await act();
    if (isNarrow && (await page.getAttribute('#open-side', 'aria-expanded')) === 'true') await page.click('#close-side');
    return result;
  }

  /** Back to a room from a private conversation. */
  backTo(room) {
    return this.inSide(() => this.page.click(`${PART.rooms} li[data-room="${room}"] button`));
  }

  /** Goes to a room by its name. */
  async join(room) {
    await this.inSide(async () => {
      await this.page.fill('#room-name', room);
      await this.page.press('#room-name', 'Enter');
    });
    await until(`the room is ${room}`, async () => (await this.page.textContent('#room')) === room);
    await this.live();
  }

  /** Gives a password once the page asks for one. */
  async givePassword(word) {
    const { page } = this;
    await page.waitForSelector('#password', { state: 'visible' });
    await page.waitForFunction(() => document.querySelector('#password').value === '' || document.querySelector('#password-problem').textContent !== '');
    await page.fill('#password', word);
    await page.press('#password', 'Enter');
  }

  focusInput() {
    return this.page.focus(PART.input);
  }

  clearInput() {
    return this.page.fill(PART.input, '');
  }

  inputBox() {
    return this.page.locator(PART.input).boundingBox();
  }

  async say(text) {
    await this.page.fill(PART.input, text);
    await this.page.press(PART.input, 'Enter');
  }

  async sayAll(texts) {
    await this.focusInput();
    for (const text of texts) {
      await this.page.keyboard.insertText(text);
      await this.page.keyboard.press('Enter');
    }
  }

  // Reading.

  /** The rows in the page now. `state`: of one's own messages. */
  rows() {
    return this.page.$$eval(
      PART.row,
      (rows, { rowName, rowText }) =>
        rows.map((row) => ({
          position: Number(row.dataset.position),
          name: row.querySelector(rowName)?.textContent ?? '',
          text: row.querySelector(rowText)?.textContent ?? '',
          state: row.dataset.state,
        })),
      PART,
    );
  }

  /** How many of one's own messages the page says are not stored yet. */
  waiting() {
    return this.page.$eval(PART.status, (status) => Number(status.dataset.waiting ?? 0));
  }

  /** Waits until the hub has confirmed all that was said; others may hear it earlier. */
  settled() {
    return until('all that was said is confirmed', async () => (await this.waiting()) === 0);
  }

  rowCount() {
    return this.page.locator(PART.row).count();
  }

  /** Waits for a row with this text, or one that matches. */
  expect(found, within = SOON) {
    const matches = typeof found === 'function' ? found : (row) => row.text === found;
    const look = async () => (await this.rows()).find(matches);
    const report = async () => `${found} is shown; there is ${JSON.stringify((await this.rows()).slice(-5)).slice(0, 2_000)}`;
    return until(report, look, within);
  }

  async hasRow(matches) {
    return (await this.seen()).some(matches);
  }

  /** Everything that a person can read in the page. */
  text() {
    return this.page.evaluate(() => document.body.innerText);
  }

  expectAnywhere(text) {
    const report = async () => `${text} is shown; there is ${(await this.text()).slice(-2_000)}`;
    return until(report, async () => (await this.text()).includes(text));
  }

  async #keep() {
    const rows = await this.page.evaluate(() => [...globalThis.seenRows.values()]);
    for (const row of rows) this.ledger.set(row.position, row);
  }

  /** Every row that was ever shown, in the order of positions. */
  async seen() {
    await this.#keep();
    return [...this.ledger.values()].sort((a, b) => a.position - b.position);
  }

  /** What was shown, and what history shows on scrolling up to the beginning. */
  async allTexts() {
    // A tab that is not in front gets no scroll events.
    await this.page.bringToFront();
    await this.scrollBack(() => this.isAtBeginning());
    const texts = await this.seenTexts();
    await this.page.click('#down').catch(() => {});
    return texts;
  }

  isAtBeginning() {
    return this.page.evaluate(
      () =>
        document.querySelector('#top').dataset.edge === 'beginning' && document.querySelector('#log').scrollTop === 0,
    );
  }

  async seenTexts() {
    return (await this.seen()).map(({ text }) => text);
  }

  /** Who is in the list of people: `name`, `link` and what is shown. */
  people() {
    return this.page.$$eval(`${PART.people} li[data-name]`, (all) =>
      all.map(({ dataset, textContent }) => ({ ...dataset, shown: textContent })),
    );
  }

  /** What is shown in the list of rooms. */
  rooms() {
    return this.page.$$eval(`${PART.rooms} li`, (all) => all.map(({ textContent }) => textContent));
  }

  /** The texts that a search in the room finds. */
  async search(words) {
    const { page } = this;
    if (!(await page.isVisible('#search'))) await page.click('#open-search');
    await page.fill('#search', words);
    await page.evaluate(() => (document.querySelector('#search-status').textContent = 'waiting for the test'));
    await page.press('#search', 'Enter');
    const isDone = () =>
      page.$eval('#search-status', ({ textContent }) => !/waiting for the test|…/.test(textContent));
    await until(`the search for ${words} ends`, isDone);
    const texts = await page.$$eval('#results .text', (all) => all.map(({ textContent }) => textContent));
    return texts;
  }

  closeSearch() {
    return this.page.click('#close-search');
  }

  /** Scrolls back through history until a condition holds, or to the beginning. */
  async scrollBack(isDone) {
    const where = () =>
      this.page.evaluate(() => {
        const log = document.querySelector('#log');
        return `${document.querySelector('#top').textContent}, ${log.scrollTop} of ${log.scrollHeight}`;
      });
    await until(async () => `what was scrolled for is there: ${await where()}`, async () => {
      await this.page.$eval(PART.log, (log) => (log.scrollTop = 0));
      await sleep(30);
      return isDone();
    }, 60_000);
  }

  /** The texts of the room as it is copied out to a file. */
  async copyOut() {
    const { page } = this;
    const download = await this.inSide(async () => {
      await page.$eval('#settings', (details) => (details.open = true));
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('#copy-out')]);
      return download;
    });
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    const lines = Buffer.concat(chunks).toString().split('\n').filter(Boolean);
    return lines.map((line) => {
      const parts = /^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\] (\S+) \((\S+)\): (.*)$/.exec(line);
      assert.ok(parts, `a line that was copied out: ${line.slice(0, 200)}`);
      return parts[4];
    });
  }

  /** From the page's start to the message box, by keys alone. */
  async keysToInput() {
    const { page } = this;
    const isThere = () => page.evaluate((input) => document.activeElement?.matches(input), PART.input);
    if (await isThere()) return;
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await until('the first link leads to the message box', isThere, 2_000);
  }

  /** Views beside the room itself, each opened and closed as a person would. */
  async views() {
    const { page } = this;
    const views = [
      {
        name: 'search',
        open: async () => void (await this.search('hello')),
        close: () => this.closeSearch(),
      },
      {
        name: 'settings',
        open: async () => {
          if (await page.isVisible('#open-side')) await page.click('#open-side');
          await page.$eval('#settings', (details) => (details.open = true));
        },
        close: async () => {
          if (await page.isVisible('#close-side')) await page.click('#close-side');
        },
      },
      {
        name: 'a private conversation',
        open: () => this.inSide(() => page.click(`${PART.people} li[data-link=key] button`)),
        close: () => this.backTo('lobby'),
      },
      {
        name: 'an invalid room',
        open: async () => {
          if (await page.isVisible('#open-side')) await page.click('#open-side');
          await page.fill('#room-name', 'no room');
          await page.press('#room-name', 'Enter');
          await page.waitForSelector('#room-problem:not(:empty)');
        },
        close: async () => {
          await page.fill('#room-name', '');
          if (await page.isVisible('#close-side')) await page.click('#close-side');
        },
      },
      {
        name: 'a message that is too long',
        open: async () => {
          await this.say('x'.repeat(10_000));
          await page.waitForSelector('#say-problem:not(:empty)');
        },
        close: () => this.clearInput(),
      },
    ];
    return views;
  }
}
