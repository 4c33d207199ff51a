"""A server that answers each newcomer from a port of its own, as a TFTP server does, and goes on
there.

    new_port_server.py
"""

import selectors
import socket


def bound():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


welcome = bound()
sockets = selectors.DefaultSelector()
sockets.register(welcome, selectors.EVENT_READ)
print("listening on %s:%d" % welcome.getsockname(), flush=True)

while True:
    for key, _ in sockets.select():
        data, address = key.fileobj.recvfrom(65535)
        answering = key.fileobj
        if answering is welcome:
            answering = bound()
            sockets.register(answering, selectors.EVENT_READ)
            data = b"new: " + data
        answering.sendto(data, address)
