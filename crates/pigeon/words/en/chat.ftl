### `pigeon chat`: straight to other UDP programs.

# `bound` is an address with its port, or the next one.
chat-listening = listening on { $bound }; /help lists the commands
chat-port = port { $port }
chat-without-contacts = contacts are left out: { $error }
chat-ipmsg-alone = { $word } uses IP Messenger: chat with it alone
chat-ipmsg-ipv4 = { $to } is not an IPv4 address; IP Messenger needs one

## What became of a line, and of the conversations.

chat-goes-to = what you type goes to { $peer }
chat-goes-to-in = what you type goes to { $peer }, in { $charset }
chat-writes = { $peer } writes; /to { $number } answers
chat-refused = { $peer } refused: nobody listens there; the message was lost
chat-unsent = { $peer }: not sent: { $error }
chat-undelivered = { $peer }: the message was lost: { $error }
chat-moved = the name now stands for another address: what goes to { $from } goes to { $to } now
chat-left = left { $peer }; quit again ends the chat
chat-left-others = left { $peer }; quit again ends the chat, /list shows the others
chat-encoding = this conversation is read and written in { $charset }
chat-no-conversations = no conversations yet; /to NAME or HOST:PORT opens one
# A row of /list: `mark` is a star or a blank.
chat-row = { $mark } { $number }  { $peer }  { $charset }{ $refused ->
    [yes] , refused
   *[no] {""}
}{ $unread ->
    [0] {""}
   *[other] , { $unread } unread
}

## Lines that did nothing.

chat-nobody-chosen = not sent: nobody is chosen; /to NAME or HOST:PORT chooses, /list shows
chat-too-long = not sent: { $length } bytes, and a datagram carries at most { $most }
chat-unmappable = not sent: { $charset } has no { $character }, which is character { $position } of the text
chat-not-utf8 = not sent: byte { $byte } is not valid UTF-8, so it cannot be sent in { $charset }
chat-unknown-command = there is no command /{ $word }; /help lists them, and // sends a text that begins with /
chat-no-number = no conversation has the number { $number }; /list shows them
chat-to-whom = /to NAME, HOST:PORT or NUMBER: to whom?
# `family` is IPv4 or IPv6.
chat-other-family = { $peer } cannot be reached: this chat is bound to { $family } only
chat-no-port = nothing can be sent to port 0 of { $peer }
chat-full = there are { $most } conversations already; quit leaves one

## At the end: what was not shown.

chat-filtered = messages from other networks not shown: { $count }
chat-crowded-out = messages not shown, because there were too many conversations: { $count }
chat-forgotten = strangers forgotten to make room for others: { $count }
chat-lost = lines not shown, because the output was too slow: { $count }

## The status line of the full screen.

chat-status-nobody = nobody chosen (/to NAME or HOST:PORT chooses), listening on { $bound }
chat-status = { $charset }, { $heard }, listening on { $bound }
chat-status-refused = refused: nobody listens there, { $charset }, { $heard }, listening on { $bound }
chat-heard = last heard { $ago } ago
chat-unheard = not heard yet

## IP Messenger.

chat-ipmsg-goes-to = what you type goes to { $peer } ({ $to }) by IP Messenger; quit leaves
chat-ipmsg-too-long = not sent: { $length } bytes, and IP Messenger reads at most { $most }
chat-ipmsg-unsent = not sent
chat-ipmsg-delivered = delivered: { $text }
chat-ipmsg-refused = not delivered: { $text } (IP Messenger does not run there)
chat-ipmsg-silent = not delivered: { $text } ({ $peer } does not answer on UDP port { $port })
chat-ipmsg-offers = [offers { $file }]

## What /help lists, and behind | what it does. Command words stay as they are.

chat-commands =
    /to NAME, HOST:PORT or NUMBER | whom to write to
    /list | the conversations
    /encoding LABEL | how this peer is read and written
    /quit, or quit | leave the conversation; again: leave the chat
    //TEXT | send a text that begins with /
    /help | this help
# On the full screen, behind the others.
chat-commands-of-screen =
    /search TEXT | search what is shown
