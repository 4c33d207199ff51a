"""A receiver that tells of each datagram `SECONDS IP:PORT TTL TEXT`.

    ttl_receiver.py [--bind ADDRESS] [--join GROUP --interface ADDRESS] [--answer]

With --answer each goes back to whoever sent it.
"""

import argparse
import socket
import struct
import time

IP_RECVTTL = getattr(socket, "IP_RECVTTL", 12)

parser = argparse.ArgumentParser()
parser.add_argument("--bind", default="127.0.0.1")
parser.add_argument("--join")
parser.add_argument("--interface")
parser.add_argument("--answer", action="store_true")
args = parser.parse_args()

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
sock.bind((args.bind, 0))
if args.join:
    member = socket.inet_aton(args.join) + socket.inet_aton(args.interface)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
print("listening on %s:%d" % sock.getsockname())

while True:
    data, ancillary, _, address = sock.recvmsg(65535, 64)
    now = time.monotonic()
    ttl = [struct.unpack("i", value)[0] for _, kind, value in ancillary if kind == socket.IP_TTL]
    print("%.6f %s:%d %d %s" % (now, *address, *ttl, data.decode()))
    if args.answer:
        sock.sendto(data, address)
