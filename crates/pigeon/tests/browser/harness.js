// Programs around a hub: the hub itself, its members of every kind, browsers, and the way between
// a browser and the hub. Everything ends with the test that started it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const PIGEON = process.env.PIGEON_BIN ?? path.join(HERE, '../../../../target/debug/pigeon');

/** The time limit for anything that should happen at once. Only a failing test waits this long. */
export const SOON = 15_000;

/** A name that browsers resolve to loopback, and take for a host beyond this machine. */
export const LAN_NAME = 'hub.test';

/** A name under which a foreign site would reach this host, by rebinding. */
export const FOREIGN_NAME = 'evil.test';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` returns something true, and returns it. */
export async function until(what, condition, within = SOON) {
  const deadline = Date.now() + within;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) {
      assert.fail(`${typeof what === 'function' ? await what() : what}: not within ${within} ms`);
    }
    await sleep(15);
  }
}

let nextPort = Math.floor(Math.random() * 10_000);

/**
 * Different ports, unused by UDP and TCP, that no other program gets while a hub is away: they are
 * below the range from which the system hands out ports, and below the ports of the other tests
 * (`interop/ports.rs`).
 */
export async function freePorts(count) {
  const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/).map(Number);
  const lowest = Math.max(first - 20_000, 1_024);
  const ports = [];
  while (ports.length < count) {
    const port = lowest + (nextPort++ % 10_000);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/** Whether no program listens at a port of loopback, by TCP or by UDP. */
async function isFree(port) {
  const server = net.createServer();
  const socket = dgram.createSocket('udp4');
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all([server, socket].map((it) => new Promise((done) => it.close(done)).catch(() => {})));
  }
}

const stacks = new WeakMap();

/** Runs `undo` after the test. What was made last is undone first, unlike with `t.after`. */
export function afterwards(t, undo) {
  if (!stacks.has(t)) {
    const stack = [];
    stacks.set(t, stack);
    t.after(async () => {
      while (stack.length > 0) await stack.pop()();
    });
  }
  stacks.get(t).push(undo);
}

/** A folder that is deleted after the test. */
export function folder(t) {
  const made = mkdtempSync(path.join(process.env.PIGEON_BROWSER_FOLDER ?? tmpdir(), 'pigeon-page-'));
  afterwards(t, () => rmSync(made, { recursive: true, force: true, maxRetries: 5 }));
  return made;
}

/** A running program and all that it has said. */
export class Program {
  constructor(t, name, command, args, environment = {}) {
    this.name = name;
    this.out = [];
    this.err = [];
    this.child = spawn(command, args, {
      env: { ...process.env, LC_ALL: 'C.UTF-8', PYTHONUNBUFFERED: '1', PIGEON_STATE: '', ...environment },
    });
    this.ended = once(this.child, 'close');
    this.child.stdin.on('error', () => {});
    collect(this.child.stdout, this.out);
    collect(this.child.stderr, this.err);
    afterwards(t, () => this.kill());
  }

  say(...lines) {
    this.child.stdin.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Waits for a line of stdout, or of stderr. */
  line(found, within = SOON) {
    return this.#wait(this.out, found, within);
  }

  status(found, within = SOON) {
    return this.#wait(this.err, found, within);
  }

  #wait(lines, found, within) {
    const matches = typeof found === 'function' ? found : (line) => line.includes(found);
    const report = () => `${this.name} says ${found}; it said\n${[...this.out, ...this.err].slice(-20).join('\n')}`;
    return until(report, () => lines.find(matches), within);
  }

  async kill(signal = 'SIGKILL') {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.ended;
  }
}

function collect(stream, lines) {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (data) => {
    const parts = (rest + data).split('\n');
    rest = parts.pop();
    lines.push(...parts);
  });
  stream.on('close', () => rest && lines.push(rest));
}

/** `pigeon hub --page`, which can be killed and started again at the same ports. */
export class Hub {
  static async start(t, ...args) {
    const hub = new Hub();
    hub.t = t;
    hub.folder = folder(t);
    [hub.port, hub.securePort, hub.pagePort] = await freePorts(3);
    hub.args = args;
    hub.scheme = args.includes('--page-certificate') ? 'https' : 'http';
    await hub.again();
    return hub;
  }

  async again() {
    const args = ['hub', `127.0.0.1:${this.port}`, '--secure', this.securePort, '--data', path.join(this.folder, 'log')];
    args.push('--page', `127.0.0.1:${this.pagePort}`, '--discoverable', 'off', ...this.args);
    this.program = new Program(this.t, 'hub', PIGEON, args.map(String), {
      PIGEON_STATE: path.join(this.folder, 'hub'),
    });
    // In every language.
    await this.program.status('pigeon://');
    await until('the page listens', () => answers(this.pagePort));
  }

  kill() {
    return this.program.kill();
  }

  /** The page's address. `localhost` and loopback are secure contexts to a browser, LAN_NAME is not. */
  url(host = '127.0.0.1', port = this.pagePort) {
    return `${this.scheme}://${host}:${port}/`;
  }

  /** The operator's address that the hub wrote, as it matches, or nothing yet. */
  operatorAddress() {
    try {
      return /https?:\/\/\S+#\S+/.exec(readFileSync(path.join(this.folder, 'log', 'operator'), 'utf8'));
    } catch {
      return null;
    }
  }

  /** What the hub's log holds of a room, in order. */
  async history(room = 'lobby') {
    const args = ['history', room, '--data', path.join(this.folder, 'log'), '--json', '--since', '1h'];
    const program = new Program(this.t, 'pigeon history', PIGEON, args);
    await program.ended;
    return program.out.map((line) => JSON.parse(line));
  }

  /** `pigeon join --json` by QUIC: a reliable member. */
  async join(nick, ...args) {
    const program = new Program(
      this.t,
      `join ${nick}`,
      PIGEON,
      ['join', `127.0.0.1:${this.port}`, '--nick', nick, '--json', '--wait', '60s', ...args],
      { PIGEON_STATE: path.join(this.folder, `join ${nick}`) },
    );
    const events = () => program.out.map((line) => JSON.parse(line));
    // `said`: a message from before, as after an absence.
    program.messages = () => events().filter(({ kind }) => kind === 'message' || kind === 'said');
    program.events = events;
    await program.line('"kind":"name"');
    return program;
  }

  /** OpenBSD's netcat: a plain member. Its output has no line ends but the hub's. */
  nc() {
    return new Program(this.t, 'nc', 'nc', ['-u', '127.0.0.1', String(this.port)]);
  }

  /** A sensor in Python: a plain member that sends readings and prints what it gets. */
  sensor() {
    const program = path.join(HERE, '../programs/plain_member.py');
    return new Program(this.t, 'sensor', 'python3', [program, '127.0.0.1', String(this.port)]);
  }

  /** `pigeon send`: messages of nobody's, at a rate. */
  flood(...args) {
    return new Program(this.t, 'flood', PIGEON, ['send', `127.0.0.1:${this.port}`, ...args]);
  }
}

/** Whether somebody listens at a TCP port of this host. */
export function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** The way between browsers and a hub's page. */
export class Way {
  static async start(t, hub) {
    const way = new Way();
    way.pairs = new Set();
    way.open = true;
    way.server = net.createServer((near) => way.#connect(near, hub.pagePort));
    way.server.listen(0, '127.0.0.1');
    await once(way.server, 'listening');
    way.port = way.server.address().port;
    afterwards(t, () => {
      way.cut();
      way.server.close();
    });
    return way;
  }

  #connect(near, port) {
    if (!this.open) return near.destroy();
    const far = net.connect(port, '127.0.0.1');
    const pair = { near, far };
    this.pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (data) => to.write(data) || (from.pause(), to.once('drain', () => from.resume())));
      from.on('error', () => {});
      from.on('close', () => {
        to.destroy();
        this.pairs.delete(pair);
      });
    }
  }

  /** Resets every connection, and refuses new ones. */
  cut() {
    this.open = false;
    for (const { near, far } of this.pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Passes nothing on and says nothing, as when a phone leaves the network. */
  silence() {
    this.open = false;
    for (const { near, far } of this.pairs) {
      for (const socket of [near, far]) socket.removeAllListeners('data').pause();
    }
  }

  /** Takes connections again. Those that were silenced end. */
  restore() {
    this.cut();
    this.open = true;
  }
}

/** Chromium with Debian's program. `LAN_NAME` and `FOREIGN_NAME` lead to loopback. */
export async function browser(t, ...args) {
  const launched = await chromium.launch({
    executablePath: process.env.PIGEON_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--enable-precise-memory-info',
      `--host-resolver-rules=MAP ${LAN_NAME} 127.0.0.1, MAP ${FOREIGN_NAME} 127.0.0.1`,
      ...args,
    ],
  });
  afterwards(t, () => launched.close());
  return launched;
}

/** Prints a figure in a form that a person finds in CI's output. */
export function figure(what, value) {
  process.stderr.write(`FIGURE ${what}: ${value}\n`);
}

/**
 * Checks what one member saw: each text of `said` once and, for one author, in the order said.
 * `said` maps a prefix to the count of numbered texts `PREFIX 1`, `PREFIX 2`, …; a plain
 * author's messages may be missing.
 */
export function checkLedger(who, texts, said, { plain = [] } = {}) {
  for (const [prefix, count] of Object.entries(said)) {
    const pattern = new RegExp(`^${prefix} (\\d+)$`);
    const numbers = texts.map((text) => pattern.exec(text)?.[1]).filter(Boolean).map(Number);
    const doubled = numbers.filter((number, at) => numbers.indexOf(number) !== at);
    assert.deepEqual(doubled, [], `${who} has messages of ${prefix} twice`);
    const unordered = numbers.filter((number, at) => at > 0 && number < numbers[at - 1]);
    assert.deepEqual(unordered, [], `${who} has messages of ${prefix} out of order`);
    if (plain.includes(prefix)) continue;
    const seen = new Set(numbers);
    const lost = Array.from({ length: count }, (_, n) => n + 1).filter((number) => !seen.has(number));
    assert.deepEqual(lost, [], `${who} lost messages of ${prefix}`);
  }
}

/** `PREFIX FIRST` … `PREFIX LAST`. */
export function numbered(prefix, first, last) {
  return Array.from({ length: last - first + 1 }, (_, n) => `${prefix} ${first + n}`);
}
