// Own messages that are not in the log of a room yet, and what the session's events make of them. Pure.
//
// A message is shown once: below the log until the log has it, then only there.

import { fold } from "./session.js";

/**
 * How long a stored message waits for its copy in the log, in milliseconds. A copy that came before a
 * reload does not come again: the message is in the history above.
 */
export const COPY = 10_000;

const key = ({ outbox, number }) => `${outbox}/${number}`;

export class Own {
  /** This member, once the hub has said who it is. */
  author;
  #rooms;
  #open;
  #changed;

  /**
   * `rooms`: folded name → Room. `open(name)` opens a room and returns it. `changed(room, id)` is
   * called for each message that is to be drawn anew, or removed.
   */
  constructor({ rooms, open, changed }) {
    this.#rooms = rooms;
    this.#open = open;
    this.#changed = changed;
  }

  /** Shows a message that waits or was refused, and opens its room for that. */
  note(mine) {
    const room = this.#rooms.get(fold(mine.room)) ?? this.#open(mine.room);
    const id = key(mine);
    if (!room) return;
    // Includes one that another tab of this member has said, and that this tab takes over.
    if (mine.status !== "refused" && (room.pending.has(id) || room.has({ ...mine, author: this.author }))) return;
    room.pending.set(id, mine);
    this.#changed(room, id);
  }

  /** The log of a room has these entries. */
  arrived(room, entries) {
    for (const it of entries) if (it.author !== undefined && it.author === this.author) this.forget(room, key(it));
  }

  /** The session's event `status`. */
  status(now, event) {
    const id = key(event);
    for (const room of this.#rooms.values()) {
      const mine = room.pending.get(id);
      if (!mine) continue;
      Object.assign(mine, event, { reason: event.reason, since: now });
      return this.#changed(room, id);
    }
    return event.status === "refused" ? this.note(event) : undefined;
  }

  /**
   * The session's event `renumbered`. The message may not be shown any more, because the other one
   * under its number has arrived.
   */
  renumbered({ from, to, room: name, text, time }) {
    const room = this.#rooms.get(fold(name));
    if (!room) return;
    this.forget(room, key(from));
    this.note({ ...to, room: name, text, time, status: "waiting" });
  }

  /** Another tab has taken over an outbox. */
  abandon(outbox) {
    for (const room of this.#rooms.values()) {
      for (const [id, mine] of room.pending) if (mine.outbox === outbox) this.forget(room, id);
    }
  }

  /** Forgets stored messages whose copies do not come. Called every few seconds. */
  tick(now) {
    for (const room of this.#rooms.values()) {
      for (const [id, { status, since }] of room.pending) if (status === "stored" && since + COPY <= now) this.forget(room, id);
    }
  }

  forget(room, id) {
    if (room.pending.delete(id)) this.#changed(room, id);
  }
}
