"""An echo service as inetd has it: every datagram goes back to where it seems to come from.

    echo_server.py
"""

import socket

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
print("listening on %s:%d" % sock.getsockname())

while True:
    data, address = sock.recvfrom(65535)
    sock.sendto(data, address)
