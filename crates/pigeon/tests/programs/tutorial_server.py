"""A chat server as UDP tutorials teach it: one recvfrom loop and a dictionary of clients.

    tutorial_server.py PORT [--timeout SECONDS]

`^hb^` registers or keeps a client, `quit` removes it, anything else goes to everyone. A client is
dropped when somebody else's datagram shows that it has been silent for too long.
"""

import argparse
import socket
import time

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--timeout", type=float, default=30)
args = parser.parse_args()

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", args.port))
print("listening on %s:%d" % sock.getsockname())

last_seen = {}

while True:
    data, addr = sock.recvfrom(65535)
    text = data.decode().strip()
    now = time.monotonic()
    if text == "quit":
        last_seen.pop(addr, None)
        print("%s:%d left" % addr)
        continue
    if addr not in last_seen:
        print("%s:%d joined" % addr)
    last_seen[addr] = now

    for client, seen in list(last_seen.items()):
        if now - seen > args.timeout:
            del last_seen[client]
            print("%s:%d timed out" % client)

    if text == "^hb^":
        continue
    print("%s:%d says %s" % (*addr, text))
    reply = "Ack %s. from %s:%d" % (text.upper(), *addr)
    for client in last_seen:
        sock.sendto(reply.encode(), client)
