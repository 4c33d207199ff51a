// The page for people with a keyboard alone, with a screen reader, on a phone and on a desk, in both
// languages, light and dark.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { violations } from './axe.js';
import { Hub, browser, until } from './harness.js';
import { Person } from './page.js';

const PHONE = { width: 360, height: 640 };
const DESK = { width: 1280, height: 800 };

async function furnished(t) {
  const hub = await Hub.start(t);
  const join = await hub.join('狗哥');
  join.say('第一条', 'a link https://example.org/ and more', '/me 挥手');
  const nc = hub.nc();
  nc.say('plain words');
  const sensor = hub.sensor();
  sensor.say('temp=21.5');
  await join.line('temp=21.5');
  return { hub, join, nc };
}

test('axe finds no violation: languages, light and dark, phone and desk, each view', async (t) => {
  const { hub, join } = await furnished(t);
  const chromium = await browser(t);
  const found = [];
  for (const locale of ['zh-CN', 'en-GB']) {
    for (const colorScheme of ['light', 'dark']) {
      for (const viewport of [PHONE, DESK]) {
        // Four of the eight show each two of these together.
        const isOdd = [locale === 'zh-CN', colorScheme === 'dark', viewport === PHONE].filter(Boolean).length % 2 === 1;
        if (isOdd && !process.env.PIGEON_PAGE_ALL) continue;
        const where = `${locale}, ${colorScheme}, ${viewport.width}`;
        const context = await chromium.newContext({ locale, colorScheme, viewport, isMobile: viewport === PHONE, hasTouch: viewport === PHONE });
        const person = await Person.open(context, hub.url());
        const look = async (view) => {
          for (const line of await violations(person.page)) found.push(`${where}, ${view}: ${line}`);
          const wide = await person.page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
          if (wide > 0) found.push(`${where}, ${view}: ${wide} px too wide`);
        };
        await look('at first');
        await person.rename(`Zoë ${Date.now() % 100_000}`.replace(' ', ''));
        await person.say('hello');
        await person.expect('hello');
        join.say('and an answer');
        await person.expect('and an answer');
        await look('talking');
        for (const view of await person.views()) {
          await view.open();
          await look(view.name);
          await view.close();
        }
        const language = await person.page.evaluate(() => document.documentElement.lang);
        assert.match(language, locale.startsWith('zh') ? /^zh/ : /^en/, where);
        await person.checkFaults();
        await context.close();
      }
    }
  }
  assert.deepEqual(found, []);
});

test('a person with a keyboard alone reads, writes and reaches every control', async (t) => {
  const { hub } = await furnished(t);
  const chromium = await browser(t);
  const person = await Person.open(await chromium.newContext({ viewport: DESK, locale: 'en-GB' }), hub.url());
  const { page } = person;
  const focus = () =>
    page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      const shown = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
      return {
        what: `${element.tagName}#${element.id}.${element.className}`,
        name: element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent.trim().slice(0, 40),
        input: element.matches('textarea, input[type=text], [contenteditable]'),
        body: element === document.body,
        shown,
        onScreen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
      };
    });
  // From load to a said message, by keys.
  await person.keysToInput();
  await page.keyboard.type('typed by keys');
  await page.keyboard.press('Enter');
  await person.expect('typed by keys');
  await page.keyboard.type('two');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('lines');
  await page.keyboard.press('Enter');
  await person.expect((row) => /two\s+lines/.test(row.text) || row.text.includes('two\\nlines'));

  const stops = [];
  for (let n = 0; n < 80; n += 1) {
    await page.keyboard.press('Tab');
    const stop = await focus();
    // Past the end of the document it begins again.
    if (stop.body) continue;
    if (stops.some(({ what, name }) => what === stop.what && name === stop.name)) break;
    stops.push(stop);
  }
  assert.ok(stops.length >= 8, `only ${JSON.stringify(stops)}`);
  for (const stop of stops) {
    assert.ok(stop.shown, `the focus is not visible at ${stop.what} ${stop.name}`);
    assert.ok(stop.onScreen, `the focus is off the screen at ${stop.what} ${stop.name}`);
    assert.ok(stop.name, `${stop.what} has no name`);
  }
  // Nothing holds the focus: Tab and Shift+Tab lead out of every field.
  const before = (await focus()).what;
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Shift+Tab');
  assert.notEqual((await focus()).what, before);
  await person.checkFaults();
});

test('a screen reader finds the parts by their roles, and new messages are announced', async (t) => {
  const { hub, join } = await furnished(t);
  const chromium = await browser(t);
  const person = await Person.open(await chromium.newContext({ viewport: DESK, locale: 'en-GB' }), hub.url(), { name: 'ann' });
  const tree = await person.page.locator('body').ariaSnapshot();
  for (const role of ['log', 'textbox', 'button', 'main', 'heading', 'status']) {
    assert.match(tree, new RegExp(`- ${role}\\b`), `no ${role} in\n${tree}`);
  }
  assert.match(tree, /- (list|listbox|navigation|complementary|region)\b/, tree);
  const unnamed = tree.split('\n').filter((line) => /- (button|textbox|link|log)(:|$| \[)/.test(line.trimEnd()));
  assert.deepEqual(unnamed, [], 'controls without names');
  join.say('heard by ear');
  await person.expect('heard by ear');
  assert.match(await person.page.locator('[role=log]').ariaSnapshot(), /heard by ear/);
  // A screen reader is told by a log that is live, or by another live region.
  await until('it is announced', () =>
    person.page.$$eval('[aria-live=polite], [role=status], [role=log]', (regions) =>
      regions.some((region) => region.ariaLive !== 'off' && region.textContent.includes('heard by ear')),
    ),
  );
});

test('a title and a mark count what was not read', async (t) => {
  const { hub, join } = await furnished(t);
  const chromium = await browser(t);
  const context = await chromium.newContext({ locale: 'en-GB' });
  const person = await Person.open(context, hub.url(), { name: 'ann' });
  const quiet = await person.page.title();
  const devtools = await context.newCDPSession(person.page);
  // Another tab in front: headless pages stay visible otherwise.
  await person.page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { get: () => globalThis.pretended ?? 'hidden', configurable: true });
    Object.defineProperty(document, 'hidden', { get: () => (globalThis.pretended ?? 'hidden') === 'hidden', configurable: true });
    document.hasFocus = () => globalThis.pretended === 'visible';
    document.dispatchEvent(new Event('visibilitychange'));
    window.dispatchEvent(new Event('blur'));
  });
  join.say('one', 'two', 'three');
  await person.expect('three');
  await until('the title counts', async () => /3/.test(await person.page.title()));
  await person.page.evaluate(() => {
    globalThis.pretended = 'visible';
    document.dispatchEvent(new Event('visibilitychange'));
    window.dispatchEvent(new Event('focus'));
  });
  await until('the title is quiet again', async () => (await person.page.title()) === quiet);
  await devtools.detach();
});
