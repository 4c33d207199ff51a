// A reliable member of a hub, as a state machine. Pure: no clock, no socket, no storage.
//
//   page ───── say, follow, read ───────▶ ┌─────────┐ ─▶ event ─▶ page
//   socket ─── opened, received, closed ▶ │ Session │ ─▶ connect, send, close ─▶ socket
//   key ────── signed ──────────────────▶ │         │ ─▶ sign ─▶ key
//   storage ── written, writeFailed ────▶ └─────────┘ ─▶ write ─▶ storage
//
// Call one method, then drain `poll()` and carry out each output in order. Call `timeout(now)` when
// `deadline()` is reached. `now` is milliseconds of a monotonic clock.
//
// A message gets its identity (outbox, number) when it is said, and keeps it: each session draws a
// new outbox, so a storage that lost its newest records cannot make it use a number twice. A message
// is sent only after its record is written. docs/reliable.md describes the frames.

/** Bounds and delays. Durations are milliseconds. */
export const LIMITS = {
  windowMessages: 256,
  windowBytes: 262_144,
  waiting: 10_000,
  waitingBytes: 8 << 20,
  kept: 1_000,
  keptBytes: 1 << 20,
  keptFor: 30 * 86_400_000,
  known: 20_000,
  rooms: 16,
  requests: 16,
  frame: 131_072,
  patience: 10_000,
  silence: 25_000,
  answer: 4_000,
  firstWait: 200,
  lastWait: 10_000,
  longWait: 60_000,
  writeAgain: 1_000,
};

const NOWHERE = { position: 0, author: "0".repeat(32), outbox: "0".repeat(16), number: 0 };
const utf8 = new TextEncoder();

/** The number of bytes of a text in UTF-8. */
export const bytes = (text) => utf8.encode(text).length;

/** Folds the case of a name, for comparing. */
export const fold = (name) => name.normalize("NFD").toUpperCase().toLowerCase().normalize("NFC");

/** A message's identity, as a key of a map. */
export const identity = ({ author, outbox, number }) => `${author}/${outbox}/${number}`;

const digits = (number) => String(number).padStart(16, "0");
const keys = {
  outbox: (outbox) => `outbox/${outbox}`,
  said: (outbox, number) => `said/${outbox}/${digits(number)}`,
  refused: (outbox, number) => `refused/${outbox}/${digits(number)}`,
};

/** The outbox of a record's key, if it belongs to one. */
export const outboxOf = (key) => /^(?:outbox|said|refused)\/([0-9a-f]{16})(?:\/|$)/.exec(key)?.[1];

export class Session {
  #config;
  #random;
  #outboxes = new Map(); // id → {made, stored, next, messages: Map(number → mine)}, oldest first
  #current;
  #refused = new Map(); // "outbox/number" → record
  #rooms = new Map(); // folded name → {name, from, seen, passed, live}
  #known = new Newest(LIMITS.known); // identities of reported messages, to recognize them after a reset
  #requests = []; // reads and searches; the first one may be outstanding
  #nextRequest = 1;
  #watched;
  #waiting = { count: 0, bytes: 0 };
  #kept = { count: 0, bytes: 0 };
  #maxText = 8_192;

  #link; // {is: "down", at} | {is: "opening"} | {is: "open", …} | {is: "ended", why}
  #attempts = 0;
  #state = "";

  #changes = new Map(); // records to write; undefined deletes
  #writes = 0; // number of batches begun
  #durable = 0; // number of batches written
  #pending; // {id, changes}
  #nextWrite = 1;
  #writeAt; // after a failed write: when it is tried again
  #unreported = []; // refusals to report once their record is written

  #frames = [];
  #outputs = [];

  /**
   * A session that continues from `records`, pairs of key and value. It connects at once.
   * `config`: `client`, `origin`, and optionally `name`, `word`, `room`, `password`, `language`.
   * `wall` is milliseconds since 1970; `random` returns 32 random bits.
   */
  constructor({ now, wall, config, random, records = [] }) {
    this.#config = config;
    this.#random = random;
    this.#link = { is: "down", at: now };
    this.#load(records, wall);
    this.timeout(now);
  }

  // ---- For the page ----

  /** Says a text. Returns its identity `{outbox, number}`, or `{error, …}` if it is not accepted. */
  say(now, wall, room, text) {
    if (this.#link.is === "ended") return { error: "ended" };
    text = text.replace(/\p{Surrogate}/gu, "\ufffd");
    const size = bytes(text);
    if (size === 0) return { error: "empty" };
    if (size > this.#maxText) return { error: "too-long", size, most: this.#maxText };
    if (bytes(JSON.stringify({ room, text })) > LIMITS.frame - 256) {
      return { error: "too-long", size, most: this.#maxText };
    }
    if (
      this.#waiting.count >= LIMITS.waiting ||
      this.#waiting.bytes + size > LIMITS.waitingBytes
    ) {
      return { error: "full" };
    }
    const id = this.#keep({ room, text, time: wall, size });
    this.#report("status", { ...id, status: "waiting" });
    this.#proceed(now);
    return id;
  }

  /**
   * Follows a room, now and after each reconnection. `from`: `{after: seen}` continues after that
   * message, with the `deletion` of the last reset that was carried out; `{last: N}` begins with the
   * newest N.
   */
  follow(room, from) {
    if (!this.#rooms.has(fold(room)) && this.#rooms.size >= LIMITS.rooms) return false;
    const seen = from.after;
    const { last, deletion } = from;
    const following = { name: room, last, seen, deletion, passed: seen?.position ?? 0, live: false };
    this.#rooms.set(fold(room), following);
    if (this.#link.proved) this.#sendFollow(following);
    this.#noteState();
    this.#flush();
    return true;
  }

  /** Stops following a room. */
  unfollow(room) {
    if (this.#rooms.delete(fold(room)) && this.#link.proved) this.#send({ type: "unfollow", room });
    this.#noteState();
    this.#flush();
  }

  /** Sends a command such as `/who`. Returns whether there is a connection for it. */
  command(line) {
    if (!this.isMember) return false;
    this.#send({ type: "command", line });
    this.#flush();
    return true;
  }

  /** Asks who is in a room, now and after each change and reconnection. */
  watch(room) {
    this.#watched = room;
    if (this.isMember) this.#send({ type: "watch", room });
    this.#flush();
  }

  /**
   * Reads older entries: `{room, before, limit}`, or with `words` searches. Returns the request's
   * id, which the event `entries` repeats; undefined if too many wait.
   */
  read(request) {
    if (this.#requests.length >= LIMITS.requests) return undefined;
    const id = this.#nextRequest++;
    this.#requests.push({ ...request, id, sent: false });
    this.#sendRequest();
    this.#flush();
    return id;
  }

  /** Changes the configuration for the next connection. */
  configure(changes) {
    Object.assign(this.#config, changes);
  }

  /** Connects at once: the person asks, or the network came back. */
  hurry(now) {
    if (this.#link.is === "down") this.#link.at = now;
    if (this.#link.is === "ended") {
      this.#attempts = 0;
      this.#link = { is: "down", at: now };
    }
    // A connection from before a sleep may be dead without an error: asks for a sign of life.
    if (this.isMember) {
      this.#link.probed ??= now + LIMITS.answer;
      this.#send({ type: "read", id: 0, room: "lobby", limit: 0 });
      this.#flush();
    }
    this.timeout(now);
  }

  /** The person has seen why a message was refused: forgets it, and returns its text and room. */
  discard(now, outbox, number) {
    const refused = this.#refused.get(`${outbox}/${number}`);
    if (!refused) return undefined;
    this.#refused.delete(`${outbox}/${number}`);
    this.#change(keys.refused(outbox, number), undefined);
    this.#proceed(now);
    return refused;
  }

  /** Takes over records of outboxes whose tab is gone. */
  adopt(now, wall, records) {
    const before = new Set(this.#outboxes.keys());
    this.#load(records, wall);
    if (this.#link.agenda) {
      for (const id of this.#outboxes.keys()) if (!before.has(id)) this.#link.agenda.push(id);
    }
    this.#proceed(now);
  }

  /** Another tab has taken over an outbox: forgets it without a change to the storage. */
  abandon(outbox) {
    const box = this.#outboxes.get(outbox);
    for (const mine of box?.messages.values() ?? []) this.#uncount(mine);
    this.#outboxes.delete(outbox);
    for (const [key, refused] of this.#refused) if (refused.outbox === outbox) this.#refused.delete(key);
    for (const key of this.#changes.keys()) if (outboxOf(key) === outbox) this.#changes.delete(key);
    if (this.#current === outbox) this.#current = undefined;
    if (this.#link.sending?.outbox === outbox) this.#link.sending = undefined;
    if (this.#link.agenda) this.#link.agenda = this.#link.agenda.filter((id) => id !== outbox);
  }

  /** Leaves. What waits stays in the storage. */
  quit() {
    if (this.isMember) this.#send({ type: "quit" });
    this.#flush();
    if (this.#link.is === "open") this.#outputs.push({ type: "close" });
    this.#end("quit");
  }

  /** Whether the hub has accepted this member on the current connection. */
  get isMember() {
    return this.#link.is === "open" && this.#link.isMember;
  }

  /** "connecting", "proving", "catching-up", "live" or "ended". */
  get state() {
    return this.#state;
  }

  /** When the next connection is tried, if none is open. */
  get again() {
    return this.#link.is === "down" ? this.#link.at : undefined;
  }

  /** The number of own messages that the hub has not stored. */
  get waiting() {
    return this.#waiting.count;
  }

  /** The most bytes of a text. */
  get maxText() {
    return this.#maxText;
  }

  /** The outbox of new messages. */
  get outbox() {
    this.#current ??= this.#draw();
    return this.#current;
  }

  /** Where the next session's `follow` of a room continues: `{after, deletion}`. */
  leftOff(room) {
    const following = this.#rooms.get(fold(room));
    return following?.seen && { after: following.seen, deletion: following.deletion };
  }

  /** Changes of outboxes that are not known to be on disk, for a page that is about to go. */
  unwritten() {
    const all = new Map([...(this.#pending?.changes ?? []), ...this.#changes]);
    return [...all].filter(([key]) => outboxOf(key));
  }

  /** Own messages that wait, and refused ones, oldest first. */
  own() {
    const waiting = [];
    for (const [outbox, box] of this.#outboxes) {
      for (const [number, { room, text, time }] of box.messages) {
        if (number > box.stored) waiting.push({ outbox, number, room, text, time, status: "waiting" });
      }
    }
    const refused = [...this.#refused.values()].map((it) => ({ ...it, status: "refused" }));
    return [...waiting, ...refused].sort((a, b) => a.time - b.time || a.number - b.number);
  }

  // ---- For the socket, the key and the storage ----

  /** The connection is open. */
  opened(now) {
    if (this.#link.is !== "opening") return;
    this.#link = { is: "open", patience: now + LIMITS.patience, heard: now };
    this.#send({ type: "hello", version: 1, client: this.#config.client });
    this.#noteState();
    this.#flush();
  }

  /** A message with whole lines has arrived. */
  received(now, text) {
    if (this.#link.is === "open") {
      this.#link.heard = now;
      this.#link.probed = undefined;
    }
    for (const line of text.split("\n")) {
      if (line === "" || this.#link.is !== "open") continue;
      try {
        this.#handle(now, JSON.parse(line));
      } catch (error) {
        this.#report("broken", { why: String(error?.message ?? error) });
        this.#outputs.push({ type: "close" });
        this.#wait(now, LIMITS.longWait);
      }
    }
    this.#proceed(now);
  }

  /** The connection was lost, or could not be opened. */
  closed(now) {
    if (this.#link.is === "opening" || this.#link.is === "open") this.#wait(now);
    this.#proceed(now);
  }

  /** The answer to `sign`: public key and signature, in base64url. */
  signed(now, nonce, { key, signature }) {
    const link = this.#link;
    if (link.is !== "open" || link.nonce !== nonce || link.proved) return;
    // The newest outbox with stored messages shows whether the hub still holds what it had stored.
    const newest = [...this.#outboxes].reverse().find(([, box]) => box.stored > 0)?.[0];
    const outbox = newest ?? this.#outboxes.keys().next().value ?? this.outbox;
    link.proved = true;
    link.sending = sending(outbox);
    const { name, word, room, password, language } = this.#config;
    this.#send({ type: "prove", key, signature, outbox, name, word, room, password, language });
    for (const following of this.#rooms.values()) this.#sendFollow(following);
    this.#flush();
  }

  /** A batch of changes is on disk. */
  written(now, id) {
    if (this.#pending?.id !== id) return;
    this.#durable = this.#pending.batch;
    this.#pending = undefined;
    if (this.#writeAt !== undefined) this.#report("storage", { works: true });
    this.#writeAt = undefined;
    while (this.#unreported[0]?.batch <= this.#durable) {
      this.#report("status", this.#unreported.shift().event);
    }
    this.#proceed(now);
  }

  /** A batch could not be written. It is tried again, with later changes. */
  writeFailed(now, id) {
    if (this.#pending?.id !== id) return;
    const { changes } = this.#pending;
    for (const [key, value] of changes) if (!this.#changes.has(key)) this.#changes.set(key, value);
    this.#pending = undefined;
    if (this.#writeAt === undefined) this.#report("storage", { works: false });
    this.#writeAt = now + LIMITS.writeAgain;
  }

  /** A deadline is reached. */
  timeout(now) {
    const link = this.#link;
    if (link.is === "down" && link.at <= now) {
      this.#link = { is: "opening" };
      this.#outputs.push({ type: "connect" });
      this.#noteState();
    } else if (link.is === "open") {
      if (link.patience <= now || link.probed <= now || link.heard + LIMITS.silence <= now) {
        this.#outputs.push({ type: "close" });
        this.#wait(now);
      }
    }
    this.#proceed(now);
  }

  /** When `timeout` is due; undefined: never. */
  deadline() {
    const link = this.#link;
    const all = [this.#pending ? undefined : this.#writeAt];
    if (link.is === "down") all.push(link.at);
    if (link.is === "open") {
      all.push(link.patience, link.sending?.held, link.probed, link.heard + LIMITS.silence);
    }
    const due = all.filter((at) => at !== undefined);
    return due.length ? Math.min(...due) : undefined;
  }

  /** The next output. */
  poll() {
    return this.#outputs.shift();
  }

  /** All outputs. */
  drain() {
    return this.#outputs.splice(0);
  }

  // ---- Frames from the hub ----

  #handle(now, frame) {
    const link = this.#link;
    if (frame.type === "bye") return this.#bye(now, frame);
    if (frame.type === "challenge") {
      if (link.nonce !== undefined) throw new Error("a second challenge");
      if (frame.fingerprint !== this.#config.origin) throw new Error("a challenge for another page");
      link.nonce = String(frame.nonce);
      const text = `pigeon/1 ${link.nonce} ${this.#config.origin}`;
      this.#report("hub", { name: String(frame.hub) });
      this.#outputs.push({ type: "sign", nonce: link.nonce, text });
      return undefined;
    }
    if (frame.type !== "notice" && link.nonce === undefined) throw new Error("no challenge");
    switch (frame.type) {
      case "welcome":
        link.patience = undefined;
        link.isMember = true;
        this.#attempts = 0;
        this.#maxText = frame.max_text;
        this.#report("welcome", frame);
        if (this.#watched !== undefined) this.#send({ type: "watch", room: this.#watched });
        for (const request of this.#requests) request.sent = false;
        this.#sendRequest();
        return this.#noteState();
      case "expect":
        return this.#expect(frame);
      case "stored":
      case "relayed":
        return this.#stored(now, frame.number, frame.type);
      case "refused":
        return this.#refuse(now, frame);
      case "conflict":
        return this.#conflict(now, frame.number);
      case "message":
        return this.#message(frame);
      case "gap": {
        const following = this.#rooms.get(fold(frame.room));
        if (!following || frame.position <= following.passed) return undefined;
        following.passed = frame.position;
        return this.#report("gap", frame);
      }
      case "reset": {
        const following = this.#rooms.get(fold(frame.room));
        if (!following) return undefined;
        following.seen = frame.last ?? following.seen;
        following.passed = frame.last?.position ?? 0;
        // What was deleted is removed by the page; what is left comes again.
        if (frame.forgotten) this.#known.clear();
        following.deletion = frame.deletion ?? following.deletion;
        return this.#report("reset", frame);
      }
      case "live":
      case "behind": {
        const following = this.#rooms.get(fold(frame.room));
        if (!following) return undefined;
        following.live = frame.type === "live";
        // An empty room: the next follow continues from its beginning.
        if (following.live) following.seen ??= NOWHERE;
        this.#report(frame.type, frame);
        return this.#noteState();
      }
      case "entries": {
        const [first] = this.#requests;
        if (first?.id !== frame.id || !first.sent) return undefined;
        this.#requests.shift();
        this.#report("entries", { ...frame, request: first });
        return this.#sendRequest();
      }
      case "forgot":
      case "notice":
      case "here":
      case "hubs":
        return this.#report(frame.type, frame);
      default:
        return undefined;
    }
  }

  #message(message) {
    let following = this.#rooms.get(message.room) ?? this.#rooms.get(fold(message.room));
    if (!following || message.position <= following.passed) return;
    const { position, author, outbox, number } = message;
    following.passed = position;
    following.seen = { position, author, outbox, number };
    if (!this.#known.add(identity(message))) return;
    this.#report("message", message);
  }

  #expect({ outbox, number }) {
    const link = this.#link;
    if (link.sending?.outbox !== outbox) return;
    link.sending.expected = number;
    rewind(link.sending, 0);
    if (link.agenda) return;
    const all = [...this.#outboxes];
    const stored = this.#outboxes.get(outbox)?.stored ?? 0;
    if (number <= stored) {
      // The hub was restored from a backup: everything is sent again, in the original order.
      link.agenda = all.map(([id]) => id);
      link.sending = undefined;
      return;
    }
    link.agenda = all.filter(([, box]) => waits(box)).map(([id]) => id);
    if (link.agenda.length > 0 && link.agenda[0] !== outbox) link.sending = undefined;
  }

  #stored(now, number, status) {
    const send = this.#link.sending;
    if (send?.expected === undefined) return;
    send.expected = Math.max(send.expected, number + 1);
    land(send, (sent) => sent.number <= number);
    const box = this.#outboxes.get(send.outbox);
    if (!box) return;
    const settled = [];
    for (let each = box.stored + 1; each <= Math.min(number, box.next - 1); each += 1) {
      if (box.messages.has(each)) settled.push(each);
    }
    if (settled.length === 0) return;
    for (const each of settled) {
      if (status === "stored") this.#keepStored(box.messages.get(each));
      // A hub that stores nothing must not get the message again.
      else this.#remove(send.outbox, each);
    }
    if (status === "stored") {
      box.stored = number;
      this.#change(keys.outbox(send.outbox), { made: box.made, stored: number });
      this.#shed();
    }
    for (const each of settled) this.#report("status", { outbox: send.outbox, number: each, status });
  }

  #refuse(now, frame) {
    const send = this.#link.sending;
    if (send?.expected === undefined) return;
    const { number } = frame;
    const id = { outbox: send.outbox, number };
    if (frame.again_ms !== undefined) {
      rewind(send, number);
      send.held = now + frame.again_ms;
      this.#report("status", { ...id, status: "waiting", reason: frame.reason });
      return;
    }
    land(send, (sent) => sent.number === number);
    // What follows comes again, unless the hub is past this number. Then the hub goes on with the
    // messages in flight, and if it refused one of them, it would store a second copy.
    if (number >= send.expected) rewind(send, number + 1);
    const mine = this.#outboxes.get(send.outbox)?.messages.get(number);
    if (!mine) return;
    const { room, text, time } = mine;
    const { reason, detail, text: why } = frame;
    const record = { ...id, room, text, time, reason, detail, why };
    this.#remove(send.outbox, number);
    this.#refused.set(`${id.outbox}/${number}`, record);
    this.#change(keys.refused(id.outbox, number), record);
    this.#unreported.push({ batch: this.#writes + 1, event: { ...record, status: "refused" } });
  }

  /**
   * Another message has this number: the message moves to a new outbox. Those after it keep their
   * numbers, because the hub may be storing them already; moved, they would be stored twice.
   */
  #conflict(now, number) {
    const send = this.#link.sending;
    if (send?.expected === undefined) return;
    const from = send.outbox;
    send.expected = Math.max(send.expected, number + 1);
    land(send, (sent) => sent.number === number);
    if (this.#current === from) this.#current = undefined;
    const box = this.#outboxes.get(from);
    const mine = box?.messages.get(number);
    // Includes a message that an acknowledgement of a later number has covered.
    if (!mine) return;
    this.#remove(from, number);
    const { room, text, time, size } = mine;
    const to = this.#keep({ room, text, time, size });
    this.#report("renumbered", { from: { outbox: from, number }, to, room, text, time });
    this.#report("status", { ...to, status: "waiting" });
  }

  #bye(now, { reason, text }) {
    this.#report("bye", { reason, text });
    this.#outputs.push({ type: "close" });
    switch (reason) {
      case "password":
        return this.#end("password");
      case "kicked":
      case "banned":
      case "error":
        return this.#wait(now, LIMITS.longWait);
      case "replaced":
        this.#current = undefined;
        return this.#wait(now, LIMITS.lastWait);
      case "full":
        return this.#wait(now, LIMITS.lastWait);
      default:
        return this.#wait(now);
    }
  }

  // ---- Sending ----

  /** Writes what must be on disk, then sends what is. */
  #proceed(now) {
    this.#write(now);
    this.#sendWaiting(now);
    this.#flush();
  }

  #sendWaiting(now) {
    const link = this.#link;
    while (link === this.#link && link.isMember && link.agenda) {
      const send = link.sending;
      if (send) {
        const box = this.#outboxes.get(send.outbox);
        const frame = box && this.#next(now, send, box);
        if (frame) {
          const { number } = frame;
          this.#send(frame);
          if (number > box.stored) this.#report("status", { outbox: send.outbox, number, status: "sending" });
          continue;
        }
        if (send.expected === undefined || send.flight.length > 0 || (box && rest(send, box))) return;
        if (link.agenda[0] === send.outbox) link.agenda.shift();
      }
      const next = link.agenda[0] ?? this.#current;
      if (next === undefined || next === send?.outbox) return;
      if (link.agenda.length === 0 && !(this.#outboxes.has(next) && waits(this.#outboxes.get(next)))) return;
      this.#send({ type: "outbox", outbox: next });
      link.sending = sending(next);
    }
  }

  /** The next message to send of an outbox, if one is due. */
  #next(now, send, box) {
    if (send.held > now) return undefined;
    send.held = undefined;
    const found = rest(send, box);
    if (!found) return undefined;
    const [number, mine] = found;
    const fits =
      send.flight.length < LIMITS.windowMessages &&
      (send.flight.length === 0 || send.bytes + mine.size <= LIMITS.windowBytes);
    if (!fits || mine.batch > this.#durable) return undefined;
    let after = number - 1;
    while (after >= send.expected && !box.messages.has(after)) after -= 1;
    send.flight.push({ number, size: mine.size });
    send.bytes += mine.size;
    send.next = number + 1;
    const frame = { type: "say", number, room: mine.room, text: mine.text };
    return after === number - 1 ? frame : { ...frame, after };
  }

  /** Adds an own message to the current outbox. */
  #keep(mine) {
    const outbox = this.outbox;
    const box = this.#box(outbox, mine.time);
    const number = box.next++;
    mine.batch = this.#writes + 1;
    box.messages.set(number, mine);
    this.#waiting.count += 1;
    this.#waiting.bytes += mine.size;
    this.#change(keys.said(outbox, number), { room: mine.room, text: mine.text, time: mine.time });
    return { outbox, number };
  }

  #box(id, made) {
    if (!this.#outboxes.has(id)) {
      this.#outboxes.set(id, { made, stored: 0, next: 1, messages: new Map() });
      this.#change(keys.outbox(id), { made, stored: 0 });
    }
    return this.#outboxes.get(id);
  }

  #keepStored(mine) {
    this.#uncount(mine);
    mine.isStored = true;
    this.#kept.count += 1;
    this.#kept.bytes += mine.size;
  }

  #uncount(mine) {
    const count = mine.isStored ? this.#kept : this.#waiting;
    count.count -= 1;
    count.bytes -= mine.size;
  }

  #remove(outbox, number) {
    const box = this.#outboxes.get(outbox);
    const mine = box?.messages.get(number);
    if (!mine) return;
    this.#uncount(mine);
    box.messages.delete(number);
    this.#change(keys.said(outbox, number), undefined);
  }

  /** Drops the oldest stored messages beyond the bound, and outboxes without any. */
  #shed() {
    for (const [id, box] of this.#outboxes) {
      for (const [number, mine] of box.messages) {
        if (this.#kept.count <= LIMITS.kept && this.#kept.bytes <= LIMITS.keptBytes) return;
        if (!mine.isStored) break;
        this.#remove(id, number);
      }
      if (box.messages.size === 0 && id !== this.#current) this.#drop(id);
    }
  }

  #drop(id) {
    this.#outboxes.delete(id);
    this.#change(keys.outbox(id), undefined);
  }

  #load(records, wall) {
    const boxes = [];
    for (const [key, value] of records) {
      const [kind, outbox, number] = key.split("/");
      if (kind === "outbox") boxes.push([outbox, value]);
      if (kind === "refused") {
        this.#refused.set(`${outbox}/${Number(number)}`, value);
        this.#report("status", { ...value, status: "refused" });
      }
    }
    boxes.sort((a, b) => a[1].made - b[1].made);
    for (const [id, { made, stored }] of boxes) {
      if (!this.#outboxes.has(id)) this.#outboxes.set(id, { made, stored, next: stored + 1, messages: new Map() });
    }
    const said = records.filter(([key]) => key.startsWith("said/"));
    said.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, { room, text, time }] of said) {
      const [, id, number] = key.split("/");
      const box = this.#outboxes.get(id) ?? this.#box(id, time);
      if (box.messages.has(Number(number))) continue;
      const mine = { room, text, time, size: bytes(text), batch: 0 };
      mine.isStored = Number(number) <= box.stored;
      const count = mine.isStored ? this.#kept : this.#waiting;
      count.count += 1;
      count.bytes += mine.size;
      box.messages.set(Number(number), mine);
      box.next = Math.max(box.next, Number(number) + 1);
    }
    // A hub may have dropped what was stored long ago, and would take it for new.
    for (const [id, box] of this.#outboxes) {
      for (const [number, mine] of box.messages) {
        if (mine.isStored && mine.time + LIMITS.keptFor < wall) this.#remove(id, number);
      }
      if (box.messages.size === 0 && id !== this.#current) this.#drop(id);
    }
  }

  // ---- Connection, requests and storage ----

  #sendFollow(following) {
    const { name: room, seen: after, last, deletion } = following;
    following.live = false;
    this.#send(after ? { type: "follow", room, after, deletion } : { type: "follow", room, last });
  }

  #sendRequest() {
    const [first] = this.#requests;
    if (!first || first.sent || !this.isMember) return;
    first.sent = true;
    const { id, room, before, limit, words } = first;
    this.#send({ type: words === undefined ? "read" : "search", id, room, words, before, limit });
  }

  #change(key, value) {
    this.#changes.set(key, value);
  }

  #write(now) {
    if (this.#pending || this.#changes.size === 0 || this.#writeAt > now) return;
    const id = this.#nextWrite++;
    const changes = [...this.#changes];
    this.#changes.clear();
    this.#writes += 1;
    this.#pending = { id, batch: this.#writes, changes };
    this.#outputs.push({ type: "write", id, changes });
  }

  /** Stays disconnected for a while: between half and all of the delay, so that not all return at once. */
  #wait(now, delay = Math.min(LIMITS.firstWait * 2 ** Math.min(this.#attempts, 16), LIMITS.lastWait)) {
    this.#attempts += 1;
    this.#frames = [];
    this.#link = { is: "down", at: now + delay / 2 + (this.#random() / 2 ** 32) * (delay / 2) };
    for (const following of this.#rooms.values()) following.live = false;
    this.#noteState();
  }

  #end(why) {
    this.#frames = [];
    this.#link = { is: "ended", why };
    this.#noteState();
  }

  #draw() {
    const half = () => (this.#random() >>> 0).toString(16).padStart(8, "0");
    return half() + half();
  }

  #send(frame) {
    this.#frames.push(JSON.stringify(frame));
  }

  /** Puts the frames into as few messages as their bound allows. */
  #flush() {
    let text = "";
    let size = 0;
    for (const frame of this.#frames.splice(0)) {
      const length = bytes(frame) + 1;
      if (size > 0 && size + length > LIMITS.frame) {
        this.#outputs.push({ type: "send", text });
        [text, size] = ["", 0];
      }
      text += `${frame}\n`;
      size += length;
    }
    if (size > 0) this.#outputs.push({ type: "send", text });
  }

  #noteState() {
    const link = this.#link;
    let state = "connecting";
    if (link.is === "ended") state = "ended";
    else if (link.is === "open" && !link.isMember) state = "proving";
    else if (link.is === "open") {
      state = [...this.#rooms.values()].every((room) => room.live) ? "live" : "catching-up";
    }
    if (state === this.#state) return;
    this.#state = state;
    this.#report("state", { state, why: link.why });
  }

  #report(kind, event) {
    this.#outputs.push({ type: "event", kind, event });
  }
}

/** The newest keys, `most` of them at least, twice as many at most. */
class Newest {
  #most;
  // In turn: the oldest key of one set is found behind all that were removed before it.
  #keys = new Set();
  #earlier = new Set();

  constructor(most) {
    this.#most = most;
  }

  /** Adds a key. False if it is here already. */
  add(key) {
    if (this.#keys.has(key) || this.#earlier.has(key)) return false;
    if (this.#keys.size >= this.#most) [this.#earlier, this.#keys] = [this.#keys, new Set()];
    this.#keys.add(key);
    return true;
  }

  clear() {
    this.#keys.clear();
    this.#earlier.clear();
  }
}

/** An outbox on a connection. `expected` is unknown until the hub has said it. */
const sending = (outbox) => ({ outbox, expected: undefined, next: 0, flight: [], bytes: 0, held: undefined });

/** Goes back to a number, or to a smaller one where it has gone back already. */
function rewind(send, number) {
  send.next = Math.min(send.next, number);
  land(send, (sent) => sent.number >= number);
}

/** Removes messages from those on the way. */
function land(send, isDone) {
  send.flight = send.flight.filter((sent) => !isDone(sent));
  send.bytes = send.flight.reduce((sum, sent) => sum + sent.size, 0);
}

/** The first message that is not sent: any that waits, and from the expected number on each. */
function rest(send, box) {
  if (send.expected === undefined) return undefined;
  for (let number = Math.max(send.next, Math.min(send.expected, box.stored + 1)); number < box.next; number += 1) {
    const mine = box.messages.get(number);
    if (mine) return [number, mine];
  }
  return undefined;
}

/** Whether an outbox has messages that the hub has not stored. */
function waits(box) {
  for (let number = box.next - 1; number > box.stored; number -= 1) {
    if (box.messages.has(number)) return true;
  }
  return false;
}
