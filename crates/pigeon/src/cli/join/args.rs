//! The arguments of `pigeon join`.

use std::path::PathBuf;
use std::time::Duration;

use clap_complete::ArgValueCandidates;
use pigeon_proto::Language;

use crate::base::endpoint::{Family, peer_port};
use crate::base::locale;
use crate::base::quantity;
use crate::base::switch::Switch;
use crate::contacts::peer;

/// Join a hub: read what others say, send what you type
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon join  # the hub on this machine, or the only one on the network
  pigeon join 192.168.1.20 --nick 狗哥  # a hub on the network, under a name
  pigeon join library  # a hub by its name
  echo hello | pigeon join  # send a line, print replies for 2 s, leave
  pigeon join 10.0.0.1:9998 --forward 127.0.0.1:5004  # a room's video, for `ffplay udp://127.0.0.1:5004`
  pigeon join 10.0.0.1:9998 --raw < /dev/null > room  # a room's bytes into a file

On a terminal it uses the whole screen; press ? on an empty line, or F1, for the keys. --line prints
lines instead. `quit`, Ctrl-D or Ctrl-C leaves; /help lists the hub's commands. A line that begins
with // sends a text that begins with /.

Kinds of JSON objects (each also has `time`; docs/protocol.md explains a hub's words):
  message  room, from (in chat format), text or base64
  private  from or to, text
  said  room, position, sent (Unix time), link, from, text: an earlier message
  notice  room, version, change, names, more: somebody came, left or took another name
  roster  room, version, people, senders, offset, names: the answer to /who
  rooms  offset, total, names, counts: the answer to /rooms
  name  name, room, word: your name and room
  refused  what, reason, detail: a command or line the hub did not take
  set  setting, value
  gone  reason: kicked, banned, moved, timed-out or stopped
  help  the answer to /help
  joined  hub, plain; for a pigeon hub also members, format, secure_port
  away  hub, reason: refused or timed-out
  again  hub, after (seconds): the hub is back
  moved  hub, from: the hub's name now resolves to another address
  unheard  hub: nothing has been heard from it so far
  unreachable  hub, error: the system reports that the hub cannot be reached
  reachable  hub: heard from again
  unsent  hub, error: a line was not sent
  forward  to, reason: refused, unreachable, repeats or loop; error if the system gave one
  secure  hub, fingerprint, first (whether this is the first contact): encrypted and stored from now on
  insecure  hub, error: the hub offers encryption, and it does not work
  delivery  hub, state, text, reason: what became of a message, or of the connection

Exit status:
  0  left
  1  refused, or nothing heard; in a script, also if the hub did not take a line

Files:
  ~/.config/pigeon/contacts.toml  contacts (`pigeon contacts`)
  ~/.local/state/pigeon/  names held at hubs, so that they are yours again after a restart

Environment:
  PIGEON_PASSWORD  the hub's password, if --password-file is not given
  PIGEON_STATE  the state directory instead of ~/.local/state/pigeon; empty keeps nothing")]
pub(crate) struct Args {
    /// Hub to join: HOST[:PORT] (port 9999 by default), a contact, or the name of a hub on the network
    /// [default: the hub on this machine, else the one that `pigeon discover` finds]
    #[arg(value_name = "HOST[:PORT]", add = ArgValueCandidates::new(peer::candidates))]
    pub(super) hub: Option<String>,

    /// Port of the hub, if given as a word of its own
    #[arg(value_name = "PORT", value_parser = peer_port)]
    pub(super) port: Option<u16>,

    #[command(flatten)]
    pub(super) family: Family,

    /// Your name: one word; not sent with --plain or to a raw hub, where it would be data
    #[arg(long, value_name = "NAME")]
    pub(super) nick: Option<String>,

    /// File that holds the hub's password; it is given whenever the hub asks
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,

    /// Speak plain datagrams as any program does; expect no answers to heartbeats
    #[arg(long)]
    pub(super) plain: bool,

    /// Language of messages and help [default: from LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "en|zh", value_parser = locale::parse, add = ArgValueCandidates::new(locale::candidates), display_order = 1_002)]
    pub(super) language: Option<Language>,

    /// Time between heartbeats; each is sent up to a fifth earlier
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = quantity::heartbeat)]
    pub(super) heartbeat: Duration,

    /// How long to wait for replies after the end of piped input
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = quantity::duration)]
    pub(super) wait: Duration,

    /// Print one JSON object per event: time, kind, room, from, text or base64, and what else the kind
    /// has (listed below)
    #[arg(long)]
    pub(super) json: bool,

    /// Write payloads to stdout as they are, and nothing else; bytes from stdin go into the room in
    /// datagrams of up to 1,316 bytes. With an empty stdin (`< /dev/null`) it only listens
    #[arg(long, conflicts_with_all = ["json", "line"])]
    pub(super) raw: bool,

    /// Forward each message of the room as a datagram to a player or another program instead of
    /// printing it (with --json or --raw, in addition); may be repeated
    #[arg(long, value_name = "ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    pub(super) forward: Vec<String>,

    /// Ring the terminal's bell when somebody names you or writes to you privately
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On)]
    pub(super) bell: Switch,

    /// Print lines instead of using the full screen, as when stdin or stdout is not a terminal
    #[arg(long)]
    pub(super) line: bool,
}

impl Args {
    /// The requested language, or the locale's.
    pub(super) fn language(&self) -> Language {
        self.language.unwrap_or_else(locale::asked)
    }
}
