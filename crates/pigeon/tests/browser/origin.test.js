// Other sites, and names that lead here by rebinding, reach nothing of the hub.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import os from 'node:os';
import { test } from 'node:test';
import { FOREIGN_NAME, Hub, LAN_NAME, afterwards, browser, until } from './harness.js';
import { open } from './wire.js';

const PATHS = ['/', '/ws', '/operator', '/operator/ws', '/metrics'];

/** The status and headers of a request with a Host of one's own; null where nothing is answered. */
function ask(hub, path, headers) {
  return new Promise((resolve) => {
    const request = http.request({ host: '127.0.0.1', port: hub.pagePort, path, headers, setHost: false });
    request.on('response', (response) => {
      response.resume();
      resolve(response);
    });
    request.on('error', () => resolve(null)).end();
  });
}

/** How a WebSocket handshake ends: 101, a status, or null. */
async function handshake(hub, options) {
  const socket = open(hub, options);
  const status = await new Promise((resolve) => {
    socket.on('open', () => resolve(101));
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
    socket.on('error', () => resolve(null));
  });
  socket.on('error', () => {});
  socket.terminate();
  return status;
}

test('the page answers its own hosts only', async (t) => {
  const hub = await Hub.start(t, '--page-name', LAN_NAME);
  const port = hub.pagePort;
  const name = os.hostname();
  const own = [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`, `192.168.1.5:${port}`];
  own.push(`${LAN_NAME}:${port}`, `${name}:${port}`, `${name}.local:${port}`);
  for (const host of own) {
    assert.equal((await ask(hub, '/', { Host: host }))?.statusCode, 200, `Host ${host}`);
  }
  const foreign = [FOREIGN_NAME, `127.0.0.1.${FOREIGN_NAME}`, `localhost.${FOREIGN_NAME}`, `${LAN_NAME}.${FOREIGN_NAME}`];
  foreign.push(`a@127.0.0.1`, `${FOREIGN_NAME}#127.0.0.1`, '', 'null', '127.0.0.1 evil.test');
  for (const path of PATHS) {
    for (const host of foreign) {
      for (const value of [host, host && `${host}:${port}`]) {
        const answer = await ask(hub, path, { Host: value });
        const status = answer?.statusCode ?? 400;
        assert.ok(status >= 400 && status < 500, `${path} with Host ${JSON.stringify(value)}: ${status}`);
      }
    }
    assert.ok(((await ask(hub, path, {}))?.statusCode ?? 400) >= 400, `${path} without a Host`);
  }
});

test('a WebSocket is opened by the same origin only', async (t) => {
  const hub = await Hub.start(t, '--page-name', LAN_NAME);
  const port = hub.pagePort;
  assert.equal(await handshake(hub, { origin: `http://127.0.0.1:${port}` }), 101);
  assert.equal(await handshake(hub, { origin: `http://${LAN_NAME}:${port}`, host: `${LAN_NAME}:${port}` }), 101);
  const foreign = [undefined, 'null', '', `http://${FOREIGN_NAME}`, `http://${FOREIGN_NAME}:${port}`];
  foreign.push(`https://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`, 'http://127.0.0.1', `http://localhost:${port}`);
  foreign.push(`http://127.0.0.1:${port}.${FOREIGN_NAME}`, `http://127.0.0.1:${port}@${FOREIGN_NAME}`, 'file://');
  foreign.push(`http://127.0.0.1:${port}/`, `http://127.0.0.1:${port} http://${FOREIGN_NAME}`);
  for (const path of ['ws', 'operator/ws']) {
    for (const origin of foreign) {
      const status = await handshake(hub, { path, origin });
      assert.notEqual(status, 101, `${path} with Origin ${origin}`);
    }
    // The Host is checked here too: a name rebound to this host has its own Origin.
    const host = `${FOREIGN_NAME}:${port}`;
    assert.notEqual(await handshake(hub, { path, origin: `http://${host}`, host }), 101, `${path} of a rebound name`);
  }
});

test('answers carry the headers that keep a page to itself', async (t) => {
  const hub = await Hub.start(t);
  for (const path of [...PATHS, '/healthz', '/nothing']) {
    const { headers } = await ask(hub, path, { Host: `127.0.0.1:${hub.pagePort}` });
    assert.equal(headers['set-cookie'], undefined, `${path} sets a cookie`);
    assert.equal(headers['access-control-allow-origin'], undefined, `${path} allows other origins`);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.equal(headers['referrer-policy'], 'no-referrer', path);
    const policy = headers['content-security-policy'] ?? '';
    assert.match(policy, /default-src 'none'/, path);
    assert.match(policy, /frame-ancestors 'none'/, path);
    assert.match(policy, /base-uri 'none'/, path);
    assert.match(policy, /form-action 'none'/, path);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/, path);
  }
});

test('a page of another site in the same browser reaches nothing', async (t) => {
  const hub = await Hub.start(t);
  const site = http.createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>another site</title>');
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  afterwards(t, () => {
    site.closeAllConnections();
    site.close();
  });
  const chromium = await browser(t);
  const page = await chromium.newPage();
  for (const host of [FOREIGN_NAME, '127.0.0.1', 'localhost']) {
    await page.goto(`http://${host}:${site.address().port}/`);
    const reached = await page.evaluate(async (port) => {
      const socket = (path) =>
        new Promise((resolve) => {
          const socket = new WebSocket(`ws://127.0.0.1:${port}/${path}`, 'pigeon.1');
          socket.onopen = () => resolve('open');
          socket.onerror = () => resolve('refused');
        });
      const read = (path) =>
        fetch(`http://127.0.0.1:${port}/${path}`).then(
          () => 'read',
          () => 'refused',
        );
      const reached = {};
      for (const path of ['ws', 'operator/ws']) reached[path] = await socket(path);
      for (const path of ['', 'metrics', 'healthz', 'operator']) reached[`/${path}`] = await read(path);
      const frame = document.createElement('iframe');
      frame.src = `http://127.0.0.1:${port}/`;
      const loaded = new Promise((resolve) => (frame.onload = resolve));
      document.body.append(frame);
      await loaded;
      return reached;
    }, hub.pagePort);
    for (const [what, how] of Object.entries(reached)) assert.equal(how, 'refused', `${host}: ${what}`);
    const inside = page.frames().find((frame) => frame !== page.mainFrame());
    const text = await inside.evaluate(() => document.querySelector('textarea, input, [role=log]')?.outerHTML ?? null);
    assert.equal(text, null, `${host} frames the page`);
  }
});

test('a name that is rebound to this host gets no page', async (t) => {
  const hub = await Hub.start(t, '--page-name', LAN_NAME);
  const chromium = await browser(t);
  const page = await chromium.newPage();
  const foreign = await page.goto(hub.url(FOREIGN_NAME));
  assert.ok(foreign.status() >= 400, `status ${foreign.status()}`);
  assert.equal(await page.locator('script, textarea, [role=log]').count(), 0);
  const opened = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, 'pigeon.1');
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      }).catch(() => false),
    `ws://${FOREIGN_NAME}:${hub.pagePort}/ws`,
  );
  assert.equal(opened, false);
  assert.equal((await page.goto(hub.url(LAN_NAME))).status(), 200);
  await until('the page of a given name is there', () => page.locator('[role=log]').count());
});
