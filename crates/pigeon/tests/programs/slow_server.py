"""A server that says nothing, or says it late; it prints when each datagram came: `SECONDS HEX`.

    slow_server.py [--answer-at N] [--stranger]

With --answer-at its one reply, `the reply`, goes out when datagram N has come. With --stranger
another socket sends something to whoever writes, each time.
"""

import argparse
import socket
import time

parser = argparse.ArgumentParser()
parser.add_argument("--answer-at", type=int)
parser.add_argument("--stranger", action="store_true")
args = parser.parse_args()

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stranger.bind(("127.0.0.1", 0))
print("listening on %s:%d" % sock.getsockname())

count = 0
while True:
    data, address = sock.recvfrom(65535)
    print("%.6f %s" % (time.monotonic(), data.hex()))
    count += 1
    if args.stranger:
        stranger.sendto(b"from a stranger", address)
    if count == args.answer_at:
        sock.sendto(b"the reply", address)
