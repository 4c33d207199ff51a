//! `pigeon chat`: straight to other UDP programs, several at once.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use anyhow::Context;
use clap_complete::ArgValueCandidates;
use ipnet::IpNet;
use pigeon_client::chat::{Chat, Config, Conversation, Event, HELP, Known, Message, Said};
use pigeon_datagram::Instant;
use pigeon_net::{Clock, Driver, Host, Socket, SocketOptions, Stats, Waker};
use pigeon_text::Charset;

use super::bind::{bind, local_of};
use super::endpoint::{Family, ListenAddress, ListenHost};
use super::exit::Status;
use super::listen::net;
use super::quantity;
use super::signals::{Stop, on_stop};
use super::spelling::{charset, line};
use super::whom;
use crate::contacts;
use crate::output::{Color, json, wall};
use crate::ui::lines::{self, Printer};
use crate::ui::typist::{self, Checked, Typed};

/// How long output may still be written after the chat is over.
const LAST_WORDS: Duration = Duration::from_millis(500);

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
shows, quit leaves the conversation and once more the chat, /help has the rest.")]
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
    #[arg(long, value_name = "LABEL", default_value = "utf-8", value_parser = charset)]
    encoding: Charset,

    /// Hear strangers from this network or address only; may be given several times
    #[arg(long, value_name = "NET", value_parser = net)]
    from: Vec<IpNet>,

    /// How long to stay for replies after the end of piped input
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = quantity::duration)]
    wait: Duration,

    /// Print one JSON object a message: time, from, to, len, text or base64, truncated, name
    #[arg(long)]
    json: bool,

    /// Lines instead of a full screen (today there are only lines)
    #[arg(long)]
    line: bool,
}

/// Talks until the person leaves.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let peers =
        args.whom.iter().map(|word| find(word, args.family)).collect::<Result<Vec<_>, _>>()?;
    let listen = args.bind.unwrap_or(ListenAddress { host: ListenHost::Unsaid, port: 0 });
    let listen = listen.or(args.family.every());
    let socket = bind(listen, &SocketOptions { refusals: true, ..SocketOptions::default() })?;
    let mut chat = Chat::new(config(&args, listen, &socket));
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
    let clock = Clock::start();
    let mut driver =
        Driver::new(chat, socket).context("cannot watch the socket")?.with_clock(clock);
    let (reader, printer) = lines::open("> ")?;
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let mut around = Around {
        dim: printer.interactive && color.enabled(&std::io::stdout()),
        printer: printer.clone(),
        waker: driver.waker(),
        lookup: None,
        json: args.json,
        family: args.family,
        bound,
        stop,
        unsent: 0,
        status: Status::Done,
        typed: None,
    };
    around.note(&format!("listening on {bound}; /help shows what can be typed"));
    if let Err(error) = contacts {
        around.note(&format!("going on without contacts: {error:#}"));
    }
    if let Some(chosen) = driver.machine().chosen() {
        around.chosen(driver.machine(), chosen.peer);
    }
    // Only now: what is typed is answered behind what was said first.
    around.typed =
        Some(typist::start(reader, printer.clone(), driver.waker(), args.wait, |_| Checked::Fine)?);

    let outcome = driver.run(&mut around);
    around.sum_up(driver.machine());
    printer.close(std::time::Instant::now() + LAST_WORDS)?;
    outcome?;
    Ok(around.status)
}

fn config(args: &Args, listen: ListenAddress, socket: &Socket) -> Config {
    let local = socket.local_addr();
    let one = matches!(listen.host, ListenHost::Ip(_)) || local.is_ipv4();
    Config {
        charset: args.encoding,
        from: args.from.clone(),
        ipv4: !one || local.is_ipv4(),
        ipv6: !one || local.is_ipv6(),
        ..Config::default()
    }
}

/// Looks up whom a word means. It may take as long as the resolver does.
fn find(word: &str, family: Family) -> anyhow::Result<(SocketAddr, Known)> {
    let whom = whom::parse(word, None)?;
    let name = whom.name.map(|name| name.as_str().into());
    Ok((whom.endpoint.resolve_in(family)?, Known { name, charset: whom.charset }))
}

/// What stands around the chat: the person, the screen, a signal to stop.
struct Around {
    typed: Option<Receiver<Typed>>,
    stop: Stop,
    waker: Waker,
    /// Somebody is being looked up. Lines typed behind it wait, as they are meant for that peer.
    lookup: Option<Receiver<anyhow::Result<(SocketAddr, Known)>>>,
    printer: Printer,
    dim: bool,
    json: bool,
    family: Family,
    bound: SocketAddr,
    /// Datagrams the system would not send, as far as that has been told.
    unsent: u64,
    status: Status,
}

impl Host<Chat> for Around {
    fn woken(&mut self, chat: &mut Chat, _: Instant, stats: &Stats) -> ControlFlow<()> {
        if self.stop.is_set() {
            self.status = Status::Interrupted;
            chat.leave();
        }
        self.mind_unsent(stats);
        self.mind_lookup(chat);
        // As many lines as one drain carries; the rest follow at once.
        for _ in 0..64 {
            if self.lookup.is_some() {
                return ControlFlow::Continue(());
            }
            let Some(Ok(typed)) = self.typed.as_ref().map(Receiver::try_recv) else {
                return ControlFlow::Continue(());
            };
            match typed {
                Typed::Line(line) => match chat.handle_line(&line) {
                    Ok(said) => self.said(chat, said),
                    Err(error) => self.fail(&error.to_string()),
                },
                Typed::Refused => self.fail_quietly(),
                Typed::Leave(status) => {
                    if self.status == Status::Done {
                        self.status = status;
                    }
                    chat.leave();
                }
            }
        }
        self.waker.wake();
        ControlFlow::Continue(())
    }

    fn event(&mut self, chat: &Chat, _: Instant, event: Event) -> ControlFlow<()> {
        match event {
            Event::Received(message) => self.show(chat, &message),
            Event::Appeared { peer, chosen: true } => self.chosen(chat, peer),
            Event::Appeared { peer, chosen: false } => {
                if let Some(conversation) = chat.conversation(peer) {
                    let title = chat.title(peer);
                    self.note(&format!("{title} writes; /to {} answers", conversation.number));
                }
            }
            Event::Refused(peer) => {
                let title = chat.title(peer);
                self.fail(&format!("{title} refused: nobody listens there; that was lost"));
            }
            // Counted, and told at the end: a flood of strangers is no news each.
            Event::Forgotten(_) => {}
            Event::Over => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}

impl Around {
    /// Prints what somebody wrote.
    fn show(&self, chat: &Chat, message: &Message) {
        let time = wall::local(message.wall);
        let (from, payload) = (message.peer, &message.payload);
        if !self.json {
            let (time, who) = (wall::date_and_seconds(&time), message.title());
            self.printer.data.line(format!("[{time}] {who}: {}", line(&message.text)));
            return;
        }
        let text = chat.conversation(from).and_then(|c| c.whole_text(payload));
        self.printer.data.line(json::datagram(json::Datagram {
            time: &time,
            from,
            to: local_of(message.local, from, self.bound),
            payload,
            length: message.length,
            text,
            name: message.name.as_deref(),
        }));
    }

    /// Tells what became of a line, where the person cannot see it.
    fn said(&mut self, chat: &Chat, said: Said) {
        match said {
            Said::Nothing | Said::Quit => {}
            // Whether the system took it shows in the next round.
            Said::Sent(_) => self.waker.wake(),
            Said::Chosen(peer) => self.chosen(chat, peer),
            Said::LookUp(word) => self.look_up(word),
            Said::List => self.list(chat),
            Said::Help => HELP.iter().for_each(|line| self.note(line)),
            Said::Encoding(charset) => self.note(&format!("read and written in {charset}")),
            Said::Left(peer) => {
                let others = match chat.conversations().len() {
                    0 => "",
                    _ => ", /list shows the others",
                };
                let title = chat.title(peer);
                self.note(&format!("left {title}; quit again ends the chat{others}"));
            }
        }
    }

    fn chosen(&self, chat: &Chat, peer: SocketAddr) {
        let charset = chat.conversation(peer).map(Conversation::charset).unwrap_or_default();
        let title = chat.title(peer);
        self.note(&match charset == Charset::default() {
            true => format!("what you type goes to {title}"),
            false => format!("what you type goes to {title}, in {charset}"),
        });
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
                self.chosen(chat, peer);
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

    fn list(&self, chat: &Chat) {
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

    /// Tells what was not shown.
    fn sum_up(&self, chat: &Chat) {
        let counters = chat.counters();
        let unshown = self.printer.data.dropped() + counters.events_lost;
        for (count, what) in [
            (counters.filtered, "messages from elsewhere not shown"),
            (counters.crowded_out, "messages not shown as there were too many conversations"),
            (counters.forgotten, "strangers forgotten to make room for others"),
            (unshown, "lines not shown as output was too slow"),
        ] {
            if count > 0 {
                self.note(&format!("{what}: {count}"));
            }
        }
    }

    /// Says something about the chat itself.
    fn note(&self, text: &str) {
        self.printer.note(text, self.dim);
    }

    /// Says what went wrong.
    fn fail(&mut self, text: &str) {
        self.note(text);
        self.fail_quietly();
    }

    /// A script must be able to tell; a person has been told.
    fn fail_quietly(&mut self) {
        if !self.printer.interactive && self.status == Status::Done {
            self.status = Status::Failed;
        }
    }
}
