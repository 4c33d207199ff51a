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

/// Join a hub: what others say appears, what you type goes to everyone
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{JSON}"))]
pub(crate) struct Args {
    /// The hub: HOST[:PORT], port 9999 where none is given, a contact, or the name of a hub on the
    /// network [default: this machine's hub, else the one that `pigeon discover` finds]
    #[arg(value_name = "HOST[:PORT]", add = ArgValueCandidates::new(peer::candidates))]
    pub(super) hub: Option<String>,

    /// The port, where it is a word of its own
    #[arg(value_name = "PORT", value_parser = peer_port)]
    pub(super) port: Option<u16>,

    #[command(flatten)]
    pub(super) family: Family,

    /// What to be called: one word (not asked for with --plain or at a raw hub, where it would be data)
    #[arg(long, value_name = "NAME")]
    pub(super) nick: Option<String>,

    /// The file that holds the hub's password, given whenever the hub asks for it (PIGEON_PASSWORD in
    /// the environment holds the password itself)
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,

    /// Speak plain datagrams as any program does, and expect no answers to heartbeats
    #[arg(long)]
    pub(super) plain: bool,

    /// The language of the hub's notices: zh or en [default: from LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "LANGUAGE", value_parser = locale::parse, add = ArgValueCandidates::new(locale::candidates))]
    pub(super) language: Option<Language>,

    /// The time between heartbeats (each is up to a fifth earlier)
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = quantity::heartbeat)]
    pub(super) heartbeat: Duration,

    /// How long to stay for replies after the end of piped input
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = quantity::duration)]
    pub(super) wait: Duration,

    /// Print one JSON object an event: time, kind, room, from, text or base64, and what the kind needs
    /// (--help lists the kinds)
    #[arg(long)]
    pub(super) json: bool,

    /// Write the payloads as they are to stdout, and nothing else; stdin's bytes go into the room, each
    /// read a datagram of up to 1,316 bytes. An empty stdin (`< /dev/null`) only listens
    #[arg(long, conflicts_with_all = ["json", "line"])]
    pub(super) raw: bool,

    /// Send each message of the room on as a datagram, to a player or another program, instead of
    /// showing it (with --json and --raw: as well); may be given several times
    #[arg(long, value_name = "ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    pub(super) forward: Vec<String>,

    /// Whether the terminal's bell rings when somebody names you or writes to you alone
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t = Switch::On)]
    pub(super) bell: Switch,

    /// Lines instead of a full screen, as where stdin or stdout is not a terminal
    #[arg(long)]
    pub(super) line: bool,
}

const EXAMPLES: &str = "\
Examples:
  pigeon join                           the hub on this machine, or the only one on the network
  pigeon join 192.168.1.20 --nick 狗哥  a hub on the network, under a name
  pigeon join library                   a hub by its own name
  echo hello | pigeon join              say a line, print what comes for 2 s, leave
  pigeon join 10.0.0.1:9998 --forward 127.0.0.1:5004   a room's video for `ffplay udp://127.0.0.1:5004`
  pigeon join 10.0.0.1:9998 --raw < /dev/null > room   the bytes of a room in a file

On a terminal it takes the whole screen; ? on an empty line or F1 shows the keys. --line prints
lines instead. `quit`, Ctrl-D or Ctrl-C leaves; /help lists what a hub understands. A line that
begins with // says a text that begins with /. Exit status 1: refused, nothing heard, or in a
script a line that the hub did not take.";

/// The fields are described in `record`.
const JSON: &str = "\
With --json each line is one flat object with `time` and `kind`. The words of a hub stand in it as
they are in its control lines (docs/protocol.md):
  message   room, from (chat format), text or base64
  private   from or to, text
  said      room, position, sent (Unix time), link, from, text: what was said before
  notice    room, version, change, names, more: who came, went or took another name
  roster    room, version, people, senders, offset, names: the answer to /who
  rooms     offset, total, names, counts: the answer to /rooms
  name      name, room, word: who you are, and where
  refused   what, reason, detail: what was not done, and why
  set       setting, value
  gone      reason: kicked, banned, moved, timed-out or stopped
  help      the answer to /help
  joined    hub, plain, and of a pigeon hub: members, format, secure_port
  away      hub, reason: refused or timed-out
  again     hub, after (seconds): the hub is back
  moved     hub, from: the hub's name stands for another address now
  unheard   hub: nothing was heard so far
  unreachable hub, error: the system's word about the way there
  reachable hub: heard again after that
  unsent    hub, error: a line was not sent, and the system's word about it
  forward   to, reason: refused, unreachable, repeats or loop; error where the system gave one";

impl Args {
    /// The language asked for, or the locale's.
    pub(super) fn language(&self) -> Language {
        self.language.unwrap_or_else(locale::asked)
    }
}
