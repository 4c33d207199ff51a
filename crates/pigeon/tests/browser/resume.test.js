// What is said arrives once and in order, whatever happens to the page, the network and the hub.

import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { chromium as playwright } from 'playwright-core';
import { Hub, LAN_NAME, Way, afterwards, browser, checkLedger, figure, numbered, sleep, until } from './harness.js';
import { Person } from './page.js';

const EACH = Number(process.env.PIGEON_PAGE_MESSAGES ?? 1000);
const PATIENCE = 120_000;

test('a thousand messages each way through reloads, cuts and kills', async (t) => {
  const hub = await Hub.start(t, '--page-name', LAN_NAME);
  const way = await Way.start(t, hub);
  const chromium = await browser(t);
  const ann = await Person.open(await chromium.newContext(), hub.url('127.0.0.1', way.port), { name: 'ann' });
  const bea = await Person.open(await chromium.newContext(), hub.url(LAN_NAME), { name: 'bea' });
  const join = await hub.join('carl');
  const sensor = hub.sensor();
  let nc = hub.nc();
  const ncs = [nc];

  const part = Math.ceil(EACH / 8);
  const said = { ann: 0, bea: 0, carl: 0, nc: 0, sensor: 0 };
  const next = (who) => {
    const texts = numbered(who, said[who] + 1, Math.min(said[who] + part, EACH));
    said[who] += texts.length;
    return texts;
  };
  /** The next part of everybody's messages; what happens meanwhile comes in their middle. */
  const talk = async (meanwhile = async () => {}) => {
    if (nc.child.exitCode !== null) ncs.push((nc = hub.nc()));
    join.say(...next('carl'));
    const plain = (async () => {
      for (const [readings, line] of [[next('sensor'), sensor], [next('nc'), nc]]) {
        for (const reading of readings) {
          line.say(reading);
          await sleep(1);
        }
      }
    })();
    const [a, b] = [next('ann'), next('bea')];
    const half = Math.floor(a.length / 2);
    await Promise.all([ann.sayAll(a.slice(0, half)), bea.sayAll(b.slice(0, half))]);
    await meanwhile();
    await Promise.all([ann.sayAll(a.slice(half)), bea.sayAll(b.slice(half))]);
    await plain;
  };

  await talk();
  await talk(() => ann.reload());
  await talk(async () => {
    way.silence();
    await ann.context.setOffline(true);
  });
  await until('the page says that it is offline', async () => (await ann.connection()) !== 'live', 60_000);
  await ann.context.setOffline(false);
  way.restore();
  await talk(() => hub.kill());
  await until('the page says that the hub is away', async () => (await bea.connection()) !== 'live', 60_000);
  await hub.again();
  await talk(() => way.cut());
  way.restore();
  await talk(async () => {
    await hub.kill();
    await hub.again();
  });
  await talk(() => Promise.all([ann.reload(), bea.reload()]));
  await talk();
  assert.deepEqual(said, { ann: EACH, bea: EACH, carl: EACH, nc: EACH, sensor: EACH });

  const reliable = ['ann', 'bea', 'carl'];
  const missing = (texts) => {
    const seen = new Set(texts);
    return reliable.flatMap((who) => numbered(who, 1, EACH)).filter((text) => !seen.has(text));
  };
  for (const [who, texts] of [
    ['the log', async () => (await hub.history()).map(({ text }) => text)],
    ['carl', () => join.messages().map(({ text }) => text)],
  ]) {
    let left;
    const report = () => `${who} has everything; ${left.length} are missing: ${left.slice(0, 30)}`;
    await until(report, async () => (left = missing(await texts())).length === 0, PATIENCE);
  }
  const log = (await hub.history()).map(({ text }) => text);
  // A page draws the newest only, where thousands come at once; the others are there on scrolling up.
  for (const person of [ann, bea]) await person.expect(log.at(-1), PATIENCE);

  const truth = log.filter((text) => /^\w+ \d+$/.test(text));
  const ledgers = {
    log: truth,
    ann: await ann.allTexts(),
    'ann, copied out': await ann.copyOut(),
    bea: await bea.allTexts(),
    'bea, copied out': await bea.copyOut(),
    carl: join.messages().map(({ text }) => text),
  };
  for (const [who, texts] of Object.entries(ledgers)) {
    checkLedger(who, texts, said, { plain: ['nc', 'sensor'] });
    assert.deepEqual(texts.filter((text) => /^\w+ \d+$/.test(text)), truth, `${who} has the log's order`);
  }
  const heard = (program) => program.out.map((line) => line.replace(/^[^ ]+: /, ''));
  for (const [who, program] of [['sensor', sensor], ...ncs.map((one, n) => [`nc ${n}`, one])]) {
    checkLedger(who, heard(program), said, { plain: Object.keys(said) });
  }
  figure(
    'messages each way through 3 reloads, 2 kills of the hub, an offline network and a cut one',
    `${EACH} of each of 5, ${truth.length} in the log: 0 lost, 0 doubled, 0 out of order in ${Object.keys(ledgers).length} ledgers`,
  );
  for (const person of [ann, bea]) await person.checkFaults();
});

test('what waits in a closed tab is sent once by the next one', async (t) => {
  const hub = await Hub.start(t);
  const way = await Way.start(t, hub);
  const chromium = await browser(t);
  const context = await chromium.newContext();
  const url = hub.url('127.0.0.1', way.port);
  const join = await hub.join('carl');
  const first = await Person.open(context, url, { name: 'ann' });
  await first.say('before');
  await join.line('before');
  await first.settled();
  way.silence();
  await first.sayAll(numbered('waiting', 1, 20));
  await until('all are written', async () => (await first.waiting()) === 20);
  await first.page.close();
  way.restore();
  const second = await Person.open(context, url);
  await second.say('after');
  await join.line('after');
  await join.line('waiting 20');
  await sleep(500);
  const texts = join.messages().map(({ text }) => text);
  checkLedger('join', texts, { waiting: 20 });
  await second.expect('waiting 20');
  checkLedger('the next tab', await second.seenTexts(), { waiting: 20 });
  const authors = new Set(join.messages().map(({ from }) => from));
  assert.deepEqual([...authors], ['ann'], 'the next tab is the same member');
  await second.checkFaults();
});

test('an open tab takes over what a closed one left', async (t) => {
  const hub = await Hub.start(t);
  const way = await Way.start(t, hub);
  const chromium = await browser(t);
  const context = await chromium.newContext();
  const url = hub.url('127.0.0.1', way.port);
  const join = await hub.join('carl');
  const first = await Person.open(context, url, { name: 'ann' });
  const second = await Person.open(context, url);
  await first.say('one');
  await second.say('two');
  await join.line('two');
  await Promise.all([first.settled(), second.settled()]);
  way.silence();
  await first.sayAll(numbered('first', 1, 10));
  await second.sayAll(numbered('second', 1, 10));
  await until('all are written', async () => (await first.waiting()) === 10 && (await second.waiting()) === 10);
  await first.page.close();
  way.restore();
  await join.line('second 10', 60_000);
  await join.line('first 10', 60_000);
  await sleep(500);
  checkLedger('join', join.messages().map(({ text }) => text), { first: 10, second: 10 });
  checkLedger('the other tab', await second.seenTexts(), { first: 10, second: 10 });
  await second.checkFaults();
});

test('two tabs and a duplicated one each say and show everything once', async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const context = await chromium.newContext();
  const join = await hub.join('carl');
  const first = await Person.open(context, hub.url(), { name: 'ann' });
  const second = await Person.open(context, hub.url());
  // A tab that is duplicated begins with a copy of the first one's session storage.
  const [page] = await Promise.all([
    context.waitForEvent('page'),
    first.page.evaluate(() => void window.open(location.href)),
  ]);
  const third = await Person.of(page);
  first.faults.length = 0;
  const tabs = { one: first, two: second, three: third };
  for (let round = 0; round < 5; round += 1) {
    const talking = Object.entries(tabs).map(([who, tab]) => tab.sayAll(numbered(who, round * 20 + 1, round * 20 + 20)));
    await Promise.all(talking);
    if (round === 1) await first.reload();
    if (round === 3) await third.reload();
  }
  const said = { one: 100, two: 100, three: 100 };
  for (const who of Object.keys(said)) await join.line(`"${who} 100"`, 60_000);
  for (const [who, tab] of Object.entries(tabs)) {
    for (const other of Object.keys(said)) await tab.expect(`${other} 100`, 60_000);
    checkLedger(`tab ${who}`, await tab.allTexts(), said);
    await tab.checkFaults();
  }
  checkLedger('join', join.messages().map(({ text }) => text), said);
});

test('a phone that was locked catches up', async (t) => {
  const hub = await Hub.start(t);
  const way = await Way.start(t, hub);
  const chromium = await browser(t);
  const context = await chromium.newContext();
  const ann = await Person.open(context, hub.url('127.0.0.1', way.port), { name: 'ann' });
  const join = await hub.join('carl');
  const devtools = await context.newCDPSession(ann.page);
  const lock = (state) => devtools.send('Page.setWebLifecycleState', { state });
  let count = 0;
  for (const meanwhile of [
    async () => {},
    async () => way.cut(),
    async () => way.silence(),
    async () => {
      await hub.kill();
      await hub.again();
    },
  ]) {
    await lock('frozen');
    await meanwhile();
    join.say(...numbered('carl', count + 1, count + 50));
    count += 50;
    await until('join stores it', () => join.messages().filter(({ text }) => text.startsWith('carl ')).length === count);
    way.restore();
    await lock('active');
    const unlocked = Date.now();
    await ann.expect(`carl ${count}`, 60_000);
    figure('unlocked to caught up', `${Date.now() - unlocked} ms`);
    await ann.say(`ann ${count / 50}`);
    await join.line(`"ann ${count / 50}"`, 60_000);
    await ann.expect(({ text, state }) => text === `ann ${count / 50}` && state === 'stored');
  }
  checkLedger('ann', await ann.seenTexts(), { carl: count, ann: count / 50 });
  checkLedger('join', join.messages().map(({ text }) => text), { carl: count, ann: count / 50 });
  await ann.checkFaults();
});

test('a browser that is killed says what waited when it starts again', async (t) => {
  const hub = await Hub.start(t);
  const way = await Way.start(t, hub);
  const url = hub.url('127.0.0.1', way.port);
  const profile = mkdtempSync(path.join(hub.folder, 'profile-'));
  const start = () =>
    playwright.launchPersistentContext(profile, {
      executablePath: process.env.PIGEON_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
    });
  const join = await hub.join('carl');
  let context = await start();
  // Before its profile is removed with the hub's folder, or it may never end; nor would a failed test.
  afterwards(t, () => context.close().catch(() => {}));
  const before = await Person.open(context, url, { name: 'ann' });
  await before.say('before');
  await join.line('before');
  await before.settled();
  way.silence();
  await before.sayAll(numbered('waiting', 1, 5));
  await until('all are written', async () => (await before.waiting()) === 5);
  // Gives the storage's own write, which may follow its event, a moment.
  await sleep(300);
  const devtools = await context.newCDPSession(before.page);
  await Promise.all([
    new Promise((closed) => context.on('close', closed)),
    devtools.send('Browser.crash').catch(() => {}),
  ]);
  way.restore();
  context = await start();
  const after = await Person.open(context, url);
  await join.line('waiting 5', 60_000);
  await after.say('after');
  await join.line('after');
  checkLedger('join', join.messages().map(({ text }) => text), { waiting: 5 });
  assert.deepEqual([...new Set(join.messages().map(({ from }) => from))], ['ann']);
});
