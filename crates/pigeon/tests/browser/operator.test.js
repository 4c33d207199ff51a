// The operator's view: behind its token, with plots that stay smooth, and for everybody.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { violations } from './axe.js';
import { Hub, browser, figure, sleep, until } from './harness.js';
import { Person } from './page.js';

const HOUR = 3_600;

/** The address of the operator's view, which a hub without a terminal writes into a file. */
async function operatorUrl(hub) {
  await hub.program.status('operator');
  const [address] = await until('the address is in its file', () => hub.operatorAddress());
  const printed = new URL(address);
  return new URL(`${printed.pathname}${printed.hash}`, hub.url()).href;
}

/** Acts as the hub's side of the operator's socket, for data that a test cannot wait for. */
async function pretend(page, first) {
  let push;
  await page.routeWebSocket('**/operator/ws', (socket) => {
    push = (frame) => socket.send(JSON.stringify(frame));
    socket.onMessage((text) => {
      if (JSON.parse(text).type !== 'token') return;
      push({ type: 'hub', name: 'hub', version: '0.1.0' });
      for (const frame of first) push(frame);
    });
  });
  return (frame) => push(frame);
}

const wave = (n, period, size) => Math.round(size * (1.2 + Math.sin((n / period) * 2 * Math.PI)));

function sample(n, time) {
  return {
    type: 'sample',
    time,
    members: wave(n, 900, 80),
    by_link: { plain: wave(n, 900, 20), page: wave(n, 600, 40), key: wave(n, 300, 20) },
    received: wave(n, 60, 500),
    deliveries: wave(n, 60, 40_000),
    drops: { rate: wave(n, 120, 3), full: n % 97 === 0 ? 50 : 0, '<img src=x onerror=globalThis.ran=1>': n % 50 },
    round_trip_ms: { median: 1 + Math.random(), 99: 10 + 5 * Math.random() },
    queues: wave(n, 30, 10),
    durable_lag_ms: 3 + Math.random(),
  };
}

function hour() {
  const now = Date.now();
  return Array.from({ length: HOUR }, (_, n) => sample(n, now - (HOUR - n) * 1_000));
}

const MEMBERS = Array.from({ length: 200 }, (_, n) => ({
  name: n === 0 ? '<b onclick=ran=1>狗哥' : n === 1 ? 'x'.repeat(32) : `member-${n}`,
  room: n % 3 === 0 ? 'lobby' : '<i>ops',
  link: ['plain', 'page', 'key', 'ipmsg'][n % 4],
  address: `192.168.1.${n % 250}:${40_000 + n}`,
  rate: n / 7,
  drops: n % 5,
  muted: n % 9 === 0,
}));

test('the token opens the view, and nothing else does', async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const join = await hub.join('carl');
  const ann = await Person.open(await chromium.newContext(), hub.url(), { name: 'ann' });
  const url = await operatorUrl(hub);
  const token = new URLSearchParams(new URL(url).hash.slice(1)).get('token') ?? new URL(url).hash.slice(1);
  assert.ok(token.length >= 26, `a token of ${token.length} characters`);
  const closed = await (await chromium.newContext()).newPage();
  const state = (page) => page.$eval('#status', ({ dataset }) => dataset.state);

  for (const wrong of ['', '#token=', `#token=${token.slice(0, -1)}`, `#token=${token}x`, `#${'a'.repeat(26)}`]) {
    await closed.goto('about:blank');
    await closed.goto(`${hub.url()}operator${wrong}`);
    await until(`${wrong} is refused`, () => closed.isVisible('#token-form'));
    assert.equal(await closed.isVisible('#view'), false);
    assert.equal(await closed.locator('#members tr').count(), 0);
  }
  await closed.fill('#token', token);
  await closed.press('#token', 'Enter');
  await until('the token that is typed opens it', () => closed.isVisible('#view'), 60_000);

  const operator = await (await chromium.newContext()).newPage();
  const requests = [];
  operator.on('request', (request) => requests.push(request.url()));
  operator.on('websocket', (socket) => requests.push(socket.url()));
  await operator.goto(url);
  await until('the view is live', async () => (await state(operator)) === 'live');
  assert.ok(!(await operator.evaluate(() => location.href)).includes(token), 'the token leaves the address bar');
  assert.ok(requests.every((request) => !request.split('#')[0].includes(token)), 'the token is in no request');

  // Rows stay as they are while the pointer or the focus is among them.
  const leave = async () => {
    await operator.mouse.move(0, 0);
    await operator.focus('#filter');
  };
  const row = (name) => operator.locator(`#members tr[data-name="${name}"]`);
  await until('the members are listed', async () => (await row('ann').count()) === 1 && (await row('carl').count()) === 1);
  await row('carl').locator('button.mute').click();
  await leave();
  await until('carl is muted', async () => (await row('carl').locator('button.unmute').count()) === 1);
  join.say('nobody hears this');
  await ann.say('ann speaks');
  await join.line('ann speaks');
  await sleep(300);
  assert.ok(!(await ann.text()).includes('nobody hears this'));
  await row('carl').locator('button.unmute').click();
  await leave();
  await until('carl may speak', async () => (await row('carl').locator('button.mute').count()) === 1);

  await row('ann').locator('button.kick').click();
  await ann.expectAnywhere('operator');
  assert.notEqual(await ann.connection(), 'live');
  await leave();
  await until('ann is gone', async () => (await row('ann').count()) === 0);
  await until('plots are drawn', async () => (await operator.locator('#plots canvas').count()) >= 4);

  // The token is in no log, and a new start has a new one.
  assert.ok(![...hub.program.out, ...hub.program.err].some((line) => line.includes(token)));
  await hub.kill();
  await hub.again();
  const fresh = await operatorUrl(hub);
  assert.notEqual(new URL(fresh).hash, new URL(url).hash);
  await operator.goto('about:blank');
  await operator.goto(url);
  await until('the old token is refused', () => operator.isVisible('#token-form'));
});

test('metrics are what Prometheus reads, without names', async (t) => {
  const hub = await Hub.start(t);
  const join = await hub.join('secretname');
  join.say('/join secretroom');
  await join.line('secretroom');
  const metrics = await (await fetch(`${hub.url()}metrics`)).text();
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' });
  assert.equal(checked.status, 0, checked.stderr + checked.stdout);
  assert.doesNotMatch(metrics, /secretname|secretroom/);
  assert.match(metrics, /^\w+(\{.*\})? \d/m);
  const health = await fetch(`${hub.url()}healthz`);
  assert.equal(health.status, 200);
});

test('plots with an hour of data stay smooth', async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const page = await (await chromium.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.stack));
  const push = await pretend(page, [{ type: 'samples', samples: hour() }, { type: 'members', members: MEMBERS, more: 0 }]);
  await page.goto(`${hub.url()}operator#token=pretended`);
  await until('plots are drawn', async () => (await page.locator('#plots canvas').count()) >= 5);
  await page.evaluate(() => {
    globalThis.frames_ = [];
    globalThis.tasks = [];
    let last = performance.now();
    const frame = (now) => {
      globalThis.frames_.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
  });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const cpu = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value * 1_000;
  };
  const before = await cpu();
  // Ten samples a second, ten times as fast as a hub, while the pointer moves over the plots.
  const box = await page.locator('#plots canvas').first().boundingBox();
  const newest = Date.now();
  for (let n = 0; n < 80; n += 1) {
    push(sample(n, newest + n * 1_000));
    if (n % 20 === 0) push({ type: 'members', members: MEMBERS, more: 0 });
    await page.mouse.move(box.x + 20 + (n * 7) % (box.width - 40), box.y + 40 + (n % 50));
    await sleep(80);
  }
  const perSample = ((await cpu()) - before) / 80;
  const { frames, tasks } = await page.evaluate(() => ({ frames: globalThis.frames_, tasks: globalThis.tasks }));
  const sorted = [...frames].sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor((sorted.length - 1) * share)].toFixed(1);
  figure(
    'frames of the operator\'s view with an hour of data, 10 samples a second',
    `${frames.length}, median ${at(0.5)} ms, 99 % ${at(0.99)} ms, worst ${at(1)} ms; ${tasks.length} long tasks, longest ${Math.round(Math.max(0, ...tasks))} ms; ${perSample.toFixed(1)} ms of the page's CPU a sample`,
  );
  assert.deepEqual(faults, []);
  assert.equal(await page.evaluate(() => globalThis.ran ?? null), null);
  assert.equal(await page.locator('#plots img, #members b, #members i').count(), 0, 'names are text');
});

test('a drop now and then is drawn over the whole hour, in each span', async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const page = await (await chromium.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  // A hub leaves out reasons that did not occur.
  const rare = hour().map((sample, n) => ({ ...sample, drops: n % 37 === 0 ? { rate: 3 } : {} }));
  await pretend(page, [{ type: 'samples', samples: rare }]);
  await page.goto(`${hub.url()}operator#token=pretended`);
  /** The share of the plot's columns that a line of its colour crosses. */
  const drawn = () =>
    page.evaluate(() => {
      const canvas = document.querySelector('[data-plot=drops] canvas');
      if (!canvas) return 0;
      const probe = document.createElement('i');
      probe.style.color = 'var(--s0)';
      document.body.append(probe);
      const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g).map(Number);
      probe.remove();
      const { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
      const isLine = (at) => Math.abs(data[at] - r) + Math.abs(data[at + 1] - g) + Math.abs(data[at + 2] - b) < 40 && data[at + 3] > 100;
      let columns = 0;
      for (let x = 0; x < width; x += 1) {
        for (let y = 0; y < height; y += 1) {
          if (!isLine(4 * (y * width + x))) continue;
          columns += 1;
          break;
        }
      }
      return columns / width;
    });
  let share = 0;
  for (const span of ['3600', '300', '900']) {
    await page.selectOption('#span', span);
    // The axes take a part of the width.
    await until(() => `${span} s are drawn: ${share}`, async () => (share = await drawn()) > 0.7, 5_000);
  }
});

test('axe finds no violation in the operator\'s view', async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const found = [];
  for (const [locale, colorScheme, width] of [
    ['zh-CN', 'light', 360],
    ['zh-CN', 'dark', 1280],
    ['en-GB', 'light', 1280],
    ['en-GB', 'dark', 360],
  ]) {
    const context = await chromium.newContext({ locale, colorScheme, viewport: { width, height: 800 } });
    const page = await context.newPage();
    await pretend(page, [{ type: 'samples', samples: hour() }, { type: 'members', members: MEMBERS.slice(0, 20), more: 5 }]);
    await page.goto(`${hub.url()}operator`);
    const look = async (view) => {
      for (const line of await violations(page)) found.push(`${locale}, ${colorScheme}, ${width}, ${view}: ${line}`);
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
      if (wide > 0) found.push(`${locale}, ${colorScheme}, ${width}, ${view}: ${wide} px too wide`);
    };
    await page.waitForSelector('#token-form', { state: 'visible' });
    await look('the token');
    await page.fill('#token', 'pretended');
    await page.press('#token', 'Enter');
    await until('plots are drawn', async () => (await page.locator('#plots canvas').count()) >= 5);
    await look('the view');
    await page.locator('#members button.ban').first().click();
    await page.waitForSelector('#confirm', { state: 'visible' });
    await look('before a ban');
    await context.close();
  }
  assert.deepEqual(found, []);
});
