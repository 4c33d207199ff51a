"""A UPnP device: answers a search (UPnP Device Architecture 1.1, 1.3.3) within MX seconds."""

import random
import socket
import struct
import time

GROUP = "239.255.255.250"

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 1900))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("192.168.1.60")))
while True:
    question, asker = s.recvfrom(65535)
    lines = question.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if line)
    if not lines[0].startswith("M-SEARCH * HTTP/1.1") or fields.get("MAN") != '"ssdp:discover"':
        continue
    time.sleep(random.uniform(0, min(int(fields["MX"]), 5)))
    s.sendto(b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: upnp:rootdevice\r\n"
             b"USN: uuid:2f402f80-da50-11e1-9b23::upnp:rootdevice\r\n\r\n", asker)
