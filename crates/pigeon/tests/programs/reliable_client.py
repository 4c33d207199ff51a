"""A reliable member in Python with aioquic, written from docs/reliable.md alone.

    reliable_client.py pigeon://HOST:PORT/#FINGERPRINT STATE NAME

Says each line of stdin in the lobby, and prints each message there as a line of JSON. Ends once stdin has ended and
no line waits: with 0 if the hub has stored them all, 1 if it refused one, 2 if it refuses this member. STATE is an
SQLite file with the key, what was said and what was read.
"""

import asyncio, base64, fcntl, hashlib, json, os, random, sqlite3, ssl, sys, threading, time, urllib.parse

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived
from cryptography.hazmat.primitives import hashes, serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, utils

WINDOW, KEPT = 32, 4096  # messages; texts have at most 8 KiB
SEEN = ("position", "author", "outbox", "number")
BEGINNING = {"position": 0, "author": "0" * 32, "outbox": "0" * 16, "number": 0}
TABLES = """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS kept (name PRIMARY KEY, value);
    CREATE TABLE IF NOT EXISTS own (id INTEGER PRIMARY KEY, outbox, number, text, state, UNIQUE (outbox, number));
    CREATE TABLE IF NOT EXISTS heard (id INTEGER PRIMARY KEY, position, author, outbox, number, name, text,
                                      UNIQUE (author, outbox, number));"""


def note(*words):
    print(*words, file=sys.stderr, flush=True)


class Client:
    def __init__(self, hub, state, name):
        self.hub, self.name = urllib.parse.urlsplit(hub), name
        self.lock = open(state + ".lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # for one process
        self.db = sqlite3.connect(state)
        self.db.executescript(TABLES)
        self.query("DELETE FROM own WHERE state != 'waiting' AND id <= (SELECT max(id) FROM own) - ?", KEPT)
        if not self.kept("key"):
            pem = form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
            self.keep("key", ec.generate_private_key(ec.SECP256R1()).private_bytes(*pem).decode())
        self.key = form.load_pem_private_key(self.kept("key").encode(), None)
        self.outbox = os.urandom(8).hex()  # of what this process says; earlier ones may wait in `own`
        self.boxes, self.expected, self.cursor, self.held = [], None, 0, 0  # of the connection
        self.pause, self.ended, self.refused, self.status = 0.2, False, False, None

    def query(self, sql, *values):
        return self.db.execute(sql, values).fetchall()

    def kept(self, name):
        return next((json.loads(value) for value, in self.query("SELECT value FROM kept WHERE name = ?", name)), None)

    def keep(self, name, value):
        self.query("REPLACE INTO kept VALUES (?, ?)", name, json.dumps(value))

    # Saying

    def say(self, text):
        self.query("""INSERT INTO own SELECT NULL, ?1, 1 + coalesce(max(number), 0), ?2, 'waiting'
                      FROM own WHERE outbox = ?1""", self.outbox, text)
        self.proceed()

    def send(self, *frames):
        self.link._quic.send_stream_data(0, b"".join(json.dumps(frame).encode() + b"\n" for frame in frames))
        self.link.transmit()

    def proceed(self):
        """Sends what waits in the outbox, and goes on to the next one. On the disk first."""
        self.db.commit()
        if self.expected is None or time.monotonic() < self.held:
            return
        frames, box, waits = [], self.boxes[0], "FROM own WHERE outbox = ? AND state = 'waiting' AND number"
        (sent,), = self.query(f"SELECT count(*) {waits} < ?", box, self.cursor)
        for number, text in self.query(f"SELECT number, text {waits} >= ? ORDER BY number LIMIT ?",
                                       box, self.cursor, WINDOW - sent):
            (before,), = self.query("""SELECT coalesce(max(number), 0) FROM own
                                       WHERE outbox = ? AND number < ? AND state != 'refused'""", box, number)
            after = min(max(before, self.expected - 1), number - 1)
            frames.append({"type": "say", "number": number, "after": after, "room": "lobby", "text": text})
            self.cursor = number + 1
        if not sent and not frames and len(self.boxes) > 1:
            self.boxes.pop(0)
            self.expected = None  # until the hub says it
            frames.append({"type": "outbox", "outbox": self.boxes[0]})
        if frames:
            self.send(*frames)

    def on_expect(self, frame):
        if frame["outbox"] == self.boxes[0]:
            # At first, what waits from before. A hub that was restored gets again what it had stored.
            self.cursor = 0 if self.expected is None else frame["number"]
            self.expected = frame["number"]
            self.query("UPDATE own SET state = 'waiting' WHERE outbox = ? AND number >= ? AND state = 'stored'",
                       self.boxes[0], self.expected)

    def on_stored(self, frame):
        self.query("UPDATE own SET state = 'stored' WHERE outbox = ? AND number <= ? AND state = 'waiting'",
                   self.boxes[0], frame["number"])
        self.expected = max(self.expected, frame["number"] + 1)
        note("stored", frame["number"])

    on_relayed = on_stored

    def on_refused(self, frame):
        number = frame["number"]
        if "again_ms" in frame:
            self.cursor, self.held = min(self.cursor, number), time.monotonic() + frame["again_ms"] / 1000
            return
        if number >= self.expected:
            self.cursor = min(self.cursor, number + 1)
        self.query("UPDATE own SET state = 'refused' WHERE outbox = ? AND number = ?", self.boxes[0], number)
        self.refused = True
        note("refused", number, frame["text"])

    def on_conflict(self, frame):
        at = self.boxes[0], frame["number"]
        for text, in self.query("SELECT text FROM own WHERE outbox = ? AND number = ? AND state != 'in use'", *at):
            self.query("UPDATE own SET state = 'in use' WHERE outbox = ? AND number = ?", *at)
            self.say(text)

    # Reading

    def on_message(self, frame):
        self.keep("place", (self.kept("place") or {}) | {"after": {field: frame[field] for field in SEEN}})
        seen, text = [frame[field] for field in SEEN], frame.get("text", frame.get("base64"))
        if self.query("SELECT 1 FROM heard WHERE author = ? AND outbox = ? AND number = ?", *seen[1:]):
            self.query("UPDATE heard SET text = ? WHERE author = ? AND outbox = ? AND number = ?", text, *seen[1:])
        else:
            self.query("INSERT INTO heard VALUES (NULL, ?, ?, ?, ?, ?, ?)", *seen, frame["name"], text)
            print(json.dumps(frame, ensure_ascii=False), flush=True)

    def on_reset(self, frame):
        last = frame.get("last", BEGINNING)
        if frame["forgotten"]:
            self.query("UPDATE heard SET text = NULL WHERE position > ?", last["position"])
        self.keep("place", {"after": last, "deletion": frame.get("deletion", 0)})
        note("reset", last["position"])

    def on_forgot(self, frame):
        self.query("UPDATE heard SET text = NULL WHERE name = ?1 OR ?1 IS NULL", frame.get("name"))

    def on_live(self, frame):
        if not self.kept("place"):
            self.keep("place", {"after": BEGINNING})  # the room was empty: nothing may be missed later
        note("live", frame["position"])

    # The connection

    def on_challenge(self, frame):
        earlier = [outbox for outbox, in self.query("SELECT outbox FROM own GROUP BY outbox ORDER BY min(id)")]
        self.boxes = [outbox for outbox in earlier if outbox != self.outbox] + [self.outbox]
        point = self.key.public_key().public_bytes(form.Encoding.X962, form.PublicFormat.UncompressedPoint)
        signed = f"pigeon/1 {frame['nonce']} {self.hub.fragment}".encode()
        r, s = utils.decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        key, signature = (base64.urlsafe_b64encode(data).rstrip(b"=").decode()
                          for data in (point, r.to_bytes(32, "big") + s.to_bytes(32, "big")))
        self.send({"type": "prove", "key": key, "signature": signature, "outbox": self.boxes[0], "name": self.name},
                  {"type": "follow", "room": "lobby"} | (self.kept("place") or {}))

    def on_welcome(self, frame):
        self.pause = 0.2
        note("welcome", frame.get("name", "without a name"))

    def on_bye(self, frame):
        note("bye", frame["reason"], frame["text"])
        if frame["reason"] == "replaced":
            self.outbox = os.urandom(8).hex()
        elif frame["reason"] not in ("stopped", "full"):
            self.status = 2

    async def stay_connected(self):
        class Link(QuicConnectionProtocol):
            rest = b""

            def quic_event_received(link, event):
                if isinstance(event, StreamDataReceived):
                    *lines, link.rest = (link.rest + event.data).split(b"\n")
                    for frame in map(json.loads, lines):
                        getattr(self, "on_" + frame["type"], lambda frame: None)(frame)
                    self.proceed()

        quic = QuicConfiguration(is_client=True, alpn_protocols=["pigeon/1"], verify_mode=ssl.CERT_NONE,
                                 idle_timeout=5)  # a killed hub says nothing about it
        async with connect(self.hub.hostname, self.hub.port, configuration=quic, create_protocol=Link) as self.link:
            key = self.link._quic.tls._peer_certificate.public_key().public_bytes(
                form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
            if hashlib.sha256(key).hexdigest() != self.hub.fragment:
                self.status = 2
                return note("another key than the invitation's")
            self.send({"type": "hello", "version": 1, "client": "reliable_client.py 1"})
            while self.status is None:
                try:
                    return await asyncio.wait_for(self.link.wait_closed(), 1)
                except asyncio.TimeoutError:
                    self.link._quic.send_ping(0)
                    self.link.transmit()
                    self.proceed()  # after a refusal for now
                if self.ended and not self.query("SELECT 1 FROM own WHERE state = 'waiting'"):
                    self.status = int(self.refused)
                    self.send({"type": "quit"})

    async def run(self):
        threading.Thread(target=self.read_stdin, args=[asyncio.get_running_loop()], daemon=True).start()
        while self.status is None:
            try:
                await self.stay_connected()
            except ConnectionError as error:
                note("no connection", error)
            self.expected = None
            await asyncio.sleep(self.pause * random.uniform(0.5, 1))
            self.pause = min(self.pause * 2, 10)
        return self.status

    def read_stdin(self, loop):
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(self.say, line.rstrip(b"\n").decode(errors="backslashreplace"))
        loop.call_soon_threadsafe(setattr, self, "ended", True)


os.umask(0o077)  # the state holds a key
os._exit(asyncio.run(Client(*sys.argv[1:]).run()))  # not `sys.exit`: a thread may wait for stdin
