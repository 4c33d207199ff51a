"""A hub as a tutorial writes it: one recvfrom, one sendto a member."""

import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print("listening on %s:%d" % server.getsockname(), file=sys.stderr, flush=True)

members = {}
while True:
    data, address = server.recvfrom(2048)
    members[address] = True
    if data == b"^hb^":
        continue
    for member in members:
        server.sendto(data, member)
