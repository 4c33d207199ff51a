// A member over the page's WebSocket without the page, written from docs/reliable.md: it says what
// a browser's page never would.

import { webcrypto, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';
import { afterwards, until } from './harness.js';

export class Wire {
  /** Connects, proves a key and waits for `welcome`. */
  static async join(t, hub, { name, room = 'lobby', origin = `http://127.0.0.1:${hub.pagePort}` } = {}) {
    const wire = new Wire();
    wire.room = room;
    wire.frames = [];
    wire.number = 0;
    wire.socket = open(hub, { origin });
    afterwards(t, () => wire.socket.terminate());
    wire.socket.on('message', (data) => {
      for (const line of String(data).split('\n').filter(Boolean)) wire.frames.push(JSON.parse(line));
    });
    await once(wire.socket, 'open');
    wire.send({ type: 'hello', version: 1, client: 'judge 1.0' });
    const { nonce, fingerprint } = await wire.frame('challenge');
    const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
    const key = Buffer.from(await webcrypto.subtle.exportKey('raw', pair.publicKey));
    const signed = Buffer.from(`pigeon/1 ${nonce} ${fingerprint}`);
    const signature = Buffer.from(
      await webcrypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, signed),
    );
    const outbox = randomBytes(8).toString('hex');
    wire.send({
      type: 'prove',
      key: key.toString('base64url'),
      signature: signature.toString('base64url'),
      outbox,
      name,
      room,
    });
    await wire.frame('welcome');
    await wire.frame('expect');
    return wire;
  }

  send(...frames) {
    this.socket.send(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  }

  /** Waits for a frame of this type that matches. */
  frame(type, matches = () => true) {
    const found = () => this.frames.find((frame) => frame.type === type && matches(frame));
    return until(() => `a frame ${type} among ${JSON.stringify(this.frames).slice(-1000)}`, found);
  }

  /** Says a text as it is and waits until the hub has stored it. */
  async say(text, room = this.room) {
    const number = (this.number += 1);
    this.send({ type: 'say', number, room, text });
    const answer = ({ number: upTo }) => upTo >= number;
    await until(
      () => `${JSON.stringify(text).slice(0, 80)} is stored; ${JSON.stringify(this.frames.slice(-3))}`,
      () => this.frames.some((frame) => ['stored', 'relayed'].includes(frame.type) && answer(frame)),
    );
  }
}

/** A WebSocket to the hub's page with headers of one's own. */
export function open(hub, { path = 'ws', origin, host = `127.0.0.1:${hub.pagePort}` } = {}) {
  const headers = { Host: host };
  if (origin !== undefined) headers.Origin = origin;
  return new WebSocket(`ws://127.0.0.1:${hub.pagePort}/${path}`, ['pigeon.1'], {
    headers,
    perMessageDeflate: false,
  });
}
