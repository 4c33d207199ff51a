"""A request-reply client as a tutorial improves it: connect(), and a timeout that doubles.

    backoff_client.py HOST PORT TEXT

It prints the reply, or that there was none.
"""

import socket
import sys

host, port, text = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((host, port))

delay = 0.1
while True:
    sock.send(text.encode())
    sock.settimeout(delay)
    try:
        data = sock.recv(65535)
    except socket.timeout:
        delay *= 2
        if delay > 2.0:
            sys.exit("I think the server is down")
    else:
        break
print("The server says {!r}".format(data.decode()))
