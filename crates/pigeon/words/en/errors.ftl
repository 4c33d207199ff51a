# Mistakes that many make: what happened, why, and what to do.

## Endpoints, sockets, numbers, encodings

errors-built-without = this pigeon was built without `{ $feature }`; build it with `--features { $feature }`, or take the published program
errors-language = '{ $word }' is not a supported language; choose `en` or `zh`
errors-endpoint-empty = nothing given; write HOST:PORT, e.g. 127.0.0.1:9999
errors-only-a-port = { $port } is only a port; write HOST:{ $port }, e.g. 127.0.0.1:{ $port }
errors-no-port = no port; write { $host }:PORT, e.g. { $host }:9999
errors-no-host = no host; write HOST:{ $port }, e.g. 127.0.0.1:{ $port }
errors-link-local = { $ip } exists on every link; name the interface, as in [{ $ip }%eth0]:{ $port }
errors-cannot-find = cannot find { $host }
errors-no-such-family = cannot find { $host }: it has no { $family } address
errors-no-such-interface = { $name }: this host has no such interface; `ip link` lists them
errors-socket-address = write an address and a port, e.g. 192.168.1.20:5000 or [::1]:0
errors-other-family = { $ip } is not an { $family } address
errors-listen-empty = nothing given; write [ADDR:]PORT, e.g. 9999 or 127.0.0.1:9999
errors-listen-not-a-port = `{ $text }` is not a valid port; write [ADDR:]PORT, e.g. 9999 or 127.0.0.1:9999
errors-listen-not-an-ip = { $host } is not an IP address; write one of this host's, or * for all of them
errors-host-blank = a host name contains no white space
errors-host-undisplayable = { $host } is not a valid host name: it contains characters that cannot be displayed
errors-not-ipv6 = { $host } is not a valid IPv6 address
errors-not-ipv4 = { $host } is not a valid IPv4 address: its numbers go from 0 to 255, without leading zeros
errors-url = a URL does not fit here; leave { $scheme }:// out, and write HOST:PORT
errors-bracket = the bracket of the IPv6 address is not closed; write [ADDRESS]:PORT
errors-behind-bracket = expected :PORT after the bracket, found { $rest }
errors-ipv6-brackets = put an IPv6 address in brackets, [ADDRESS]:PORT; found { $text }
errors-port-zero = port 0 cannot be reached; write a number from 1 to 65535
errors-not-a-port = `{ $text }` is not a valid port; write a number up to 65535
errors-broadcast-one-host = { $ip } is a broadcast address, and this command talks to one host; `pigeon discover --help` says how to find it
errors-cannot-send-to = cannot send to { $to }: { $cause }
errors-in-use-by = { $address } is in use by { $holder }; choose another port, or stop that program
errors-in-use = { $address } is in use, by a program that only root can see; choose another port, or stop that program
errors-not-our-address = { $ip } is not an address of this host; `ip addr` lists them
errors-bind-denied = no permission to listen at { $address }; ports below 1024 are for root
errors-number-too-large = is too large a number
errors-number = must be a whole number
errors-number-from-to = must be a whole number from { $least } to { $most }
errors-number-at-least = must be a whole number, at least { $least }
errors-duration = write a number with its unit, e.g. 250ms, 3s, 2m
errors-not-zero = must be greater than 0
errors-heartbeat = must be at least 100ms
errors-rate = write a number a second, e.g. 20/s, 10k/s, or unlimited
errors-byte-rate = write a number of bytes a second with its unit, e.g. 64KiB/s, or unlimited
errors-size = write a number of bytes, e.g. 8192, 64KiB, 1MB
errors-network = `{ $text }` is not a valid network; write e.g. { $example }
errors-group = `{ $text }` is not a multicast group; write e.g. 239.1.2.3 or ff02::fb%eth0
errors-interface-without-group = --multicast-interface: { $ip } is not a multicast address
errors-interfaces-unlisted = cannot list this host's addresses
errors-interface = there is no interface { $wanted }; there are { $names }
errors-too-long = not sent: { $length } bytes, and a datagram there carries at most { $most }
errors-encoding = no encoding is called "{ $label }"; there are { $usual } and others
errors-encoding-meant = no encoding is called "{ $label }"; did you mean { $nearest }?
errors-unmappable = { $encoding } has no { $character } (character { $place } of the text)
errors-base64 = not valid base64: { $error }
errors-input-not-utf8 = byte { $byte } is not valid UTF-8, which the input must be to be sent in { $encoding }; if it is in another encoding, convert it first: `iconv -f ENCODING -t utf-8`; `--encoding utf-8` sends the bytes as they are
errors-input-encoded-already = byte { $byte } is not valid UTF-8, which the input must be to be sent in { $encoding }; it seems to be { $encoding } already; `--encoding utf-8` sends the bytes as they are
errors-escape = `\{ $escape }` is not a valid escape; there are \n, \r, \t, \0, \\, \xNN and { $unicode }
errors-at-byte = { $what } at byte { $place }
errors-hex-digit = `{ $digit }` at byte { $place } is not a hexadecimal digit
errors-hex-half = `{ $digits }` at byte { $place } is not whole bytes: two hexadecimal digits make one
errors-or = {" or "}
errors-longer-than-any = not sent: longer than any datagram
errors-same-port = { $first } and { $second } use the same port; give each its own
errors-bad-room = `{ $room }` is not a valid room: one word of at most 32 characters
errors-bad-fingerprint = the fingerprint behind # has 64 hexadecimal digits; copy the whole invitation
errors-no-secure-port = there is no port after 65535; use the invitation that the hub prints
errors-no-state = there is no folder for the member's key and outbox; set PIGEON_STATE
errors-another-hub = another hub answers there: its key is not { $fingerprint }, the one met before. Nothing was sent to it. If the hub was set up anew, remove its line from the file `hubs` in the folder `member` of the state directory

## Asking and answering

errors-asks-too-much = { $source } asks too often ({ $bound }): { $requests ->
    [one] { $requests } request
   *[other] { $requests } requests
} not answered; is it a loop?
errors-repeats-itself = { $source } sends the same { $length ->
    [one] { $length } byte
   *[other] { $length } bytes
} { $rate } times a second; if it is a loop, --per-source 1k/s limits it
errors-source-family = --source { $source } and { $to } are not of the same IP version
errors-refused = { $to } refused: nobody listens there
errors-not-sent = { $to }: not sent
errors-not-sent-cause = { $to }: not sent: { $cause }
errors-not-delivered = { $to }: not delivered
errors-not-delivered-cause = { $to }: not delivered: { $cause }
errors-no-reply = { $to }: no reply after { $attempts ->
    [one] { $attempts } attempt
   *[other] { $attempts } attempts
} in { $seconds } s
errors-strays = { $count ->
    [one] { $count } datagram
   *[other] { $count } datagrams
} came that did not answer it
errors-system-said = the system said: { $cause }
errors-other-port-says = { $from }, another port of { $to }, says: { $text }
errors-not-an-answer = { $from }: not an answer: { $why }
errors-asked-again = { $to }: { $cause }; asking again
errors-tried-again = { $to }: not sent: { $cause }; trying again
errors-ipmsg-port = IP Messenger programs answer to UDP port 2425 only

## Why a datagram did not get through, after the words of the system. $ip is the address.

errors-congested = the socket's send buffer stayed full; send more slowly (--rate, --every)
errors-undelivered = undelivered
errors-cause-forbidden = a firewall rule of this host forbids it; as root, `nft list ruleset` or `iptables-save` shows the rules
errors-cause-broadcast = { $ip } is a broadcast address; `pigeon send` needs --broadcast to send there
errors-cause-route-prohibits = a route of this host prohibits it; `ip route get { $ip }` shows the route
errors-cause-route-unreachable = this host's routes say that the address is unreachable; `ip route get { $ip }` shows the route
errors-cause-no-group-route = this host has no route for the group; choose an interface (--multicast-interface), or add a route: `ip route add { $ip }/32 dev INTERFACE`
errors-cause-no-group-link = this host has no interface for the group; name one, as in { $ip }%eth0
errors-cause-no-ipv6-route = this host has no IPv6 route there; -4 uses IPv4 if the name has an IPv4 address
errors-cause-no-route = this host has no route there: its network is down, or it has no gateway; `ip route` shows the routes
errors-cause-down = the interface is down; `ip link` lists the interfaces
errors-cause-no-address = this host has no address to send from; `ip addr` lists its addresses
errors-cause-needs-interface = the address needs its interface, as in { $ip }%eth0; `ip addr` lists the interfaces
errors-cause-port-zero = port 0 cannot be sent to
errors-cause-invalid = this socket cannot send there; `ip route get { $ip }` shows the route
errors-cause-no-family = this host does not support this IP version
errors-cause-no-buffers = the interface's queue is full; send more slowly (--rate, --every)
errors-cause-too-large = it is longer than the longest possible datagram; send shorter ones
errors-cause-fragments = it was too long for a link on the way; the next ones are sent in fragments
errors-cause-refused = nobody listens there
errors-cause-no-host = no host answers at that address, the network reports
errors-cause-rejected = a firewall rejects it, there or on the way (administratively prohibited)
errors-cause-router = a router on the way has no route there
errors-cause-earlier = the network reports it of an earlier datagram

## Why a datagram was not sent, in a word

errors-drop-unreachable = unreachable
errors-drop-not-permitted = not permitted
errors-drop-too-large = too large
errors-drop-no-buffers = no buffers
errors-drop-invalid = invalid
errors-drop-refused = refused
errors-drop-congested = congested
errors-drop-closed = socket closed
errors-drop-other = other

## The words of the system, with the C library's translations

errors-os-eperm = Operation not permitted
errors-os-enoent = No such file or directory
errors-os-eacces = Permission denied
errors-os-eexist = File exists
errors-os-enotdir = Not a directory
errors-os-eisdir = Is a directory
errors-os-einval = Invalid argument
errors-os-emfile = Too many open files
errors-os-enospc = No space left on device
errors-os-erofs = Read-only file system
errors-os-epipe = Broken pipe
errors-os-emsgsize = Message too long
errors-os-eafnosupport = Address family not supported by protocol
errors-os-eaddrinuse = Address already in use
errors-os-eaddrnotavail = Cannot assign requested address
errors-os-enetdown = Network is down
errors-os-enetunreach = Network is unreachable
errors-os-enobufs = No buffer space available
errors-os-econnrefused = Connection refused
errors-os-ehostunreach = No route to host
errors-os-ehostdown = Host is down
errors-os-enoprotoopt = Protocol not available
errors-os-eopnotsupp = Operation not supported
errors-lookup = the name has no address, or no name server answers

## Files

errors-stdin-terminal = stdin is a terminal; name a file, or pipe into it
errors-file-too-large = it has more than { $most } bytes; it is probably the wrong file
errors-line-not-utf8 = line { $line } is not valid UTF-8
errors-not-a-regular-file = { $file } cannot be changed: it is not a regular file
errors-cannot-make = cannot create { $file }
errors-would-be-too-large = { $file } would be larger than { $most } bytes
errors-cannot-write = cannot write { $file }
errors-cannot-read = cannot read { $file }
errors-not-a-file = { $file } is not a file
errors-capture-terminal = a capture cannot be shown on a terminal; redirect it to a file or a pipe
errors-capture-again = { $file } is written again; { $missing ->
    [one] { $missing } datagram is
   *[other] { $missing } datagrams are
} missing in it
errors-capture-stopped = cannot write { $file }: { $error }; going on without it
errors-capture-lost = { $lost ->
    [one] { $lost } datagram
   *[other] { $lost } datagrams
} could not be written to { $file }
errors-file-exists = { $file } exists and is not overwritten; choose another name
errors-stdout = cannot write to stdout
errors-answer-unreadable = cannot read the answer
errors-watch-socket = cannot watch the socket
errors-cannot-read-stdin = cannot read stdin: { $error }

## Contacts

errors-contacts-no-home = no home directory, so there is no place for contacts; name a file in PIGEON_CONTACTS
errors-contacts-spoilt = not written: the change would damage the file
errors-cannot-lock = cannot lock { $file }
errors-locked = another pigeon holds { $file } and does not release it
errors-contacts-too-large = { $file } is too large for a contacts file
errors-contact-taken = { $name } is already { $endpoint }; run `pigeon contacts remove { $name }` first, or choose another name
errors-contacts-same = { $name } and { $other } are the same name
errors-contact-none-yet = there is no contact { $name }; there are no contacts yet, `pigeon contacts add` adds one
errors-contact-unknown = there is no contact { $name }; `pigeon contacts list` lists the contacts
errors-contact-meant = there is no contact { $name }; did you mean { $near }?
errors-contact-shape = { $name } is not a valid contact; write { $shape }
errors-contact-field = { $name }: a contact has no { $field }, only endpoint, encoding, ipmsg
errors-contact-no-endpoint = { $name } has no endpoint
errors-contact-switch = { $name }: { $field } must be true or false
errors-contact-text = { $name }: { $field } must be a text in quotes
errors-bad-endpoint = `{ $word }` is not a valid endpoint: { $why }
errors-peer-unknown = { $unknown } (write an endpoint as { $word }:PORT)
errors-port-twice = { $word } already names a port: { $port } is one word too many
errors-contact-name = `{ $name }` cannot be a contact's name: { $why }
errors-name-endpoint = it looks like an endpoint
errors-name-flag = it looks like a flag

## Settings

errors-place = line { $line }, column { $column }
errors-setting-meant = there is no setting { $name }; did you mean { $meant }?
errors-setting-unknown = there is no setting { $name }; `pigeon { $command } --help` lists them
errors-setting-value = invalid value '{ $value }' for { $name }: { $reason }
errors-setting-choice = invalid value '{ $value }' for { $name }; choose one of { $choices }
errors-argument-not-utf8 = the argument `{ $word }` is not valid UTF-8
errors-variable-not-utf8 = the environment variable { $name } is not valid UTF-8
errors-variable-meant = { $name } is not a setting and is ignored; did you mean { $meant }?
errors-variable-unknown = { $name } is not a setting and is ignored; `pigeon { $command } --help` lists the settings

## The hub's log and data

errors-data-no-folder = no folder for the hub's data; name one with --data
errors-data-none = no hub has kept anything; name its folder with --data
errors-data-none-in = no hub has kept anything in { $folder }; name its folder with --data
errors-data-chosen = several hubs have kept something; this is { $folder }, the one written last; --data DIR chooses another
errors-data-no-home = { $variable } is empty, or this user has no home directory
errors-log-in-use-by = { $folder } is in use by process { $pid }; stop that hub, or choose another folder
errors-log-in-use = { $folder } is in use by another process; stop that hub, or choose another folder
errors-log-folder = cannot { $doing } { $path }: { $error }; check its owner and mode, or choose another folder
errors-log-missing = there is no log in { $folder }
errors-log-foreign = { $file } is not a pigeon log and is left as it is; choose another folder
errors-log-newer = { $file } has version { $found }, which is newer than this program knows; use a newer pigeon
errors-log-older = { $file } has version { $found }; start the hub once to upgrade it

## What the libraries report

# $doing is a verb, such as read.
errors-log-unread = cannot { $doing } { $file }: { $why }
errors-log-damaged-part = cannot { $doing } { $file }: the file is damaged ({ $what }); restore a backup
errors-log-damaged = { $file } is damaged ({ $what }) and is left as it is; put a backup in its place, or move the folder away to begin an empty log and export what can still be read from the old one
errors-log-forget-closed = cannot forget: the log is closed
errors-log-forget-unable = cannot forget, and nothing was deleted: { $why }
errors-log-export = cannot write the export: { $why }
errors-log-backup-exists = { $file } exists and is left as it is; choose another name
errors-log-backup = cannot write the backup { $file }: { $why }
errors-log-import-read = cannot read line { $line }: { $why }
errors-log-import-unable = cannot store what is before line { $line }: { $why }
errors-log-import-closed = cannot store what is before line { $line }: the log is closed
errors-line-too-long = it is longer than { $most } bytes
errors-line-json = it is not JSON: { $why }
errors-line-text = `{ $name }` is not a text
errors-line-number = `{ $name }` is not a number
errors-line-hex = `{ $name }` is not hexadecimal
errors-line-range = `{ $name }` is out of range
errors-line-room = `room`: { $why }
errors-line-base64 = `base64`: { $why }
errors-trouble-full = the disk is full; free some space
errors-trouble-read-only = the folder or file is read-only; make it writable
errors-trouble-io = the disk fails to read or write; look into the system's log
errors-trouble-gone = the log's files were moved or removed; put them back, or restart
errors-trouble-busy = another program holds the log's lock; end it
errors-trouble-damaged = the log is damaged; stop the hub and restore a backup
errors-trouble-no-positions = the epoch has no positions left; begin a new epoch
errors-trouble-other = SQLite reports an error
errors-socket-create = cannot create a UDP socket for { $address }
errors-socket-configure = cannot set { $option } on the socket for { $address }
errors-socket-bind = cannot bind to { $address }
errors-socket-connect = cannot connect to { $address }
errors-drive-receive = cannot receive on { $address }
errors-drive-wait = cannot wait for datagrams
errors-no-thread = cannot start a thread
errors-no-randomness = the system gives no random numbers
errors-lines-missing = { $count ->
    [one] { $count } line is
   *[other] { $count } lines are
} missing here: the disk was full
errors-no-signals = cannot catch signals
errors-no-terminal = cannot take the terminal
errors-share-not-a-number = "{ $text }" is not a number; write a share such as 0.01, or a percentage such as 1%
errors-share-out-of-range = "{ $text }" is not between 0 and 1 (0% and 100%)
errors-share-no-percent-sign = "{ $text }" is not between 0 and 1; { $text } in a hundred is written { $text }%
errors-burst-too-short = a mean burst of { $burst } datagrams is not possible: a burst is one datagram at least
errors-burst-loss = a mean loss of { $loss } in bursts of { $burst } datagrams is not possible: at least one datagram must arrive between two bursts
errors-jitter-exceeds-delay = a jitter of { $jitter } exceeds the delay of { $delay }: datagrams would arrive before they left
errors-held-back-for-nothing = to be reordered, a datagram must be held back for longer than zero
errors-rate-zero = a rate of zero bytes a second carries nothing; use a loss of 100% instead
errors-mtu-zero = an MTU of zero carries nothing but empty datagrams
errors-ntp-short = { $length } bytes are too few for an NTP packet
errors-ntp-mode = not a server's reply, but mode { $mode }
errors-ntp-other-request = a reply to another request
errors-ntp-version = NTP version { $version } is unknown
errors-ntp-refuses = the server refuses: { $code }
errors-ntp-unsynchronised = the server's clock is not synchronised
errors-ntp-times = the server's times contradict each other
errors-ntp-too-far = the server's clock may be off by { $distance }
errors-key-form = not a P-256 private key in PKCS #8 form
errors-certificate-unmade = cannot make a certificate: { $why }
errors-certificate-missing = no CERTIFICATE in PEM form
errors-certificate-no-key = no PRIVATE KEY in PEM form
errors-certificate-unusable = cannot use the certificate or its key: { $why }
errors-certificate-mismatch = the PRIVATE KEY is not that of the CERTIFICATE
errors-idle-too-long = the idle timeout is longer than 146 years
errors-no-handshake = cannot begin a handshake: { $why }
errors-web-listen = cannot listen on TCP { $address }
errors-web-wait = cannot wait for connections
errors-member-file = cannot { $doing } { $file }
errors-member-too-many = too many programs use { $folder } already
errors-member-key = the key in { $folder } cannot be used; restore it, or move it away to be another member
errors-member-socket = cannot open a socket to { $hub }
errors-member-no-hub = no hub that takes members with a key answers at { $hub }: { $why }. Is the hub running? If it takes them at another port, use the invitation that `pigeon invite` shows there
errors-member-another = { $name } was met with the key { $known }, and the invitation names { $invited }; ask the operator which is right
errors-member-left = the member has left the hub
errors-not-said = not stored: { $why }
errors-not-said-yet = not stored yet: the message waits, and is sent again
errors-not-said-long = the text is longer than { $most } bytes
errors-not-said-full = too many messages wait for the hub
errors-why-ended = it ended the connection
errors-why-closed = it closed the connection: { $reason }
errors-why-silent = it is silent
errors-why-restarted = it no longer knows the connection; it was restarted
errors-why-full = it is full
errors-why-nobody = nobody listens there
errors-why-other-key = its key is { $found }, and not { $expected }
errors-why-stolen-key = it shows a certificate whose key { $found } it does not have
errors-why-protocol = it does not speak this protocol: { $what }
