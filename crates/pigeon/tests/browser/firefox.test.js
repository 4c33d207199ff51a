// Debian's Firefox joins and talks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Firefox } from './bidi.js';
import { Hub, until } from './harness.js';
import { PART } from './page.js';

test('Firefox joins, speaks, hears and is the same member after a reload', async (t) => {
  const hub = await Hub.start(t);
  const join = await hub.join('狗哥');
  const firefox = await Firefox.start(t);
  await firefox.goto(hub.url());
  const text = () => firefox.evaluate(`document.querySelector('${PART.log}')?.innerText ?? ''`);
  await until('the page is live', async () => (await firefox.evaluate(PART.isLive)) === true, 30_000);
  const focus = () => firefox.evaluate(`(document.querySelector('${PART.input}').focus(), true)`);
  await focus();
  await firefox.type('从火狐来的\uE007');
  const heard = await until('join hears it', () => join.messages().find((message) => message.text === '从火狐来的'));
  join.say('听到了');
  await until('Firefox shows the answer', async () => (await text()).includes('听到了'));
  await firefox.goto(hub.url());
  await until('the history is there', async () => (await text()).includes('听到了'));
  await until('the page is live', async () => (await firefox.evaluate(PART.isLive)) === true, 30_000);
  await focus();
  await firefox.type('又来了\uE007');
  const again = await until('join hears it', () => join.messages().find((message) => message.text === '又来了'));
  assert.equal(again.from, heard.from, 'the same member');
});
