#!/usr/bin/env python3
"""A program of IP Messenger's family, as small as one can be: answers who asks for it (BR_ENTRY), and
acknowledges each message (SENDMSG). Takes the address to listen on."""
import socket
import sys

BR_ENTRY, ANSENTRY, SENDMSG, RECVMSG = 0x01, 0x03, 0x20, 0x21

peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
peer.bind((sys.argv[1], 2425))
number = 1
while True:
    packet, sender = peer.recvfrom(65535)
    _, theirs, _, _, command, _ = packet.split(b":", 5)
    kind = int(command) & 0xFF
    answer = {BR_ENTRY: (ANSENTRY, "老王\0office".encode()), SENDMSG: (RECVMSG, theirs)}.get(kind)
    if answer:
        number += 1
        peer.sendto(b"1:%d:wang:desk:%d:%s\0" % (number, answer[0], answer[1]), sender)
