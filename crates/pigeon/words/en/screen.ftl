### The full screen of `pigeon join` and `pigeon chat`, and the line that is typed.

## The left side: conversations and people.

# fits 12
screen-people = { $people ->
    [one] 1 person
   *[other] { $people } people
}
# Programs that only send, such as sensors.
# fits 15
screen-senders = { $senders ->
    [one] 1 sender
   *[other] { $senders } senders
}
# F2 lists everybody.
# fits 13
screen-more-people = and { $more } more: F2
# At the end of the list that F2 shows.
screen-more-unnamed = and { $more } more
# The room, while its name is unknown.
# fits 14
screen-room-here = here
# fits 14
screen-room-not-joined = not joined
# The conversation of `pigeon chat` while nobody is chosen.
# fits 14
screen-nobody = nobody
# The person who reads, as a speaker.
screen-you = you

## Above the messages.

# The hub that the person has joined.
screen-title = hub { $hub }
screen-not-in-room = (you are not in this room)
screen-unread-elsewhere = ({ $unread } unread elsewhere: Alt-A)
screen-hits = { $hits ->
    [one] 1 message
   *[other] { $hits } messages
} with { $query }  (Esc: back)
screen-everybody = { $people } in { $room }

## Among the messages.

screen-new-since = new since your last visit
screen-nothing-older = nothing older is kept
screen-not-here = not sent: you are in { $here }; /join { $room } to speak here
screen-line-too-long = not pasted: { $length } bytes, and a line holds at most { $most }
screen-paste-too-long = not pasted: more than { $most } bytes
screen-paste-dropped = the pasted lines were not sent, because you typed on; paste them again to choose
screen-whisper-from = { $name } → you (privately): { $text }
screen-whisper-to = you → { $name } (privately): { $text }
screen-ignoring-nobody = you ignore nobody; /ignore NAME hides what NAME says
# `names` is a list.
screen-ignoring = you ignore { $names }; /ignore NAME again ends it
# Between two names.
screen-names-separator = {", "}
screen-bell-on = the bell rings when somebody names you
screen-bell-off = the bell is off
screen-bell-usage = type /bell on or /bell off
screen-not-closed = only a conversation with one person can be closed; /leave leaves a room

## Below the messages.

screen-below = { $messages ->
    [one] 1 message
   *[other] { $messages } messages
} below
screen-rows-below = { $rows ->
    [one] 1 row
   *[other] { $rows } rows
} below: PageDown
# Old messages left the screen's memory.
screen-gone = { $messages ->
    [one] 1 old message
   *[other] { $messages } old messages
} gone
screen-lost = { $messages ->
    [one] 1 message
   *[other] { $messages } messages
} lost: too fast
# Below the messages that stand alone, to be copied.
# fits 80
screen-bare = F3: back   PageUp, PageDown: scroll   the mouse selects
# fits 10
screen-help = ? help

# Before the words that are searched for.
screen-search = search:{" "}
screen-search-nothing = nothing found:{" "}
# Nothing of what is shown matches; /search also looks through what the hub keeps.
screen-search-hub = not shown (/search asks the hub):{" "}

screen-more-lines = … { $lines } more lines
# What to do with pasted lines; on a narrow screen the next two.
screen-pasted = { $lines } lines pasted: s sends { $messages ->
    [one] 1 message
   *[other] { $messages } messages
}, j joins them into one, Esc cancels
screen-pasted-short = { $messages ->
    [one] 1 message
   *[other] { $messages } messages
}: s send, j join, Esc cancel
screen-pasted-many = { $lines } lines, too many to send: j join, Esc cancel

## Durations, as a status line shows them.

screen-span-milliseconds = { $n } ms
screen-span-seconds = { $n } s
screen-span-minutes = { $n } min
screen-span-hours = { $n } h

## The help: a row a key, and behind | what it does. Command words stay as they are.

screen-help-commands = commands
screen-help-keys = keys
screen-keys =
    Enter | send the line
    Tab | complete a name or a command; again: the next
    Up, Down | lines typed before
    Esc | clear the line; Up brings it back
    PageUp, PageDown | scroll (also the mouse wheel)
    Ctrl-Home, Ctrl-End | to the first and the last line
    F2, Alt-N | everybody in the room
    F3, Alt-L | only the messages, to copy with the mouse; again: back
    Alt-PageUp, Alt-PageDown | scroll the names
    Ctrl-N, Ctrl-P | next and previous conversation (also F6, F5)
    Alt-1 … Alt-9 | a conversation by its number
    Alt-A | the next conversation with unread messages
    Ctrl-F, Ctrl-R | search: Up older, Down newer, Enter stay, Esc back
    Ctrl-A, Ctrl-E | start and end of the line (also Home, End)
    Ctrl-Left, Ctrl-Right | word by word (also Alt-B, Alt-F)
    Ctrl-W | cut the word before the cursor
    Ctrl-U, Ctrl-K | cut to the start, to the end
    Ctrl-Y | put back what was cut
    Ctrl-L | redraw the screen
    Ctrl-Z | to the shell; `fg` comes back
    Ctrl-D, Ctrl-C | leave (Ctrl-D on an empty line)
    ?, F1 | this help (? on an empty line); Esc or typing closes it

## The line that is typed, also where there is no full screen.

screen-input-not-utf8 = a key was ignored: the terminal does not send UTF-8; set its encoding to UTF-8
screen-input-too-long = not sent: the line is longer than any datagram
screen-input-too-long-command = the line is too long for a command
# Behind the reason why a line was not sent.
screen-input-brought-back = { $why }; the Up key brings it back
screen-input-unreadable = cannot read stdin: { $error }
screen-output-unwritable = cannot write to stdout: { $error }
