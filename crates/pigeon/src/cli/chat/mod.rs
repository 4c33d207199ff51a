//! `pigeon chat`: straight to other UDP programs, several at once.

mod face;
mod full;
mod lines;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use anyhow::Context;
use clap_complete::ArgValueCandidates;
use ipnet::IpNet;
use pigeon_client::chat::{Chat, Config, Conversation, Event, HELP, Known, Said};
use pigeon_datagram::Instant;
use pigeon_net::{Clock, Driver, Host, Socket, SocketOptions, Stats, Waker};
use pigeon_text::Charset;

use super::bind::{bind, one_host};
use super::endpoint::{Family, ListenAddress, ListenHost};
use super::exit::Status;
use super::listen::net;
use super::quantity;
use super::signals::{Stop, on_stop};
use super::spelling::{charset, charsets};
use super::whom;
use crate::contacts;
use crate::output::Color;
use crate::ui::screen::MAX_PLACES;
use crate::ui::terminal;
use crate::ui::typist::Typed;
use face::{Face, Wish};
use full::Full;
use lines::Lines;

/// How long output may still be written after the chat is over.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The most lines that are held while somebody is looked up; then reading waits.
const MAX_HELD: usize = 1_024;

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

On a terminal it takes the whole screen, and whoever is shown is answered; ? on an empty line or
F1 shows the keys. --line prints lines instead.")]
pub(crate) struct Args {
    /// Whom to talk to: contacts' names, HOST:PORT or [V6]:PORT; what you type goes to the first
    #[arg(value_name = "NAME|ENDPOINT", add = ArgValueCandidates::new(whom::candidates))]
    whom: Vec<String>,

    #[command(flatten)]
    family: Family,

    /// Where to be reached: [ADDR:]PORT [default: every address, a port that the system chooses]
    #[arg(long, value_name = "[ADDR:]PORT")]
    bind: Option<ListenAddress>,

    /// The encoding of those who have none of their own as contacts; auto reads UTF-8 or GB18030
    /// and writes what the peer last used
    #[arg(long, value_name = "LABEL", default_value = "utf-8", value_parser = charset, add = ArgValueCandidates::new(charsets))]
    encoding: Charset,

    /// Hear strangers from this network or address only; may be given several times
    #[arg(long, value_name = "NET", value_parser = net)]
    from: Vec<IpNet>,

    /// How long to stay for replies after the end of piped input
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = quantity::duration)]
    wait: Duration,

    /// Print one JSON object a message: time, from, to, len, text or base64, truncated, name; one of
    /// to and result where somebody refuses
    #[arg(long)]
    json: bool,

    /// Lines instead of a full screen, as where stdin or stdout is no terminal
    #[arg(long)]
    line: bool,
}

/// Talks until the person leaves.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let peers =
        args.whom.iter().map(|word| find(word, args.family)).collect::<Result<Vec<_>, _>>()?;
    let listen = args.bind.unwrap_or(ListenAddress { host: ListenHost::Unsaid, port: 0 });
    let listen = args.family.listen(listen)?;
    let socket = bind(listen, &SocketOptions { refusals: true, ..SocketOptions::default() })?;
    let full = !args.line && !args.json && terminal::can_be_full();
    let mut chat = Chat::new(config(&args, listen, &socket, full));
    let contacts = contacts::load();
    for contact in contacts.iter().flat_map(contacts::Contacts::iter) {
        // Those with a host's name are known once they are written to: looking all of them up
        // would hold up the start, and tell the network who one's friends are.
        if let Some(address) = contact.endpoint.address() {
            let name = Some(contact.name.as_str().into());
            chat.know(address, Known { name, charset: contact.charset });
        }
    }
    for (peer, known) in peers {
        chat.open(peer, known)?;
    }

    let bound = socket.local_addr();
    let mut words = vec![format!("listening on {bound}; /help shows what can be typed")];
    if let Err(error) = &contacts {
        words.push(format!("going on without contacts: {error:#}"));
    }
    let clock = Clock::start();
    let mut driver =
        Driver::new(chat, socket).context("cannot watch the socket")?.with_clock(clock);
    // Before the terminal is taken, so that no signal leaves it behind.
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let (chat, waker) = (driver.machine(), driver.waker());
    let face = match full {
        true => {
            let names = contacts.iter().flat_map(contacts::Contacts::iter);
            let names = names.map(|contact| contact.name.as_str().to_string()).collect();
            Face::Full(Box::new(Full::open(chat, bound, waker, color, names, &words)?))
        }
        false => Face::Lines(Lines::open(chat, bound, waker, &args, color, &words)?),
    };
    let (family, waker) = (args.family, driver.waker());
    let (lookup, held, status) = (None, VecDeque::new(), Status::Done);
    let mut around = Around { face, stop, waker, lookup, held, family, unsent: 0, status };
    let outcome = driver.run(&mut around);
    let words = sum_up(driver.machine(), around.face.dropped());
    around.face.close(std::time::Instant::now() + LAST_WORDS, &words)?;
    outcome?;
    Ok(around.status)
}

fn config(args: &Args, listen: ListenAddress, socket: &Socket, full: bool) -> Config {
    // One place of the screen is nobody's.
    let most = if full { MAX_PLACES - 1 } else { usize::MAX };
    let local = socket.local_addr();
    let one = matches!(listen.host, ListenHost::Ip(_)) || local.is_ipv4();
    Config {
        charset: args.encoding,
        from: args.from.clone(),
        ipv4: !one || local.is_ipv4(),
        ipv6: !one || local.is_ipv6(),
        max_conversations: Config::default().max_conversations.min(most),
    }
}

/// Looks up whom a word means. It may take as long as the resolver does.
fn find(word: &str, family: Family) -> anyhow::Result<(SocketAddr, Known)> {
    let whom = whom::parse(word, None)?;
    let name = whom.name.map(|name| name.as_str().into());
    let peer = whom.endpoint.resolve_in(family)?;
    one_host(peer)?;
    Ok((peer, Known { name, charset: whom.charset }))
}

/// Tells what was not shown; `dropped` lines were too many for the output.
fn sum_up(chat: &Chat, dropped: u64) -> Vec<String> {
    let counters = chat.counters();
    let told = [
        (counters.filtered, "messages from elsewhere not shown"),
        (counters.crowded_out, "messages not shown as there were too many conversations"),
        (counters.forgotten, "strangers forgotten to make room for others"),
        (counters.events_lost + dropped, "lines not shown as output was too slow"),
    ];
    let told = told.iter().filter(|(count, _)| *count > 0);
    told.map(|(count, what)| format!("{what}: {count}")).collect()
}

/// What stands around the chat: the person, and a signal to stop.
struct Around {
    face: Face,
    stop: Stop,
    waker: Waker,
    /// Somebody is being looked up. Lines typed behind it wait, as they are meant for that peer.
    lookup: Option<Receiver<anyhow::Result<(SocketAddr, Known)>>>,
    /// What was wished for and not granted yet.
    held: VecDeque<Wish>,
    family: Family,
    /// Datagrams the system would not send, as far as that has been told.
    unsent: u64,
    status: Status,
}

impl Host<Chat> for Around {
    fn woken(&mut self, chat: &mut Chat, now: Instant, stats: &Stats) -> ControlFlow<()> {
        if let Some(status) = self.stop.status() {
            self.status = status;
            chat.leave();
        }
        self.mind_unsent(stats);
        self.mind_lookup(chat);
        while self.held.len() < MAX_HELD
            && let Some(wish) = self.face.next()
        {
            if matches!(wish, Wish::Typed(Typed::Leave(status)) if status != Status::Done) {
                // Nobody has to wait for a resolver to leave.
                self.grant(chat, wish);
            } else {
                self.held.push_back(wish);
            }
        }
        // As many lines as one drain carries; the rest follow at once.
        for _ in 0..64 {
            if self.lookup.is_some() {
                break;
            }
            let Some(wish) = self.held.pop_front() else { break };
            self.grant(chat, wish);
        }
        if self.lookup.is_none() && !self.held.is_empty() {
            self.waker.wake();
        }
        self.face.look(chat, now, stats);
        ControlFlow::Continue(())
    }

    fn event(&mut self, chat: &Chat, _: Instant, event: Event) -> ControlFlow<()> {
        match event {
            Event::Received(message) => self.face.received(chat, &message),
            Event::Appeared { peer, chosen: true } => self.face.chosen(chat, peer),
            Event::Appeared { peer, chosen: false } => self.face.appeared(chat, peer),
            Event::Refused(peer) => {
                self.face.refused(chat, peer);
                self.fail_quietly();
            }
            Event::Forgotten(peer) => self.face.forgotten(peer),
            Event::Over => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}

impl Around {
    fn grant(&mut self, chat: &mut Chat, wish: Wish) {
        match wish {
            Wish::Look(Some(peer)) => {
                chat.choose(peer);
            }
            Wish::Look(None) => chat.choose_nobody(),
            Wish::Typed(Typed::Line(line)) => match chat.handle_line(&line) {
                Ok(said) => self.said(chat, said),
                Err(error) => self.fail(&error.to_string()),
            },
            Wish::Typed(Typed::Refused) => self.fail_quietly(),
            Wish::Typed(Typed::Leave(status)) => {
                if self.status == Status::Done {
                    self.status = status;
                }
                chat.leave();
            }
        }
    }

    /// Tells what became of a line.
    fn said(&mut self, chat: &Chat, said: Said) {
        match said {
            Said::Nothing | Said::Quit => {}
            Said::Sent { peer, text } => {
                self.face.sent(chat, peer, &text);
                // Whether the system took it shows in the next round.
                self.waker.wake();
            }
            Said::Chosen(peer) => self.face.chosen(chat, peer),
            Said::LookUp(word) => self.look_up(word),
            Said::List => self.list(chat),
            Said::Help => {
                HELP.iter().for_each(|(key, what)| self.note(&format!("{key:<30} {what}")));
            }
            Said::Encoding(charset) => self.note(&format!("read and written in {charset}")),
            Said::Left(peer) => self.face.left(chat, peer),
        }
    }

    /// Asks the resolver, in a thread of its own: messages arrive meanwhile.
    fn look_up(&mut self, word: String) {
        let (sender, found) = sync_channel(1);
        let (waker, family) = (self.waker.clone(), self.family);
        let thread = std::thread::Builder::new().name("lookup".into()).spawn(move || {
            // Fails only when the loop has ended.
            let _ = sender.send(find(&word, family));
            waker.wake();
        });
        match thread {
            Ok(_) => self.lookup = Some(found),
            Err(error) => self.fail(&format!("cannot start a thread: {error}")),
        }
    }

    fn mind_lookup(&mut self, chat: &mut Chat) {
        let found = match self.lookup.as_ref().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => return,
            Some(Ok(found)) => found,
            Some(Err(error)) => Err(error.into()),
        };
        self.lookup = None;
        let opened = found.and_then(|(peer, known)| {
            chat.open(peer, known)?;
            Ok(peer)
        });
        match opened {
            Ok(peer) => {
                chat.choose(peer);
                self.face.chosen(chat, peer);
            }
            Err(error) => self.fail(&format!("{error:#}")),
        }
    }

    /// Tells that the system would not send something.
    fn mind_unsent(&mut self, stats: &Stats) {
        let unsent = stats.sent.dropped.total();
        if unsent > self.unsent
            && let Some(failure) = stats.sent.last_failure
        {
            self.fail(&failure.to_string());
        }
        self.unsent = unsent;
    }

    fn list(&mut self, chat: &Chat) {
        if chat.conversations().is_empty() {
            self.note("no conversations; /to NAME or ENDPOINT opens one");
        }
        let chosen = chat.chosen().map(|conversation| conversation.peer);
        for conversation in chat.conversations() {
            let Conversation { number, peer, refused, unread, .. } = conversation;
            let mark = if chosen == Some(*peer) { "*" } else { " " };
            let refused = if *refused { ", refused" } else { "" };
            let unread = if *unread > 0 { format!(", {unread} unread") } else { String::new() };
            let (title, charset) = (chat.title(*peer), conversation.charset());
            self.note(&format!("{mark} {number}  {title}  {charset}{refused}{unread}"));
        }
    }

    /// Says something about the chat itself.
    fn note(&mut self, text: &str) {
        self.face.note(text);
    }

    /// Says what went wrong.
    fn fail(&mut self, text: &str) {
        self.note(text);
        self.fail_quietly();
    }

    /// A script must be able to tell; a person has been told.
    fn fail_quietly(&mut self) {
        if self.face.is_script() && self.status == Status::Done {
            self.status = Status::Failed;
        }
    }
}
