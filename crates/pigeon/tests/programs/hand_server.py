"""A chat partner who answers each message by hand before taking the next.

    hand_server.py [--encoding ENCODING]

It prints what came, waits for a line on stdin, and sends that back: the two-way UDP chat of every
beginner's tutorial, which sees no second message before it has answered the first.
"""

import argparse
import socket

parser = argparse.ArgumentParser()
parser.add_argument("--encoding", default="utf-8")
args = parser.parse_args()

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
print("listening on %s:%d" % sock.getsockname())

while True:
    data, address = sock.recvfrom(65535)
    print("%s:%d %s" % (*address, data.decode(args.encoding)))
    sock.sendto(input().encode(args.encoding), address)
