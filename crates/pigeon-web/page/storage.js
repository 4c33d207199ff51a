// What outlives a reload: records by key, in IndexedDB, else in localStorage, else in memory only.

const PREFIX = "pigeon ";

/** Opens the best storage there is. `kind`: "indexeddb", "local" or "memory". */
export async function openStorage() {
  for (const open of [Indexed.open, Local.open]) {
    try {
      return await open();
    } catch {
      // Private windows and policies may forbid either.
    }
  }
  return new Memory();
}

const asPromise = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

class Indexed {
  kind = "indexeddb";
  #db;
  #failures = 0;
  #memory;

  static async open() {
    const request = indexedDB.open("pigeon", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("records");
    const late = new Promise((_, reject) => setTimeout(reject, 3_000));
    const storage = new Indexed();
    storage.#db = await Promise.race([asPromise(request), late]);
    storage.#db.onversionchange = () => storage.#db.close();
    return storage;
  }

  #store(mode) {
    // Without "strict" a browser reports success before the records are on the disk.
    const transaction = this.#db.transaction("records", mode, { durability: "strict" });
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    return [transaction.objectStore("records"), done];
  }

  /** All records, as pairs of key and value. */
  async read() {
    const [store] = this.#store("readonly");
    const [keys, values] = await Promise.all([asPromise(store.getAllKeys()), asPromise(store.getAll())]);
    return keys.map((key, i) => [key, values[i]]);
  }

  /** Writes changes, all or none; undefined deletes. */
  async write(changes) {
    if (this.#memory) return this.#memory.write(changes);
    try {
      const [store, done] = this.#store("readwrite");
      for (const [key, value] of changes) value === undefined ? store.delete(key) : store.put(value, key);
      await done;
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      if (this.#failures < 3) throw error;
      // It will not heal: better to go on, and to say that nothing outlives the page.
      this.kind = "memory";
      this.#memory = new Memory();
    }
    return undefined;
  }

  /** The value of a key; where there is none, `make()`'s, unless another tab was faster. */
  async getOrAdd(key, value) {
    const [store, done] = this.#store("readwrite");
    const held = await asPromise(store.get(key));
    if (held === undefined) store.put(value, key);
    await done;
    return held ?? value;
  }
}

class Local {
  kind = "local";

  static async open() {
    localStorage.setItem(`${PREFIX}probe`, "1");
    localStorage.removeItem(`${PREFIX}probe`);
    return new Local();
  }

  async read() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(`${PREFIX}/`));
    return keys.map((key) => [key.slice(PREFIX.length + 1), JSON.parse(localStorage.getItem(key))]);
  }

  async write(changes) {
    for (const [key, value] of changes) {
      if (value === undefined) localStorage.removeItem(`${PREFIX}/${key}`);
      else localStorage.setItem(`${PREFIX}/${key}`, JSON.stringify(value));
    }
  }

  async getOrAdd(key, value) {
    const held = localStorage.getItem(`${PREFIX}/${key}`);
    if (held === null) await this.write([[key, value]]);
    return held === null ? value : JSON.parse(held);
  }
}

class Memory {
  kind = "memory";

  async read() {
    return [];
  }

  async write() {}

  async getOrAdd(_, value) {
    return value;
  }
}

const RESCUE = `${PREFIX}rescue `;

/**
 * Keeps changes while the page goes: IndexedDB may not get to them any more, and localStorage is
 * written at once. Written twice they do no harm, because a message keeps its key and its identity.
 */
export function rescue(name, changes) {
  try {
    if (changes.length === 0) localStorage.removeItem(RESCUE + name);
    else localStorage.setItem(RESCUE + name, JSON.stringify(changes.map(([key, value]) => [key, value ?? null])));
  } catch {
    // Full or forbidden: what was said in the last moment may be lost.
  }
}

/** Moves what pages have kept when they went into the storage, and returns it. */
export async function rescued(storage) {
  try {
    const names = Object.keys(localStorage).filter((key) => key.startsWith(RESCUE));
    const changes = names.flatMap((name) => JSON.parse(localStorage.getItem(name)));
    const all = changes.map(([key, value]) => [key, value ?? undefined]);
    if (all.length > 0) await storage.write(all);
    for (const name of names) localStorage.removeItem(name);
    return all;
  } catch {
    return [];
  }
}

/**
 * Which outboxes this tab holds, so that another tab takes over those of a tab that is gone, and no
 * other. By the Web Locks API where there is one (https, localhost), else by leases in localStorage.
 * Two tabs that both send an outbox do no harm: its messages keep their identities.
 */
export class Holder {
  held = new Set();
  #tab = `${Math.random()}`;
  #onLost;

  constructor(onLost) {
    this.#onLost = onLost;
    if (navigator.locks) return;
    setInterval(() => this.#renew(), 5_000);
    addEventListener("pageshow", () => this.#renew());
    addEventListener("pagehide", () => this.held.forEach((outbox) => lease(outbox, null)));
  }

  /** Takes an outbox if no living tab holds it. */
  async take(outbox) {
    if (this.held.has(outbox)) return true;
    if (navigator.locks) {
      const free = await new Promise((resolve) => {
        const hold = (lock) => {
          resolve(lock !== null);
          return lock && new Promise(() => {});
        };
        navigator.locks.request(`pigeon outbox ${outbox}`, { ifAvailable: true }, hold).catch(() => resolve(false));
      });
      if (free) this.held.add(outbox);
      return free;
    }
    const held = lease(outbox);
    if (held && held.tab !== this.#tab && held.until > Date.now()) return false;
    lease(outbox, this.#tab);
    // Two new tabs may have read at once: the later one has it.
    await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 50));
    if (lease(outbox)?.tab !== this.#tab) return false;
    this.held.add(outbox);
    return true;
  }

  /** Holds a new outbox of this tab's own. */
  hold(outbox) {
    if (navigator.locks) this.take(outbox);
    else lease(outbox, this.#tab);
    this.held.add(outbox);
  }

  #renew() {
    for (const outbox of this.held) {
      const held = lease(outbox);
      if (held && held.tab !== this.#tab) {
        // This tab slept, and another one has taken over.
        this.held.delete(outbox);
        this.#onLost(outbox);
      } else {
        lease(outbox, this.#tab);
      }
    }
  }
}

/** Reads a lease; with a tab writes it, with null removes it. */
function lease(outbox, tab) {
  const key = `${PREFIX}lease ${outbox}`;
  try {
    if (tab === undefined) return JSON.parse(localStorage.getItem(key));
    if (tab === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify({ tab, until: Date.now() + 20_000 }));
  } catch {
    // Without localStorage nothing is taken over while this browser runs several tabs.
  }
  return undefined;
}
