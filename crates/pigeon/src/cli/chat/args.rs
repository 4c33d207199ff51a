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

/// Talk straight to other UDP programs, without a hub
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon chat 192.168.1.103:8080 --encoding gb2312
  pigeon chat 狗哥 猴哥                  contacts, each in its own encoding
  pigeon chat --bind 8080               wait for whoever writes to port 8080
  echo 你好 | pigeon chat 狗哥           say a line, print what comes for 2 s, leave

A message is one datagram, raw text, so the far side may be `nc -u` or ten lines of Python. Whoever
writes appears; what you type goes to the one you chose: /to NAME, ENDPOINT or NUMBER chooses, /list
shows, quit leaves the conversation and once more the chat, /help has the rest.

A contact that was added with --ipmsg is spoken to as IP Messenger does, in lines, and each line is
delivered or not delivered.

On a terminal it takes the whole screen, and whoever is shown is answered; ? on an empty line or
F1 shows the keys. --line prints lines instead.")]
pub(crate) struct Args {
    /// Whom to talk to: contacts' names, HOST:PORT, [V6]:PORT, or HOST PORT as two words; what you type goes to the first
    #[arg(value_name = "NAME|ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    pub(super) peers: Vec<String>,

    #[command(flatten)]
    pub(super) family: Family,

    /// Where to be reached: [ADDR:]PORT [default: every address, a port that the system chooses]
    #[arg(long, value_name = "[ADDR:]PORT")]
    pub(super) bind: Option<ListenAddress>,

    /// The encoding of those who have none of their own as contacts; auto reads UTF-8 or GB18030
    /// and writes what the peer last used
    #[arg(long, value_name = "LABEL", default_value = "utf-8", value_parser = charset, add = ArgValueCandidates::new(charsets))]
    pub(super) encoding: Charset,

    /// Hear strangers from this network or address only; may be given several times
    #[arg(long, value_name = "NET", value_parser = net)]
    pub(super) from: Vec<IpNet>,

    /// How long to stay for replies after the end of piped input
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = quantity::duration)]
    pub(super) wait: Duration,

    /// Print one JSON object a message: time, from, to, len, text or base64, truncated, name; one of to
    /// and result (refused, unsent, unreachable: with error; moved: with now) where one is lost or a
    /// name stands for another address
    #[arg(long)]
    pub(super) json: bool,

    /// Lines instead of a full screen, as where stdin or stdout is no terminal
    #[arg(long)]
    pub(super) line: bool,
}
