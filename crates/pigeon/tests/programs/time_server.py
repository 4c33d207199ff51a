"""A time server as a tutorial has it: the request is a format for strftime.

    time_server.py
"""

import socket
import time

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
print("listening on %s:%d" % sock.getsockname())

while True:
    data, address = sock.recvfrom(1024)
    form = data.decode() or "%Y-%m-%d %X"
    sock.sendto(time.strftime(form).encode(), address)
