"""A peer that works in bytes: datagrams are lines of hexadecimal, an empty line an empty datagram.

    hex_peer.py [HOST PORT]

With HOST PORT it sends there; without, it answers whoever wrote last. What it receives it prints as
`IP:PORT HEX`. It lets a test see every byte, and the empty datagrams that text tools cannot show.
"""

import socket
import sys
import threading

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
print("listening on %s:%d" % sock.getsockname())
peer = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else None


def receive():
    global peer
    while True:
        data, addr = sock.recvfrom(65535)
        if len(sys.argv) <= 2:
            peer = addr
        print("%s:%d %s" % (*addr, data.hex()))


threading.Thread(target=receive, daemon=True).start()
for line in sys.stdin:
    sock.sendto(bytes.fromhex(line), peer)
