// A person before the page: opens it, types, reads. The only file that knows the page's names for
// its parts (crates/pigeon-web/page/README.md).

import assert from 'node:assert/strict';
import { SOON, until } from './harness.js';

/** The page's parts. */
const PART = {
  log: '[role=log]',
  row: '[role=log] [data-position]',
  input: '#text',
  name: '#name',
  people: '#people',
  rooms: '#rooms',
  status: '[role=status]',
};

/** Characters that must never be on a page raw: controls, bidi, zero width, separators. */
// eslint-disable-next-line no-control-regex
export const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/u;

export class Person {
  /** Opens the page in a tab of `context`, and waits until it is a member. */
  static async open(context, url, { name } = {}) {
    const person = new Person();
    person.context = context;
    person.page = await context.newPage();
    person.faults = [];
    person.watch();
    await person.page.addInitScript(record, PART.row);
    await person.page.goto(url);
    if (name) await person.rename(name);
    return person;
  }

  /** Notes what no page of ours does: errors, dialogs, requests to other hosts, scripts from texts. */
  watch() {
    const { page, faults } = this;
    page.on('pageerror', (error) => faults.push(`error: ${error.stack}`));
    page.on('dialog', (dialog) => {
      faults.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('popup', () => faults.push('another window'));
    page.on('console', (message) => {
      const text = message.text();
      // The browser's own words about a connection that a test cuts.
      if (message.type() === 'error' && !/WebSocket connection|ERR_|net::/.test(text)) faults.push(`console: ${text}`);
    });
    page.on('request', (request) => {
      const own = new URL(page.url() === 'about:blank' ? request.url() : page.url());
      const url = new URL(request.url());
      if (url.protocol !== 'data:' && url.protocol !== 'blob:' && url.host !== own.host) faults.push(`request: ${url}`);
    });
  }

  async checkFaults() {
    const ran = await this.page.evaluate(() => globalThis.ran ?? null).catch(() => null);
    if (ran !== null) this.faults.push(`a text ran as a script: ${ran}`);
    assert.deepEqual(this.faults, []);
  }
}
