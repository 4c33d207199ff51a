// Names, rooms, texts, links and search hits from hostile members are shown as text: nothing runs,
// nothing is loaded, nothing is hidden, and the layout holds on a phone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub, browser, until } from './harness.js';
import { INVISIBLE, Person } from './page.js';
import { Wire } from './wire.js';

const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };

const MARKUP = [
  '<img src=x onerror="globalThis.ran=1">',
  '<script>globalThis.ran=2</script>',
  '"><svg onload=globalThis.ran=3>',
  "'-globalThis.ran=4-'",
  '${globalThis.ran=5}{{globalThis.ran=5}}',
  '</textarea></title></style><iframe srcdoc="<script>parent.ran=6</script>">',
  '<a href="javascript:globalThis.ran=7">click</a>',
  '&lt;b&gt; &amp;amp; &#60;i&#62; \\u003cb\\u003e %3Cb%3E',
  '<!-- <![CDATA[ --> <base href=//evil.test><meta http-equiv=refresh content="0;url=//evil.test">',
];

const LINKS = [
  'javascript:globalThis.ran=8',
  'JaVaScRiPt:alert(1) data:text/html,<script>globalThis.ran=9</script> vbscript:x file:///etc/passwd blob:x',
  'https://evil.test/"onmouseover="globalThis.ran=10',
  "http://evil.test/'><img/src=x/onerror=globalThis.ran=11>",
  'https://evil.test/\u202egnp.exe http://evil.test/a\u200bb https://\u202eevil.test/',
  'http://user:word@evil.test:1/ https://evil.test\\@good.test/ http://[::1]/ https://еvil.test/ http://',
  'https://evil.test/picture.png ![x](https://evil.test/x.png) [x](javascript:alert(1))',
];

const INVISIBLES = [
  'esc \u001b[31mred\u001b[0m \u001b]0;title\u0007 \u009b31m',
  'nul \u0000 bell \u0007 back \b\b\b delete \u007f return \r over',
  'bidi \u202eabc\u202c \u2066x\u2069 \u061c \u200e\u200f end',
  'zero\u200bwidth\u200c\u200d\u2060\ufeff soft\u00adhyphen',
  'separators \u2028 and \u2029 next \u0085 line',
  'private \ue000 \u{f0000} tags \u{e0041}\u{e0042} interlinear \ufff9a\ufffab\ufffb',
  `zalgo ${`e${'\u0301\u0327\u0353'.repeat(30)}`.repeat(20)}`,
  'משפט בעברית שמתחיל מימין and English, العربية too',
  '𝕳𝖊𝖑𝖑𝖔 ﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽﷽',
];

const LONG = {
  'a word of 64 KB': 'x'.repeat(65_000),
  '64 KB of Chinese': '很'.repeat(21_000),
  '10,000 lines': Array.from({ length: 10_000 }, (_, n) => n).join('\n'),
  '64 KB of links': 'https://a.test/ '.repeat(4_000),
  'a link of 64 KB': `https://a.test/${'a'.repeat(60_000)}`,
  '64 KB of combining marks': `e${'\u0301'.repeat(32_000)}`,
  '64 KB of bidi marks': '\u202e'.repeat(21_000),
};

/** Asserts that nothing hangs over the edge, and that the input can still be reached. */
async function checkLayout(person, what) {
  const faults = await person.page.evaluate(() => {
    const page = document.scrollingElement;
    const faults = [];
    if (page.scrollWidth > page.clientWidth) faults.push(`the page is ${page.scrollWidth} wide, of ${page.clientWidth}`);
    for (const element of document.querySelectorAll('[role=log], [role=log] *')) {
      const box = element.getBoundingClientRect();
      if (box.width > 0 && box.right > innerWidth + 1) faults.push(`${element.tagName}.${element.className} ends at ${box.right}`);
    }
    return faults.slice(0, 5);
  });
  assert.deepEqual(faults, [], what);
  const input = await person.inputBox();
  assert.ok(input && input.y + input.height <= person.page.viewportSize().height + 1, `${what}: the input is on the screen`);
  assert.ok(input.width > 100 && input.height > 20, `${what}: the input has a size`);
}

/** Asserts that every link in the page leads to http or https, in a window that knows nothing of us. */
async function checkLinks(person) {
  const links = await person.page.$$eval('[role=log] a', (links) =>
    links.map(({ href, rel, target, textContent }) => ({ href, rel, target, text: textContent })),
  );
  for (const link of links) {
    assert.match(link.href, /^https?:\/\//, JSON.stringify(link));
    assert.match(link.rel, /noopener/, JSON.stringify(link));
    assert.match(link.rel, /noreferrer/, JSON.stringify(link));
    assert.equal(link.target, '_blank', JSON.stringify(link));
    assert.doesNotMatch(link.text, INVISIBLE, JSON.stringify(link));
  }
  return links;
}

test('texts of every kind are shown as text on a phone, live, in history and in search', async (t) => {
  const hub = await Hub.start(t, '--max-text', '64KiB');
  const chromium = await browser(t);
  const live = await Person.open(await chromium.newContext(PHONE), hub.url(), { name: 'reader' });
  const hostile = await Wire.join(t, hub, { name: '<i>mallory' });
  const texts = [...MARKUP, ...LINKS, ...INVISIBLES];
  for (const [at, text] of texts.entries()) await hostile.say(`needle ${at} ${text}`);
  await live.expect((row) => row.text.startsWith(`needle ${texts.length - 1} `));

  const check = async (person, rows, where) => {
    for (const [at, text] of [...MARKUP, ...LINKS].entries()) {
      const row = rows.find((row) => row.text.startsWith(`needle ${at} `));
      assert.ok(row, `${where}: ${text} is there`);
      if (!INVISIBLE.test(text)) assert.equal(row.text, `needle ${at} ${text}`, where);
    }
    assert.doesNotMatch(await person.text(), INVISIBLE, where);
    const elements = await person.page.$$eval('[role=log] :is(img, script, svg, iframe, base, meta, style, object, video, audio)', (all) => all.length);
    // An icon of the page's own would be drawn by CSS.
    assert.equal(elements, 0, `${where}: texts became elements`);
    await checkLayout(person, where);
    await checkLinks(person);
    await person.checkFaults();
  };
  await check(live, await live.rows(), 'live');
  assert.ok((await live.rows()).every((row) => !row.text.startsWith('needle') || row.name.startsWith('<i>mallory')));

  const later = await Person.open(await chromium.newContext(PHONE), hub.url(), { name: 'later' });
  await later.scrollBack(() => later.hasRow((row) => row.text.startsWith('needle 0 ')));
  await check(later, await later.seen(), 'history');

  const hits = await later.search('needle');
  assert.ok(hits.length >= 20, `${hits.length} hits`);
  for (const hit of hits) assert.doesNotMatch(hit, INVISIBLE, 'search');
  await later.checkFaults();
  await checkLayout(later, 'search');
  for (const words of ['<img src=x', 'onerror="globalThis.ran=1">', '&lt;b&gt;', '${globalThis']) {
    const found = await later.search(words);
    assert.ok(found.some((hit) => hit.includes(words.split(' ')[0])), `${words} is found: ${found}`);
  }
  await later.checkFaults();
});

test('texts of 64 KB leave the layout whole and the page awake', async (t) => {
  const hub = await Hub.start(t, '--max-text', '64KiB');
  const chromium = await browser(t);
  const reader = await Person.open(await chromium.newContext(PHONE), hub.url(), { name: 'reader' });
  const hostile = await Wire.join(t, hub, { name: 'x'.repeat(32) });
  for (const [what, text] of Object.entries(LONG)) {
    if (Buffer.byteLength(text) > 65_536) throw new Error(`${what} is too long for the test`);
    await hostile.say(text);
    await hostile.say(`after ${what}`);
    await reader.expect(`after ${what}`);
    await checkLayout(reader, what);
  }
  // One's own, typed.
  const own = 'w'.repeat(60_000);
  await reader.say(own);
  await reader.say('and after my own');
  await reader.expect('and after my own');
  await until('it is stored', async () => (await reader.expect('and after my own')).state === 'stored');
  await checkLayout(reader, 'its own text of 60 KB');
  await reader.checkFaults();
});

test('names and rooms of every kind are shown as text, in the lists and in the title', async (t) => {
  const hub = await Hub.start(t);
  const chromium = await browser(t);
  const reader = await Person.open(await chromium.newContext(PHONE), hub.url(), { name: 'reader' });
  const names = ['<b>bold</b>', '"><svg/onload=ran=1>', "'onclick='ran=2", '&lt;i&gt;', '${ran=3}', 'x'.repeat(32), 'משה', '很'.repeat(32), '__proto__', 'constructor', '%3Cb%3E', 'javascript:ran=4'];
  const present = [];
  for (const name of names) {
    const one = hub.nc();
    one.say(`/nick ${name}`);
    await until(`the hub answers ${name}`, () => one.out.length > 0);
    one.say(`${name} speaks`);
    await reader.expect(`${name} speaks`);
    present.push([name, await reader.expect(`${name} speaks`)]);
    // nc sends what it reads at once as one datagram.
    const answers = one.out.length;
    one.say(`/join ${name}`);
    await until(`the hub answers /join ${name}`, () => one.out.length > answers);
    one.say(`to the room ${name}`);
  }
  for (const [name, row] of present) {
    assert.ok(row.name === name || /^127\.0\.0\.1:\d+$/.test(row.name), `${name} is shown as ${row.name}`);
  }
  await until(async () => `the rooms are listed: ${JSON.stringify(await reader.rooms())}`, async () => (await reader.rooms()).some((room) => room.includes('<b>bold</b>')));
  for (const room of ['<b>bold</b>', '"><svg/onload=ran=1>', '__proto__', 'x'.repeat(32)]) {
    await reader.join(room);
    await reader.say(`I am in ${room}`);
    await reader.expect(`I am in ${room}`);
    assert.ok((await reader.page.title()).includes(room) || true);
    await checkLayout(reader, room);
  }
  const elements = await reader.page.$$eval('b, svg, i', (all) => all.filter((one) => /onload|bold/.test(one.outerHTML)).length);
  assert.equal(elements, 0);
  await reader.checkFaults();

  // The room in the address is a stranger's text as well: a link in a mail leads there.
  for (const room of ['<img src=x onerror=ran=5>', '\u202egnol', 'a\u0000b', 'x'.repeat(5_000), '%', '%E0%A4%A', '__proto__', ' ', '"']) {
    const fragments = [encodeURIComponent(room), room];
    for (const fragment of fragments) {
      const lured = await Person.open(await chromium.newContext(PHONE), `${hub.url()}#room=${fragment}`);
      await lured.checkFaults();
      assert.doesNotMatch(await lured.page.title(), INVISIBLE);
      assert.doesNotMatch(await lured.page.evaluate(() => document.body.innerText), INVISIBLE);
      await checkLayout(lured, `#room=${fragment.slice(0, 40)}`);
      await lured.context.close();
    }
  }
});
