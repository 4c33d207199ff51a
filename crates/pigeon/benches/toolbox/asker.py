"""A client as a tutorial has it: send, recv, and how long it took.

    asker.py HOST PORT REQUESTS

For each line on stdin it asks REQUESTS times and prints the times in microseconds on one line.
"""

import socket
import sys
import time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], int(sys.argv[2])))
sock.settimeout(1)
for _ in sys.stdin:
    times = []
    for _ in range(int(sys.argv[3])):
        since = time.perf_counter()
        sock.send(b"how long does it take?")
        data = sock.recv(2048)
        times.append((time.perf_counter() - since) * 1e6)
        assert data == b"how long does it take?"
    print(*("%.2f" % t for t in times), flush=True)
