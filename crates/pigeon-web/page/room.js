// What the page knows of one room: a contiguous part of its log, bounded, and what is unread. Pure.

import { identity } from "./session.js";

/** How many entries a room keeps before it drops `CUT` of them at the far end. */
export const MOST = 4_000;
const CUT = 1_000;
const MOST_SIZE = 8 << 20;

export class Room {
  /** Messages, gaps and notes in the order of the log. The first has the index `base`. */
  entries = [];
  base = 0;
  /** Own messages that are not in `entries` yet, by outbox and number. */
  pending = new Map();
  /** Where older entries are read from: a position; null where there are none; undefined: unknown. */
  more;
  isLoading = false;
  /** Whether `entries` reaches the newest. Otherwise new ones are only counted, in `missed`. */
  isAtEnd = true;
  missed = 0;
  /** Whether somebody reads old entries, so that these are not the ones to drop. */
  isPinned = false;
  unread = 0;
  hasMention = false;
  firstUnread;
  /** Everything up to this position was in front of the person. */
  read = 0;
  #ids = new Set();
  #size = 0;

  constructor(name, { isDirect = false } = {}) {
    this.name = name;
    this.isDirect = isDirect;
  }

  get end() {
    return this.base + this.entries.length;
  }

  /** The newest position. */
  get newest() {
    return this.entries.findLast((it) => it.position)?.position ?? 0;
  }

  /** Whether a message is among the entries. */
  has(message) {
    return this.#ids.has(identity(message));
  }

  /** Adds the newest entry. False: it is here already, or is only counted. */
  add(entry) {
    if (!this.isAtEnd) {
      this.missed += 1;
      return false;
    }
    if (!this.#enter(entry)) return false;
    this.entries.push(entry);
    if (this.isPinned) this.#dropNewest();
    else this.#dropOldest();
    return true;
  }

  /** Adds older entries, which were read from the hub. `more`: where the ones before them begin. */
  addOlder(entries, more) {
    const first = this.entries.find((it) => it.position)?.position ?? Infinity;
    const older = entries.filter((it) => it.position < first && this.#enter(it));
    this.entries = [...older, ...this.entries];
    this.base -= older.length;
    this.more = more ?? null;
    this.#dropNewest();
    return older.length;
  }

  /** Begins anew with other entries: the newest, or those around a search hit. */
  restart({ isAtEnd }) {
    this.entries = [];
    this.base = 0;
    this.#ids.clear();
    this.#size = 0;
    this.more = undefined;
    this.isLoading = false;
    this.isAtEnd = isAtEnd;
    this.missed = 0;
    this.firstUnread = undefined;
  }

  /** Removes entries that were deleted at the hub. */
  remove(isGone) {
    const kept = this.entries.filter((it) => !isGone(it));
    const count = this.entries.length - kept.length;
    this.entries = kept;
    this.#ids = new Set(kept.filter((it) => it.author).map(identity));
    return count;
  }

  /** The person has everything before them. */
  markRead() {
    this.read = Math.max(this.read, this.newest);
    this.unread = 0;
    this.hasMention = false;
  }

  #enter(entry) {
    if (entry.author) {
      const id = identity(entry);
      if (this.#ids.has(id)) return false;
      this.#ids.add(id);
    }
    this.#size += entry.text?.length ?? 0;
    return true;
  }

  #leave(entries) {
    for (const it of entries) {
      if (it.author) this.#ids.delete(identity(it));
      this.#size -= it.text?.length ?? 0;
    }
  }

  get #isFull() {
    return this.entries.length > CUT && (this.entries.length > MOST + CUT || this.#size > MOST_SIZE);
  }

  #dropOldest() {
    while (this.#isFull) {
      this.#leave(this.entries.splice(0, CUT));
      this.base += CUT;
      this.more = this.entries.find((it) => it.position)?.position;
    }
  }

  #dropNewest() {
    while (this.#isFull) {
      this.#leave(this.entries.splice(-CUT));
      this.isAtEnd = false;
    }
  }
}
