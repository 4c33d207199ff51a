// Five members of different kinds in one room, in Chinese.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Hub, LAN_NAME, browser, figure, folder, until } from './harness.js';
import { Person } from './page.js';

const CHINESE = { locale: 'zh-CN', timezoneId: 'Asia/Shanghai' };

test('two browsers, pigeon join, nc and a sensor hear each other, in Chinese', async (t) => {
  const hub = await Hub.start(t, '--language', 'zh', '--page-name', LAN_NAME);
  const chromium = await browser(t);
  const ming = await Person.open(await chromium.newContext(CHINESE), hub.url(), { name: '小明' });
  const ali = await Person.open(await chromium.newContext(CHINESE), hub.url(LAN_NAME), { name: '阿丽' });
  const join = await hub.join('狗哥');
  const nc = hub.nc();
  nc.say('/nick 老王');
  await nc.line('老王');
  const sensor = hub.sensor();
  const said = { 小明: '今天下午三点开会吗？', 阿丽: '好，我带投影仪。', 狗哥: '我晚到十分钟', 老王: '会议室在二楼' };
  const reading = '温度=21.5℃';

  sensor.say(reading);
  await ming.expect(reading);
  await ming.say(said.小明);
  await ali.say(said.阿丽);
  join.say(said.狗哥);
  nc.say(said.老王);

  for (const [name, text] of Object.entries(said)) {
    for (const person of [ming, ali]) {
      const row = await person.expect(text);
      assert.equal(row.name, name);
    }
    const heard = await until(`join hears ${name}`, () => join.messages().find((message) => message.text === text));
    assert.equal(heard.from, name);
    await nc.line(`${name}: ${text}`);
    await sensor.line(`${name}: ${text}`);
  }
  const { from } = join.messages().find(({ text }) => text === reading);
  assert.match(from, /^127\.0\.0\.1:\d+$/);
  assert.equal((await ali.expect(reading)).name, from);

  // Who is here: by names, and by what kind of link.
  for (const person of [ming, ali]) {
    await until(async () => `everybody is in the list: ${JSON.stringify(await person.people())}`, async () => {
      const people = await person.people();
      const links = { 小明: 'page-http', 阿丽: 'page-http', 狗哥: 'key', 老王: 'plain' };
      return Object.entries(links).every(([name, link]) => people.some((one) => one.name === name && one.link === link));
    });
  }
  join.say('/who');
  await join.line((line) => line.includes('"roster"') && line.includes('小明') && line.includes('阿丽'));

  // A person's own message is stored in the end.
  await until('it is stored', async () => (await ming.expect(said.小明)).state === 'stored');
  for (const person of [ming, ali]) await person.checkFaults();
});

test('a person is seen by the others about a second after opening the address', async (t) => {
  const hub = await Hub.start(t, '--page-name', LAN_NAME);
  const chromium = await browser(t);
  const first = await Person.open(await chromium.newContext(), hub.url(), { name: 'first' });
  const join = await hub.join('watcher');
  for (const [kind, url] of [
    ['http, Web Crypto', hub.url()],
    ['http, key in script', hub.url(LAN_NAME)],
  ]) {
    const before = (await first.people()).length;
    const events = join.out.length;
    const opened = Date.now();
    const times = {};
    const context = await chromium.newContext();
    const page = await context.newPage();
    await page.goto(url, { waitUntil: 'commit' });
    const noticed = () => join.out.slice(events).some((line) => /"notice".*"change":"joined"/.test(line));
    await until('the newcomer is seen', async () => {
      if (!times.page && (await first.people()).length > before) times.page = Date.now() - opened;
      if (!times.join && noticed()) times.join = Date.now() - opened;
      return times.page && times.join;
    });
    const said = `I am here: ${kind}`;
    const person = await Person.of(page);
    await person.say(said);
    await first.expect(said);
    times.said = Date.now() - opened;
    figure(`opened to seen, ${kind}`, `${times.page} ms in another page, ${times.join} ms in join, a message of theirs after ${times.said} ms`);
    await context.close();
  }
});

test('a page and a terminal see each other leave, and private words stay private', async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const ann = await Person.open(await chromium.newContext(), hub.url(), { name: 'ann' });
  const bob = await Person.open(await chromium.newContext(), hub.url(), { name: 'bob' });
  const join = await hub.join('carl');
  await ann.say('/msg carl for you alone');
  const heard = await until('carl hears it', () => join.events().find(({ kind }) => kind === 'private'));
  assert.equal(heard.text, 'for you alone');
  assert.equal(heard.from, 'ann');
  join.say('/msg ann and back');
  await ann.expectAnywhere('and back');
  await ann.backTo('lobby');
  await ann.say('/me waves');
  await bob.expect((row) => row.text.includes('waves'));
  assert.ok(!(await bob.text()).includes('for you alone'));
  assert.ok(!(await bob.text()).includes('and back'));
  await bob.context.close();
  await until('bob left', async () => !(await ann.people()).some(({ name }) => name === 'bob'), 30_000);
});

test('a password is asked in the page, and a wrong one opens nothing', async (t) => {
  const file = path.join(folder(t), 'password');
  writeFileSync(file, 'open sesame\n');
  const hub = await Hub.start(t, '--password-file', file);
  const join = await hub.join('carl', '--password-file', file);
  join.say('a secret');
  await join.line('a secret');
  const chromium = await browser(t);
  const context = await chromium.newContext();
  const page = await context.newPage();
  await page.goto(hub.url());
  await page.waitForSelector('#password', { state: 'visible' });
  await page.fill('#password', 'wrong');
  await page.press('#password', 'Enter');
  await page.waitForSelector('#password-problem:not(:empty)');
  assert.ok(!(await page.evaluate(() => document.body.innerText)).includes('a secret'));
  await page.fill('#password', 'open sesame');
  await page.press('#password', 'Enter');
  const ann = await Person.of(page);
  await ann.expect('a secret');
  await ann.say('let in');
  await join.line('let in');
  // The tab keeps it, another browser does not have it.
  await page.reload();
  await ann.live();
  const other = await (await chromium.newContext()).newPage();
  await other.goto(hub.url());
  await other.waitForSelector('#password', { state: 'visible' });
});

test('over https the same page is a member of its own, marked so', async (t) => {
  const files = folder(t);
  const [key, certificate, both] = ['key', 'certificate', 'both'].map((name) => path.join(files, `${name}.pem`));
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  args.push('-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', key, '-out', certificate);
  assert.equal(spawnSync('openssl', args).status, 0);
  writeFileSync(both, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
  const hub = await Hub.start(t, '--page-certificate', both);
  const chromium = await browser(t);
  const ann = await Person.open(await chromium.newContext({ ignoreHTTPSErrors: true }), hub.url(), { name: 'ann' });
  const nc = hub.nc();
  nc.say('/nick bob');
  await nc.line('bob');
  nc.say('/who');
  await nc.line('ann (page)');
  await ann.say('over https');
  await nc.line('ann: over https');
  assert.equal((await ann.people()).find(({ name }) => name === 'ann').link, 'page');
  // The operator's view is open over https, too.
  const operator = await (await chromium.newContext({ ignoreHTTPSErrors: true })).newPage();
  await operator.goto(`${hub.url()}operator`);
  await operator.waitForSelector('#token-form', { state: 'visible' });
  await ann.checkFaults();
});
