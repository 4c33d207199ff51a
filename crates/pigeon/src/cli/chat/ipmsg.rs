//! A chat with a user of IP Messenger, FeiQ or iptux: lines, each with its delivery result.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Context;
use pigeon_datagram::Instant;
use pigeon_ipmsg::{Event, MAX_TEXT, MessageId, Messenger, PORT, SendError, WhyUndelivered};
use pigeon_net::{Clock, Driver, Host, Io, local_addresses};
use pigeon_text::{Charset, Encoding, escape};

use super::args::Args;
use crate::base::endpoint::ListenHost;
use crate::base::ipmsg;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::contacts::peer::Peer;
use crate::output::{Color, wall};
use crate::ui::lines::{self, Printer};
use crate::ui::suggestions::Suggestions;
use crate::ui::typist::{self, Checked, Typed};
use crate::words::say;

/// Time limit for writing output after the chat.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs until the user leaves and every message is delivered or has failed.
pub(super) fn run(args: &Args, peer: &Peer, color: Color) -> anyhow::Result<Status> {
    let to = peer.endpoint.resolve_in(args.family)?;
    if !to.is_ipv4() {
        return Err(UsageError(say!("chat-ipmsg-ipv4", to = &to)).into());
    }
    let legacy = match peer.charset {
        Some(Charset::Fixed(encoding)) => encoding,
        _ => Encoding::GB18030,
    };
    let source = args.bind.map(|bind| match bind.host {
        ListenHost::Ip(ip) => SocketAddr::new(ip, bind.port),
        ListenHost::Every | ListenHost::Unsaid => (Ipv4Addr::UNSPECIFIED, bind.port).into(),
    });
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let (mut messenger, socket) = ipmsg::open(source, legacy, &interfaces)?;
    let clock = Clock::start();
    messenger.add(clock.now(), to);
    let mut driver = Driver::new(messenger, socket)
        .with_context(|| say!("errors-watch-socket"))?
        .with_clock(clock);
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let (reader, printer) = lines::open("> ", Suggestions::default())?;
    let dim = printer.interactive && color.enabled(&std::io::stdout());
    let name = peer.name.as_ref().map_or_else(|| to.ip().to_string(), ToString::to_string);
    let words = say!("chat-ipmsg-goes-to", peer = &name, to = &to);
    printer.remark(&words, dim);
    let typed =
        typist::start(reader, printer.clone(), driver.waker(), args.wait, |_| Checked::Fine)?;
    let waiting = BTreeMap::new();
    let mut person =
        Person { to, name, typed, printer, dim, stop, waiting, status: None, failed: false };
    let outcome = driver.run(&mut person);
    person.printer.close(std::time::Instant::now() + LAST_WORDS)?;
    outcome?;
    Ok(match (person.status.unwrap_or(Status::Done), person.failed) {
        (Status::Done, true) if !person.printer.interactive => Status::Failed,
        (status, _) => status,
    })
}

struct Person {
    to: SocketAddr,
    name: String,
    typed: Receiver<Typed>,
    printer: Printer,
    dim: bool,
    stop: Stop,
    /// Messages without a delivery result.
    waiting: BTreeMap<MessageId, String>,
    /// The exit status, after the user has left.
    status: Option<Status>,
    /// Whether a message was not delivered.
    failed: bool,
}

impl Person {
    fn say(&mut self, messenger: &mut Messenger, now: Instant, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        match text.trim() {
            "" => {}
            "quit" | "/quit" => self.status = Some(Status::Done),
            text => match messenger.send(now, self.to, text.into()) {
                Ok(id) => drop(self.waiting.insert(id, text.to_string())),
                Err(SendError::TooLong { length }) => {
                    self.fail(&say!("chat-ipmsg-too-long", length = length, most = MAX_TEXT));
                }
                Err(SendError::Unknown) => self.fail(&say!("chat-ipmsg-unsent")),
            },
        }
    }

    fn fail(&mut self, why: &str) {
        self.failed = true;
        self.printer.note(why, self.dim);
    }

    /// Ends when the user has left and no message is pending.
    fn next(&self, messenger: &mut Messenger, now: Instant) -> ControlFlow<()> {
        let is_over =
            self.status.is_some_and(|status| status != Status::Done || self.waiting.is_empty());
        if is_over || self.stop.is_set() {
            messenger.leave(now, &[]);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn settled(&mut self, ids: Vec<MessageId>, why: Option<WhyUndelivered>) {
        for id in ids {
            let Some(text) = self.waiting.remove(&id) else { continue };
            let text = &escape(&text);
            match why {
                None => {
                    self.printer.note(&say!("chat-ipmsg-delivered", text = text), self.dim);
                }
                Some(WhyUndelivered::Refused) => {
                    self.fail(&say!("chat-ipmsg-refused", text = text));
                }
                Some(_) => {
                    let peer = &self.name;
                    self.fail(&say!("chat-ipmsg-silent", text = text, peer = peer, port = PORT));
                }
            }
        }
    }
}

impl Host<Messenger> for Person {
    fn woken(&mut self, messenger: &mut Messenger, io: &mut Io<'_>) -> ControlFlow<()> {
        while self.status.is_none()
            && let Ok(typed) = self.typed.try_recv()
        {
            match typed {
                Typed::Line(line) => self.say(messenger, io.now, &line),
                Typed::Refused => self.failed = true,
                Typed::Leave(status) => self.status = Some(status),
            }
        }
        self.next(messenger, io.now)
    }

    fn event(
        &mut self,
        messenger: &mut Messenger,
        io: &mut Io<'_>,
        event: Event,
    ) -> ControlFlow<()> {
        match event {
            Event::Text(text) => {
                messenger.accept(io.now, &text);
                let nick =
                    messenger.contact(text.from).map(|contact| escape(contact.nick).to_string());
                let who = if text.from == self.to { Some(self.name.clone()) } else { nick };
                let files = text
                    .files
                    .iter()
                    .map(|file| say!("chat-ipmsg-offers", file = &escape(&file.name)));
                let said = (!text.text.is_empty()).then(|| {
                    let lines: Vec<String> =
                        text.text.split('\n').map(|line| escape(line).to_string()).collect();
                    lines.join("\n    ")
                });
                let said: Vec<String> = said.into_iter().chain(files).collect();
                let time = wall::date_and_seconds(&wall::local(None));
                let (who, from) = (who.unwrap_or_default(), text.from);
                self.printer.data.line(format!("[{time}] {who} ({from}): {}", said.join(" ")));
            }
            Event::Delivered(_, ids) => self.settled(ids, None),
            Event::Undelivered(_, ids, why) => self.settled(ids, Some(why)),
            _ => {}
        }
        self.next(messenger, io.now)
    }
}
