# Summaries and remarks of the tools, `send` to `replay`.

## pigeon contacts

## pigeon relay: conditions
tools-contact-is = { $name } is { $endpoint }
tools-contact-is-already = { $name } is already { $endpoint }
tools-contact-removed = { $name } is removed
tools-contact-renamed = { $old } is now { $new }
tools-contacts-none = no contacts yet; `pigeon contacts add` adds one
tools-knob-unknown = { $knob } is not a condition; there are { $known }
tools-knob-form = write KNOB=VALUE, several with commas, e.g. loss=1%,delay=20ms
tools-knob-too-long = must not be longer than an hour
tools-knob-burst = `{ $burst }` is not a valid burst length; write e.g. 5%:4 for bursts of 4 datagrams
tools-knob-distribution = `{ $word }` is not a valid distribution; choose uniform, normal or pareto
tools-knob-rate-least = must be at least one byte a second
tools-knob-rate = write a number with its unit, e.g. 10Mbit/s, 64KiB/s, or unlimited
tools-knob-mtu = write a number of bytes, e.g. 1200, or none

## pigeon send

## Why a datagram was not answered

## pigeon listen

## pigeon ask, pigeon time

## pigeon sockets

## pigeon serve

## pigeon discover
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
}: no program listened, and what was sent then is lost
tools-send-more-troubles = further errors are only counted
tools-line = line { $number }
tools-datagram = datagram { $number }
tools-send-bad-one = { $which }: { $error }
tools-send-one-refused = { $which }, or one before it: { $to } refused: no program listens there now
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
tools-group-cannot-listen = cannot listen on { $address }: { $error }
tools-group-less = not everything wanted can be heard: { $error }
tools-group-joined = joined { $group } on { $names }
tools-group-none-yet = { $group } is joined on no interface yet; waiting for one to come up
tools-group-cannot-join = cannot join { $group } on { $name }: { $error }
tools-group-full = cannot join { $group } on { $name }: { $error }; the system allows no more groups, see sysctl net.ipv4.igmp_max_memberships
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
tools-bytes = { $count } bytes
tools-sockets-none = no UDP socket of this host is bound to port { $port }
tools-sockets-cannot = cannot list the UDP sockets
tools-sockets-hidden = cannot see which programs hold { $unseen } of { $all ->
    [one] { $all } socket
   *[other] { $all } sockets
}; root can
tools-sockets-kernel = no process here holds { $unseen } of { $all ->
    [one] { $all } socket
   *[other] { $all } sockets
}: the kernel itself does, or a container
tools-serve-empty = nothing given; write NAME:PORT, e.g. echo:7000
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
