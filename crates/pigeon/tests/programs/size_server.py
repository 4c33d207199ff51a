"""A request-reply server as socket tutorials teach it: it tells each client how much it sent.

    size_server.py [--encoding ENCODING]

With --encoding every request is decoded, strictly, and the reply is what was understood: a far side
that chokes on anything that is not in its encoding.
"""

import argparse
import socket

parser = argparse.ArgumentParser()
parser.add_argument("--encoding")
args = parser.parse_args()

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
print("listening on %s:%d" % sock.getsockname())

while True:
    data, address = sock.recvfrom(65535)
    text = "Your data was {} bytes".format(len(data))
    if args.encoding:
        understood = data.decode(args.encoding)
        print(understood)
        text = "收到:" + understood
    sock.sendto(text.encode(args.encoding or "ascii"), address)
