#!/usr/bin/env python3
"""Records the two screens of the README by really running them: 狗哥 and 猴哥 in `pigeon join`, each on
a terminal of tmux, and a Python sensor, in one room.

    cargo build --release && docs/record-screen.py target/release/pigeon README.md

What tmux says is on each terminal goes between the screen marks of the file. Nothing is edited but
what chance chose: ports and the resume word. tmux runs on a socket of its own.
"""
import os
import re
import socket
import subprocess
import sys
import time

PIGEON, README = os.path.abspath(sys.argv[1]), sys.argv[2]
TMUX = ["tmux", "-L", f"pigeon-record-{os.getpid()}", "-f", "/dev/null", "-u"]
COLUMNS, ROWS = 76, 16


def tmux(*words):
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
    environment.pop("TMUX", None)
    done = subprocess.run([*TMUX, *words], env=environment, check=True, capture_output=True)
    return done.stdout.decode()


class Person:
    """Somebody before a terminal on which `pigeon join` runs."""

    def __init__(self, name, title, *command):
        self.name, self.title = name, title
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        tmux("new-session", "-d", "-s", name, *size, *command)
        # Its own status line would take a row away.
        tmux("set-option", "-t", name, "status", "off")

    def type(self, line):
        tmux("send-keys", "-t", self.name, "-l", line)
        tmux("send-keys", "-t", self.name, "Enter")

    def draft(self, text):
        tmux("send-keys", "-t", self.name, "-l", text)

    def screen(self):
        return tmux("capture-pane", "-p", "-t", self.name)

    def until(self, *texts):
        deadline = time.monotonic() + 20
        while any(text not in self.screen() for text in texts):
            if time.monotonic() > deadline:
                sys.exit(f"{self.title} never showed {texts!r}:\n{self.screen()}")
            time.sleep(0.05)


def record():
    hub = subprocess.Popen(
        [PIGEON, "hub", "--listen", "127.0.0.1:0", "--console", "off"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = re.search(r"127\.0\.0\.1:(\d+)", hub.stderr.readline()).group(1)
        return talk(port)
    finally:
        subprocess.run([*TMUX, "kill-server"], capture_output=True)
        hub.terminate()


def talk(port):
    hub = ("127.0.0.1", int(port))
    people = []
    for name, who in (("dog", "狗哥"), ("ape", "猴哥")):
        title = f"pigeon join --nick {who}"
        person = Person(name, title, PIGEON, "join", f"127.0.0.1:{port}", "--nick", who)
        person.until(f"you are {who}")
        people.append(person)
        time.sleep(1.5)  # as people do; a second's joins would be one notice
    dog, ape = people
    dog.type("大家好，这里是狗哥 👋")
    ape.until("这里是狗哥")
    ape.type("你好！传感器的说明在 https://pigeon.example/sensors?room=lobby")
    dog.until("room=lobby")
    sensor = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sensor.sendto("温度 21.5".encode(), hub)
    ape.until("温度 21.5", "3 here")
    dog.until("温度 21.5", "3 here")
    ape.type("/msg 狗哥 晚上一起吃饭吗？")
    dog.until("(1)")
    dog.draft("收到，谢谢")
    # What the hub answers to the next heartbeat.
    for person in people:
        person.until("round trip", "3 members")
    dog.until("> 收到，谢谢")
    screens = [(person.title, person.screen()) for person in people]
    sensor.sendto(b"quit", hub)
    return screens


def main():
    stand_ins = {}

    def stand_in(match):
        number = match.group(2)
        stand_ins.setdefault(number, "9999" if not stand_ins else str(50_001 + len(stand_ins)))
        return match.group(1) + stand_ins[number]

    text = ""
    for title, screen in record():
        screen = re.sub(r"(127\.0\.0\.1:)(\d+)", stand_in, screen)
        screen = re.sub(r"/resume (\d+)-\S+", r"/resume \1-…", screen)
        rows = "\n".join(row.rstrip() for row in screen.rstrip().split("\n"))
        text += f"```console\n$ {title}\n{rows}\n```\n\n"
    with open(README, encoding="utf-8") as file:
        before, rest = file.read().split("<!-- screens -->\n", 1)
        after = rest.split("<!-- /screens -->", 1)[1]
    with open(README, "w", encoding="utf-8") as file:
        file.write(f"{before}<!-- screens -->\n{text}<!-- /screens -->{after}")


main()
