#!/usr/bin/env python3
"""Records the full screen by really running it on terminals of tmux, in English and in Chinese: as
pictures, docs/screen.svg and docs/screen.zh-CN.svg, and as text in the READMEs that are named.

    cargo build --release && docs/record-screen.py target/release/pigeon README.md README.zh-CN.md

The pictures show a class: one student in `pigeon join`, the others as programs would be. The texts show
狗哥 and 猴哥, each in `pigeon join`, and a Python sensor, in one room; then somebody in `pigeon chat` with
a program that reads and writes GB2312, a stranger, and a contact who is not there. They go between the
marks of each file. Nothing is edited but what chance chose: ports and the resume word. tmux runs on a
socket of its own.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from copy import copy
from html import escape

PIGEON, READMES = os.path.abspath(sys.argv[1]), sys.argv[2:]
DOCS = os.path.dirname(os.path.abspath(__file__))
TMUX = ["tmux", "-L", f"pigeon-record-{os.getpid()}", "-f", "/dev/null", "-u"]
COLUMNS, ROWS = 76, 16
CONTACTS = tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8")

# What is waited for, by language.
ENGLISH = {
    "locale": "C.UTF-8",
    "picture": "screen.svg",
    "named": "you are {}",
    "sender": "1 sender",
    "trip": "round trip",
    "unheard": "{}, not heard yet",
    "refused": "refused: nobody listens there",
    "heard": "last heard 1 s ago",
    "class": {
        "me": "ada",
        "teacher": "ms-li",
        "friend": "bob",
        "other": "eve",
        "room": "group-2",
        "lines": [
            ("teacher", "good morning! today: UDP"),
            ("friend", "morning 👋 slides: https://pigeon.example/udp"),
            ("sensor", "temp=21.5"),
            ("me", "good morning"),
            ("other", "anybody here?"),
            ("teacher", "ada, how many bytes does a datagram hold?"),
            ("friend", "/msg ada 65,507 I think"),
        ],
        "draft": "65,507 bytes over IPv4",
    },
}
CHINESE = {
    "locale": "zh_CN.UTF-8",
    "picture": "screen.zh-CN.svg",
    "named": "你的名字是 {}",
    "sender": "1 个只发送的程序",
    "trip": "往返",
    "unheard": "{}，还没有收到消息",
    "refused": "对方拒绝：那里没有程序在监听",
    "heard": "1 秒前收到消息",
    "class": {
        "me": "小明",
        "teacher": "李老师",
        "friend": "小红",
        "other": "小刚",
        "room": "第二组",
        "lines": [
            ("teacher", "同学们好！今天讲 UDP"),
            ("friend", "老师好 👋 讲义在 https://pigeon.example/udp"),
            ("sensor", "温度 21.5"),
            ("me", "老师好"),
            ("other", "这个组有人吗？"),
            ("teacher", "小明，一个数据报最多能装多少字节？"),
            ("friend", "/msg 小明 应该是 65507"),
        ],
        "draft": "IPv4 上最多 65507 字节",
    },
}


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

    def __init__(self, language, name, title, *arguments, size=(COLUMNS, ROWS)):
        self.name, self.title = name, title
        size = ["-x", str(size[0]), "-y", str(size[1])]
        locale = ["env", f"LC_ALL={language['locale']}"]
        tmux("new-session", "-d", "-s", name, *size, *locale, PIGEON, *arguments)
        # Its own status line would take a row away.
        tmux("set-option", "-t", name, "status", "off")

    def type(self, line):
        tmux("send-keys", "-t", self.name, "-l", line)
        tmux("send-keys", "-t", self.name, "Enter")

    def draft(self, text):
        tmux("send-keys", "-t", self.name, "-l", text)

    def screen(self, *flags):
        return tmux("capture-pane", "-p", *flags, "-t", self.name)

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


def with_hub(record):
    """Records what needs a hub, by its port."""
    hub = subprocess.Popen(
        [PIGEON, "--language", "en", "hub", "--listen", "127.0.0.1:0", "--console", "off"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        return record(re.search(r"127\.0\.0\.1:(\d+)", hub.stderr.readline()).group(1))
    finally:
        subprocess.run([*TMUX, "kill-server"], capture_output=True)
        hub.terminate()


# The texts.


def record_chat(language):
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
    CONTACTS.seek(0)
    CONTACTS.truncate()
    CONTACTS.write(
        f'"狗哥" = {{ endpoint = "127.0.0.1:{at[1]}", encoding = "gb2312" }}\n'
        f'"猴哥" = "127.0.0.1:{at[2]}"\n'
    )
    CONTACTS.flush()
    try:
        title = "pigeon chat 狗哥 猴哥 --bind 127.0.0.1:5000"
        bind = f"127.0.0.1:{at[0]}"
        me = Person(language, "me", title, "chat", "狗哥", "猴哥", "--bind", bind)
        me.until(language["unheard"].format("gb2312"))
        tmux("send-keys", "-t", "me", "C-n")
        me.until(language["unheard"].format("utf-8"))
        me.type("在吗？")
        me.until(language["refused"])
        tmux("send-keys", "-t", "me", "C-p")
        me.until(language["unheard"].format("gb2312"))
        me.type("你好")
        me.until("你好，吃了吗？")
        stranger.sendto("温度 21.5".encode(), ("127.0.0.1", at[0]))
        me.until("(1)", language["heard"])
        me.draft("吃了，你呢？")
        me.until("> 吃了，你呢？")
        return dict(zip(map(str, at), ("5000", "8080", "8081", "50002"))), [(title, me.screen())]
    finally:
        subprocess.run([*TMUX, "kill-server"], capture_output=True)


def record_talk(language, port):
    hub = ("127.0.0.1", int(port))
    people = []
    for name, who in (("dog", "狗哥"), ("ape", "猴哥")):
        title = f"pigeon join --nick {who}"
        person = Person(language, name, title, "join", f"127.0.0.1:{port}", "--nick", who)
        person.until(language["named"].format(who))
        people.append(person)
        time.sleep(1.5)  # as people do; a second's joins would be one notice
    dog, ape = people
    dog.type("大家好，这里是狗哥 👋")
    ape.until("这里是狗哥")
    ape.type("你好！传感器的说明在 https://pigeon.example/sensors?room=lobby")
    dog.until("room=lobby")
    sensor = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sensor.sendto("温度 21.5".encode(), hub)
    ape.until("温度 21.5", language["sender"])
    dog.until("温度 21.5", language["sender"])
    ape.type("/msg 狗哥 晚上一起吃饭吗？")
    dog.until("(1)")
    dog.draft("收到，谢谢")
    # What the hub answers to the next heartbeat.
    for person in people:
        person.until(language["trip"])
    dog.until("> 收到，谢谢")
    screens = [(person.title, person.screen()) for person in people]
    sensor.sendto(b"quit", hub)
    return screens


def stand_in(screen, stand_ins):
    """A screen with one port in place of another, told or as they come."""

    def replace(match):
        number = match.group(2)
        stand_ins.setdefault(number, "9999" if not stand_ins else str(50_001 + len(stand_ins)))
        return match.group(1) + stand_ins[number]

    screen = re.sub(r"(127\.0\.0\.1:)(\d+)", replace, screen)
    return re.sub(r"\b(\d+)-[a-z0-9]{16}\b", r"\1-…", screen)


def as_text(screens, stand_ins):
    text = ""
    for title, screen in screens:
        screen = stand_in(screen, stand_ins)
        rows = "\n".join(row.rstrip() for row in screen.rstrip().split("\n"))
        text += f"```console\n$ {title}\n{rows}\n```\n\n"
    return text


def put(readme, mark, text):
    """Puts a text between two marks of a README."""
    with open(readme, encoding="utf-8") as file:
        before, rest = file.read().split(f"<!-- {mark} -->\n", 1)
        after = rest.split(f"<!-- /{mark} -->", 1)[1]
    with open(readme, "w", encoding="utf-8") as file:
        file.write(f"{before}<!-- {mark} -->\n{text}<!-- /{mark} -->{after}")


# The pictures.


def record_class(language, port):
    """The screen of a student, with the codes of its colours."""
    lesson, hub = language["class"], ("127.0.0.1", int(port))
    sockets = {who: udp_socket() for who in ("teacher", "friend", "other", "sensor")}

    def say(who, line):
        sockets[who].sendto(line.encode(), hub)
        time.sleep(0.2)

    for who in ("teacher", "friend", "other"):
        say(who, f"/nick {lesson[who]}")
    say("other", f"/join {lesson['room']}")
    me = lesson["me"]
    student = Person(
        language, "class", "pigeon join", "join", f"127.0.0.1:{port}", "--nick", me, size=(80, 16)
    )
    student.until(language["named"].format(me), lesson["friend"], lesson["room"])
    time.sleep(1.5)
    for who, line in lesson["lines"]:
        if who == "me":
            student.type(line)
        else:
            say(who, line)
        # As people do, and so that each is there before the next.
        time.sleep(1)
    student.until("(1)", language["sender"], language["trip"])
    student.draft(lesson["draft"])
    student.until(f"> {lesson['draft']}")
    screen = student.screen("-e")
    for each in sockets.values():
        each.sendto(b"quit", hub)
    return screen


# How wide and high a cell is, the margin, the size of a character, and the colours of the terminal.
WIDE, HIGH, EDGE, SIZE = 8.4, 19, 12, 14
PAPER, INK = "#101216", "#d8dee6"
FONTS = (
    "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', "
    "'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', 'WenQuanYi Zen Hei', monospace"
)


def colour(index):
    """One of the 256 colours of a terminal: of its cube of 6 by 6 by 6, and its greys."""
    if index >= 232:
        return "#" + f"{8 + 10 * (index - 232):02x}" * 3
    levels = (0, 95, 135, 175, 215, 255)
    index -= 16
    return "#" + "".join(f"{levels[n]:02x}" for n in (index // 36, index // 6 % 6, index % 6))


def styled(row):
    """The characters of a row, each with its style."""
    style = {}
    for code, character in re.findall(r"\x1b\[([0-9;]*)m|(.)", row):
        if character:
            yield character, tuple(sorted(style.items()))
            continue
        numbers = [int(number or 0) for number in code.split(";")]
        while numbers:
            number = numbers.pop(0)
            if number == 0:
                style = {}
            elif number in (1, 2, 7):
                style[{1: "bold", 2: "dim", 7: "reverse"}[number]] = True
            elif number == 22:
                style.pop("bold", None)
                style.pop("dim", None)
            elif number == 27:
                style.pop("reverse", None)
            elif number == 39:
                style.pop("ink", None)
            elif number == 38 and numbers[:1] == [5]:
                style["ink"] = colour(numbers[1])
                del numbers[:2]


def columns(character):
    if unicodedata.combining(character) or character in "\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Run:
    """Characters of one style, side by side."""

    def __init__(self, column, wide, text, style):
        self.column, self.wide, self.text, self.style = column, wide, text, style
        # Fonts differ in how wide these are, so each says where it stands.
        self.alone = wide == 2 or text == "│"

    def may_stand_before(self, other):
        is_near = self.column + self.wide + 1 >= other.column
        return is_near and self.style == other.style and not (self.alone or other.alone)

    def shape(self, y):
        x, length = EDGE + self.column * WIDE, self.wide * WIDE
        ink = PAPER if self.style.get("reverse") else self.style.get("ink", INK)
        if self.text == "│":
            # Without gaps between the rows.
            middle = x + WIDE / 2
            return f'<path d="M{middle:.1f} {y}v{HIGH}" stroke="{ink}" opacity=".5"/>'
        if self.alone:
            where = f'x="{x + (length - SIZE) / 2:.1f}" y="{y + SIZE}"'
        else:
            where = f'x="{x:.1f}" y="{y + SIZE}" textLength="{length:.1f}"'
        weight = ' font-weight="bold"' if self.style.get("bold") else ""
        faint = ' opacity=".65"' if self.style.get("dim") else ""
        return f'<text {where} fill="{ink}"{weight}{faint}>{escape(self.text)}</text>'


def joined(runs, may_join):
    """Runs that stand side by side as one, with the blanks between them."""
    whole = []
    for run in runs:
        if whole and may_join(whole[-1], run):
            before = whole[-1]
            before.text += " " * (run.column - before.column - before.wide) + run.text
            before.wide = run.column + run.wide - before.column
        else:
            whole.append(copy(run))
    return whole


def as_picture(screen, title):
    """The screen as SVG."""
    rows = screen.rstrip("\n").split("\n")
    width, height = 2 * EDGE + 80 * WIDE, 2 * EDGE + len(rows) * HIGH
    shapes = []
    for number, row in enumerate(rows):
        y, column, runs = EDGE + number * HIGH, 0, []
        for character, style in styled(row):
            wide = columns(character)
            if wide == 0 and runs:
                runs[-1].text += character
                continue
            runs.append(Run(column, wide, character, dict(style)))
            column += wide
        for run in joined(runs, lambda left, right: left.style == right.style):
            if run.style.get("reverse"):
                x, ink = EDGE + run.column * WIDE, run.style.get("ink", INK)
                size = f'width="{run.wide * WIDE:.1f}" height="{HIGH}"'
                shapes.append(f'<rect x="{x:.1f}" y="{y}" {size} fill="{ink}"/>')
        visible = [run for run in runs if run.text != " "]
        for run in joined(visible, lambda left, right: left.may_stand_before(right)):
            shapes.append(run.shape(y))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" font-family="{FONTS}" font-size="{SIZE}">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>\n' + "\n".join(shapes) + "\n</svg>\n"
    )


for language in (ENGLISH, CHINESE):
    screen = stand_in(with_hub(lambda port: record_class(language, port)), {})
    with open(os.path.join(DOCS, language["picture"]), "w", encoding="utf-8") as file:
        file.write(as_picture(screen, f"pigeon join --nick {language['class']['me']}"))

for readme in READMES:
    language = CHINESE if ".zh-CN" in readme else ENGLISH
    put(readme, "screens", as_text(with_hub(lambda port: record_talk(language, port)), {}))
    stand_ins, screens = record_chat(language)
    put(readme, "chat screen", as_text(screens, stand_ins))
