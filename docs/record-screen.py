#!/usr/bin/env python3
"""Records the screens of the README by really running them: 狗哥 and 猴哥 in `pigeon join`, each on a
terminal of tmux, and a Python sensor, in one room; then somebody in `pigeon chat` with a program that
reads and writes GB2312, a stranger, and a contact who is not there.

    cargo build --release && docs/record-screen.py target/release/pigeon README.md README.zh-CN.md

What tmux says is on each terminal goes between the marks of each file. Nothing is edited but what
chance chose: ports and the resume word. tmux runs on a socket of its own.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

PIGEON, READMES = os.path.abspath(sys.argv[1]), sys.argv[2:]
TMUX = ["tmux", "-L", f"pigeon-record-{os.getpid()}", "-f", "/dev/null", "-u"]
COLUMNS, ROWS = 76, 16
CONTACTS = tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8")


def tmux(*words):
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
    environment["PIGEON_CONTACTS"] = CONTACTS.name
    # Nobody is who was here before.
    environment["PIGEON_STATE"] = ""
    environment.pop("TMUX", None)
    done = subprocess.run([*TMUX, *words], env=environment, check=True, capture_output=True)
    return done.stdout.decode()


class Person:
    """Somebody before a terminal on which pigeon runs."""

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


def udp_socket():
    new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    new.bind(("127.0.0.1", 0))
    return new


def record_chat():
    """The ports stand for 5000, where chat listens, the dog's, the ape's, and a stranger's."""
    dog, ape, stranger, reserved = (udp_socket() for _ in range(4))
    at = [each.getsockname()[1] for each in (reserved, dog, ape, stranger)]
    ape.close()
    reserved.close()

    def answer():
        while True:
            data, peer = dog.recvfrom(65535)
            if data.decode("gb2312") == "你好":
                dog.sendto("你好，吃了吗？".encode("gb2312"), peer)

    threading.Thread(target=answer, daemon=True).start()
    CONTACTS.write(
        f'"狗哥" = {{ endpoint = "127.0.0.1:{at[1]}", encoding = "gb2312" }}\n'
        f'"猴哥" = "127.0.0.1:{at[2]}"\n'
    )
    CONTACTS.flush()
    try:
        title = "pigeon chat 狗哥 猴哥 --bind 127.0.0.1:5000"
        bind = f"127.0.0.1:{at[0]}"
        me = Person("me", title, PIGEON, "chat", "狗哥", "猴哥", "--bind", bind)
        me.until("gb2312, not heard yet")
        tmux("send-keys", "-t", "me", "C-n")
        me.until("utf-8, not heard yet")
        me.type("在吗？")
        me.until("refused: nobody listens there")
        tmux("send-keys", "-t", "me", "C-p")
        me.until("gb2312, not heard yet")
        me.type("你好")
        me.until("你好，吃了吗？")
        stranger.sendto("温度 21.5".encode(), ("127.0.0.1", at[0]))
        me.until("(1)", "last heard 1 s ago")
        me.draft("吃了，你呢？")
        me.until("> 吃了，你呢？")
        return dict(zip(map(str, at), ("5000", "8080", "8081", "50002"))), [(title, me.screen())]
    finally:
        subprocess.run([*TMUX, "kill-server"], capture_output=True)


def record_join():
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
    ape.until("温度 21.5", "1 sender")
    dog.until("温度 21.5", "1 sender")
    ape.type("/msg 狗哥 晚上一起吃饭吗？")
    dog.until("(1)")
    dog.draft("收到，谢谢")
    # What the hub answers to the next heartbeat.
    for person in people:
        person.until("round trip")
    dog.until("> 收到，谢谢")
    screens = [(person.title, person.screen()) for person in people]
    sensor.sendto(b"quit", hub)
    return screens


def as_text(screens, stand_ins):
    """The screens, with one port in place of another, told or as they come."""

    def stand_in(match):
        number = match.group(2)
        stand_ins.setdefault(number, "9999" if not stand_ins else str(50_001 + len(stand_ins)))
        return match.group(1) + stand_ins[number]

    text = ""
    for title, screen in screens:
        screen = re.sub(r"(127\.0\.0\.1:)(\d+)", stand_in, screen)
        screen = re.sub(r"\b(\d+)-[a-z0-9]{16}\b", r"\1-…", screen)
        rows = "\n".join(row.rstrip() for row in screen.rstrip().split("\n"))
        text += f"```console\n$ {title}\n{rows}\n```\n\n"
    return text


def put(mark, text):
    """Puts a text between two marks of every README."""
    for readme in READMES:
        with open(readme, encoding="utf-8") as file:
            before, rest = file.read().split(f"<!-- {mark} -->\n", 1)
            after = rest.split(f"<!-- /{mark} -->", 1)[1]
        with open(readme, "w", encoding="utf-8") as file:
            file.write(f"{before}<!-- {mark} -->\n{text}<!-- /{mark} -->{after}")


put("screens", as_text(record_join(), {}))
stand_ins, screens = record_chat()
put("chat screen", as_text(screens, stand_ins))
