"""A sensor, as short as a datagram allows: it sends three readings and cares for no answer.

    sensor.py HOST PORT
"""

import socket
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for reading in (b"temp=21.5", b"temp=21.6", b"temp=21.4"):
    sock.sendto(reading, (sys.argv[1], int(sys.argv[2])))
