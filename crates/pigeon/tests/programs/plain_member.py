"""The shortest chat member: one unconnected socket that says its input and prints what comes.

    plain_member.py HOST PORT

It sends no heartbeats, so it is a member only for as long as it has something to say.
"""

import socket
import sys
import threading

server = (sys.argv[1], int(sys.argv[2]))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
# Bound before the first send: the receiving thread must not call recvfrom on a port not chosen yet.
sock.bind(("", 0))


def receive():
    while True:
        data, addr = sock.recvfrom(65535)
        print(data.decode())


threading.Thread(target=receive, daemon=True).start()
for line in sys.stdin:
    sock.sendto(line.rstrip("\n").encode(), server)
