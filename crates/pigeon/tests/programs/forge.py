"""Sends one datagram with a forged sender, through a raw socket.

    forge.py FROM-PORT TO-PORT TEXT
    forge.py FROM-PORT TO-PORT hex BYTES

Both ends are on 127.0.0.1. The UDP checksum is left out, as IPv4 allows.
"""

import socket
import struct
import sys

source, target, text = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
if len(sys.argv) > 4:
    text = bytes.fromhex(sys.argv[4])
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
header = struct.pack("!HHHH", source, target, 8 + len(text), 0)
sock.sendto(header + text, ("127.0.0.1", 0))
