// A page whose hub dies offers the page of another hub of the cluster, where the person goes on.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Hub, Program, answers, browser, folder, freePorts, until } from './harness.js';
import { Person } from './page.js';

/** nats-server with JetStream. */
async function broker(t) {
  const [port] = await freePorts(1);
  const store = path.join(folder(t), 'broker');
  new Program(t, 'broker', 'nats-server', ['-a', '127.0.0.1', '-js', '-p', String(port), '-sd', store], {
    PATH: `${process.env.PATH}:/usr/sbin`,
  });
  await until('the broker listens', () => answers(port));
  return `nats://127.0.0.1:${port}`;
}

for (const [language, words] of [['en', 'The same rooms are at:'], ['zh-CN', '同样的房间在这里：']]) {
  test(`a page whose hub dies goes on at another one (${language})`, async (t) => {
    const cluster = await broker(t);
    const [one, two] = await Promise.all(['one', 'two'].map((name) => Hub.start(t, '--cluster', cluster, '--name', name)));
    const chromium = await browser(t);
    const person = async (hub, name) => Person.open(await chromium.newContext({ locale: language }), hub.url(), { name });
    const dog = await person(one, '狗哥');
    const cat = await person(two, '猫姐');
    const names = async (of) => (await of.seen()).map(({ name, text }) => `${name}: ${text}`);
    await dog.say('before');
    await until('the other hub has it', async () => (await names(cat)).includes('狗哥: before'), 60_000);
    await until('hubs have told where they are', () =>
      dog.page.evaluate(async () => (await import('/main.js')).otherPages.length > 0), 30_000);
    assert.equal(await dog.page.isVisible('#elsewhere'), false);

    await one.kill();
    await dog.page.waitForSelector('#elsewhere a', { timeout: 15_000 });
    assert.ok((await dog.page.textContent('#elsewhere')).includes(words));
    await cat.say('meanwhile');
    await dog.page.click('#elsewhere a');
    await dog.page.waitForURL(`${two.url()}**`);
    await dog.live();
    await until('what was said meanwhile', async () => (await names(dog)).includes('猫姐: meanwhile'));
    // What came along is gone from the address.
    assert.equal(new URL(dog.page.url()).hash, '#room=lobby');
    assert.equal(await dog.myName(), '狗哥');
    await dog.say('here again');
    await until('the others hear it', async () => (await names(cat)).some((it) => it.endsWith(': here again')));
    await dog.scrollBack(() => dog.isAtBeginning());
    const shown = (await dog.seenTexts()).filter((text) => /before|meanwhile|again/.test(text));
    assert.deepEqual(shown, ['before', 'meanwhile', 'here again']);
  });
}
