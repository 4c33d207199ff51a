"""An echo service that prints the class of service (DSCP) of what it hears.

    class_echo.py
"""

import socket

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
print("listening on %s:%d" % sock.getsockname(), flush=True)

while True:
    data, control, _, address = sock.recvmsg(65535, 256)
    for level, kind, value in control:
        if level == socket.IPPROTO_IP and kind == socket.IP_TOS:
            print("class %d" % (value[0] >> 2), flush=True)
    sock.sendto(data, address)
