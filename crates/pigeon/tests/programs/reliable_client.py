"""A reliable member in Python with aioquic, written from docs/reliable.md alone.

    reliable_client.py HOST PORT --key FILE --ledger FILE --outbox FILE
        [--fingerprint HEX] [--name NAME] [--room ROOM] [--password WORD]

Says each line of stdin and prints each message of the room as a line of JSON. Writes `stored N` and
everything else to stderr. Exits once stdin has ended and no line waits: with 0 if the hub has stored
them all, 1 if it refused one, 2 if it refuses this member.
"""

import argparse, asyncio, base64, fcntl, hashlib, json, os, random, ssl, sys, threading

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, StreamDataReceived
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

WINDOW, WINDOW_BYTES, KEPT, KEPT_BYTES, MOST_WAITING = 256, 256 << 10, 4096, 4 << 20, 1024
BEGINNING = {"position": 0, "author": "0" * 32, "outbox": "0" * 16, "number": 0}


def note(*words):
    print(*words, file=sys.stderr, flush=True)


def private_key(path):
    if not os.path.exists(path):
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(pem)
    with open(path, "rb") as file:
        return serialization.load_pem_private_key(file.read(), None)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Lines:
    """A file of JSON lines for one process. Removes a last line that a kill cut off."""

    def __init__(self, path, wait=False):
        self.path, self.file = path, open(path, "ab+")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            sys.exit(f"{path} is in use by another process")
        self.file.seek(0)
        whole = self.file.read()
        self.file.truncate(whole.rfind(b"\n") + 1)
        self.entries = [json.loads(line) for line in whole.split(b"\n")[:-1]]

    def add(self, *entries, sync=False):
        self.file.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
        self.file.flush()
        if sync:
            os.fsync(self.file.fileno())

    def replace(self, entries):
        # The old file stays open and locked until the new one has its place.
        old, self.file = self.file, open(self.path + ".new", "wb+")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self.add(*entries, sync=True)
        os.rename(self.path + ".new", self.path)
        old.close()


class Box:
    """One outbox. A refused number has the message None, one that goes on under another number {}."""

    def __init__(self, outbox=None, next=1, stored=0):
        self.id, self.next, self.stored = outbox or os.urandom(8).hex(), next, stored
        self.messages, self.held = {}, stored  # held: the highest number that the hub has

    def put(self, number, message):
        self.messages[number] = message
        self.next = max(self.next, number + 1)

    def waiting(self):
        numbers = range(self.stored + 1, self.next)
        return [(n, self.messages[n]) for n in numbers if self.messages.get(n)]

    def before(self, number):
        """The number that this one follows: not a refused one, nor one that is no longer kept."""
        number -= 1
        while number > self.held and self.messages.get(number) is None:
            number -= 1
        return number

    def entries(self):
        """What waits, and the newest of what is stored."""
        kept, size = {}, 0
        for number, message in reversed(self.messages.items()):
            size += len(json.dumps(message))
            if number <= self.stored and (len(kept) >= KEPT or size > KEPT_BYTES):
                break
            kept[number] = message
        self.messages = dict(reversed(kept.items()))
        return [{"outbox": self.id, "next": self.next, "stored": self.stored}] + [
            {"number": number, "message": message} for number, message in self.messages.items()]


class Outbox:
    """What is said, on the disk before it is sent: one box of each start in which something waits."""

    def __init__(self, path):
        self.lines, self.boxes, self.refused = Lines(path), [], 0
        for entry in self.lines.entries:
            if "outbox" in entry:
                self.boxes.append(Box(**entry))
            elif "number" in entry:
                self.boxes[-1].put(**entry)
            else:
                self.boxes[0].stored = entry["stored"]
        self.boxes = [box for box in self.boxes if box.waiting()] + [Box()]
        self.save()

    def save(self):
        self.lines.replace([entry for box in self.boxes for entry in box.entries()])

    def add(self, message):
        box = self.boxes[-1]
        box.put(box.next, message)
        self.lines.add({"number": box.next - 1, "message": message}, sync=True)
        if len(box.messages) > 2 * KEPT:
            self.save()

    def stored(self, number):
        self.boxes[0].stored = number
        self.lines.add({"stored": number})

    def close(self, number, message):
        self.boxes[0].put(number, message)
        self.save()

    def next_box(self):
        """Whether there is another outbox, this one being empty."""
        if len(self.boxes) == 1 or self.boxes[0].waiting():
            return False
        self.boxes.pop(0)
        self.save()
        return True

    def renew(self):
        """Goes on in a new outbox with what waits in this one."""
        box = Box()
        for number, (_, message) in enumerate(self.boxes[0].waiting(), 1):
            box.put(number, message)
        self.boxes[0] = box
        self.save()

    def waiting(self):
        return sum(len(box.waiting()) for box in self.boxes)


class Ledger:
    """What was read, each message once, and the place from which to go on."""

    def __init__(self, path):
        self.lines, self.at, self.known, self.texts = Lines(path), None, set(), set()
        for entry in self.lines.entries:
            self.apply(entry)

    @staticmethod
    def identity(entry):
        return entry["author"], entry["outbox"], entry["number"]

    @staticmethod
    def place(entry):
        return {field: entry[field] for field in BEGINNING}

    def apply(self, entry):
        self.at = self.place(entry)
        self.known.add(self.identity(entry))
        if "type" in entry:
            self.texts.add(self.identity(entry))

    def add(self, entry):
        """Whether the message is new. One that was deleted here and comes again gets its text back."""
        new = self.identity(entry) not in self.known
        if self.identity(entry) in self.texts:
            entry = self.place(entry)
        self.apply(entry)
        self.lines.entries.append(entry)
        self.lines.add(entry)
        return new

    def forget(self, wished):
        self.lines.entries = [self.place(e) if wished(e) else e for e in self.lines.entries]
        self.lines.replace(self.lines.entries)
        self.texts = {self.identity(entry) for entry in self.lines.entries if "type" in entry}


class Link(QuicConnectionProtocol):
    """One connection. Gives the hub's frames to the client."""

    client, stream, rest, heard = None, None, b"", 0

    def quic_event_received(self, event):
        self.heard = self._loop.time()
        if isinstance(event, HandshakeCompleted):
            key = self._quic.tls._peer_certificate.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            self.fingerprint = hashlib.sha256(key).hexdigest()
            if self.client.trusts(self.fingerprint):
                self.stream = self._quic.get_next_available_stream_id()
                self.send({"type": "hello", "version": 1, "client": "reliable_client.py 1"})
            else:
                self.close()
        elif isinstance(event, StreamDataReceived) and event.stream_id == self.stream:
            *frames, self.rest = (self.rest + event.data).split(b"\n")
            for frame in map(json.loads, frames):
                handle = getattr(self.client, "on_" + frame["type"], None)
                if handle:
                    handle(self, frame)
            if event.end_stream:
                self.close()

    def send(self, *frames):
        data = b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)
        self._quic.send_stream_data(self.stream, data)
        self.transmit()


class Client:
    def __init__(self, args):
        self.args, self.key = args, private_key(args.key)
        self.outbox, self.ledger = Outbox(args.outbox), Ledger(args.ledger)
        self.link = None  # set while messages may be sent
        self.cursor, self.pause, self.ended, self.exit = 1, 0.2, False, None
        self.held, self.progress = None, asyncio.Event()

    def hub(self, **known):
        """What is known of this hub: its fingerprint, and the resume word of the name."""
        hubs, hub = Lines(self.args.key + ".hubs", wait=True), f"{self.args.host} {self.args.port}"
        if known:
            hubs.add({hub: known}, sync=True)
        return {field: value for e in hubs.entries for field, value in e.get(hub, {}).items()}

    def trusts(self, fingerprint):
        known = self.args.fingerprint or self.hub().get("fingerprint")
        if known is None:
            note("first met the hub with the fingerprint", fingerprint)
            self.hub(fingerprint=fingerprint)
        elif known != fingerprint:
            note("the hub has the fingerprint", fingerprint, "but it should be", known)
            self.exit = 2
        return known in (None, fingerprint)

    # What the hub says

    def on_challenge(self, link, frame):
        if frame["fingerprint"] != link.fingerprint:
            note("the hub does not say its own fingerprint")
            return link.close()
        signed = f"pigeon/1 {frame['nonce']} {link.fingerprint}".encode()
        r, s = utils.decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        prove = {"type": "prove", "key": base64url(point), "outbox": self.outbox.boxes[0].id, "room": self.args.room,
                 "signature": base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))}
        known = {"name": self.args.name, "password": self.args.password, "word": self.hub().get("word")}
        prove |= {field: value for field, value in known.items() if value}
        follow = {"type": "follow", "room": self.args.room}
        link.send(prove, follow | ({"after": self.ledger.at} if self.ledger.at else {}))

    def on_welcome(self, link, frame):
        self.pause = 0.2
        note("welcome", frame.get("name", "without a name"))

    def on_expect(self, link, frame):
        box, number = self.outbox.boxes[0], frame["number"]
        if frame["outbox"] != box.id:
            return
        self.cursor = number
        if self.link is None:
            # A restored hub needs again what it had stored; what it has already is acknowledged again.
            if number <= box.stored:
                self.outbox.stored(number - 1)
            self.link, self.cursor, box.held = link, box.stored + 1, number - 1
        self.send_more()

    def on_stored(self, link, frame):
        box, number = self.outbox.boxes[0], frame["number"]
        box.held = max(box.held, number)
        if number > box.stored:
            self.outbox.stored(number)
            note("stored", number)
            self.cursor = max(self.cursor, number + 1)
        self.send_more()

    on_relayed = on_stored

    def on_refused(self, link, frame):
        if "again_ms" in frame:
            self.cursor = frame["number"]
            self.hold(frame["again_ms"] / 1000)
        else:
            note("refused", frame["number"], frame["text"])
            self.outbox.refused += 1
            self.outbox.close(frame["number"], None)
            self.cursor = frame["number"] + 1
        self.send_more()

    def on_conflict(self, link, frame):
        message = self.outbox.boxes[0].messages.get(frame["number"])
        note("conflict", frame["number"])
        if message:
            self.outbox.add(message)
            self.outbox.close(frame["number"], {})
        self.send_more()

    def on_message(self, link, frame):
        if self.ledger.add(frame):
            print(json.dumps(frame, ensure_ascii=False), flush=True)

    def on_gap(self, link, frame):
        note("gap", frame["count"], "messages were not stored after position", frame["after"])

    def on_reset(self, link, frame):
        last = frame.get("last", BEGINNING)
        if frame.get("forgotten"):
            self.ledger.forget(lambda entry: entry["position"] > last["position"])
        self.ledger.add(last)
        note("reset", last["position"])

    def on_forgot(self, link, frame):
        field = "room" if "room" in frame else "name"
        self.ledger.forget(lambda entry: entry.get(field) == frame[field])

    def on_live(self, link, frame):
        if self.ledger.at is None:
            self.ledger.add(BEGINNING)  # the room was empty: nothing must be missed later
        note("live", frame["position"])

    def on_notice(self, link, frame):
        note("*", frame["text"])
        kind, *fields = frame["line"].split(" ")
        if kind == "name" and len(fields) > 2:
            self.hub(word=fields[2])

    def on_bye(self, link, frame):
        note("bye", frame["reason"], frame["text"])
        if frame["reason"] == "replaced":
            self.outbox.renew()
        elif frame["reason"] not in ("stopped", "full"):
            self.exit = 2

    # What this client says

    def hold(self, seconds):
        def release():
            self.held = None
            self.send_more()
        if self.held:
            self.held.cancel()
        self.held = asyncio.get_running_loop().call_later(seconds, release)

    def send_more(self):
        self.progress.set()
        if self.link is None or self.held:
            return
        link, box = self.link, self.outbox.boxes[0]
        if self.outbox.next_box():
            self.link = None  # until the hub says what it expects of it
            return link.send({"type": "outbox", "outbox": self.outbox.boxes[0].id})
        frames, size = [], 0
        for number, message in box.waiting()[:WINDOW]:
            size += len(json.dumps(message))
            if size > WINDOW_BYTES:
                break
            if number >= self.cursor:
                frame = {"type": "say", "number": number, "room": self.args.room} | message
                after = box.before(number)
                frames.append(frame if after == number - 1 else frame | {"after": after})
                self.cursor = number + 1
        if frames:
            link.send(*frames)

    async def take(self, line):
        """Numbers a line, once there is room for it."""
        while self.outbox.waiting() >= MOST_WAITING:
            self.progress.clear()
            await self.progress.wait()
        try:
            self.outbox.add({"text": line.decode()})
        except UnicodeDecodeError:
            self.outbox.add({"base64": base64.b64encode(line).decode()})
        self.send_more()

    def read_stdin(self, loop):
        for line in sys.stdin.buffer:
            asyncio.run_coroutine_threadsafe(self.take(line.rstrip(b"\n")), loop).result()
        self.ended = True
        loop.call_soon_threadsafe(self.progress.set)

    async def until_done(self):
        while not (self.ended and not self.outbox.waiting()):
            self.progress.clear()
            await self.progress.wait()

    async def stay(self, link):
        """Until everything is said, or the connection is lost: a killed hub says nothing of it."""
        async def beat():
            link.heard = asyncio.get_running_loop().time()
            while link.heard > asyncio.get_running_loop().time() - 4:
                await asyncio.sleep(1)
                link._quic.send_ping(0)
                link.transmit()
        tasks = [asyncio.ensure_future(task) for task in (self.until_done(), beat(), link.wait_closed())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.ended and not self.outbox.waiting() and self.exit is None:
            self.exit = 1 if self.outbox.refused else 0
            if link.stream is not None:
                link.send({"type": "quit"})
                await asyncio.wait([asyncio.ensure_future(link.wait_closed())], timeout=2)

    async def run(self):
        Link.client = self
        threading.Thread(target=self.read_stdin, args=[asyncio.get_running_loop()], daemon=True).start()
        while self.exit is None:
            configuration = QuicConfiguration(
                is_client=True, alpn_protocols=["pigeon/1"], verify_mode=ssl.CERT_NONE, idle_timeout=30)
            try:
                async with connect(self.args.host, self.args.port, configuration=configuration,
                                   create_protocol=Link, wait_connected=False) as link:
                    link.transmit()
                    await self.stay(link)
            except OSError as error:
                note("no connection", error)
            self.link = None
            if self.exit is None:
                await asyncio.sleep(self.pause * random.uniform(0.5, 1))
                self.pause = min(self.pause * 2, 10)
        return self.exit


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    for required in ("--key", "--ledger", "--outbox"):
        parser.add_argument(required, required=True)
    for optional in ("--fingerprint", "--name", "--password"):
        parser.add_argument(optional)
    parser.add_argument("--room", default="lobby")
    return await Client(parser.parse_args()).run()


if __name__ == "__main__":
    # Not `sys.exit`: a thread may wait for stdin.
    code = asyncio.run(main())
    sys.stdout.flush()
    os._exit(code)
