// A world in virtual time for tests of session.js: a hub, a bad network, browser tabs that share one
// storage, and a checker. Everything is drawn from a seed, so a run can be repeated.

import { COPY, Own } from "../own.js";
import { Room } from "../room.js";
import { Session, fold, identity, outboxOf } from "../session.js";

export const ORIGIN = "http://192.0.2.1:8080";
const AUTHOR = "a".repeat(32);
const ROOM = "lobby";

/** A seeded generator (mulberry32). */
export function chance(seed) {
  let state = seed >>> 0;
  const bits = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n) => Math.floor((bits() / 2 ** 32) * n);
  return { bits, below, one: (n) => below(n) === 0, between: (a, b) => a + below(b - a + 1) };
}

/** Events in virtual time, in order. */
class Clock {
  now = 0;
  #queue = [];
  #serial = 0;

  at(time, act) {
    const entry = { time, serial: this.#serial++, act };
    this.#queue.push(entry);
    return () => (entry.act = undefined);
  }

  step() {
    let first = 0;
    for (let i = 1; i < this.#queue.length; i += 1) {
      const [a, b] = [this.#queue[i], this.#queue[first]];
      if (a.time < b.time || (a.time === b.time && a.serial < b.serial)) first = i;
    }
    const [entry] = this.#queue.splice(first, 1);
    if (!entry) return false;
    this.now = Math.max(this.now, entry.time);
    entry.act?.();
    return true;
  }
}

/** A hub with a log on a disk: what is not synced is lost when it is killed. */
export class Hub {
  constructor(world, { fault } = {}) {
    this.world = world;
    this.fault = fault;
    this.conns = new Set();
    this.log = []; // synced entries
    this.unsynced = [];
    this.epoch = 1;
    this.sequence = 0;
    this.up = true;
    this.plain = 0;
    this.backup = 0;
    this.calm = false;
    const beat = () => {
      for (const conn of this.conns) if (conn.hub.member) conn.toClient("\n");
      world.clock.at(world.clock.now + 15_000, beat);
    };
    beat();
    this.everStored = new Set();
  }

  position() {
    this.sequence += 1;
    return this.epoch * 2 ** 40 + this.sequence;
  }

  kill() {
    this.up = false;
    this.unsynced = [];
    for (const conn of [...this.conns]) conn.cut();
  }

  start() {
    this.up = true;
    this.sequence += this.world.chance.below(3) * 65_536;
  }

  /** An older copy of the log is restored. */
  restore() {
    this.kill();
    this.log.length = this.backup;
    this.epoch += 1;
    this.restored = true;
  }

  open(conn) {
    this.conns.add(conn);
    conn.hub = { boxes: new Map(), follows: new Map(), answered: new Set(), requests: 0 };
  }

  last(outbox) {
    const own = [...this.log, ...this.unsynced].filter((it) => it.outbox === outbox && it.author === AUTHOR);
    return own.reduce((last, it) => Math.max(last, it.number), 0);
  }

  received(conn, text) {
    for (const line of text.split("\n")) if (line) this.handle(conn, JSON.parse(line));
  }

  handle(conn, frame) {
    const state = conn.hub;
    const send = (answer) => conn.toClient(JSON.stringify(answer) + "\n");
    switch (frame.type) {
      case "hello":
        state.nonce = String(this.world.chance.bits());
        send({ type: "challenge", version: 1, hub: "hub", nonce: state.nonce, fingerprint: ORIGIN });
        break;
      case "prove": {
        if (frame.signature !== `signed pigeon/1 ${state.nonce} ${ORIGIN}`) throw new Error("a bad signature");
        for (const other of this.conns) {
          if (other !== conn && other.hub.outbox === frame.outbox) {
            other.toClient('{"type":"bye","reason":"replaced","text":""}\n');
            this.conns.delete(other);
          }
        }
        state.member = true;
        send({ type: "welcome", author: AUTHOR, room: ROOM, stores: true, max_text: 8192 });
        this.begin(conn, frame.outbox);
        break;
      }
      case "outbox":
        this.begin(conn, frame.outbox);
        break;
      case "say":
        this.say(conn, frame);
        break;
      case "follow":
        this.follow(conn, frame);
        break;
      case "read": {
        const all = this.log.filter((it) => it.position < (frame.before ?? Infinity));
        const entries = all.slice(all.length - Math.min(all.length, frame.limit));
        send({ type: "entries", id: frame.id, room: frame.room, entries, more: entries[0]?.position });
        break;
      }
      default:
        throw new Error(`a frame that the hub does not know: ${frame.type}`);
    }
  }

  begin(conn, outbox) {
    conn.hub.outbox = outbox;
    conn.hub.awaits = undefined;
    conn.hub.gone = undefined;
    conn.hub.past = new Set();
    conn.hub.again = new Set(); // numbers up to the last one that were refused for now
    conn.toClient(JSON.stringify({ type: "expect", outbox, number: this.last(outbox) + 1 }) + "\n");
  }

  say(conn, { number, room, text, after = number - 1 }) {
    const state = conn.hub;
    const { chance } = this.world;
    const send = (answer) => conn.toClient(JSON.stringify(answer) + "\n");
    const last = this.last(state.outbox);
    if (number <= last) {
      if (state.past.has(number)) return;
      state.again.delete(number);
      if (!this.calm && chance.one(25)) {
        state.again.add(number);
        return send({ type: "refused", number, reason: "overloaded", detail: "", text: "", again_ms: chance.between(1, 400) });
      }
      const held = [...this.log, ...this.unsynced].find((it) => it.outbox === state.outbox && it.number === number);
      if (held && held.text !== text) {
        state.past.add(number);
        return send({ type: "conflict", number });
      }
      if (!held) {
        state.past.add(number);
        return send({ type: "refused", number, reason: "deleted", detail: "", text: "" });
      }
      return this.sync(conn);
    }
    if (state.awaits !== undefined && !(number > state.awaits && after <= state.awaits)) return undefined;
    // Sent again before the member heard that it was refused for good.
    if (state.awaits !== undefined && number === state.gone) return undefined;
    if (after !== last) {
      state.awaits = last;
      return send({ type: "expect", outbox: state.outbox, number: last + 1 });
    }
    state.awaits = undefined;
    if (!this.calm && chance.one(25)) {
      state.awaits = last;
      const again_ms = chance.one(2) ? chance.between(1, 400) : undefined;
      state.gone = again_ms ? undefined : number;
      return send({ type: "refused", number, reason: again_ms ? "rate" : "muted", detail: "", text: "", again_ms });
    }
    if (!this.calm && chance.one(60)) {
      // Another copy of this member has said something else under this number.
      this.append({ author: AUTHOR, outbox: state.outbox, number, name: "x", link: "page", text: `foreign ${chance.bits()}` });
      this.sync();
      return send({ type: "conflict", number });
    }
    this.append({ author: AUTHOR, outbox: state.outbox, number, name: "x", link: "page", text, room });
    if (this.fault === "acknowledges-early") return send({ type: "stored", number });
    return this.sync(conn);
  }

  append(entry) {
    this.unsynced.push({ type: "message", room: ROOM, time: 0, ...entry, position: this.position() });
  }

  /** Syncs after a while; then acknowledges, and passes on to followers. */
  sync(conn) {
    if (this.syncing) {
      if (conn) this.syncing.add(conn);
      return;
    }
    this.syncing = new Set(conn ? [conn] : []);
    this.world.clock.at(this.world.clock.now + this.world.chance.between(1, 30), () => {
      const acknowledged = this.syncing;
      this.syncing = undefined;
      if (!this.up) return;
      for (const entry of this.unsynced.splice(0)) {
        this.log.push(entry);
        this.everStored.add(entry.text);
      }
      for (const it of acknowledged) {
        if (this.conns.has(it) && it.hub.outbox) {
          const number = this.last(it.hub.outbox);
          const isCovered = [...it.hub.again].some((again) => again <= number);
          if (number > 0 && !isCovered) it.toClient(JSON.stringify({ type: "stored", number }) + "\n");
        }
      }
      this.pump();
    });
  }

  follow(conn, { room, after, last }) {
    const send = (answer) => conn.toClient(JSON.stringify(answer) + "\n");
    let at = Math.max(0, this.log.length - (last ?? 20));
    if (after) {
      const found = this.log.findIndex((it) => it.position === after.position && identity(it) === identity(after));
      at = found + 1;
      if (found < 0) {
        // The last common message is not known here, except for what is before the position.
        const common = this.restored ? this.log.filter((it) => it.position < after.position).at(-1) : undefined;
        at = common ? this.log.indexOf(common) + 1 : 0;
        if (this.fault === "skips") at = this.log.length;
        send({ type: "reset", room, last: common && seen(common), forgotten: false });
      }
    }
    conn.hub.follows.set(fold(room), { room, at, live: false });
    this.pump();
  }

  pump() {
    for (const conn of this.conns) {
      for (const it of conn.hub.follows.values()) {
        let text = "";
        for (; it.at < this.log.length; it.at += 1) text += JSON.stringify(this.log[it.at]) + "\n";
        if (!it.live) text += JSON.stringify({ type: "live", room: it.room, position: this.log.at(-1)?.position ?? 0 }) + "\n";
        it.live = true;
        if (text) conn.toClient(text);
      }
    }
  }

  plainSays() {
    if (!this.up) return;
    this.plain += 1;
    this.append({ author: "b".repeat(32), outbox: "0".repeat(16), number: this.plain, name: "nc", link: "plain", text: `plain ${this.plain}` });
    this.sync();
  }
}

const seen = ({ position, author, outbox, number }) => ({ position, author, outbox, number });

/** One connection: each direction keeps its order; a cut loses what is on the way. */
class Conn {
  constructor(world, tab) {
    Object.assign(this, { world, tab, up: true, late: [0, 0] });
  }

  carry(direction, act) {
    const { clock, chance } = this.world;
    const at = Math.max(this.late[direction], clock.now + chance.between(1, chance.one(10) ? 300 : 20));
    this.late[direction] = at;
    clock.at(at, () => this.up && act());
  }

  toHub(text) {
    this.carry(0, () => this.world.hub.up && this.world.hub.conns.has(this) && this.world.hub.received(this, text));
  }

  toClient(text) {
    this.carry(1, () => this.tab.received(this, text));
  }

  /** Both ends lose it: the page a little later, or never without its own probe. */
  cut(silent = false) {
    this.up = false;
    this.world.hub.conns.delete(this);
    if (!silent) this.world.clock.at(this.world.clock.now + this.world.chance.between(0, 50), () => this.tab.lost(this));
  }
}

/** Records that outlive tabs. Each tab's writes are durable in order, after a while. */
export class Storage {
  records = new Map();

  apply(changes) {
    for (const [key, value] of changes) {
      if (value === undefined) this.records.delete(key);
      else this.records.set(key, structuredClone(value));
    }
  }

  /** The records of outboxes that no tab holds. */
  orphans(held) {
    return [...this.records].filter(([key]) => !held.has(outboxOf(key))).map(([k, v]) => [k, structuredClone(v)]);
  }
}

/** A browser tab: a session, its writes on the way to the storage, and what it shows and has shown. */
export class Tab {
  /** `from`: where an earlier page left off. */
  constructor(world, records, from = { last: 10 }) {
    this.world = world;
    this.writes = [];
    this.ledger = [];
    this.from = from;
    this.room = new Room(ROOM);
    this.own = new world.Own({ rooms: new Map([[ROOM, this.room]]), open: () => undefined, changed: () => {} });
    this.held = new Set(records.map(([key]) => outboxOf(key)).filter(Boolean));
    this.session = new world.Session({
      now: world.clock.now,
      wall: 1e12 + world.clock.now,
      config: { client: "test", origin: ORIGIN },
      random: world.chance.bits,
      records,
    });
    this.session.follow(ROOM, from);
    this.held.add(this.session.outbox);
    this.noteAll();
    this.drain();
  }

  say(text) {
    const id = this.session.say(this.world.clock.now, 1e12 + this.world.clock.now, ROOM, text);
    if (id.error) throw new Error(`not accepted: ${id.error}`);
    this.world.said.set(text, { kept: false, stored: false, refused: false });
    this.world.ids.set(`${id.outbox}/${id.number}`, text);
    this.own.note({ ...id, room: ROOM, text, time: 1e12 + this.world.clock.now, status: "waiting" });
    this.drain();
  }

  /** Shows the own messages of records, as a page does at its start and when it takes over an outbox. */
  noteAll() {
    for (const mine of this.session.own()) this.own.note(mine);
  }

  /** A message of one's own is shown once: as waiting, or in the log. */
  checkShown() {
    for (const mine of this.session.own()) {
      const isInLog = this.room.has({ ...mine, author: AUTHOR });
      if (mine.status === "waiting" && !isInLog && !this.room.pending.has(`${mine.outbox}/${mine.number}`)) {
        throw new Error(`"${mine.text}" waits and is not shown`);
      }
    }
    for (const mine of this.room.pending.values()) {
      const isInLog = this.room.has({ ...mine, author: AUTHOR });
      if (isInLog && mine.status !== "refused") throw new Error(`"${mine.text}" is shown twice`);
    }
  }

  received(conn, text) {
    if (this.conn !== conn || this.closed) return;
    this.session.received(this.world.clock.now, text);
    this.drain();
  }

  lost(conn) {
    if (this.conn !== conn || this.closed) return;
    this.conn = undefined;
    this.session.closed(this.world.clock.now);
    this.drain();
  }

  /** The tab goes: what was on the way to the storage arrives in part. */
  close() {
    this.closed = true;
    this.conn?.cut(true);
    this.cancel?.();
    const arrived = this.world.chance.below(this.writes.length + 1);
    for (const { changes } of this.writes.slice(0, arrived)) this.world.storage.apply(changes);
  }

  drain() {
    const { world } = this;
    for (const output of this.session.drain()) {
      switch (output.type) {
        case "connect": {
          const conn = new Conn(world, this);
          this.conn = conn;
          world.clock.at(world.clock.now + world.chance.between(1, 50), () => {
            if (this.conn !== conn || this.closed) return;
            if (!world.hub.up || world.offline) return this.lost(conn);
            world.hub.open(conn);
            this.session.opened(world.clock.now);
            return this.drain();
          });
          break;
        }
        case "send":
          this.conn?.toHub(output.text);
          break;
        case "close":
          if (this.conn) world.hub.conns.delete(this.conn);
          this.conn = undefined;
          break;
        case "sign":
          world.clock.at(world.clock.now + 3, () => {
            if (this.closed) return;
            this.session.signed(world.clock.now, output.nonce, { key: "key", signature: `signed ${output.text}` });
            this.drain();
          });
          break;
        case "write":
          this.write(output);
          break;
        case "event":
          this.event(output.kind, output.event);
          break;
        default:
          throw new Error(output.type);
      }
    }
    if (!this.closed) this.checkShown();
    this.cancel?.();
    const due = this.session.deadline();
    if (due !== undefined && !this.closed) {
      this.cancel = world.clock.at(due, () => {
        this.session.timeout(world.clock.now);
        this.drain();
      });
    }
  }

  write(output) {
    const { world } = this;
    for (const [key] of output.changes) if (outboxOf(key)) this.held.add(outboxOf(key));
    this.writes.push(output);
    world.clock.at(world.clock.now + world.chance.between(1, 40), () => {
      if (this.closed || this.writes[0] !== output) return;
      this.writes.shift();
      if (!world.hub.calm && world.chance.one(30)) {
        this.session.writeFailed(world.clock.now, output.id);
      } else {
        world.storage.apply(output.changes);
        for (const [key, value] of output.changes) {
          if (key.startsWith("said/") && value) world.said.get(value.text).kept = true;
        }
        this.session.written(world.clock.now, output.id);
      }
      this.drain();
    });
  }

  event(kind, event) {
    const { world } = this;
    if (kind === "welcome") this.own.author = event.author;
    if (kind === "message") {
      this.ledger.push(event);
      this.own.arrived(this.room, [event]);
      this.room.add(event);
    }
    if (kind === "status") this.own.status(world.clock.now, event);
    if (kind === "broken") throw new Error(`the session calls the hub broken: ${event.why}`);
    if (kind === "reset") this.resets = (this.resets ?? 0) + 1;
    if (kind === "renumbered") {
      this.own.renumbered(event);
      const text = world.ids.get(`${event.from.outbox}/${event.from.number}`);
      world.ids.set(`${event.to.outbox}/${event.to.number}`, text);
    }
    if (kind === "status") {
      const told = world.said.get(world.ids.get(`${event.outbox}/${event.number}`));
      if (!told) throw new Error(`a status of an unknown message ${JSON.stringify(event)}`);
      if (event.status === "stored") {
        told.stored = true;
        const text = world.ids.get(`${event.outbox}/${event.number}`);
        if (!world.hub.everStored.has(text)) throw new Error(`"${text}" is acknowledged and on no disk`);
      }
      if (event.status === "refused") told.refused = true;
    }
  }
}

/** A run: faults at random, then calm until everything is settled. Returns what happened. */
export function run(seed, { fault, Class = Session, OwnClass = Own, restores = seed % 5 === 0, messages = 40 } = {}) {
  const world = { chance: chance(seed), clock: new Clock(), said: new Map(), ids: new Map(), Session: Class, Own: OwnClass };
  world.storage = new Storage();
  world.hub = new Hub(world, { fault });
  const { chance: draw, clock, hub, storage } = world;
  let tabs = [new Tab(world, []), new Tab(world, [])];
  const held = () => new Set(tabs.flatMap((tab) => [...tab.held]));
  let serial = 0;
  let faults = 0;
  const closedLedgers = [];
  const lose = (tab) => {
    tab.close();
    closedLedgers.push(tab);
    tabs = tabs.filter((it) => it !== tab);
  };
  const horizon = 30_000;
  for (let i = 0; i < messages; i += 1) {
    clock.at(draw.below(horizon), () => {
      const burst = draw.one(8) ? 20 : 1;
      for (let j = 0; j < burst; j += 1) draw.one(4) ? hub.plainSays() : tabs[draw.below(tabs.length)].say(`own ${serial++}`);
    });
  }
  const fails = (count, act) => {
    for (let i = draw.below(count + 1); i > 0; i -= 1) clock.at(draw.below(horizon), () => (faults++, act()));
  };
  fails(6, () => [...hub.conns][draw.below(hub.conns.size || 1)]?.cut(draw.one(3)));
  fails(3, () => {
    if (!hub.up) return;
    hub.kill();
    clock.at(clock.now + draw.between(10, 3_000), () => hub.start());
  });
  fails(3, () => {
    // A reload: the tab's records, and those of tabs that are gone, go to the new one.
    const lost = tabs[draw.below(tabs.length)];
    lose(lost);
    tabs.push(new Tab(world, storage.orphans(held()), draw.one(2) ? lost.session.leftOff(ROOM) : undefined));
  });
  fails(1, () => {
    // A tab is closed, and the other one takes over its outbox.
    lose(tabs[0]);
    const records = storage.orphans(held());
    records.forEach(([key]) => tabs[0].held.add(outboxOf(key)));
    tabs[0].session.adopt(clock.now, 1e12 + clock.now, records);
    tabs[0].noteAll();
    tabs[0].drain();
    tabs.push(new Tab(world, []));
  });
  fails(1, () => {
    world.offline = true;
    for (const conn of [...hub.conns]) conn.cut(true);
    clock.at(clock.now + draw.between(100, 5_000), () => {
      world.offline = false;
      if (draw.one(2)) for (const tab of tabs) (tab.session.hurry(clock.now), tab.drain());
    });
  });
  if (restores) {
    clock.at(horizon / 3, () => (hub.backup = hub.log.length));
    clock.at(horizon / 2, () => (faults++, hub.restore(), hub.start()));
  }
  clock.at(horizon, () => {
    hub.calm = true;
    world.offline = false;
    if (!hub.up) hub.start();
    // What closed tabs left is taken over.
    tabs.push(new Tab(world, storage.orphans(held())));
  });
  // After a restored backup the newest message may be one that a tab has shown at its earlier position.
  const reached = (tab) => tab.session.leftOff(ROOM)?.after.position;
  const settled = () =>
    clock.now > horizon + 1_000 &&
    tabs.every((tab) => tab.session.waiting === 0 && tab.session.state === "live" && tab.writes.length === 0) &&
    hub.unsynced.length === 0 &&
    (hub.log.length === 0 || tabs.every((tab) => reached(tab) === hub.log.at(-1).position));
  for (let steps = 0; !settled(); steps += 1) {
    if (steps > 100_000) throw new Error(`seed ${seed}: no end`);
    if (clock.now > horizon + 600_000) throw new Error(`seed ${seed}: not settled: ${JSON.stringify(tabs.map((t) => [t.session.state, t.session.waiting, reached(t), hub.log.at(-1)?.position]))}`);
    if (!clock.step()) throw new Error(`seed ${seed}: nothing is left to happen`);
  }
  return check(world, [...tabs, ...closedLedgers], tabs, { seed, faults, restores });
}

/** What was acknowledged reaches each tab once and in order; what was not is reported. */
function check(world, all, tabs, { seed, faults, restores }) {
  const { hub } = world;
  const fail = (what) => {
    throw new Error(`seed ${seed}: ${what}`);
  };
  const texts = hub.log.map((it) => it.text);
  if (new Set(texts).size !== texts.length) fail("a message is in the log twice");
  const inLog = new Set(texts);
  const report = { seed, faults, said: world.said.size, stored: 0, refused: 0, lost: 0 };
  for (const [text, told] of world.said) {
    const held = inLog.has(text);
    if (told.stored) report.stored += 1;
    if (told.refused) report.refused += 1;
    if (told.stored && !told.refused && !held && !restores) fail(`"${text}" is acknowledged and not in the log`);
    if (told.refused && held && !told.stored) fail(`"${text}" is refused and in the log`);
    // A tab that closed before its write was on disk may lose a message: the page had not sent it.
    if (told.kept && !told.stored && !told.refused && !held) fail(`nobody said what became of "${text}"`);
    if (!told.kept && !held) report.lost += 1;
    if (told.kept && !told.refused && !held && !restores) fail(`"${text}" was kept and is nowhere`);
  }
  for (const tab of all) {
    const shown = tab.ledger.map(identity);
    if (new Set(shown).size !== shown.length) fail("a tab has shown a message twice");
    if (restores) continue;
    if (shown.length === 0) continue;
    const log = hub.log.map(identity);
    const at = log.indexOf(shown[0]);
    shown.forEach((it, i) => it === log[at + i] || fail(`a tab has shown ${it} where the log has ${log[at + i]}`));
  }
  for (const tab of tabs) {
    tab.own.tick(world.clock.now + COPY);
    for (const { status, text } of tab.room.pending.values()) if (status !== "refused") fail(`"${text}" is shown as ${status} for ever`);
    const shown = new Set(tab.ledger.map(identity));
    const { after } = tab.from;
    const isDue = (it) => (after ? it.position > after.position : shown.has(identity(it)));
    const first = hub.log.findIndex(isDue);
    hub.log.slice(first < 0 && !after ? 0 : first < 0 ? hub.log.length : first).forEach((it) => shown.has(identity(it)) || fail(`a tab lacks ${identity(it)}`));
  }
  const lasts = new Map();
  if (!restores) {
    for (const it of hub.log) {
      const key = `${it.author}/${it.outbox}`;
      if ((lasts.get(key) ?? 0) >= it.number) fail(`an outbox is out of order: ${identity(it)}`);
      lasts.set(key, it.number);
    }
  }
  return report;
}
