# What `pigeon hub` says to its operator: at its start and at its console.

## What the hub says at its start

hub-join-or = { $pigeon }, or { $netcat }
hub-only-here = only this machine can join: { $join }; { $opened } opens it to the network
hub-on-network = on this network: { $joins }
hub-on-network-more = on this network: { $joins }; and { $more } more addresses
hub-no-network = this host has no address on a network yet, so only this machine can join
hub-door = { $format }, room { $room }: { $rest }
hub-asks-password = a password is asked: members give it by /pass
hub-asks-no-password = no password is asked
hub-kept-all = what is said is kept in { $folder }
hub-kept-names = what is said is not kept; names and bans are, in { $folder }
hub-kept-nothing = nothing is kept ({ $why }); --data DIR keeps names, bans and what is said
hub-kept-port = the system chose the port
hub-keyed = members with a key: UDP port { $port }, fingerprint { $fingerprint }
hub-invitation = invitation: { $link }
hub-keyed-not-yet = members with a key cannot join yet: { $why }; trying again. --secure PORT chooses another port
hub-page = page: { $url }
hub-operator-url = operator's view: its address is in { $file }
hub-operator-url-unkept = operator's view: cannot write { $file }: { $why }

## The console's answers

hub-members = { $count ->
    [one] { $count } member
   *[other] { $count } members
}
hub-console-closed = the console is closed; the hub goes on (Ctrl-C stops it)
hub-kicked = { $who } is removed for ten minutes, under this name also from another port; `unkick { $who }` lets it in again, and `ban` lasts
hub-banned = { $net } is banned; `unban { $net }` lifts it
hub-banned-key = the key of { $who } ({ $key }) is banned; `unban { $key }` lifts it, and `ban` with an address keeps out whoever makes a new key there
hub-ban-key = { $key } (a key)
hub-unkicked = { $who } may join again
hub-not-kicked = { $who } is not kicked; `bans` lists who is
hub-kick = { $who } ({ $label }) is kicked for another { $time }
hub-kick-address = { $who } is kicked, with the whole address { $ip }, for another { $time }
hub-mute-renamed = { $name } muted; its holder is { $now } now
hub-not-banned-unknown = { $who } is not banned: it is neither a member's name, a network nor a key
hub-not-banned-elsewhere = { $who } is not banned: only its own hub knows its address; ban it there
hub-not-banned-own = { $who } is not banned: all of this machine would be; kick it instead
hub-not-banned-full = { $who } is not banned: there are too many bans already
hub-unbanned = { $net } is no longer banned
hub-not-banned = { $net } is neither banned nor kicked; `bans` lists both
hub-bans = { $count } banned, { $kicked } kicked
hub-unmuted = { $who } may speak again
hub-not-muted = { $who } is not muted; `mutes` lists the muted names
hub-mute = { $name } muted
hub-slow = { $room } slow: { $time }
hub-in-all = { $count } in all
hub-slow-full = { $room } stays as it was: too many rooms are slow
hub-slow-off = { $room } is no longer slow
hub-slow-on = { $room } takes one message of each member in { $time }
hub-not-a-room = { $room } is not a valid room name: { $why }
hub-password-asked = newcomers are asked for this password until the hub stops
hub-password-off = nobody is asked for a password until the hub stops
hub-usage = usage: { $usage }: { $does }
hub-muted = { $name } is muted; `unmute { $name }` lifts it
hub-muted-absent = { $name } is muted, though nobody here has that name now; `unmute { $name }` lifts it
hub-mutes-full = { $name } is not muted: too many names are muted already
hub-muted-member = { $who } is muted while it is a member; `unmute { $who }` lifts it, and `ban` holds longer
hub-nobody = nobody here is called { $who }; `members` lists the members
hub-no-command-quit = there is no command { $word }; `quit` stops the hub
hub-no-command-shell = there is no command { $word }; that is for a shell: `quit` stops this hub first
hub-no-command-list = there is no command { $word }; `help` lists the commands
hub-no-command-say = there is no command { $word }; `say …` speaks to everybody, `help` lists the commands
hub-no-command-meant = there is no command { $word }; did you mean { $meant }? `help` lists the commands
hub-said = said in every room
hub-said-in = said in { $room } only
hub-too-long = not sent: a text has at most { $most } bytes
hub-not-sent = not sent: { $why }
hub-keeps-nothing = this hub keeps nothing
hub-not-a-room-name = { $room } is not a valid room name
hub-nothing-kept-of = nothing is kept of { $room }
hub-not-forgotten = nothing is deleted: { $error }
hub-forget-room = all that was said in { $what } would be deleted for good: `forget room { $what }` does it
hub-forget-name = all that was said by { $what } would be deleted for good: `forget name { $what }` does it
hub-forgetting-room = deleting what was said in { $what }; the log reports when it is done
hub-forgetting-name = deleting what { $what } said; the log reports when it is done
hub-no-password-yet = (no password yet)
hub-heard = heard { $time } ago
hub-dropped = { $count } dropped
hub-is-muted = muted
hub-members-more = and { $more } more, { $total } members in all
hub-rooms = { $count ->
    [one] { $count } room
   *[other] { $count } rooms
}

## The console's help. The commands themselves are not translated.

hub-help-members = list who is here: name, address, room, last heard, messages a second, drops
hub-help-rooms = list the open rooms
hub-help-stats = show the counters since the start
hub-help-say = speak as the operator, to one room or to all
hub-help-msg = speak as the operator to one member
hub-help-kick = remove a member for ten minutes: its key, port, resume word and name, and its address if nobody else is behind it
hub-help-unkick = let a kicked member in again
hub-help-ban = ban a network, the key of a member, or the address of one without a key
hub-help-unban = lift a ban, or a kick
hub-help-bans = list the banned networks and keys, and the kicked members with the time left
hub-help-mute = let nobody speak under this name, nor the member that has it
hub-help-unmute = let it speak again
hub-help-mutes = list the muted names and the slow rooms
hub-help-slow = allow each member one message in this time: slow lobby 2s; 0s lifts it
hub-help-forget = delete for good what was said: forget room lobby, forget name 小明
hub-help-password = ask newcomers for another password until the hub stops; off: for none
hub-help-reload = read the settings again, as SIGHUP does
hub-help-quit = say goodbye to everybody and stop the hub
hub-help-help = explain a command, or all
hub-help-question = the same

## The counters that `stats` shows

hub-stat-members = members
hub-stat-joined = joined
hub-stat-datagrams-received = datagrams received
hub-stat-dropped-by-the-kernel = dropped by the kernel
hub-stat-heartbeats = heartbeats
hub-stat-messages = messages
hub-stat-commands = commands
hub-stat-proofs-asked = proofs asked
hub-stat-lines-withheld-from-strangers = lines withheld from strangers
hub-stat-datagrams-sent = datagrams sent
hub-stat-let-others-go-first = let others go first
hub-stat-probes = probes
hub-stat-proved-to-answer-by-themselves = proved to answer by themselves
hub-stat-trials-put-off = trials put off
hub-stat-names-given-up-early = names given up early
hub-stat-names-kept-no-longer = names kept no longer
hub-stat-kicks-forgotten-early = kicks forgotten early
hub-stat-events-not-logged-in-time = events not logged in time
hub-stat-in-trains = {"  "}in trains
hub-stat-resent = {"  "}trains resent singly
hub-stat-dropped = dropped: { $why }
hub-left-quit = left
hub-left-timed-out = timed out
hub-left-kicked = removed by the operator
hub-left-banned = banned by the operator
hub-left-moved = moved to another address
hub-left-displaced = gave way to a newcomer
hub-dropped-bad-source = bad source address
hub-dropped-banned = banned
hub-dropped-kicked = removed lately
hub-dropped-truncated = truncated
hub-dropped-reply = a reply
hub-dropped-answers-by-itself = answers by itself
hub-dropped-unproved = address not proved
hub-dropped-bad-proof = bad proof
hub-dropped-hub-full = hub full
hub-dropped-address-full = address full
hub-dropped-locals-full = hub's addresses full
hub-dropped-room-full = room full
hub-dropped-too-many-rooms = too many rooms
hub-dropped-raw-room = raw room
hub-dropped-no-password = no password
hub-dropped-guess-limited = too many guesses
hub-dropped-muted = muted
hub-dropped-too-soon = slow room
hub-dropped-rate-limited = member's rate
hub-dropped-hub-rate-limited = hub's rate
hub-dropped-work-limited = hub's work
hub-dropped-heartbeat-unanswered = heartbeat not answered
hub-dropped-encodings-full = room's encodings full
hub-dropped-text-too-long = text too long
hub-dropped-asked-before = asked before
hub-dropped-out-of-reach = out of reach
hub-dropped-not-a-question = not a question
hub-dropped-questions-full = questions full
hub-dropped-not-member = not a member
hub-dropped-batch-full = batch full
hub-dropped-answers-full = answers full
hub-stat-history = history
hub-stat-well = well
hub-stat-newest = newest stored position
hub-stat-not-kept = messages not kept
hub-stat-keyed = members with a key
hub-stat-keyed-connections = {"  "}connections
hub-stat-keyed-half-open = {"  "}handshakes under way
hub-stat-keyed-opened = {"  "}connections since the start
hub-stat-keyed-retries = {"  "}asked to prove their address
hub-stat-keyed-said = {"  "}messages said
hub-stat-keyed-delivered = {"  "}messages delivered
hub-stat-keyed-read = {"  "}bytes read
hub-stat-keyed-written = {"  "}bytes written
hub-stat-keyed-moved = {"  "}moved to another address
hub-stat-keyed-full = {"  "}refused: the hub is full
hub-stat-keyed-address = {"  "}refused: too many from one address
hub-stat-keyed-handshakes = {"  "}refused: too many handshakes
hub-stat-keyed-initials = {"  "}dropped: first packets above the rate
hub-stat-keyed-met = {"  "}came to learn the hub's key
hub-stat-keyed-failed = {"  "}handshakes failed
hub-stat-keyed-unproved = {"  "}closed: wrong proof of a key
hub-stat-keyed-silent = {"  "}closed: no proof of a key in time
hub-stat-keyed-broken = {"  "}closed: not the protocol
hub-stat-keyed-replaced = {"  "}closed: goes on over another connection
hub-stat-keyed-overflowed = {"  "}closed: reads nothing
hub-stat-keyed-idle = {"  "}lost: silent for too long
hub-stat-keyed-refused = {"  "}messages refused
hub-stat-keyed-conflicts = {"  "}messages with a number in use
hub-stat-keyed-commands = {"  "}commands above the rate
hub-stat-keyed-behind = {"  "}fell behind
hub-stat-keyed-resets = {"  "}followed what the log does not hold
hub-stat-keyed-unreadable = {"  "}failed reads of the log
hub-stat-keyed-unknown = {"  "}dropped: of no connection
hub-stat-keyed-unsent = {"  "}datagrams not sent
hub-stat-page = members on the page
hub-stat-page-connections = {"  "}connections
hub-stat-page-websockets = {"  "}WebSockets
hub-stat-page-accepted = {"  "}connections since the start
hub-stat-page-requests = {"  "}requests answered
hub-stat-page-full = {"  "}refused: too many connections
hub-stat-page-requests-bad = {"  "}refused: not a valid request
hub-stat-page-host = {"  "}refused: a Host that is not allowed
hub-stat-page-origin = {"  "}refused: another site's page
hub-stat-page-tls = {"  "}refused: TLS failed
hub-stat-page-tokens = {"  "}wrong tokens for the operator's view
hub-stat-page-tokens-limited = {"  "}tokens not looked at after wrong ones
hub-stat-page-displaced = {"  "}closed: gave way to newer connections
hub-stat-page-silent = {"  "}closed: no request in time, or silent for too long
hub-stat-page-stuck = {"  "}closed: takes nothing
hub-stat-page-websockets-broken = {"  "}closed: not a valid WebSocket frame

## Settings

hub-password-empty = an empty password would let everyone in; leave the setting out to ask for none
hub-password-blank = a password must not begin or end with white space, since members cannot type that
hub-password-line = a password must be a single line
hub-password-long = a password has at most 1,000 bytes
hub-password-unreadable = cannot read the password from { $file }
hub-password-both-set = PIGEON_HUB_PASSWORD and PIGEON_HUB_PASSWORD_FILE are both set; unset one
hub-password-both-given = --password and --password-file are both given; leave one out
hub-password-on-command-line = other users of this machine can read the password on the command line; put it into a file of mode 600 and name that with --password-file
hub-password-readable = every user of this machine can read the password in { $file }; run chmod 600 { $file }
hub-door-format = { $word } is not a valid format; write chat@, classic@ or raw@, or leave it out
hub-door-raw = { $raw } is raw and the room { $room } has lines at another door; give it a room of its own, such as { $raw }=video
hub-encoding-not-ascii = { $encoding } does not contain ASCII, so commands could not be read
hub-page-open = page: { $url }
hub-page-operator = operator's view: { $url } (keep it to yourself: who has it can remove members)
hub-page-off = no page is served; --page PORT serves one
hub-page-gone = the page is not served at present; its port is being opened again
hub-help-page = show the page's address as a QR code, and that of the operator's view
hub-page-missing = --page-certificate and --page-name need --page
hub-page-without-history = the page needs history and a folder for it; leave out --history off, and give --data DIR or a --listen port other than 0
hub-cluster-broker = { $broker } is not a NATS server; use nats://HOST, nats://HOST:PORT or tls://HOST
hub-cluster-name = { $name } is not a cluster's name; use up to 32 letters, digits, - and _
hub-cluster-missing = --cluster-name, --cluster-user, --cluster-password, --cluster-credentials and --cluster-authority need --cluster
hub-cluster-without-history = a cluster needs history and a folder for it; leave out --history off, and give --data DIR or a --listen port other than 0
hub-cluster-credentials = give --cluster-user with --cluster-password, or --cluster-credentials alone
hub-cluster-on-command-line = other users of this machine can see the password for the NATS servers on the command line; use PIGEON_HUB_CLUSTER_PASSWORD or --cluster-credentials
hub-cluster-unreadable = cannot read { $file }; check --cluster-credentials and --cluster-authority
hub-cluster-creds = { $file } is not a credentials file; give --cluster-credentials a file that nsc has written
hub-cluster-authority = { $file } holds no certificate; give --cluster-authority a PEM file, which has the line -----BEGIN CERTIFICATE-----
hub-check-cluster = cluster: { $what }
hub-cluster-starts = cluster { $name }, over { $brokers }
hub-cluster-is-cut-off = cluster: cut off; members of this hub hear each other only
hub-cluster-reads = cluster: connected; reading what was said meanwhile
hub-cluster-is-in-order = cluster: in order
hub-cluster-alive = cluster: other hubs alive: { $count }
hub-cluster-differs = the cluster's stream is not as it should be: { $what }; change it with the nats program
hub-cluster-trouble = cannot use the NATS servers ({ $brokers }): { $why }; this hub goes on alone and tries again
hub-cluster-refused = they refuse this user or password; check --cluster-user and PIGEON_HUB_CLUSTER_PASSWORD, or --cluster-credentials
hub-cluster-tls = no encrypted connection ({ $why }); check tls:// and --cluster-authority
hub-cluster-unknown = nobody knows the name of such a host; check --cluster
hub-cluster-unreached = nobody listens there, or the connection was lost; check that nats-server runs, and the firewall
hub-cluster-silent = no answer came; check the network, or whether most of the servers are down
hub-cluster-no-jetstream = JetStream is off there; start nats-server with --jetstream
hub-cluster-same-name = another hub of this cluster is called { $name } too; give each a --name of its own
hub-cluster-banned = { $net } is banned, as at another hub
hub-cluster-unbanned = { $net } is not banned any more, as at another hub
hub-cluster-place = the log holds a place in a cluster that this program cannot read; use a newer pigeon
hub-cluster-cut-off = cut off
hub-cluster-catching-up = catching up
hub-cluster-in-order = in order
hub-stat-cluster = cluster
hub-stat-cluster-others = other hubs
hub-stat-cluster-members = members at other hubs
hub-stat-cluster-waiting = messages waiting for their place
hub-stat-cluster-read = records read
hub-stat-cluster-doubles = doubles
hub-stat-cluster-epochs = epochs
hub-stat-cluster-said-again = said again for other hubs
hub-stat-cluster-dropped = not shared for want of room
hub-page-name = `{ $name }` is not a valid name; write a host's name such as chat.example.org, without https:// and port
hub-page-unread = cannot read the certificate in { $file }
hub-page-certificate = { $file }: { $why }; write the certificate, its chain and its private key into one PEM file

## pigeon invite

hub-invite-keyed = with a key, encrypted: pigeon join { $link }
hub-invite-none = no hub of yours runs here; `pigeon hub` starts one, and --data DIR names the folder of a service's
hub-invite-none-at = no hub of yours listens at { $listen } here; without --listen, `pigeon invite` shows the one that runs
hub-invite-none-on = no hub runs on the data in { $folder }, or you may not read its file `invitation`
hub-invite-several = several hubs run here; choose one with --listen or --data
hub-invite-which = Which one? (1 to { $hubs }){" "}
hub-invite-none-chosen = no hub was chosen
hub-ipmsg-scan = --ipmsg-scan needs --ipmsg
hub-ipmsg-address = write an IPv4 address of this host, e.g. 192.168.1.20, or * for all; the port is 2425, the only one that other programs write to
hub-ipmsg-ipv6 = { $net } is an IPv6 network; it is too large to search
hub-ipmsg-net = write a network, e.g. 192.168.7.0/24
hub-ipmsg-too-many = these are { $many } addresses; at most { $most } are searched
hub-ipmsg-not-ascii = { $encoding } does not contain ASCII, which the packets consist of
hub-ipmsg-raw-door = --ipmsg needs a first door that is not raw: what people write is said there

## pigeon hub --check

hub-check-config = configuration: { $file } is good
hub-check-no-config = configuration: no file is named
hub-check-doors = doors: { $what }
hub-check-password = password: { $what }
hub-check-asked = is required
hub-check-not-asked = none is required
hub-check-data = data: { $what }
hub-check-whole = data: the log in { $folder } is whole
hub-check-none-yet = data: no log is in { $folder } yet

## Log lines that hold a message of another table. The JSON log is in English.

hub-undiscoverable = `pigeon discover` may not find this hub: { $why }
hub-discoverable = listening for those who look for hubs: { $what }
hub-not-reloaded = settings not read again, nothing changed: { $why }
