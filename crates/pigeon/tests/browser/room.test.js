// Five members of different kinds in one room, in Chinese.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub, LAN_NAME, browser, figure, until } from './harness.js';
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
