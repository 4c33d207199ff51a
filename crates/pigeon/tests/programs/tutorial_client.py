"""A chat client as UDP tutorials teach it: connect(), a heartbeat thread, a receive thread.

    tutorial_client.py HOST PORT [--name NAME] [--heartbeat SECONDS]

Each line of standard input is one message; `quit` leaves. With --name every message begins `NAME: `.
"""

import argparse
import socket
import sys
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--name")
parser.add_argument("--heartbeat", type=float, default=10)
args = parser.parse_args()

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((args.host, args.port))


def server_is_away():
    # A connected socket is told so, in whichever call comes next. The next heartbeat tries again.
    print("the server is away", file=sys.stderr)


def send(text):
    try:
        sock.send(text.encode())
    except ConnectionRefusedError:
        server_is_away()


def heartbeat():
    while True:
        send("^hb^")
        time.sleep(args.heartbeat)


def receive():
    while True:
        try:
            data = sock.recv(65535)
        except ConnectionRefusedError:
            server_is_away()
            continue
        print(data.decode())


threading.Thread(target=heartbeat, daemon=True).start()
threading.Thread(target=receive, daemon=True).start()

for line in sys.stdin:
    text = line.strip()
    if text == "quit":
        break
    send(f"{args.name}: {text}" if args.name else text)
send("quit")
