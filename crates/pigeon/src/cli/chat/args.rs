//! The arguments of `pigeon chat`.

use std::time::Duration;

use clap_complete::ArgValueCandidates;
use ipnet::IpNet;
use pigeon_text::Charset;

use crate::base::endpoint::{Family, ListenAddress};
use crate::base::networks::net;
use crate::base::payload::{charset, charsets};
use crate::base::quantity;
use crate::contacts::peer;

/// Talk to other UDP programs directly, without a hub
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon chat 192.168.1.103:8080 --encoding gb2312
  pigeon chat 狗哥 猴哥  # contacts, each in its own encoding
  pigeon chat --bind 8080  # wait for whoever writes to port 8080
  echo 你好 | pigeon chat 狗哥  # send a line, print replies for 2 s, leave

A message is one datagram of plain text, so the other side may be `nc -u` or ten lines of Python.
What you type goes to the chosen peer; anyone who writes to you appears in the list. Lines to a contact
added with --ipmsg use the IP Messenger protocol, and each is reported as delivered or not.

Commands while it runs:
  /to NAME|ENDPOINT|NUMBER  chooses a peer
  /list  lists the peers
  quit  closes the conversation; a second quit ends the chat
  /help  lists the rest

On a terminal it uses the whole screen; press ? on an empty line, or F1, for the keys. --line prints
lines instead.

Files:
  ~/.config/pigeon/contacts.toml  contacts (`pigeon contacts`)")]
pub(crate) struct Args {
    /// Whom to talk to: contacts, HOST:PORT, [V6]:PORT, or HOST PORT as two words; what you type goes
    /// to the first
    #[arg(value_name = "NAME|ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    pub(super) peers: Vec<String>,

    #[command(flatten)]
    pub(super) family: Family,

    /// Local address and port to receive messages on [default: every address, a port the system chooses]
    #[arg(long, value_name = "[ADDR:]PORT")]
    pub(super) bind: Option<ListenAddress>,

    /// Encoding for peers without one of their own (see `pigeon contacts`); auto reads UTF-8 or GB18030
    /// and writes what the peer last used
    #[arg(long, value_name = "LABEL", default_value = "utf-8", value_parser = charset, add = ArgValueCandidates::new(charsets))]
    pub(super) encoding: Charset,

    /// Accept strangers from this network or address only; may be repeated
    #[arg(long, value_name = "NET", value_parser = net)]
    pub(super) from: Vec<IpNet>,

    /// How long to wait for replies after the end of piped input
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = quantity::duration)]
    pub(super) wait: Duration,

    /// Print one JSON object per message: time, from, to, len, text or base64, truncated, name; or to
    /// and result: refused, unsent and unreachable (with error), moved (with now)
    #[arg(long)]
    pub(super) json: bool,

    /// Print lines instead of using the full screen, as when stdin or stdout is not a terminal
    #[arg(long)]
    pub(super) line: bool,
}
