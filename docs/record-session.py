#!/usr/bin/env python3
"""Records the session of the README by really running it: a hub, `pigeon join` as 狗哥, `nc -u` and a
three-line Python sensor in one room.

    cargo build --release && docs/record-session.py target/release/pigeon README.md README.zh-CN.md

What each program printed, and what was typed into it (behind `>`), goes between the session marks of
each file, in Chinese where the file is. Only what differs from run to run is edited: ports, the folder, the key's
name, the fingerprint, the buffer granted, some counters.
"""
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

PIGEON, *READMES = sys.argv[1:]
SENSOR = """\
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"temperature 21.5", ("127.0.0.1", {port}))
"""
# What each program says when it is ready for the next line.
ENGLISH = {"locale": "C.UTF-8", "listening": "listening on", "named": "you are 狗哥", "members": "3 members", "left": "狗哥 left"}
CHINESE = {"locale": "zh_CN.UTF-8", "listening": "正在监听", "named": "你的名字是 狗哥", "members": "3 个成员", "left": "狗哥 离开了"}


class Program:
    """A process, and everything said by and to it, in order."""

    def __init__(self, environment, title, *command):
        self.title, self.said = title, []
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
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


def free_port():
    """A port that nobody has, nor the one after it, which members with a key use."""
    while True:
        port = random.randrange(10_000, 30_000)
        try:
            with socket.socket(type=socket.SOCK_DGRAM) as first, socket.socket(type=socket.SOCK_DGRAM) as second:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
                return port
        except OSError:
            pass


def record(words, state):
    """The session in one language."""
    environment = {**os.environ, "LC_ALL": words["locale"], "PIGEON_STATE": state}
    port = str(free_port())
    hub = Program(environment, "pigeon hub", PIGEON, "hub", port)
    hub.until(words["listening"])
    hub.until("pigeon://")
    join = Program(environment, "pigeon join --nick 狗哥", PIGEON, "join", f"127.0.0.1:{port}", "--nick", "狗哥")
    join.until(words["named"])
    time.sleep(1.5)  # as people do; a second's joins would be one notice
    netcat = Program(environment, "nc -u 127.0.0.1 9999", "nc", "-u", "127.0.0.1", port)
    netcat.type("hello from netcat")
    netcat.until(": hello from netcat")
    join.until(": hello from netcat")
    join.type("你好，这里是狗哥")
    netcat.until("狗哥: 你好")
    subprocess.run([sys.executable, "-c", SENSOR.format(port=port)], check=True)
    netcat.until("temperature")
    join.until("temperature")
    hub.type("members")
    hub.until(words["members"])
    hub.type("say the lesson ends in five minutes")
    join.until("five minutes")
    netcat.until("five minutes")
    join.type("quit")
    join.process.wait(10)
    netcat.until(words["left"])
    hub.type("quit")
    hub.process.wait(10)
    netcat.until("Bye!")
    netcat.process.kill()

    # Ports as they would be where a person starts these, in the order of their appearance.
    stand_ins = {port: "9999", str(int(port) + 1): "10000"}

    def stand_in(match):
        number = match.group(2)
        stand_ins.setdefault(number, str(50_000 + len(stand_ins)))
        return match.group(1) + stand_ins[number]

    session = ""
    for program in (hub, join, netcat):
        text = "".join(program.said)
        # The command that a hub at the default port shows.
        text = text.replace(f"pigeon join 127.0.0.1:{port}", "pigeon join").replace(f"*:{port}", "*:9999")
        text = text.replace(f"{state}/hub-127.0.0.1_{port}", "/home/dog/.local/state/pigeon/hub-127.0.0.1_9999")
        text = re.sub(r"(127\.0\.0\.1[: ]|UDP port |UDP 端口 )(\d+)", stand_in, text)
        text = re.sub(r"[0-9a-f]{64}", "bd239f…", text)
        text = re.sub(r"key-[0-9a-f]{8}", "key-bd2c61f0", text)
        text = re.sub(r"\b(receive_buffer|retries|read|written|sent)=\d+", r"\1=…", text)
        session += f"```console\n$ {program.title}\n{text.rstrip()}\n```\n\n"
    return session


def main():
    for readme in READMES:
        words = CHINESE if readme.endswith(".zh-CN.md") else ENGLISH
        state = tempfile.mkdtemp()
        try:
            session = record(words, state)
        finally:
            shutil.rmtree(state)
        with open(readme, encoding="utf-8") as file:
            before, rest = file.read().split("<!-- session -->\n", 1)
            after = rest.split("<!-- /session -->", 1)[1]
        with open(readme, "w", encoding="utf-8") as file:
            file.write(f"{before}<!-- session -->\n{session}<!-- /session -->{after}")


main()
