//! The hub itself. [`Hub::receive`] is the main flow: from a datagram to what it brings about.

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;

use pigeon_datagram::{Instant, Machine, Outbox, Received, Transmit, max_payload};
use pigeon_text::escape_to;

use crate::members::{Members, Slot};
use crate::notices::{self, Notices};
use crate::run::{MAX_BATCH_BYTES, Run};
use crate::wire::{Incoming, classify};
use crate::{Config, Dropped, Event, Format, Left, Name, NameError, Statistics};
use crate::{admission, commands};

/// What every member gets when the hub stops, and what members of the formats without notices get
/// when the hub drops them.
const BYE: &[u8] = b"Bye!";

/// The most members timed out in one call; the next call follows at once. So a hundred thousand
/// that fall silent together do not hold up the datagrams of those who live.
const MAX_TIMEOUTS_A_CALL: usize = 1_024;

/// The most answers in one batch.
const MAX_ANSWERS: usize = 65_536;

/// The most events kept for a driver that does not collect them.
const MAX_EVENTS: usize = 16_384;

/// Group chat over plain datagrams: members, their names, and every message to all of them.
///
/// Drive it as [`Machine`] says. Besides datagrams it takes the operator's
/// [`say`](Hub::say), [`kick`](Hub::kick) and [`stop`](Hub::stop), which count as `handle_*` calls.
pub struct Hub {
    config: Config,
    members: Members,
    outbox: Outbox,
    run: Run,
    notices: Notices,
    events: VecDeque<Event>,
    statistics: Statistics,
}

/// A member as the console and the logs see it.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Where it is.
    pub address: SocketAddr,
    /// What it is called, if it has chosen.
    pub name: Option<Name>,
    /// When it was last heard.
    pub heard: Instant,
}

impl Hub {
    /// A hub without members.
    pub fn new(mut config: Config) -> Self {
        // Slots are 32 bits with one to spare; memory ends long before.
        config.max_members = config.max_members.min(1 << 30);
        Hub {
            members: Members::new(config.hash_keys),
            config,
            outbox: Outbox::new(),
            run: Run::default(),
            notices: Notices::default(),
            events: VecDeque::new(),
            statistics: Statistics::default(),
        }
    }

    // What can be seen.

    /// How many members there are.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Every member, in no particular order.
    pub fn members(&self) -> impl Iterator<Item = MemberView> + '_ {
        self.slots().map(|slot| MemberView {
            address: self.members.address(slot),
            name: self.members.name(slot).cloned(),
            heard: self.members.heard(slot),
        })
    }

    /// What has been counted so far.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.members.iter()
    }

    /// What others call a member: its name, or `IP:PORT`.
    pub(crate) fn label(&self, slot: Slot) -> String {
        notices::label(self.members.name(slot), self.members.address(slot))
    }

    // The operator.

    /// Speaks to everyone as the operator. False if the text is longer than a message may be.
    pub fn say(&mut self, text: &str) -> bool {
        self.begin();
        self.relay(None, text.trim().as_bytes()).is_ok()
    }

    /// Removes a member, by its name or its `IP:PORT`, and tells it. False if there is none.
    pub fn kick(&mut self, now: Instant, who: &str) -> bool {
        self.begin();
        let by_address = || who.parse().ok().and_then(|address| self.members.find(address));
        let Some(slot) = self.members.find_name(who).or_else(by_address) else {
            return false;
        };
        self.leave(now, slot, Left::Kicked);
        true
    }

    /// Says `Bye!` to everyone. Nothing more is to be handed to the hub afterwards.
    pub fn stop(&mut self) {
        self.begin();
        let bye = self.outbox.append(|bytes| bytes.extend_from_slice(BYE));
        self.run.push(bye, None);
    }

    // The life of a datagram.

    fn receive(&mut self, now: Instant, datagram: &Received<'_>) -> Result<(), Dropped> {
        admission::check_source(&self.config, datagram.from)?;
        if datagram.is_truncated() {
            return Err(Dropped::Truncated);
        }
        match classify(self.config.format, datagram.payload) {
            Incoming::Reply => Err(Dropped::Reply),
            Incoming::Quit => {
                let slot = self.members.find(datagram.from).ok_or(Dropped::NotMember)?;
                self.leave(now, slot, Left::Quit);
                Ok(())
            }
            Incoming::Empty => self.keep(now, datagram).map(|_| ()),
            Incoming::Heartbeat { padded } => {
                self.statistics.heartbeats += 1;
                let slot = self.keep(now, datagram)?;
                if padded {
                    self.answer_heartbeat(slot);
                }
                Ok(())
            }
            Incoming::Command { word, rest } => {
                let slot = self.keep(now, datagram)?;
                self.statistics.commands += 1;
                let line = commands::answer(self, now, slot, word, rest);
                self.tell(slot, &line);
                Ok(())
            }
            Incoming::Message { text } => {
                let slot = self.keep(now, datagram)?;
                self.relay(Some(slot), text).inspect_err(|&reason| {
                    let length = text.len();
                    let most = self.config.most_text();
                    let line = match reason {
                        Dropped::TextTooLong if length > most => {
                            format!("not sent: {length} bytes of text, at most {most}")
                        }
                        Dropped::TextTooLong => "not sent: too long once escaped".to_string(),
                        _ => "not sent: the hub is overloaded".to_string(),
                    };
                    self.tell(slot, &line);
                })
            }
        }
    }

    /// Makes the sender a member, or keeps it one.
    fn keep(&mut self, now: Instant, datagram: &Received<'_>) -> Result<Slot, Dropped> {
        let from = datagram.from;
        let slot = match self.members.find(from) {
            Some(slot) => slot,
            None => {
                admission::check_room(&self.config, &self.members, from).inspect_err(
                    |&reason| {
                        self.refuse(datagram, reason);
                    },
                )?;
                let counted = admission::counts(&self.config, from.ip());
                let slot = self.members.insert(from, now, self.run.len(), counted);
                self.statistics.joined += 1;
                if self.config.format == Format::Chat {
                    self.notices.joined(now, from);
                }
                self.report(Event::Joined { address: from });
                slot
            }
        };
        self.members.touch(slot, now, datagram.local);
        Ok(slot)
    }

    /// Tells a sender why it is no member: in one line never longer than what it sent.
    fn refuse(&mut self, datagram: &Received<'_>, reason: Dropped) {
        let line = self.line(match reason {
            Dropped::HubFull => "the hub is full",
            _ => "too many members from your address",
        });
        if line.len() <= datagram.payload.len() {
            self.send(datagram.from, datagram.local, |bytes| {
                bytes.extend_from_slice(line.as_bytes())
            });
        }
    }

    /// Gives a message to everyone.
    fn relay(&mut self, speaker: Option<Slot>, text: &[u8]) -> Result<(), Dropped> {
        if text.len() > self.config.most_text() {
            return Err(Dropped::TextTooLong);
        }
        let Hub { config, members, outbox, .. } = self;
        let range = outbox.append(|bytes| match config.format {
            Format::Chat => {
                match speaker.map(|slot| (members.name(slot), members.address(slot))) {
                    Some((Some(name), _)) => bytes.extend_from_slice(name.as_str().as_bytes()),
                    // Writing to a vector cannot fail.
                    Some((None, address)) => drop(write!(bytes, "{address}")),
                    None => bytes.extend_from_slice(config.operator.as_str().as_bytes()),
                }
                bytes.extend_from_slice(b": ");
                escape_to(bytes, text);
                bytes.push(b'\n');
            }
            Format::Classic => {
                bytes.extend_from_slice(b"Ack ");
                bytes.extend(text.iter().map(u8::to_ascii_uppercase));
                bytes.extend_from_slice(b". from ");
                match speaker {
                    Some(slot) => drop(write!(bytes, "{}", members.address(slot))),
                    None => bytes.extend_from_slice(config.operator.as_str().as_bytes()),
                }
            }
            Format::Raw => bytes.extend_from_slice(text),
        });
        let refused = if range.len() > pigeon_datagram::MAX_PAYLOAD_V4 {
            Some(Dropped::TextTooLong)
        } else if !self.run.has_room(range.len()) {
            Some(Dropped::BatchFull)
        } else {
            None
        };
        if let Some(reason) = refused {
            self.outbox.truncate(range.start);
            return Err(reason);
        }
        let except = if self.config.format == Format::Raw { speaker } else { None };
        self.run.push(range.clone(), except);
        self.statistics.messages += 1;
        if self.config.report_messages {
            let from = speaker.map(|slot| self.members.address(slot));
            self.report(Event::Message { from, range });
        }
        Ok(())
    }

    /// `^hb^ pigeon/1 MEMBERS SECUREPORT`: always shorter than the padded heartbeat it answers.
    fn answer_heartbeat(&mut self, slot: Slot) {
        let members = self.members.len();
        self.send_to(slot, |bytes| drop(write!(bytes, "^hb^ pigeon/1 {members} 0")));
    }

    /// One line from the hub to one member.
    fn tell(&mut self, slot: Slot, line: &str) {
        let line = self.line(line);
        self.send_to(slot, |bytes| bytes.extend_from_slice(line.as_bytes()));
    }

    /// A line of the hub's own, as members of this format get it.
    fn line(&self, text: &str) -> String {
        let end = if self.config.format == Format::Chat { "\n" } else { "" };
        format!("* {text}{end}")
    }

    fn send_to(&mut self, slot: Slot, write: impl FnOnce(&mut Vec<u8>)) {
        self.send(self.members.address(slot), self.members.local(slot), write);
    }

    fn send(
        &mut self,
        to: SocketAddr,
        from: Option<std::net::IpAddr>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        // A driver drains long before this; one that does not may not make the hub grow.
        if self.outbox.queued() >= MAX_ANSWERS || self.outbox.bytes().len() >= MAX_BATCH_BYTES {
            return self.statistics.count_dropped(Dropped::AnswersFull);
        }
        let range = self.outbox.append(write);
        debug_assert!(range.len() <= max_payload(to));
        self.outbox.queue(to, from, range);
    }

    // Coming and going.

    /// Removes a member; whoever did not ask to leave is told, once.
    fn leave(&mut self, now: Instant, slot: Slot, reason: Left) {
        let (address, label) = (self.members.address(slot), self.label(slot));
        if reason != Left::Quit {
            self.tell_dropped(slot, reason);
        }
        self.run.forget(slot);
        let name = self.members.remove(slot);
        self.statistics.count_left(reason);
        if self.config.format == Format::Chat {
            self.notices.left(now, address, label, reason);
        }
        self.report(Event::Left { address, name, reason });
    }

    fn tell_dropped(&mut self, slot: Slot, reason: Left) {
        if self.config.format != Format::Chat {
            return self.send_to(slot, |bytes| bytes.extend_from_slice(BYE));
        }
        let line = match reason {
            Left::TimedOut => format!(
                "you were silent for {:?} and are no member any more; whatever you send makes you one again",
                self.config.timeout
            ),
            _ => format!("you were {}", reason.describe()),
        };
        self.tell(slot, &line);
    }

    pub(crate) fn rename(&mut self, now: Instant, slot: Slot, name: Name) -> Result<(), NameError> {
        if name.folded() == self.config.operator.folded() {
            return Err(NameError::Taken);
        }
        let (address, before) = (self.members.address(slot), self.label(slot));
        self.members.rename(slot, name.clone())?;
        if before != name.as_str() {
            if self.config.format == Format::Chat {
                self.notices.renamed(now, address, before);
            }
            self.report(Event::Renamed { address, name });
        }
        Ok(())
    }

    /// Sends the gathered notices: one line for everyone, and a line of their own for those whom
    /// they are about. Rooms too large for notices get none.
    fn send_notices(&mut self) {
        if self.members.len() <= self.config.notices_up_to {
            let notices = &self.notices;
            let called = |address| match self.members.find(address) {
                Some(slot) => self.label(slot),
                None => SocketAddr::to_string(&address),
            };
            let shared = notices.line(None, called);
            let lines: Vec<(Slot, Option<String>)> = self
                .slots()
                .map(|slot| {
                    let address = self.members.address(slot);
                    let concerned = notices.concerns(address);
                    (
                        slot,
                        if concerned {
                            notices.line(Some(address), called)
                        } else {
                            shared.clone()
                        },
                    )
                })
                .collect();
            for (slot, line) in lines {
                if let Some(line) = line.as_deref().and_then(|line| line.strip_prefix("* ")) {
                    self.tell(slot, line);
                }
            }
        }
        self.notices.clear();
    }

    fn time_out(&mut self, now: Instant) {
        for _ in 0..MAX_TIMEOUTS_A_CALL {
            match self.members.oldest() {
                Some(slot) if self.members.heard(slot) + self.config.timeout <= now => {
                    self.leave(now, slot, Left::TimedOut);
                }
                _ => break,
            }
        }
    }

    // The driver's side.

    /// Opens a new batch if the last one has been sent.
    fn begin(&mut self) {
        if self.run.is_empty() {
            self.outbox.reset_if_drained();
        }
    }

    fn report(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.statistics.events_lost += 1;
        }
    }
}

impl Machine for Hub {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.begin();
        self.statistics.received += 1;
        if let Err(reason) = self.receive(now, datagram) {
            self.statistics.count_dropped(reason);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.begin();
        self.time_out(now);
        if self.notices.due().is_some_and(|due| due <= now) {
            self.send_notices();
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(transmit) = self.outbox.poll() {
            self.statistics.sent += 1;
            return Some(transmit);
        }
        let Some((slot, train)) = self.run.poll(&self.members) else {
            self.members.settle();
            return None;
        };
        self.statistics.sent += train.datagrams as u64;
        Some(Transmit {
            to: self.members.address(slot),
            from: self.members.local(slot),
            range: train.range,
            segment: train.segment,
        })
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The earlier of two timers: the longest-silent member's time-out, and the gathered notices.
    fn poll_timeout(&self) -> Option<Instant> {
        let expiry =
            self.members.oldest().map(|slot| self.members.heard(slot) + self.config.timeout);
        expiry.into_iter().chain(self.notices.due()).min()
    }
}
