// A person before the page: opens it, types, reads. The only file that knows the page's names for
// its parts (crates/pigeon-web/page/README.md).

import assert from 'node:assert/strict';
import { SOON, sleep, until } from './harness.js';

/** The page's parts. */
export const PART = {
  log: '#log',
  row: '#log [data-position]',
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
      if (message.type() === 'error' && !/WebSocket connection|ERR_|net::/.test(text)) faults.push(`console: ${text}`);
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
    return until('the page is live', () => this.page.evaluate(PART.isLive), within);
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
    await this.page.fill(PART.name, name);
    await this.page.press(PART.name, 'Enter');
    await this.live();
    await until(`the name is ${name}`, async () => (await this.myName()) === name);
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

  /** The last of one's own messages. */
  async lastOwn() {
    return (await this.rows()).findLast(({ state }) => state);
  }

  /** How many of one's own messages the page says are not stored yet. */
  async waiting() {
    return (await this.rows()).filter(({ state }) => state === 'waiting').length;
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
    return until(`${text} is shown`, async () => (await this.text()).includes(text));
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

  async seenTexts() {
    return (await this.seen()).map(({ text }) => text);
  }

  /** The names in the list of people. */
  people() {
    return this.page.$$eval(`${PART.people} li`, (all) => all.map(({ textContent }) => textContent.trim()));
  }
}
