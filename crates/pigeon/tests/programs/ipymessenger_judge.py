"""PyPI's ipymessenger at one loopback address: prints each text that it receives, and its contacts.

    ipymessenger_judge.py ADDRESS NICK
"""

import sys

from ipymessenger import IpmsgServer

address, nick = sys.argv[1:]
IpmsgServer.src_host = address
server = IpmsgServer(nick, "group", 2425)
# Loopback has no broadcasts, and to fail to send one ends its thread.
server.send_que.clear()
server.request_info_interval = 10**6
server.set_sendmsg_handler(lambda message: print("text", message.addr, message.message.rstrip("\0"), flush=True))
server.start()
print("started", flush=True)
sys.stdin.read()
server.stop()
