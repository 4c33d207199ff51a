// session.js against a bad network in virtual time, faults that must be found, and single cases.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { COPY, Own } from "../own.js";
import { Room } from "../room.js";
import { Session, LIMITS } from "../session.js";
import { ORIGIN, run } from "./world.mjs";

const SEEDS = Number(process.env.SEEDS ?? 1_000);

test("messages are stored once and in order, or reported as not stored", () => {
  const sum = { said: 0, stored: 0, refused: 0, faults: 0, lost: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const report = run(seed);
    for (const key of Object.keys(sum)) sum[key] += report[key];
  }
  console.log(JSON.stringify({ seeds: SEEDS, ...sum }));
  assert.ok(sum.stored > sum.said / 2 && sum.refused > 0 && sum.faults > SEEDS);
});

const isFound = (options) => {
  for (let seed = 5; seed <= 600; seed += 5) {
    try {
      run(seed, { ...options, restores: seed % 10 === 0 });
    } catch {
      return true;
    }
  }
  return false;
};

for (const fault of ["acknowledges-early", "skips"]) {
  test(`a fault of the hub is found: ${fault}`, () => assert.ok(isFound({ fault })));
}

// Each changes one place of session.js.
const MUTANTS = {
  "shows a message again after a reset": ["if (!this.#known.add(identity(message))) return;", ""],
  "follows from the beginning": ["following.seen = { position, author, outbox, number };", ""],
  "does not go back": ["send.next = Math.min(send.next, number);", ""],
  "forgets what the hub refused for now": ["send.held = now + frame.again_ms;", "send.held = Infinity;"],
  "says a message again under another number": ["this.#remove(from, number);", ""],
  "takes what is sent for stored": ["send.next = number + 1;\n    const frame", "send.next = number + 1; box.stored = number;\n    const frame"],
  "does not notice a dead connection": ["|| link.heard + LIMITS.silence <= now", ""],
};

for (const [what, [from, to]] of Object.entries(MUTANTS)) {
  test(`a session is found that ${what}`, async () => {
    const source = readFileSync(new URL("../session.js", import.meta.url), "utf8");
    assert.ok(source.includes(from));
    const mutant = source.replaceAll(from, to);
    const { Session: Class } = await import(`data:text/javascript,${encodeURIComponent(mutant)}`);
    assert.ok(isFound({ Class }));
  });
}

// Each changes one place of own.js.
const OWN_MUTANTS = {
  "loses sight of a renumbered message": ["this.note({ ...to, room: name, text, time, status: \"waiting\" });", ""],
  "shows what it takes over twice": [" || room.has({ ...mine, author: this.author })", ""],
  "shows a stored message for ever": ["if (status === \"stored\" && since + COPY <= now) this.forget(room, id);", ";"],
};

for (const [what, [from, to]] of Object.entries(OWN_MUTANTS)) {
  test(`a page is found that ${what}`, async () => {
    const source = readFileSync(new URL("../own.js", import.meta.url), "utf8");
    assert.ok(source.includes(from));
    const mutant = source.replace(from, to).replace("./session.js", new URL("../session.js", import.meta.url));
    const { Own: OwnClass } = await import(`data:text/javascript,${encodeURIComponent(mutant)}`);
    assert.ok(isFound({ OwnClass }));
  });
}

// Single cases.

/** A session that is a member of its hub, with what it has put out since. */
function member(records = [], expected = 1) {
  let draws = 0;
  const random = () => 7 + Math.floor(draws++ / 2);
  const session = new Session({ now: 0, wall: 1, config: { client: "t", origin: ORIGIN }, random, records });
  const sent = () => session.drain().filter((it) => it.type === "send").flatMap((it) => it.text.trim().split("\n").map((line) => JSON.parse(line)));
  const hub = (...frames) => session.received(0, frames.map((it) => JSON.stringify(it)).join("\n"));
  session.opened(0);
  hub({ type: "challenge", version: 1, hub: "h", nonce: "n", fingerprint: ORIGIN });
  session.signed(0, "n", { key: "k", signature: "s" });
  hub({ type: "welcome", author: "a", room: "lobby", stores: true, max_text: 100 });
  hub({ type: "expect", outbox: sent().find((it) => it.type === "prove").outbox, number: expected });
  session.drain();
  return { session, sent, hub };
}

/** Records of an outbox whose messages wait. */
const waiting = (...texts) => [
  [`outbox/${"c".repeat(16)}`, { made: 1, stored: 0 }],
  ...texts.map((text, i) => [`said/${"c".repeat(16)}/${String(i + 1).padStart(16, "0")}`, { room: "lobby", text, time: 1 }]),
];

/** The numbers and `after` of what is said, after another frame from the hub. */
const said = (sent) => sent().filter((it) => it.type === "say").map(({ number, after = number - 1 }) => [number, after]);

/** Carries out all writes. */
function write(session) {
  const frames = [];
  for (let outputs = session.drain(); outputs.length > 0; outputs = session.drain()) {
    for (const it of outputs) {
      if (it.type === "write") session.written(0, it.id);
      if (it.type === "send") frames.push(...it.text.trim().split("\n").map((line) => JSON.parse(line)));
    }
  }
  return frames;
}

test("nothing comes again after a refusal of what the hub is past", () => {
  const { session, hub } = member(waiting("a", "b", "c"), 3);
  const refused = (number) => ({ type: "refused", number, reason: "deleted", detail: "", text: "" });
  hub(refused(1));
  assert.deepEqual(said(() => write(session)), [], "a second 3 would be stored where the first one is refused");
  hub({ type: "stored", number: 2 }, refused(3));
  write(session);
  assert.equal(session.waiting, 0);
});

for (const again_ms of [undefined, 500]) {
  test(`a refusal ${again_ms ? "for now" : "for good"} does not skip smaller numbers that come again`, () => {
    const { session, hub } = member(waiting("a", "b", "c"));
    hub({ type: "refused", number: 1, reason: "rate", detail: "", text: "", again_ms: 500 });
    hub({ type: "refused", number: 3, reason: "rate", detail: "", text: "", again_ms });
    session.timeout(500);
    const all = [[1, 0], [2, 1], [3, 2]];
    assert.deepEqual(said(() => write(session)), again_ms ? all : all.slice(0, 2));
  });
}

test("a message in conflict moves, also where a later number was acknowledged first", () => {
  const { session, hub } = member(waiting("a", "b", "c"), 3);
  hub({ type: "stored", number: 3 });
  assert.equal(session.waiting, 0);
  write(session);
  hub({ type: "conflict", number: 1 });
  const [renumbered, status] = [session.poll(), session.poll()];
  assert.equal(renumbered.kind, "renumbered");
  assert.deepEqual(status.event, { ...renumbered.event.to, status: "waiting" });
  assert.deepEqual(session.own().map((it) => [it.number, it.text]), [[1, "a"]]);
  assert.notEqual(session.own()[0].outbox, "c".repeat(16));
  const frames = write(session).map(({ type, number, text }) => [type, number ?? 0, text]);
  assert.deepEqual(frames, [["outbox", 0, undefined]]);
  hub({ type: "expect", outbox: session.own()[0].outbox, number: 1 });
  assert.deepEqual(said(() => write(session)), [[1, 0]]);
});

test("a message is sent only once it is written", () => {
  const { session } = member();
  session.say(0, 1, "lobby", "hello");
  const [status, write, ...rest] = session.drain();
  assert.equal(status.event.status, "waiting");
  assert.equal(write.type, "write");
  assert.deepEqual(rest, []);
  session.written(0, write.id);
  const frames = session.drain().filter((it) => it.type === "send");
  assert.deepEqual(frames.map((it) => JSON.parse(it.text)), [{ type: "say", number: 1, room: "lobby", text: "hello" }]);
});

test("what is not on disk yet is told to a page that goes", () => {
  const { session } = member();
  const { outbox } = session.say(0, 1, "lobby", "one");
  session.say(0, 1, "lobby", "two");
  const texts = () => session.unwritten().map(([, value]) => value.text).filter(Boolean);
  assert.deepEqual(texts(), ["one", "two"]);
  const again = new Session({ now: 0, wall: 1, config: { client: "t", origin: ORIGIN }, random: () => 8, records: session.unwritten() });
  assert.deepEqual(again.own().map((it) => [it.outbox, it.number, it.text]), [[outbox, 1, "one"], [outbox, 2, "two"]]);
  session.written(0, session.drain().find((it) => it.type === "write").id);
  assert.deepEqual(texts(), ["two"]);
});

test("texts that the hub would not take are refused at once", () => {
  const { session } = member();
  assert.equal(session.say(0, 1, "lobby", "").error, "empty");
  assert.deepEqual(session.say(0, 1, "lobby", "字".repeat(34)), { error: "too-long", size: 102, most: 100 });
  session.say(0, 1, "lobby", "lone \ud800 surrogate");
  assert.equal(session.own()[0].text, "lone \ufffd surrogate");
});

test("a challenge for another page is not answered", () => {
  const session = new Session({ now: 0, wall: 1, config: { client: "t", origin: ORIGIN }, random: () => 7 });
  session.opened(0);
  session.received(0, JSON.stringify({ type: "challenge", version: 1, nonce: "n", fingerprint: "http://evil.example" }));
  const outputs = session.drain();
  assert.ok(!outputs.some((it) => it.type === "sign"));
  assert.ok(outputs.some((it) => it.type === "close"));
});

test("a deletion that was carried out is named in the next follow", () => {
  const { session, sent, hub } = member();
  const after = { position: 5, author: "a", outbox: "b", number: 1 };
  session.follow("lobby", { after, deletion: 3 });
  assert.deepEqual(sent(), [{ type: "follow", room: "lobby", after, deletion: 3 }]);
  const last = { ...after, position: 2 };
  hub({ type: "reset", room: "lobby", last, forgotten: true, deletion: 6 });
  assert.deepEqual(session.leftOff("lobby"), { after: last, deletion: 6 });
});

test("a refusal is kept until the person has seen it", () => {
  const record = ["refused/00000000000000ab/0000000000000003", { outbox: "00000000000000ab", number: 3, room: "lobby", text: "x", time: 1, reason: "muted" }];
  const { session } = member([record]);
  assert.equal(session.own()[0].status, "refused");
  assert.equal(session.discard(0, "00000000000000ab", 3).text, "x");
  assert.deepEqual(session.own(), []);
  assert.deepEqual(session.drain().find((it) => it.type === "write").changes, [[record[0], undefined]]);
});

test("a thousand messages wait and go out in windows", () => {
  const { session, sent, hub } = member();
  for (let i = 0; i < 1_000; i += 1) session.say(0, 1, "lobby", `m${i}`);
  let id = session.drain().find((it) => it.type === "write").id;
  session.written(0, id);
  id = session.drain().find((it) => it.type === "write").id;
  session.written(0, id);
  let last = 1; // went out with its own write
  for (let numbers = sent(); numbers.length > 0; numbers = sent()) {
    assert.ok(numbers.length <= LIMITS.windowMessages);
    for (const { type, number } of numbers) if (type === "say") assert.equal(number, ++last);
    hub({ type: "stored", number: last });
  }
  assert.equal(last, 1_000);
  assert.equal(session.waiting, 0);
});

test("a dead connection is noticed", () => {
  const { session } = member();
  session.timeout(LIMITS.silence);
  assert.equal(session.state, "connecting");
});

test("a connection is tried when the page wakes up", () => {
  const { session, sent, hub } = member();
  session.hurry(0);
  assert.deepEqual(sent(), [{ type: "read", id: 0, room: "lobby", limit: 0 }]);
  hub({ type: "entries", id: 0, room: "lobby", entries: [] });
  session.timeout(LIMITS.answer);
  assert.equal(session.isMember, true);
  session.hurry(LIMITS.answer);
  session.timeout(2 * LIMITS.answer);
  assert.equal(session.state, "connecting");
});

test("older entries are asked for one request at a time, and again after a reconnection", () => {
  const { session, sent, hub } = member();
  const first = session.read({ room: "lobby", before: 9, limit: 100 });
  const second = session.read({ room: "lobby", words: "鸽", limit: 50 });
  assert.deepEqual(sent(), [{ type: "read", id: first, room: "lobby", before: 9, limit: 100 }]);
  hub({ type: "entries", id: first, room: "lobby", entries: [], more: false });
  assert.deepEqual(sent().map((it) => [it.type, it.id, it.words]), [["search", second, "鸽"]]);
});

/** The own messages of a member "a" in the room "lobby". */
function page(...mine) {
  const lobby = new Room("lobby");
  const own = new Own({ rooms: new Map([["lobby", lobby]]), open: () => undefined, changed: () => {} });
  own.author = "a";
  for (const it of mine) own.note({ outbox: "b", room: "lobby", status: "waiting", ...it });
  const arrive = (number, text) => {
    const entry = { type: "message", position: number, author: "a", outbox: "b", number, text };
    own.arrived(lobby, [entry]);
    lobby.add(entry);
  };
  const texts = () => [...lobby.entries, ...lobby.pending.values()].map(({ text }) => text);
  return { own, lobby, arrive, texts };
}

test("a message is still shown where another one under its number arrives before it moves", () => {
  const { own, arrive, texts } = page({ number: 1, text: "mine" });
  arrive(1, "foreign");
  own.renumbered({ from: { outbox: "b", number: 1 }, to: { outbox: "c", number: 1 }, room: "lobby", text: "mine", time: 1 });
  assert.deepEqual(texts(), ["foreign", "mine"]);
});

test("a message of a closed room moves without opening it again", () => {
  const { own, texts } = page();
  own.renumbered({ from: { outbox: "b", number: 1 }, to: { outbox: "c", number: 1 }, room: "closed", text: "mine", time: 1 });
  assert.deepEqual(texts(), []);
});

test("a message whose copy came before a reload is shown in the history alone", () => {
  const { own, lobby, texts } = page({ number: 1, text: "one" }, { number: 2, text: "two" }, { number: 3, text: "three" });
  own.status(0, { outbox: "b", number: 1, status: "stored" });
  own.status(0, { outbox: "b", number: 3, status: "refused", reason: "muted" });
  own.tick(COPY - 1);
  assert.deepEqual(texts(), ["one", "two", "three"]);
  own.tick(COPY);
  assert.deepEqual(texts(), ["two", "three"], "what waits and what was refused stays");
  own.arrived(lobby, [{ author: "a", outbox: "b", number: 2 }]);
  assert.deepEqual(texts(), ["three"]);
});

test("a message that is taken over from another tab is not shown beside its copy", () => {
  const { own, arrive, texts } = page();
  arrive(1, "theirs");
  own.note({ outbox: "b", number: 1, room: "lobby", text: "theirs", status: "waiting" });
  assert.deepEqual(texts(), ["theirs"]);
});
