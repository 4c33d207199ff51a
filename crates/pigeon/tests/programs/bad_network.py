"""A bad network between two hosts, which knows exactly what it did: a judge of whoever measures it.

    bad_network.py NEAR FAR [KNOB=VALUE ...]

Puts an Ethernet interface (TAP) called `wire` into each of the network namespaces NEAR and FAR and
carries frames between them: UDP as the knobs say, the same both ways, everything else (ARP) as it
is. It looks at whole packets, so it shares nothing with what it judges but the kernel.

    loss=0.1        lose this share
    duplicate=0.01  carry this share twice, each copy with a delay of its own
    delay=0.05      seconds that each takes
    jitter=0.01     vary the delay evenly by up to so much
    reorder=0.05    this share does not wait, and overtakes
    seed=1          where chance begins; each direction has its own

Says `ready`. A line on stdin sets knobs (none: an empty line) and is answered by the counts so far,
as is the end of stdin, which ends it. The counts are a JSON object, for each direction (`there`,
`back`) and kind (`test`: the numbered datagrams of `pigeon bench`; `other`):

    came, lost, repeated  datagrams; each is lost, or passed once or twice
    passed                how many left, copies too; `waiting`: how many still have to
    late                  how many left first after one that came later (RFC 4737 section 3.3)
    mean, spread          seconds that those that left first were held: mean, standard deviation
"""

import ctypes
import errno
import fcntl
import heapq
import json
import math
import os
import random
import select
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
TEST_KINDS = (6, 7, 8)


def open_wire(namespace):
    """An interface called `wire` in a namespace. It stays there when we are elsewhere again."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open("/var/run/netns/" + namespace, os.O_RDONLY)
    if libc.setns(there, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns " + namespace)
    wire = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(wire, TUNSETIFF, struct.pack("16sH22x", b"wire", IFF_TAP | IFF_NO_PI))
    if libc.setns(home, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns home")
    os.close(there)
    os.close(home)
    return wire


def udp_payload(frame):
    """The payload of a UDP datagram; None of anything else."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == 17:
        return frame[14 + (frame[14] & 15) * 4 + 8:]
    if kind == b"\x86\xdd" and frame[20] == 17:
        return frame[14 + 40 + 8:]
    return None


class Count:
    def __init__(self):
        self.came = self.lost = self.repeated = self.passed = self.late = 0
        self.greatest = -1
        self.firsts = 0
        self.held = self.squares = 0.0

    def leave(self, number, is_first, held):
        self.passed += 1
        if is_first:
            self.firsts += 1
            self.held += held
            self.squares += held * held
            self.late += number < self.greatest
            self.greatest = max(self.greatest, number)

    def told(self):
        mean = self.held / max(1, self.firsts)
        variance = max(0, self.squares / max(1, self.firsts) - mean * mean)
        waiting = self.came - self.lost + self.repeated - self.passed
        return {
            "came": self.came, "lost": self.lost, "repeated": self.repeated,
            "passed": self.passed, "waiting": waiting, "late": self.late,
            "mean": mean, "spread": math.sqrt(variance),
        }


class Direction:
    """Frames from one wire to the other."""

    def __init__(self, source, target, seed):
        self.source, self.target = source, target
        self.chance = random.Random(seed)
        self.counts = {"test": Count(), "other": Count()}

    def happens(self, name):
        # Drawn whether it can happen or not, so that one knob does not change another's chances.
        return self.chance.random() < knobs.get(name, 0)

    def delay(self):
        varied = self.chance.uniform(-1, 1) * knobs.get("jitter", 0)
        return 0 if self.happens("reorder") else max(0, knobs.get("delay", 0) + varied)

    def write(self, frame):
        try:
            os.write(self.target, frame)
        except OSError as error:
            # The far interface is not up yet: as with a real one, nobody hears.
            if error.errno != errno.EIO:
                raise

    def carry(self, now, frame):
        payload = udp_payload(frame)
        if payload is None:
            self.write(frame)
            return
        is_test = len(payload) >= 40 and payload[4] in TEST_KINDS
        count = self.counts["test" if is_test else "other"]
        number = count.came
        count.came += 1
        lost, repeated = self.happens("loss"), self.happens("duplicate")
        delays = self.delay(), self.delay()
        if lost:
            count.lost += 1
            return
        count.repeated += repeated
        copies = [0]
        for delay in delays[: 1 + repeated]:
            later(now, now + delay, self, count, number, copies, frame)


waiting = []
order = 0


def later(came, due, direction, count, number, copies, frame):
    global order
    order += 1
    heapq.heappush(waiting, (due, order, came, direction, count, number, copies, frame))


def release():
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, came, direction, count, number, copies, frame = heapq.heappop(waiting)
        # Before it is written: nobody may have it sooner than we say.
        count.leave(number, copies[0] == 0, time.monotonic() - came)
        copies[0] += 1
        direction.write(frame)


def read(direction):
    for _ in range(64):
        try:
            frame = os.read(direction.source, 65536)
        except BlockingIOError:
            return
        direction.carry(time.monotonic(), frame)


def set_knobs(words):
    knobs.update((name, float(value)) for name, value in (word.split("=") for word in words))


# What one processor writes arrives in the order it was written.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
knobs = {}
set_knobs(sys.argv[3:])
seed = int(knobs.get("seed", 1))
near, far = open_wire(sys.argv[1]), open_wire(sys.argv[2])
directions = {"there": Direction(near, far, seed), "back": Direction(far, near, seed + 1)}
sources = {direction.source: direction for direction in directions.values()}
print("ready")

while True:
    release()
    limit = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    ready, _, _ = select.select([*sources, sys.stdin], [], [], limit)
    for source in ready:
        if source in sources:
            read(sources[source])
    if sys.stdin in ready:
        # Unbuffered: what were read ahead, select would not see.
        line = os.read(0, 4096)
        set_knobs(line.decode().split())
        print(json.dumps({
            way: {kind: count.told() for kind, count in direction.counts.items()}
            for way, direction in directions.items()
        }))
        if not line:
            break
