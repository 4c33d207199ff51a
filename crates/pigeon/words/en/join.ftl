### `pigeon join`: finding the hub, and news of the session beside the messages.

## Which hub is meant.

join-looking-for = looking for a hub named { $name } on the network
join-no-hub-named = no hub named { $name } answered
join-hubs-share-name = { $hubs } hubs are named { $name }
join-looking = no hub on this machine; looking on the network
join-no-hub = no hub on this machine, and none answered on the network. `pigeon join HOST` joins one whose address you know; `pigeon discover` shows where it looked; `pigeon hub` starts one here
join-found = found { $name } at { $hub }
# In a list of hubs.
join-members = { $members ->
    [one] 1 member
   *[other] { $members } members
}
join-several = several hubs answered; name the one to join
join-which = Which one? (1 to { $hubs }){" "}
join-none-chosen = no hub was chosen

## Mistakes on the command line.

join-bad-nick = --nick is not a valid name: { $why }
join-password-unreadable = cannot read the password file { $file }: { $error }
# `place` is a file or a variable of the environment.
join-password-empty = the password in { $place } is empty
join-password-too-long = the password in { $place } is longer than { $most } bytes
join-raw-terminal = --raw writes the bytes as they come, and a terminal would take some for commands; stdout is a terminal: redirect it, as in `> file` or `| ffplay -`
join-forward-hub = --forward { $to } is the hub itself: every message would come back for ever; name the port of a player or another program
join-forward-self = --forward { $to } is this program's own port: every message would come back for ever; name the port of a player or another program
join-state-unusable = cannot use { $folder }
join-state-unwritable = cannot write { $file }: { $error }

## News of the session.

# `hub` is the address, or the next one.
join-joined = joined { $hub }: a pigeon hub{ $members ->
    [0] {""}
    [one] , 1 member
   *[other] , { $members } members
}{ $format ->
    [raw] , raw: what is said is data
    [classic] , classic
   *[chat] {""}
}
# While it waits for a password.
join-found-hub = { $hub } is a pigeon hub
join-hub-with-name = { $name } ({ $hub })
join-no-name = others see you as { $address }; /nick NAME gives you a name
join-same-member = another window here is joined as well: to the hub both are one member, with one name. `pigeon join --nick OTHER` joins as somebody else
join-elsewhere = in another window you were renamed or moved: you are { $name }, in room { $room }
join-elsewhere-room = in another window you were moved: you are in room { $room }
join-plainly-asked = joined { $hub } plainly (--plain)
join-plainly = joined { $hub } plainly: it does not answer heartbeats (not a pigeon hub?), so you will not see when it goes away
join-name-kept-plain = the name { $name } is not used: with --plain nobody knows what the server does with a command
join-name-kept = the name { $name } is not used: this server would send the command to everyone
join-unheard = nothing heard from { $hub } yet: the address may be wrong. Check it with the person who runs the hub; `pigeon join` alone looks for hubs
join-cut-off = cannot reach { $hub }: { $error }
join-reached = { $hub } can be reached again
join-unsent = not sent: { $error }
join-forward-refused = no program listens at { $to } yet; what is forwarded there is lost until one does
join-forward-cut-off = cannot forward to { $to }: { $error }
join-forward-repeats = the same bytes come more than 2,000 times a second; not all are forwarded to { $to }, which may lead back into the room
join-forward-loop = { $to } leads back into the room: nothing more is forwarded there. Name the port of a player or another program
join-refused-here = { $hub } refused: nobody listens there. `pigeon hub` starts a hub
join-refused-there = { $hub } refused: nobody listens there. Check address and port with the person who runs the hub; `pigeon join` alone looks for hubs
join-never-heard = nothing was heard from { $hub }
join-gone = { $hub } refused: the hub is gone; waiting for it to come back
join-silent = nothing heard since { $since } ({ $ago } ago); still trying
join-let-in-again = { $hub } lets you in again after { $after }
join-back = { $hub } is back after { $after }
join-secure = encrypted from now on; the hub says what it has stored
join-secure-first = encrypted from now on; the hub says what it has stored. This is its first time here: its fingerprint is { $fingerprint }, as it prints at its start
join-not-secure = the hub offers encryption, and it does not work: { $error }. Going on in clear text
join-stored = stored: { $said }
join-relayed = passed on, not stored: { $said }
join-keeps-nothing = this hub keeps no history: what you say is passed on to those who are here, and not stored
join-not-stored = not stored, and nobody has heard it: { $said } ({ $why })
join-not-stored-earlier = a message of an earlier session was not stored, and nobody has heard it ({ $why })
join-left-waiting = the hub has not stored { $count ->
    [one] one message; it waits
   *[other] { $count } messages; they wait
} on this disk until the next `pigeon join` or `pigeon send` to this hub
join-waits = not connected to the hub; what you say waits on this disk and is sent when it is back
join-connected-again = connected again; what waited is sent
join-connected-elsewhere = connected again, at another hub with the same rooms, { $hub }; what waited is sent
join-not-the-hub = another hub answers there: it has not the key met before, and was told nothing. If the hub was set up anew, remove its lines from the file `hubs` in the folder `member` of the state directory
join-disk-failed = this computer's disk is full or fails: what you say is lost if the computer stops now
join-moved = the hub's name stands for { $hub } now, no longer for { $from }; joining there. A password typed before is not sent there; type it again if the hub asks
join-stopped = the hub has stopped (Bye!); waiting for it to come back
# `why` is the hub's sentence.
join-removed = { $why }; pigeon tries to join again once a minute
join-name-taken-back = { $why }; your next line asks for it
join-timed-out = you were silent for too long; joining again
join-not-admitted = not a member: { $why }
join-needs-password = this hub needs a password: type /pass SECRET
join-into-silence = the hub is away; that line was sent, but is probably lost
join-not-delivered = not delivered: { $why }
join-nobody-answers = nobody has answered yet; probably nobody reads: { $said }
join-lost = the hub is away; probably lost: { $said }
join-meant = not sent: did you mean { $command }? (A text that begins with / is said with //)
join-not-kept = your name cannot be kept for the next session: { $error }
join-no-copy = sent, but no copy came back: { $said }
join-no-copy-maybe-none = sent, but no copy came back: { $said } (some servers send the speaker none)
join-lines-lost = { $lines } lines were not shown: the output is too slow
# Behind the hub's answer to /help.
join-help-me = /me TEXT says *TEXT*

## Lines that were not sent.

join-line-too-long = not sent: { $length } bytes, and a datagram carries at most { $most }
join-line-control = not sent: ^hb^ at the beginning marks a heartbeat, not a message
join-line-reserved = not sent: a hub takes these bytes for a heartbeat or a goodbye, not for data
join-line-raw = not sent: in the raw format everyone would receive /{ $command } as data
join-line-moved = not sent: the hub's address has changed since; type the word again if you trust it
join-line-path = not sent: a line that begins with / is a command; begin it with // to say it

## The status line.

# fits 60
join-status-asking = asking whether it is a pigeon hub
# fits 60
join-status-unheard = nobody has answered yet: is { $hub } the right address?
# fits 60
join-status-heard = plain: may be lost, can be read by others
# fits 60
join-status-round-trip = plain: may be lost, can be read by others; round trip { $time }
# fits 60
join-status-plain = last heard { $ago } ago; it does not answer heartbeats
# fits 60
join-status-silent = no answer for { $ago }; still trying
# fits 60
join-status-removed = removed by the hub; last heard { $ago } ago

# fits 60
join-status-stored = encrypted, stored by the hub; heard { $ago } ago
join-status-relayed = encrypted, passed on by the hub and not stored; heard { $ago } ago
# fits 60
join-status-sending = encrypted; { $count ->
    [one] one message
   *[other] { $count } messages
} on the way to the hub
# fits 60
join-status-not-connected = not connected; what you say waits on this disk
# fits 60
join-status-waiting = not connected; { $count ->
    [one] one message waits
   *[other] { $count } messages wait
} on this disk

## What ? and F1 explain: a command, and behind | what it does. Command words stay as they are.

join-commands =
    /nick NAME | what others call you
    /who | who is in the room
    /join ROOM | enter a room, or open it
    /leave | back to the lobby
    /rooms | list the rooms
    /msg NAME TEXT | write to one person alone
    /me TEXT | say what you do: *TEXT*
    /history [N] | what was said before, if the hub keeps it
    /search WORDS | messages with these words
    /ignore NAME | hide what somebody says; again: show it
    /clear | empty the conversation that is shown
    /close | close the conversation with one person
    /bell on|off | ring when somebody names you
    /quiet on|off | on: no news of who comes and goes
    /encoding LABEL | the encoding you read and write
    /language zh|en | the language of the hub and of this screen
    /pass SECRET | give the hub's password
    /resume WORD | take your name back from another address
    //TEXT | say a text that begins with /
    /help | this help
    quit | leave
