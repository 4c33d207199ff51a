"""A bad way to somewhere, which knows exactly what it did: the judge of whoever measures it.

    bad_way.py HOST PORT [loss=0.1] [duplicate=0.01] [hold=0.05] [delay=0.05] [jitter=0.01] [seed=1]

Forwards the datagrams of one client to HOST PORT, and what comes back. On the way there it loses
and repeats some, delays all, and holds some back by 5 ms; the way back is only delayed. When stdin
ends it prints, of the datagrams whose fifth byte is 6, 7 or 8 (the test datagrams of `pigeon
bench`), how many came, were lost and repeated.
"""

import heapq
import random
import select
import socket
import sys
import time

target = (sys.argv[1], int(sys.argv[2]))
knobs = {name: float(value) for name, value in (word.split("=") for word in sys.argv[3:])}
chance = random.Random(int(knobs.get("seed", 1)))


def happens(name):
    return chance.random() < knobs.get(name, 0)


near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
near.bind(("127.0.0.1", 0))
far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
far.connect(target)
for sock in near, far:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setblocking(False)
print("listening on %s:%d" % near.getsockname())

client = None
came = lost = repeated = number = 0
waiting = []


def later(send, data, delay):
    global number
    number += 1
    heapq.heappush(waiting, (time.monotonic() + delay, number, send, data))


def delay():
    spread = knobs.get("jitter", 0)
    return knobs.get("delay", 0) + chance.uniform(-spread, spread)


def there(data):
    global came, lost, repeated
    test = len(data) > 4 and data[4] in (6, 7, 8)
    came += test
    if happens("loss"):
        lost += test
        return
    later(far.send, data, delay() + (0.005 if happens("hold") else 0))
    if happens("duplicate"):
        repeated += test
        later(far.send, data, delay())


def back(data):
    later(lambda data: near.sendto(data, client), data, delay())


def drain(sock, handle):
    global client
    try:
        while True:
            data, sender = sock.recvfrom(65535)
            if sock is near:
                client = sender
            handle(data)
    except (BlockingIOError, ConnectionRefusedError):
        pass


while True:
    now = time.monotonic()
    while waiting and waiting[0][0] <= now:
        _, _, send, data = heapq.heappop(waiting)
        try:
            send(data)
        except ConnectionRefusedError:
            pass
    limit = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    ready, _, _ = select.select([near, far, sys.stdin], [], [], limit)
    if near in ready:
        drain(near, there)
    if far in ready:
        drain(far, back)
    if sys.stdin in ready and not sys.stdin.buffer.read1(100):
        print("came %d lost %d repeated %d" % (came, lost, repeated))
        break
