// A page in a room where 10,000 messages a second arrive: it answers its keys, and its memory is
// bounded. PIGEON_PAGE_MINUTES=10 runs for that long; PIGEON_BIN may name a release build.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub, browser, figure, sleep, until } from './harness.js';
import { Person } from './page.js';

const SECONDS = process.env.PIGEON_PAGE_MINUTES ? 60 * Number(process.env.PIGEON_PAGE_MINUTES) : 20;
const RATE = Number(process.env.PIGEON_PAGE_RATE ?? 10_000);

/** In the page: the time from each key to the frame that shows it, and how many frames arrive. */
function meter() {
  const meter = (globalThis.meter = { echoes: [], frames: [], arrived: 0, longest: 0 });
  let key;
  addEventListener('keydown', (event) => (key = event.timeStamp), { capture: true });
  addEventListener(
    'input',
    () => {
      const from = key;
      // After the next frame's callbacks comes its paint; a message's task runs after that.
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => meter.echoes.push(performance.now() - from);
        port2.postMessage(null);
      });
    },
    { capture: true },
  );
  let last = performance.now();
  const frame = (now) => {
    meter.frames.push(now - last);
    if (meter.frames.length > 100_000) meter.frames.length = 0;
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const Native = WebSocket;
  globalThis.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => {
        meter.arrived += data.split('"type":"message"').length - 1;
      });
    }
  };
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const percentile = (values, share) => sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))];
const ms = (value) => `${value.toFixed(1)} ms`;

test(`a page answers its keys and keeps its memory while ${RATE} messages a second arrive`, { timeout: (SECONDS + 120) * 1000 }, async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const context = await chromium.newContext();
  await context.addInitScript(meter);
  const ann = await Person.open(context, hub.url(), { name: 'ann', observe: false });
  const { page } = ann;
  const devtools = await context.newCDPSession(page);
  await devtools.send('Performance.enable');
  const memory = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    const { metrics } = await devtools.send('Performance.getMetrics');
    const value = (name) => metrics.find((metric) => metric.name === name).value;
    return { heap: value('JSHeapUsedSize'), nodes: value('Nodes') };
  };
  const echoes = async (text) => {
    await page.evaluate(() => void (globalThis.meter.echoes.length = globalThis.meter.frames.length = 0));
    for (const letter of text) {
      await page.keyboard.press(letter);
      await sleep(30);
    }
    await until('each key is echoed', () => page.evaluate((count) => globalThis.meter.echoes.length >= count, text.length));
    return page.evaluate(() => ({ echoes: [...globalThis.meter.echoes], frames: [...globalThis.meter.frames] }));
  };
  await ann.focusInput();
  const idle = await echoes('thequickbrownfox');
  await ann.clearInput();

  const flood = hub.flood('loud', '--rate', `${RATE}/s`, '--count', String(RATE * (SECONDS + 60)));
  await ann.expect('loud');
  const began = Date.now();
  const before = await page.evaluate(() => globalThis.meter.arrived);
  await sleep(2_000);
  await ann.focusInput();
  const loud = { echoes: [], frames: [] };
  const heaps = [];
  let said = 0;
  const owns = [];
  while (Date.now() - began < SECONDS * 1000) {
    const measured = await echoes('thequickbrownfoxjumps');
    loud.echoes.push(...measured.echoes);
    loud.frames.push(...measured.frames);
    await ann.clearInput();
    heaps.push(await memory());
    const own = `mine ${(said += 1)}`;
    const from = Date.now();
    await ann.say(own);
    await until('nothing of one\'s own waits', async () => (await ann.waiting()) === 0, 30_000);
    owns.push(Date.now() - from);
    await sleep(SECONDS > 60 ? 5_000 : 500);
  }
  const arrived = (await page.evaluate(() => globalThis.meter.arrived)) - before;
  const seconds = (Date.now() - began) / 1000;
  const rows = await ann.rowCount();
  await flood.kill();
  const report = ({ echoes }) => `median ${ms(percentile(echoes, 0.5))}, 99 % ${ms(percentile(echoes, 0.99))}, worst ${ms(Math.max(...echoes))}`;
  const mib = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
  figure('messages arriving in the page', `${Math.round(arrived / seconds)} a second for ${Math.round(seconds)} s`);
  figure('a key\'s echo, idle', report(idle));
  figure('a key\'s echo, loud', `${report(loud)} of ${loud.echoes.length}`);
  figure('frames while loud', `median ${ms(percentile(loud.frames, 0.5))}, 99 % ${ms(percentile(loud.frames, 0.99))}, worst ${ms(Math.max(...loud.frames))}`);
  figure('own message said to stored while loud', `median ${percentile(owns, 0.5)} ms, worst ${Math.max(...owns)} ms`);
  const quarter = heaps[Math.floor(heaps.length / 4)];
  const last = heaps.at(-1);
  figure('heap', `${mib(heaps[0].heap)} at first, ${mib(quarter.heap)} after a quarter, ${mib(last.heap)} at the end; ${last.nodes} nodes, ${rows} rows`);
  assert.ok(arrived > seconds * 100, `only ${arrived} messages arrived`);
  assert.ok(last.heap < 150 * 1048576, `the heap has ${mib(last.heap)}`);
  assert.ok(last.heap < quarter.heap * 2 + 16 * 1048576, 'the heap grows');
  assert.ok(rows <= 2_000, `${rows} rows are in the page`);
  await ann.checkFaults();
});

test('rows stay in order where the person scrolls before the next frame, in a room that has dropped its oldest', async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const ann = await Person.open(await chromium.newContext(), hub.url(), { name: 'ann', observe: false });
  await ann.say('the first');
  await ann.expect('the first');
  await ann.page.evaluate(async () => {
    const { rooms } = await import('/main.js');
    const room = rooms.get('lobby');
    const log = document.querySelector('#log');
    let number = 0;
    const flood = (count) => {
      for (let i = 0; i < count; i += 1) {
        number += 1;
        room.add({ type: 'message', position: 2 ** 41 + number, author: 'b', outbox: 'c', number, name: 'loud', link: 'plain', time: Date.now(), text: `loud ${number}` });
      }
      log.dispatchEvent(new Event('scroll'));
    };
    for (let i = 0; i < 20; i += 1) {
      flood(700);
      if (i % 3 === 0) await new Promise(requestAnimationFrame);
    }
  });
  await ann.say('the last');
  const shown = await until('the newest are shown', async () => {
    const rows = (await ann.rows()).map(({ text }) => text).filter((text) => text.startsWith('loud'));
    return rows.at(-1) === 'loud 14000' && rows;
  });
  const numbers = shown.map((text) => Number(text.slice(5)));
  assert.ok(numbers.every((number, i) => i === 0 || number === numbers[i - 1] + 1), `${numbers.slice(0, 5)} … ${numbers.slice(-5)}`);
  await ann.checkFaults();
});
