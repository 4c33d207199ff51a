# Summaries and remarks of the tools, `send` to `replay`.

## pigeon contacts

tools-contact-is = { $name } is { $endpoint }
tools-contact-is-already = { $name } is already { $endpoint }
tools-contact-removed = { $name } is removed
tools-contact-renamed = { $old } is now { $new }
tools-contacts-none = no contacts yet; `pigeon contacts add` adds one

## pigeon send

tools-stored-empty = a hub takes no empty message
tools-stored-needs-hub = --stored, --room, --nick, --password-file and --after need hub:HOST, e.g. hub:192.168.1.20
tools-stored-option = { $option } has no meaning for a hub; leave it out
tools-stored-met = { $hub } is met for the first time; its fingerprint is { $fingerprint }, as the hub prints at its start
tools-stored-refused = message { $number } is not stored: { $why }
tools-stored-waiting = message { $number } is not stored yet: it waits in the outbox, and the next command to this hub sends it; do not say it again
tools-stored-relayed = message { $number } is relayed and not stored: the hub keeps no history
tools-stored-too-long = message { $number } is not stored: the hub takes at most { $most } bytes
tools-stored-full = message { $number } is not stored: too many messages wait for the hub
tools-stored-away = the hub does not let this member in ({ $why }); what is not stored waits in the outbox
tools-stored-left = message { $number } is not stored: the hub has sent this member away
tools-send-nothing = nothing was sent: no TEXT was given, and stdin is empty
tools-send-no-reply = no reply from { $to } in { $time }
tools-send-lines = { $sent } of { $given ->
    [one] { $given } line
   *[other] { $given } lines
} sent to { $to }
tools-send-datagrams = { $sent } of { $given ->
    [one] { $given } datagram
   *[other] { $given } datagrams
} sent to { $to }
tools-send-bad = { $count } could not be made into datagrams
tools-send-unsent = { $count } not sent: { $cause }
tools-send-undelivered = { $count } or more not delivered: { $cause }
tools-send-refused = refused { $count ->
    [one] { $count } time
   *[other] { $count } times
}: nobody listened, and what was sent then is lost
tools-send-more-troubles = further errors are only counted
tools-line = line { $number }
tools-datagram = datagram { $number }
tools-send-bad-one = { $which }: { $error }
tools-send-one-refused = { $which }, or one before it: { $to } refused: nobody listens there now
tools-send-one-undelivered = { $which }, or one before it: not delivered to { $to }: { $cause }
tools-other-port-replies = { $from } replies, another port of { $to }
tools-passing = { $to }: { $cause }
tools-framing = choose line, keep, whole, size:N (e.g. size:512) or hex-lines
tools-framing-too-long = --framing size:{ $size }: a datagram there carries at most { $most } bytes
tools-send-broadcast = { $ip } is a broadcast address; add --broadcast to send there
tools-ipmsg-ipv4 = { $to } is not an IPv4 address; --ipmsg needs one
tools-ipmsg-too-long = the text has { $length } bytes, and IP Messenger programs read { $most }; send it in parts
tools-ipmsg-nothing = nothing was sent
tools-ipmsg-refused = { $to } refused: no IP Messenger program runs there
tools-ipmsg-unacknowledged = { $to } did not acknowledge the text; it may be away, or a firewall at either end blocks UDP port { $port }
tools-ipmsg-stdin = cannot read stdin
tools-ipmsg-not-utf8 = stdin is not valid UTF-8
tools-ipmsg-empty = the text is empty

## Why a datagram was not answered

tools-ignored-bad-source = bad source address
tools-ignored-own-address = own address
tools-ignored-low-port = source port below 1024
tools-ignored-truncated = truncated
tools-ignored-reply = a reply
tools-ignored-not-request = not a request
tools-ignored-source-rate = source's rate limit
tools-ignored-total-rate = total rate limit
tools-ignored-longer-than-request = reply longer than request
tools-ignored-batch-full = batch full

## pigeon listen, and groups that are joined

tools-follow-missing = { $count ->
    [one] one message is missing: the hub could not store it
   *[other] { $count } messages are missing: the hub could not store them
}
tools-follow-away = the hub ended the connection ({ $why }); trying again later
tools-follow-unreached = the hub is not reached ({ $why }); trying again
tools-follow-bad-after = give the `at` of a message, as `pigeon listen hub:HOST --json` prints it
tools-listen-stdout-taken = --write - writes to stdout, so it cannot be combined with --json, --raw or --hexdump
tools-listen-cannot-write = cannot write what arrives: { $error }
tools-listen-reply-too-long = --reply: { $length } bytes, and a datagram carries at most { $most }
tools-listening = listening on { $address }
tools-listening-beside = listening on { $address }: groups and broadcasts only, beside others
tools-listen-not-shared = { $error }; that program does not share the port (SO_REUSEADDR)
tools-listen-or-share = { $error }, or listen beside it: --share
tools-listen-share-port = --share needs the port of the other program
tools-listen-interface-group = --multicast-interface needs a group: --join GROUP
tools-listen-join-family = --join { $group } and { $ip } are not of the same IP version
tools-datagrams = { $count ->
    [one] { $count } datagram
   *[other] { $count } datagrams
}
tools-listen-elsewhere = { $count } from elsewhere not shown
tools-listen-byte = byte
tools-listen-bytes = bytes
tools-listen-truncated = , truncated
tools-group-cannot-listen = cannot listen on { $address }: { $error }
tools-group-less = not everything wanted can be heard: { $error }
tools-group-joined = joined { $group } on { $names }
tools-group-none-yet = { $group } is joined on no interface yet; waiting for one to come up
tools-group-cannot-join = cannot join { $group } on { $name }: { $error }
tools-group-full = cannot join { $group } on { $name }: { $error }; the system allows no more groups, see sysctl net.ipv4.igmp_max_memberships

## Replies and losses, of several commands

tools-replies = { $count ->
    [one] { $count } reply
   *[other] { $count } replies
}
tools-replies-unsent = { $count ->
    [one] { $count } reply
   *[other] { $count } replies
} not sent
tools-replies-unsent-why = { $count ->
    [one] { $count } reply
   *[other] { $count } replies
} not sent ({ $why })
tools-replies-undeliverable = { $count } of them came back as undeliverable
tools-not-answered = { $count } not answered ({ $why })
tools-kernel-drops = { $count } dropped by the kernel (receive buffer full)
tools-output-drops = { $count } dropped here (output too slow)
tools-cannot-reply = cannot reply to { $to }: { $cause }
tools-reply-lost = a reply did not arrive: { $cause }
tools-reply-lost-to = a reply to { $to } did not arrive: { $cause }

## pigeon ask, pigeon time

tools-reply = reply from { $from } after { $tries ->
    [one] { $tries } attempt
   *[other] { $tries } attempts
}, { $millis } ms
tools-reply-to = reply from { $from } to { $to } after { $tries ->
    [one] { $tries } attempt
   *[other] { $tries } attempts
}, { $millis } ms
tools-reply-other-port = reply from { $from }, another port of { $to }, after { $tries ->
    [one] { $tries } attempt
   *[other] { $tries } attempts
}, { $millis } ms
tools-time-useless = { $to }: the reply is of no use: { $why }
tools-time-sntp = { $time }  offset { $offset } s  round trip { $delay } ms  stratum { $stratum }  reference { $reference }
tools-bytes = { $count } bytes

## pigeon sockets

tools-sockets-none = no UDP socket of this host is bound to port { $port }
tools-sockets-cannot = cannot list the UDP sockets
tools-sockets-elsewhere = pigeon sockets reads tables of the Linux kernel, and this is another system; on Windows: netstat -ano -p UDP
tools-sockets-hidden = cannot see which programs hold { $unseen } of { $all ->
    [one] { $all } socket
   *[other] { $all } sockets
}; root can
tools-sockets-kernel = no process here holds { $unseen } of { $all ->
    [one] { $all } socket
   *[other] { $all } sockets
}: the kernel itself does, or a container
tools-sockets-has-lost-data = HAS LOST DATA
tools-sockets-not-visible = (not visible)
tools-sockets-nobody = (none)
tools-sockets-to = to { $remote }
tools-sockets-lost = { $lost ->
    [one] { $lost } datagram
   *[other] { $lost } datagrams
}, { $all } in all
# fits 4
tools-sockets-is-open = open
# fits 4
tools-sockets-is-new = new
# fits 4
tools-sockets-is-gone = gone
# fits 4
tools-sockets-has-lost = lost

## pigeon serve

tools-serve-empty = nothing given; write NAME:PORT, e.g. echo:7000
tools-serve-unknown = there is no service { $name }; there are echo, upper, size, time, discard, daytime and sntp
tools-serve-which = which service? write NAME:{ $port }, e.g. echo:{ $port }
tools-serve-no-port = no port; write { $name }:PORT, e.g. { $name }:7000
tools-serve-on = { $kind } on { $address }
tools-serve-fault = a service stopped because of a bug in it
tools-serve-summary = { $kind } on { $address }: { $requests ->
    [one] { $requests } datagram
   *[other] { $requests } datagrams
}, { $replies ->
    [one] { $replies } reply
   *[other] { $replies } replies
}
tools-serve-unsent = { $count ->
    [one] { $count } reply
   *[other] { $count } replies
} not sent (the reason was shown)
tools-serve-replied = { $length } bytes from { $from }, { $back } bytes back
tools-serve-back-unsent = { $length } bytes from { $from }, { $back } bytes back could not be sent
tools-serve-discarded = { $length } bytes from { $from }, discarded
tools-serve-ignored = { $length } bytes from { $from }, not answered: { $why }
tools-serve-way = { $kind }: a reply to { $to } is not sent: { $cause }
tools-serve-way-unknown = { $kind }: a reply is not sent: { $cause }

## pigeon discover

tools-discover-answered = { $count ->
    [one] { $count } address
   *[other] { $count } addresses
} answered in { $time }
tools-discover-not-everybody = not everybody is asked: { $tried }
tools-discover-no-network = there is no network to ask from { $ip }; `ip addr` lists addresses
tools-discover-nothing = nothing
tools-discover-no-broadcast = (this interface has no broadcast)
tools-discover-unsent = { $unsent } of { $all } questions not sent, such as to { $to }: { $cause }
tools-discover-one-hub = { $name } is one hub at { $addresses }
tools-discover-found = { $from } on { $interface }, { $millis } ms: { $says }
tools-discover-found-at-most = { $from } on { $interface }, at most { $millis } ms: { $says }
tools-members = { $count ->
    [one] { $count } member
   *[other] { $count } members
}
tools-discover-quic = QUIC on port { $port }
tools-discover-hub = { $what }; pigeon join { $door }
tools-discover-nobody = nobody answered in { $time }
tools-discover-no-hub = no hub answered in { $time }
tools-discover-no-interface = No interface but loopback has an address: there is nobody to ask.
tools-discover-asked = Asked at port { $port }, three times each:
tools-discover-why-loopback = the hub listens on 127.0.0.1 only, which is the default: start it with --listen '*:9999' (on its own machine `pigeon join` reaches it all the same)
tools-discover-why-off = it has --discoverable off, or another program has UDP port 9999 on its host, which its log says
tools-discover-why-nothing = no program listens on that port there, or only on 127.0.0.1 or on one address
tools-discover-why-silent = the program that listens there does not answer this question
tools-discover-why-source = it answers to one port only, as RIP does: --source { $port } asks from it
tools-discover-why-late = it answers later: CoAP devices wait up to 5 s, others as long as the question lets them; --for 6s waits longer
tools-discover-why-firewall = a firewall, here or there, drops UDP port { $port } or the answers from it
tools-discover-why-network = it is in another network: broadcasts and link-local groups do not cross routers
tools-discover-why-wifi = a Wi-Fi access point keeps its clients apart (client isolation), or drops broadcasts
tools-discover-why-tunnel = the interface has no broadcast, as tunnels and VPNs have none
tools-discover-nothing-sent = Nothing was sent, so nobody can have answered.
tools-discover-why = Possible reasons:
tools-discover-join = If you know where it is, ask it directly: pigeon join HOST
tools-discover-ask = If you know where it is, ask it directly: pigeon ask HOST PORT TEXT
tools-discover-no-user = nobody answered in { $time }: asked by broadcast on UDP port { $port }, which reaches this host's own networks; a firewall at either end may block it
tools-discover-users = { $count ->
    [one] { $count } user
   *[other] { $count } users
} answered in { $time }
tools-discover-other-program = another program

## pigeon relay: conditions

tools-knob-unknown = { $knob } is not a condition; there are { $known }
tools-knob-form = write KNOB=VALUE, several with commas, e.g. loss=1%,delay=20ms
tools-knob-too-long = must not be longer than an hour
tools-knob-burst = `{ $burst }` is not a valid burst length; write e.g. 5%:4 for bursts of 4 datagrams
tools-knob-distribution = `{ $word }` is not a valid distribution; choose uniform, normal or pareto
tools-knob-rate-least = must be at least one byte a second
tools-knob-rate = write a number with its unit, e.g. 10Mbit/s, 64KiB/s, or unlimited
tools-knob-mtu = write a number of bytes, e.g. 1200, or none

## pigeon relay

tools-relay-help = loss 5%, up delay 20ms, down loss=1%,rate=1Mbit/s: change conditions, both ways or one; clear, show, stats, clients, handover, quit
tools-relay-console-closed = the console is closed; the relay goes on (Ctrl-C stops it)
tools-relay-nothing-behind = { $word } takes no arguments
tools-relay-no-command = there is no command { $word }; { $help }
tools-relay-no-value = a value is missing; { $help }
tools-relay-queue = a queue has no effect without a rate
tools-relay-heard = { $address }  heard { $time } ago
tools-relay-handover = clients reach the target from new addresses
tools-relay-no-socket = a client has no socket to the target: { $error }
tools-relay-moved = the target's name now stands for { $target }, no longer for { $before }; relaying to { $target }
tools-relay-way-client = datagrams to the client { $to } do not arrive: { $cause }
tools-relay-way-target = datagrams to the target { $to } do not arrive: { $cause }
tools-relay-client = client { $client }
tools-relay-idle = client { $client } is idle, its socket is closed
tools-relay-full = { $from } is turned away: there are as many clients as allowed (--max-clients)
tools-relay-loop = datagrams from { $from } are dropped: they come from this relay; the target leads back here
tools-relay-from-target = datagrams from { $from } are dropped: it is the target, or another address of its host, and not a client; is the sender forged?
tools-relay-followed = the target answers { $client } from { $from }; datagrams of { $client } go there now
tools-relay-refused = the target refuses: nobody listens there
tools-relay-too-large = { $way }: { $length } bytes are too large for the MTU of { $mtu }; dropped
tools-relay-step = scenario: { $note }
tools-relay-lost = { $way } { $rate }/s { $share }% lost
tools-relay-held = { $count } held
tools-relay-clients = { $count ->
    [one] { $count } client
   *[other] { $count } clients
}
tools-relay-clients-now = { $count ->
    [one] { $count } client
   *[other] { $count } clients
} now, { $ever } ever
tools-relay-count-left = { $count } left idle
tools-relay-count-turned-away = { $count } datagrams turned away (--max-clients)
tools-relay-count-looped = { $count } datagrams from this relay itself
tools-relay-count-from-target = { $count } datagrams from the target, which is not a client
tools-relay-count-strangers = { $count } datagrams of other hosts than the target, dropped
tools-relay-count-followed = { $count } times the target answered from a new port, which was followed
tools-relay-count-no-socket = { $count } sockets to the target that could not be opened
tools-relay-count-gone = { $count } datagrams for clients that had gone
tools-relay-count-refusals = { $count } refusals by the target
tools-relay-count-handovers = { $count } handovers
tools-relay-count-unsent-up = { $count } not sent to the target (the reason was shown)
tools-relay-count-unsent-down = { $count } not sent to clients (the reason was shown)
tools-relay-count-errors-up = { $count } errors on the way to the target (no route, a firewall)
tools-relay-count-errors-down = { $count } errors on the way to clients (no route, a firewall)
tools-relay-count-kernel = { $count } dropped by the kernel (receive buffer full)
tools-relay-line = { $way }: { $received } in ({ $bytes } bytes), { $out } out
tools-relay-way-lost = { $count } lost
tools-relay-way-doubled = { $count } doubled
tools-relay-way-damaged = { $count } damaged
tools-relay-way-held-back = { $count } held back
tools-relay-way-too-large-for-the = { $count } too large for the MTU
tools-relay-way-dropped-as-the-que = { $count } dropped as the queue was full
tools-relay-way-dropped-as-too-muc = { $count } dropped as too much was on the way
tools-relay-way-on-the-way = { $count } on the way
tools-relay-both-ways = both ways: { $shape }
tools-relay-one-way = { $way }: { $shape }
tools-relay-queue-flag = { $way }: --queue has no effect without --rate
tools-relay-stdout-twice = --record - and --json both write to stdout; leave one out
tools-relay-start = listening on { $bound }, relaying to { $target }, seed { $seed }
tools-relay-scenario = scenario of { $count ->
    [one] { $count } step
   *[other] { $count } steps
}: { $description }
tools-relay-itself = { $target } is this relay itself; name another target
tools-relay-record = the record is not complete: { $error }
tools-relay-record-slow = { $count ->
    [one] { $count } datagram is
   *[other] { $count } datagrams are
} not in the record: the disk was too slow
tools-scenario-setting = there is no setting { $name }; there are { $known }
tools-scenario-empty = there is no step; write [[step]] at least once
tools-scenario-repeat = it would begin again before its last step, which comes at { $last }
tools-scenario-form = write a step as [[step]]
tools-scenario-many = it has more than { $most } steps
tools-scenario-order = comes before the step above it
tools-scenario-handover = handover must be true or false
tools-scenario-table = { $name } must be a table, e.g. { $example }
tools-scenario-at = a step needs its time, e.g. at = "5s"
tools-scenario-text = expected a text in quotes

## pigeon replay

tools-replay-speed = write a speed, e.g. 2x, 0.5x, or max
tools-replay-place = `{ $text }` is not a valid address; write e.g. 192.168.1.7, 192.168.1.0/24, 192.168.1.7:9999
tools-replay-after = { $what }, after { $count ->
    [one] { $count } packet
   *[other] { $count } packets
}
tools-replay-unsent = { $count ->
    [one] { $count } datagram
   *[other] { $count } datagrams
} could not be sent to { $to }
tools-replay-refused = { $to } refused { $count ->
    [one] { $count } time
   *[other] { $count } times
}: nobody listens there
tools-replay-errors = { $count ->
    [one] { $count } error
   *[other] { $count } errors
} came back from the way to { $to }
tools-replay-empty = { $file } holds no datagram to send
tools-replay-replies = { $file } holds only replies; --both sends them
tools-replay-filtered = { $file } holds no datagram that matches; see --from, --to, --port
tools-replay-no-capture = { $file } is not a capture: neither pcap nor pcapng
tools-replay-no-bytes = { $file } is empty
tools-replay-compressed = { $file } is compressed with { $with }: decompress it first, e.g. `{ $command }`
tools-replay-zip = { $file } is a zip archive: extract the capture first, e.g. `unzip FILE`
tools-replay-modified = { $file } is in a modified pcap format: convert it first, e.g. `editcap FILE new.pcapng`
tools-replay-foreign = { $file } is in { $program }'s format: convert it first, e.g. `editcap FILE new.pcapng`
tools-replay-cut-short = { $file } is cut short
tools-replay-damaged = { $file } is damaged: { $what }
tools-replay-sending-on = { $to } refused: nobody listens there; sending on
tools-replay-too-long = a datagram of { $length } bytes is not sent: one to { $to } carries at most { $most }
tools-replay-pause = the next datagram follows in { $pause }, as in the capture; --max-pause 5s waits no longer than that
tools-replay-trying-on = cannot send to { $to }: { $cause }; trying on
tools-replay-done = { $count ->
    [one] { $count } datagram
   *[other] { $count } datagrams
} ({ $bytes } bytes) in { $seconds } s
tools-replay-late = { $count } more than 1 ms late, the worst by { $worst } ms
tools-replay-not-sent = { $count } could not be sent
tools-replay-came-back = { $count } came back
tools-replay-left-out = left out: { $reasons }
tools-skip-not-udp = { $count } not UDP
tools-skip-fragment = { $count } fragments of incomplete datagrams
tools-skip-cut = { $count } cut short by the capture (snaplen)
tools-skip-malformed = { $count } malformed
tools-skip-tunnel = { $count } inside a tunnel
tools-skip-encrypted = { $count } encrypted
tools-skip-unknown-link = { $count } of a link layer that is not read
tools-skip-filtered = { $count } not asked for
tools-skip-replies = { $count } replies (--both)
tools-skip-own = { $count } sent by this replay
tools-skip-type = { $what } (type { $link })

## pigeon bench

tools-bench-source = write an address with or without a port, e.g. 192.0.2.7, 192.0.2.7:5000, [2001:db8::7]:5000
tools-bench-omit = --omit { $omit } is not a multiple of the --interval of { $interval }
tools-bench-payload = --size: a test datagram has from { $least } to { $most } bytes, not { $size }
tools-bench-no-time = a measurement must be longer than 0
tools-bench-family = --bind { $source } and { $to } are not of the same IP version
tools-bench-ports = --bind { $source }: { $flows } flows need more ports
tools-bench-safe = { $to } is another machine: { $rate } datagrams a second; --rate sets another pace
tools-bench-echo = { $to } is an echo service: measuring round trips
tools-bench-limited = the server sends at most { $rate } datagrams a second
tools-bench-way = datagrams to { $to } do not arrive: { $cause }
tools-bench-not-begun = { $to }: the measurement did not begin
tools-bench-nothing = { $to }: nothing arrived
tools-bench-gone = nobody listens there any more
tools-bench-stopped = { $to } stopped answering after { $seconds } s: { $why }; what was sent since is unanswered, not lost
tools-bench-failed-refused = refused: nobody listens there
tools-bench-failed-no-answer = no answer after 5 attempts in 3.1 s
tools-bench-failed-foreign = it answers, but is neither `pigeon bench server` nor an echo service
tools-bench-failed-only-echo = only an echo service is there, which sends nothing by itself
tools-bench-failed-full = the server declines: it has all the work it takes
tools-bench-failed-size = the server declines: it sends no datagrams of that size
tools-bench-failed-silent = the server fell silent
tools-bench-failed-too-long = the server measures for at most { $most } s; ask for less (--for), or start it with a longer --max-for
tools-bench-begins = { $from } begins
tools-bench-done = { $from } is done: { $received } received, { $lost } missing, { $sent } sent
tools-bench-done-dropped = { $from } is done: { $received } received, { $lost } missing ({ $dropped } dropped by this kernel), { $sent } sent
tools-bench-full = { $from } is turned away: --max-flows or --max-rate is used up
tools-bench-size = { $from } is turned away: it asks for an impossible size
tools-bench-rate = write a number of datagrams or bits a second, e.g. 10k/s, 10Mbit/s, or unlimited
tools-bench-few-bits = { $bits } bit/s are fewer than one datagram of { $size } bytes a second; choose a smaller --size or a higher --rate
tools-bench-many-bits = { $bits } bit/s are too many datagrams of { $size } bytes
tools-bench-dscp = write EF, AF11 to AF43, CS0 to CS7, VA, LE, or a number from 0 to 63
tools-bench-during = { $way } for { $seconds } s
tools-bench-to = to { $to }
tools-bench-from = from { $to }
tools-bench-both = to and from { $to }
tools-bench-ping = to and back from { $to }
tools-bench-omitted = the first { $seconds } s left out
tools-bench-one-by-one = one by one
tools-bench-unlimited = as fast as it goes
tools-bench-flows = { $flows } flows
tools-bench-interval = { $sent }/s sent, { $received }/s ({ $bits }bit/s) received, { $lost } late or lost so far, jitter { $jitter }
tools-bench-is-omitted = omitted
# fits 7
tools-bench-seconds = seconds
# fits 10
tools-bench-sent-per-second = sent/s
# fits 11
tools-bench-received-per-second = received/s
# fits 12
tools-bench-late-or-lost = late or lost
# fits 6
tools-bench-there = there
# fits 6
tools-bench-back = back
# fits 17
tools-bench-there-and-back = there and back
# fits 21
tools-bench-sent = sent
# fits 19
tools-bench-a-second = a second
# fits 21
tools-bench-received = received
# fits 21
tools-bench-lost = lost
# fits 19
tools-bench-share = share
# fits 19
tools-bench-lost-on-way = on the way
# fits 19
tools-bench-lost-in-receiver = in the receiver
# fits 21
tools-bench-late = late, not lost
# fits 21
tools-bench-duplicated = duplicated
# fits 9
tools-bench-jitter = jitter
# fits 21
tools-bench-unanswered = unanswered
# fits 21
tools-bench-damaged = damaged (so lost)
# fits 21
tools-bench-too-late = too late to tell
# fits 21
tools-bench-unsent = not sent by the host
# fits 21
tools-bench-round-trip = round trip
# fits 17
tools-bench-since-due = since due
# fits 17
tools-bench-since-sent = since sent
tools-bench-plot-received = received a second
tools-bench-plot-lost = late or lost so far
tools-bench-plot-round-trip = round trip, µs
tools-bench-plot-end = Ctrl-C ends it here
