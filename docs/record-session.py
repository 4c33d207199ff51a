#!/usr/bin/env python3
"""Records the session of the README by really running it: a hub, `pigeon join` as 狗哥, `nc -u` and a
three-line Python sensor in one room.

    cargo build --release && docs/record-session.py target/release/pigeon README.md README.zh-CN.md

What each program printed, and what was typed into it (behind `>`), goes between the session marks of
each file. Nothing is edited but what chance chose: ports, the resume word, the buffer granted.
"""
import os
import re
import subprocess
import sys
import threading
import time

PIGEON, *READMES = sys.argv[1:]
SENSOR = """\
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"temperature 21.5", ("127.0.0.1", {port}))
"""


class Program:
    """A process, and everything said by and to it, in order."""

    def __init__(self, title, *command):
        self.title, self.said = title, []
        # English whatever the locale of the machine is.
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        # Not line by line: `Bye!` ends without one.
        while piece := self.process.stdout.read1():
            self.said.append(piece.decode())

    def type(self, line):
        self.said.append(f"> {line}\n")
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def until(self, text):
        deadline = time.monotonic() + 10
        while text not in "".join(self.said):
            if time.monotonic() > deadline or self.process.poll() not in (None, 0):
                sys.exit(f"{self.title} never said {text!r}:\n{''.join(self.said)}")
            time.sleep(0.01)


def main():
    hub = Program("pigeon hub", PIGEON, "hub", "--listen", "127.0.0.1:0")
    hub.until("listening on")
    port = re.search(r"127\.0\.0\.1:(\d+)", "".join(hub.said)).group(1)
    join = Program("pigeon join --nick 狗哥", PIGEON, "join", f"127.0.0.1:{port}", "--nick", "狗哥")
    join.until("you are 狗哥")
    time.sleep(1.5)  # as people do; a second's joins would be one notice
    netcat = Program("nc -u 127.0.0.1 9999", "nc", "-u", "127.0.0.1", port)
    netcat.type("hello from netcat")
    netcat.until(": hello from netcat")
    join.until("joined")
    join.type("你好，这里是狗哥")
    netcat.until("狗哥: 你好")
    subprocess.run([sys.executable, "-c", SENSOR.format(port=port)], check=True)
    netcat.until("temperature")
    join.until("temperature")
    hub.type("members")
    hub.until("3 members")
    hub.type("say the lesson ends in five minutes")
    join.until("five minutes")
    netcat.until("five minutes")
    join.type("quit")
    join.process.wait(10)
    netcat.until(" left")
    hub.type("quit")
    hub.process.wait(10)
    netcat.until("Bye!")
    netcat.process.kill()

    # Ports as they would be where a person starts these, in the order of their appearance.
    stand_ins = {port: "9999"}

    def stand_in(match):
        number = match.group(2)
        stand_ins.setdefault(number, str(50_000 + 1 + len(stand_ins)))
        return match.group(1) + stand_ins[number]

    session = ""
    for program in (hub, join, netcat):
        text = re.sub(r"(127\.0\.0\.1[: ])(\d+)", stand_in, "".join(program.said))
        text = text.replace(f"*:{port}", "*:9999")
        text = re.sub(r"receive_buffer=\d+", "receive_buffer=…", text)
        text = re.sub(r"/resume \S+", "/resume 1-…", text)
        session += f"```console\n$ {program.title}\n{text.rstrip()}\n```\n\n"
    for readme in READMES:
        with open(readme, encoding="utf-8") as file:
            before, rest = file.read().split("<!-- session -->\n", 1)
            after = rest.split("<!-- /session -->", 1)[1]
        with open(readme, "w", encoding="utf-8") as file:
            file.write(f"{before}<!-- session -->\n{session}<!-- /session -->{after}")


main()
