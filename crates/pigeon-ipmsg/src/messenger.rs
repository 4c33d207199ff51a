//! One participant in IP Messenger: keeps contacts, and exchanges texts with them.
//!
//! ```text
//!   BR_ENTRY received ──▶ within a second our own, or ANSENTRY once the sender is proved
//!   ANSENTRY, BR_ABSENCE ─▶ never answered: two programs that answered would never stop
//!   SENDMSG ──▶ Event::Text ──▶ the host accepts it ──▶ RECVMSG
//!   the host sends a text ──▶ SENDMSG, again until RECVMSG comes ──▶ Event::Delivered or Undelivered
//! ```
//!
//! **Nothing is authenticated, so no contact gets more than it sent** until it acknowledges a
//! number that it can only know by receiving it. Until then it has a credit of one packet for each
//! that came from its address ([`Trust`]). So the first entry of a contact is answered by an entry:
//! a real program answers that, and so earns credit for a first text.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit, WallClock};
use pigeon_guard::{BadSource, Origin, SourceRules, cost};
use pigeon_text::Encoding;

use crate::command::{Command, mode, option};
use crate::contact::{Contact, InFlight, MessageId, Seen, Trust};
use crate::entry::{self, Entry, Identity, Program, Writes};
use crate::event::{ContactView, Event, Text, WhyGone, WhyUndelivered};
use crate::packet::{PORT, Packet, decimal};
use crate::scan::Scan;
use crate::sending::{MAX_TEXT, SendError};
use crate::statistics::{Ignored, Statistics};
use crate::text::{decode, decode_utf8, offers, without_feiq};

/// Maximum number of contacts, in total and per address.
const MAX_CONTACTS: usize = 4_096;
const MAX_PER_ADDRESS: usize = 8;

/// Maximum number of events kept until the host collects them.
const MAX_EVENTS: usize = 16_384;

/// The longest delay of an answer to an entry, by the number of contacts. Everybody answers a
/// broadcast, and its sender's buffer is small. IP Messenger does the same.
const ANSWER_WITHIN: [(usize, Duration); 3] = [
    (50, Duration::from_secs(1)),
    (300, Duration::from_secs(2)),
    (usize::MAX, Duration::from_secs(4)),
];

/// The least time between two answers to one contact.
const ANSWER_EVERY: Duration = Duration::from_secs(1);

/// An entry with the number of the last one is a copy sent to the other broadcast address. Applies
/// only for a short time, because iptux starts with number 1 after each restart.
const SAME_ENTRY: Duration = Duration::from_secs(3);

/// A repeated entry is reported if it comes at least this long after the last one.
const ENTERED_AGAIN: Duration = Duration::from_secs(10);

/// How long a contact may be silent before it is probed. Rarely: iptux redraws its windows for each
/// probe, and crashed once with a window open.
const SILENT: Duration = Duration::from_secs(300);

/// The number of probes, and the time for each answer.
const PROBES: u32 = 3;
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// How often a contact entered by the user is asked for its entry, and how long a text waits for
/// the answer, which determines the encoding.
const WHO_EVERY: Duration = Duration::from_millis(500);
const WHO_WITHIN: Duration = Duration::from_millis(2_500);

/// How many consecutive texts a contact may leave unacknowledged.
const MAX_FAILURES: u32 = 2;

/// The rate and burst of texts from one contact, per second.
const SAYS_PER_SECOND: u64 = 20;

/// The answers to requests for our version and absence message.
const INFO: &[u8] = b"pigeon";
const NOT_ABSENT: &[u8] = b"Not absence mode";

/// A participant's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our identity.
    pub identity: Identity,
    /// The encoding of programs without UTF-8: GB18030 in China, Shift_JIS in Japan.
    pub legacy: Encoding,
    /// Which senders are accepted: contacts must be in the open networks.
    pub sources: SourceRules,
    /// Whether this is a gateway, which relays texts. It ignores other gateways.
    pub is_gateway: bool,
    /// Whether to join queued texts to one contact.
    pub joins_texts: bool,
    /// The time between two texts to one contact.
    pub pace: Duration,
    /// The seed of unpredictable delays.
    pub seed: u64,
    /// The wall clock, which keeps packet numbers increasing across restarts.
    pub wall: WallClock,
}

/// The prefix of every pigeon gateway's version.
pub const GATEWAY_VERSION: &str = "1_pigeon-hub";

/// One participant. Follow the contract of [`Machine`]; [`send`](Messenger::send),
/// [`accept`](Messenger::accept), [`announce`](Messenger::announce) and similar methods count as
/// `handle_*` calls.
pub struct Messenger {
    config: Config,
    contacts: BTreeMap<SocketAddr, Contact>,
    /// Unproved contacts, the oldest first.
    unproved: BTreeSet<(Instant, SocketAddr)>,
    /// The next deadline of each contact.
    schedule: BTreeSet<(Instant, SocketAddr)>,
    scan: Scan,
    outbox: Outbox,
    events: VecDeque<Event>,
    statistics: Statistics,
    last_id: u64,
    dice: u64,
}

impl Messenger {
    /// A participant without contacts.
    pub fn new(config: Config) -> Self {
        Messenger {
            dice: config.seed,
            config,
            contacts: BTreeMap::new(),
            unproved: BTreeSet::new(),
            schedule: BTreeSet::new(),
            scan: Scan::default(),
            outbox: Outbox::new(),
            events: VecDeque::new(),
            statistics: Statistics::default(),
            last_id: 0,
        }
    }

    /// A contact.
    pub fn contact(&self, address: SocketAddr) -> Option<ContactView<'_>> {
        self.contacts.get(&address).map(|contact| view(address, contact))
    }

    /// All contacts.
    pub fn contacts(&self) -> impl Iterator<Item = ContactView<'_>> {
        self.contacts.iter().map(|(&address, contact)| view(address, contact))
    }

    /// The counters.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    // Commands.

    /// Announces us: sends a BR_ENTRY to each of these broadcast or unicast addresses.
    pub fn announce(&mut self, now: Instant, to: &[SocketAddr]) {
        self.outbox.reset_if_drained();
        let number = self.number(now, 0);
        to.iter().for_each(|&to| self.send_entry(to, number, 0));
    }

    /// Sends an entry to every address of these ranges, at a limited rate. Repeats this every ten
    /// minutes for addresses without a known contact.
    pub fn scan(&mut self, now: Instant, ranges: &[(Ipv4Addr, Ipv4Addr)]) {
        self.outbox.reset_if_drained();
        self.scan.begin(now, ranges);
    }

    /// Adds a contact entered by the user, and asks it for its entry, because its program is
    /// unknown. Texts wait for the answer, but only for a while.
    pub fn add(&mut self, now: Instant, address: SocketAddr) {
        self.outbox.reset_if_drained();
        let legacy = self.config.legacy;
        let contact = self.contacts.entry(address).or_insert_with(|| {
            let entry = Entry {
                nick: String::new(),
                group: String::new(),
                user: String::new(),
                host: String::new(),
                writes: Writes::plain(legacy),
                program: Program::Other,
                is_absent: false,
            };
            let mut contact = Contact::new(entry, Trust::Named, now);
            contact.is_blank = true;
            contact.next_text = now + WHO_WITHIN;
            contact.probe_at = now + WHO_EVERY;
            contact
        });
        contact.trust = Trust::Named;
        self.unproved.remove(&(contact.met, address));
        let number = self.number(now, 0);
        self.send_entry(address, number, option::DIAL_UP);
        self.turn(now, address);
    }

    /// Sets the encoding of texts for a contact, until its program announces itself again. Returns
    /// false if there is no such contact.
    pub fn set_encoding(&mut self, address: SocketAddr, encoding: Encoding) -> bool {
        let contact = self.contacts.get_mut(&address);
        contact.map(|contact| contact.entry.writes = Writes::plain(encoding)).is_some()
    }

    /// Queues a text to a contact. [`Event::Delivered`] or [`Event::Undelivered`] reports the
    /// outcome. Fails without a change if there is no such contact, or the text is too long.
    pub fn send(
        &mut self,
        now: Instant,
        to: SocketAddr,
        text: Arc<str>,
    ) -> Result<MessageId, SendError> {
        self.outbox.reset_if_drained();
        let contact = self.contacts.get_mut(&to).ok_or(SendError::Unknown)?;
        let mut bytes = Vec::new();
        contact.entry.writes.encoding.encode_lossy(&text, &mut bytes);
        if bytes.len() > MAX_TEXT {
            return Err(SendError::TooLong { length: bytes.len() });
        }
        self.last_id += 1;
        let id = MessageId(self.last_id);
        let dropped = contact.enqueue(id, text);
        self.undelivered(to, dropped, WhyUndelivered::Overflow);
        self.turn(now, to);
        Ok(id)
    }

    /// Accepts a reported text, and acknowledges it.
    pub fn accept(&mut self, now: Instant, text: &Text) {
        self.outbox.reset_if_drained();
        let Some(contact) = self.contacts.get_mut(&text.from) else { return };
        if let Some(seen) = contact.seen(now, text.number, text.hash) {
            seen.is_accepted = true;
        }
        if text.wants_receipt {
            contact.owe(text.number);
        }
        self.turn(now, text.from);
    }

    /// Ignores a reported text as if it were lost: its sender retransmits it, or learns that it was
    /// not delivered.
    pub fn refuse(&mut self, text: &Text) {
        if let Some(contact) = self.contacts.get_mut(&text.from) {
            contact.forget(text.number, text.hash);
        }
    }

    /// Announces to all contacts, and to these broadcast addresses, that we leave.
    pub fn leave(&mut self, now: Instant, broadcast: &[SocketAddr]) {
        self.outbox.reset_if_drained();
        let number = self.number(now, 0);
        let known = self.contacts.iter().filter(|(_, contact)| contact.trust_is_earned());
        let to: Vec<SocketAddr> = known.map(|(&to, _)| to).chain(broadcast.to_vec()).collect();
        let extra = self.config.identity.for_everybody(self.config.legacy);
        let command = Command::of(mode::EXIT, option::CAN_UTF8);
        to.iter().for_each(|&to| self.write(to, number, command, &extra));
    }
}

/// Incoming packets.
impl Messenger {
    fn receive(&mut self, now: Instant, datagram: &Received<'_>) -> Result<(), Ignored> {
        let from = datagram.from;
        match self.config.sources.check(from) {
            Ok(()) => {}
            Err(BadSource::Forged) => return Err(Ignored::Forged),
            Err(BadSource::Own) => return Err(Ignored::Own),
        }
        let is_named =
            || self.contacts.get(&from).is_some_and(|contact| contact.trust == Trust::Named);
        if self.config.sources.origin(from.ip()) == Origin::Untrusted && !is_named() {
            return Err(Ignored::NotOpen);
        }
        let packet = Packet::parse(datagram.payload).map_err(Ignored::Malformed)?;
        if self.config.is_gateway && packet.version.starts_with(GATEWAY_VERSION.as_bytes()) {
            return Err(Ignored::Gateway);
        }
        if let Some(contact) = self.contacts.get_mut(&from) {
            contact.heard = now;
            contact.probes = 0;
            contact.probe_at = now + SILENT;
            contact.local = datagram.local.or(contact.local);
            contact.earn();
        }
        let outcome = self.apply(now, datagram, &packet);
        self.turn(now, from);
        outcome
    }

    fn apply(
        &mut self,
        now: Instant,
        datagram: &Received<'_>,
        packet: &Packet<'_>,
    ) -> Result<(), Ignored> {
        let from = datagram.from;
        match packet.command.mode() {
            mode::ENTRY => {
                self.meet(now, datagram, entry::read(packet, self.config.legacy))?;
                self.entered(now, from, packet.number);
            }
            mode::ANSWER => {
                self.meet(now, datagram, entry::read(packet, self.config.legacy))?;
                if let Some(contact) = self.contacts.get_mut(&from) {
                    contact.was_asked = true;
                }
            }
            mode::ABSENCE => {
                self.meet(now, datagram, entry::read(packet, self.config.legacy))?;
            }
            mode::EXIT if self.contacts.contains_key(&from) => self.gone(from, WhyGone::Left),
            mode::EXIT => return Err(Ignored::NoMeaning),
            mode::TEXT | mode::IPTUX_GROUP => {
                if !self.contacts.contains_key(&from) {
                    let stranger = entry::of_header(packet, self.config.legacy);
                    self.meet(now, datagram, stranger)?;
                }
                self.text(now, from, packet)?;
            }
            mode::RECEIVED => self.received(now, from, packet)?,
            mode::GET_INFO => self.inform(now, from, mode::INFO, INFO),
            mode::GET_ABSENCE => self.inform(now, from, mode::ABSENCE_INFO, NOT_ABSENT),
            _ if packet.command.is_named() => return Err(Ignored::NoMeaning),
            _ => return Err(Ignored::UnknownCommand),
        }
        Ok(())
    }

    /// Handles an entry.
    fn meet(&mut self, now: Instant, datagram: &Received<'_>, entry: Entry) -> Result<(), Ignored> {
        let from = datagram.from;
        if let Some(contact) = self.contacts.get_mut(&from) {
            // Until now only its address was known, from the user.
            let is_new = std::mem::replace(&mut contact.is_blank, false);
            let is_changed = contact.entry != entry;
            contact.entry = entry;
            if is_new {
                contact.next_text = now;
                self.report(Event::Appeared(from));
            } else if is_changed {
                self.report(Event::Changed(from));
            }
            return Ok(());
        }
        let (lowest, highest) = (SocketAddr::new(from.ip(), 0), SocketAddr::new(from.ip(), 65_535));
        if self.contacts.range(lowest..=highest).count() >= MAX_PER_ADDRESS {
            return Err(Ignored::AddressFull);
        }
        if self.contacts.len() >= MAX_CONTACTS {
            let &(_, oldest) = self.unproved.first().ok_or(Ignored::AddressFull)?;
            self.statistics.displaced += 1;
            self.gone(oldest, WhyGone::Displaced);
        }
        let mut contact = Contact::new(entry, Trust::Unproved { credit: 1 }, now);
        contact.local = datagram.local;
        contact.probe_at = now + SILENT;
        self.contacts.insert(from, contact);
        self.unproved.insert((now, from));
        self.report(Event::Appeared(from));
        Ok(())
    }

    /// Handles a contact's announcement: its program may have been restarted. Answers once per
    /// number and per second.
    fn entered(&mut self, now: Instant, from: SocketAddr, number: u64) {
        let within = ANSWER_WITHIN.iter().find(|(up_to, _)| self.contacts.len() <= *up_to);
        let within = within.map_or(ANSWER_EVERY, |&(_, within)| within);
        let delay = within.mul_f64(self.draw());
        let Some(contact) = self.contacts.get_mut(&from) else { return };
        let before = contact.entered.replace((number, now));
        if before.is_some_and(|(last, at)| last == number && now - at < SAME_ENTRY) {
            return;
        }
        contact.forget_older(now);
        let earliest = contact.answered.map_or(now, |at| now.max(at + ANSWER_EVERY));
        contact.answer_at.get_or_insert(earliest + delay);
        if before.is_some_and(|(_, at)| now - at >= ENTERED_AGAIN) {
            self.report(Event::Entered(from));
        }
    }

    fn text(&mut self, now: Instant, from: SocketAddr, packet: &Packet<'_>) -> Result<(), Ignored> {
        let Packet { command, number, .. } = *packet;
        if command.has(option::ENCRYPT) {
            return Err(Ignored::Encrypted);
        }
        let is_single =
            command.mode() == mode::TEXT && !command.has(option::BROADCAST | option::MULTICAST);
        let is_automatic = command.mode() == mode::TEXT && command.has(option::AUTOMATIC);
        let wants_receipt = is_single && !is_automatic && command.has(option::CHECK);
        let hash = hash(packet.extra);
        let Some(contact) = self.contacts.get_mut(&from) else { return Ok(()) };
        if let Some(seen) = contact.seen(now, number, hash) {
            if seen.is_accepted && wants_receipt {
                contact.owe(number);
            }
            return Err(Ignored::Duplicate);
        }
        let price = cost(1, SAYS_PER_SECOND);
        if !contact.says.has_room(now, price) {
            return Err(Ignored::TooFast);
        }
        if self.events.len() >= MAX_EVENTS {
            return Err(Ignored::Overflow);
        }
        contact.says.take(now, price);
        contact.note(Seen { number, hash, at: now, is_accepted: false });
        let legacy = self.config.legacy;
        let is_utf8 = command.has(option::UTF8);
        let read = |bytes: &[u8]| match is_utf8 {
            true => decode_utf8(bytes).into_owned(),
            false => decode(bytes, legacy).into_owned(),
        };
        let (bytes, files) = packet.split_extra();
        let mut text = read(bytes);
        if contact.entry.program == Program::FeiQ {
            text = without_feiq(&text);
        }
        let has_files = command.mode() == mode::TEXT && command.has(option::FILES);
        let files = if has_files { offers(files, read) } else { Vec::new() };
        let text = text.replace("\r\n", "\n").replace('\r', "\n").trim_end().to_string();
        self.statistics.texts += 1;
        let is_for_many = !is_single;
        let text =
            Text { from, text, files, is_for_many, is_automatic, number, hash, wants_receipt };
        if text.text.is_empty() && text.files.is_empty() {
            self.accept(now, &text);
        } else {
            self.report(Event::Text(text));
        }
        Ok(())
    }

    /// Handles an acknowledgement. Never acknowledged in turn, though iptux requests it.
    fn received(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &Packet<'_>,
    ) -> Result<(), Ignored> {
        let number = decimal(packet.extra.trim_ascii());
        let contact = self.contacts.get_mut(&from).ok_or(Ignored::UnknownNumber)?;
        let is_it = |sent: &InFlight| number == Some(sent.number.into());
        if !contact.in_flight.as_ref().is_some_and(is_it) {
            return Err(Ignored::UnknownNumber);
        }
        let ids = contact.in_flight.take().map(|sent| sent.ids).unwrap_or_default();
        contact.failures = 0;
        contact.next_text = contact.next_text.max(now);
        let is_first = matches!(contact.trust, Trust::Unproved { .. });
        if is_first {
            contact.trust = Trust::Proved;
            self.unproved.remove(&(contact.met, from));
        }
        self.statistics.delivered += ids.len() as u64;
        self.report(Event::Delivered(from, ids));
        if is_first {
            self.report(Event::Proved(from));
        }
        Ok(())
    }

    /// Answers a request of a contact, as often as entries are answered.
    fn inform(&mut self, now: Instant, to: SocketAddr, answer: u8, extra: &[u8]) {
        let number = self.number(now, 0);
        let Some(contact) = self.contacts.get_mut(&to) else { return };
        if contact.answered.is_some_and(|at| now - at < ANSWER_EVERY) || !contact.spend() {
            return;
        }
        contact.answered = Some(now);
        self.write(to, number, Command::of(answer, 0), extra);
    }
}

/// Timers of a contact.
impl Messenger {
    /// Does everything that is due for a contact, and schedules its next deadline.
    fn turn(&mut self, now: Instant, address: SocketAddr) {
        self.answer(now, address);
        self.start_text(now, address);
        self.acknowledge(now, address);
        self.repeat_text(now, address);
        self.probe(now, address);
        let Some(contact) = self.contacts.get_mut(&address) else { return };
        let (before, due) = (contact.scheduled, contact.due());
        contact.scheduled = due;
        if before != due {
            self.unschedule(before, address);
            self.schedule.extend(due.map(|at| (at, address)));
        }
    }

    fn answer(&mut self, now: Instant, to: SocketAddr) {
        let number = self.number(now, 0);
        let Some(contact) = self.contacts.get_mut(&to) else { return };
        if contact.answer_at.is_none_or(|at| at > now) {
            return;
        }
        contact.answer_at = None;
        if !contact.spend() {
            return;
        }
        contact.answered = Some(now);
        let writes = contact.entry.writes;
        // Once only: two programs that both did this would never stop.
        let was_asked = std::mem::replace(&mut contact.was_asked, true);
        if contact.trust_is_earned() || was_asked {
            let labelled = if writes.is_labelled { option::UTF8 | option::CAN_UTF8 } else { 0 };
            let extra = self.config.identity.for_contact(writes);
            self.write(to, number, Command::of(mode::ANSWER, labelled), &extra);
        } else {
            self.send_entry(to, number, option::DIAL_UP);
        }
    }

    fn start_text(&mut self, now: Instant, to: SocketAddr) {
        let wall = self.number(now, 0);
        let (pace, joins) = (self.config.pace, self.config.joins_texts);
        let Some(contact) = self.contacts.get_mut(&to) else { return };
        if !contact.is_free() || contact.next_text > now || !contact.may_get() {
            return;
        }
        let Some((ids, text)) = contact.next_text(joins) else { return };
        contact.spend();
        let number = wall.max(contact.last_number.saturating_add(1));
        contact.last_number = number;
        contact.next_text = now + pace;
        let next_try = now + contact.retries().1;
        // Encoded once: retransmissions must be identical, even if the contact's encoding changes.
        let writes = contact.entry.writes;
        let mut bytes = Vec::new();
        writes.encoding.encode_lossy(&text.replace('\0', "\\0"), &mut bytes);
        let is_labelled = writes.is_labelled;
        contact.in_flight = Some(InFlight { number, bytes, is_labelled, ids, tries: 1, next_try });
        self.send_in_flight(to);
    }

    fn acknowledge(&mut self, now: Instant, to: SocketAddr) {
        let own = self.number(now, 0);
        while let Some(contact) = self.contacts.get_mut(&to)
            && contact.may_get()
            && let Some(number) = contact.owed.pop_front()
        {
            contact.spend();
            self.statistics.receipts += 1;
            let extra = number.to_string();
            self.write(to, own, Command::of(mode::RECEIVED, 0), extra.as_bytes());
        }
    }

    /// Retransmits an unacknowledged text, or gives it up.
    fn repeat_text(&mut self, now: Instant, to: SocketAddr) {
        let Some(contact) = self.contacts.get_mut(&to) else { return };
        let (most, every) = contact.retries();
        let Some(sent) = contact.in_flight.as_mut().filter(|sent| sent.next_try <= now) else {
            return;
        };
        if sent.tries < most {
            sent.tries += 1;
            sent.next_try = now + every;
            if contact.spend() {
                self.send_in_flight(to);
            }
            return;
        }
        self.give_up(to, WhyUndelivered::NoReply);
        self.start_text(now, to);
    }

    /// Gives up the text in flight, and removes a contact that acknowledges nothing.
    fn give_up(&mut self, to: SocketAddr, why: WhyUndelivered) {
        let Some(contact) = self.contacts.get_mut(&to) else { return };
        let Some(sent) = contact.in_flight.take() else { return };
        contact.failures += 1;
        let is_given_up = match contact.trust {
            Trust::Unproved { .. } => true,
            Trust::Proved => contact.failures >= MAX_FAILURES,
            Trust::Named => false,
        };
        self.undelivered(to, sent.ids, why);
        if is_given_up {
            self.gone(to, WhyGone::Unreachable);
        }
    }

    /// Probes a silent contact, and removes one that does not answer.
    fn probe(&mut self, now: Instant, to: SocketAddr) {
        let number = self.number(now, 0);
        let Some(contact) = self.contacts.get_mut(&to) else { return };
        if !contact.is_asked() || contact.probe_at > now {
            return;
        }
        if contact.probes >= PROBES && !contact.is_blank {
            return self.gone(to, WhyGone::Silent);
        }
        contact.probes += 1;
        contact.probe_at = now + if contact.is_blank { WHO_EVERY } else { PROBE_EVERY };
        if contact.spend() {
            self.send_entry(to, number, option::DIAL_UP);
        }
    }

    /// Removes a contact, and reports that.
    fn gone(&mut self, address: SocketAddr, why: WhyGone) {
        if let Some(mut contact) = self.remove(address) {
            self.undelivered(address, contact.take_undelivered(), WhyUndelivered::Gone);
            self.report(Event::Gone(address, why));
        }
    }

    fn remove(&mut self, address: SocketAddr) -> Option<Contact> {
        let contact = self.contacts.remove(&address)?;
        self.unschedule(contact.scheduled, address);
        self.unproved.remove(&(contact.met, address));
        Some(contact)
    }

    fn unschedule(&mut self, at: Option<Instant>, address: SocketAddr) {
        if let Some(at) = at {
            self.schedule.remove(&(at, address));
        }
    }

    fn undelivered(&mut self, to: SocketAddr, ids: Vec<MessageId>, why: WhyUndelivered) {
        if !ids.is_empty() {
            self.statistics.undelivered += ids.len() as u64;
            self.report(Event::Undelivered(to, ids, why));
        }
    }

    fn report(&mut self, event: Event) {
        match self.events.len() < MAX_EVENTS {
            true => self.events.push_back(event),
            false => self.statistics.ignore(Ignored::Overflow),
        }
    }

    fn send_in_flight(&mut self, to: SocketAddr) {
        let Some(contact) = self.contacts.get(&to) else { return };
        let Some(sent) = &contact.in_flight else { return };
        let retry = if sent.tries > 1 { option::RETRY } else { 0 };
        let utf8 = if sent.is_labelled { option::UTF8 } else { 0 };
        let command = Command::of(mode::TEXT, option::CHECK | retry | utf8);
        let (number, bytes) = (sent.number, sent.bytes.clone());
        self.write(to, number, command, &bytes);
    }

    fn send_entry(&mut self, to: SocketAddr, number: u32, options: u32) {
        let extra = self.config.identity.for_everybody(self.config.legacy);
        self.write(to, number, Command::of(mode::ENTRY, option::CAN_UTF8 | options), &extra);
    }

    fn write(&mut self, to: SocketAddr, number: u32, command: Command, extra: &[u8]) {
        let Identity { version, user, host, .. } = &self.config.identity;
        let local = self.contacts.get(&to).and_then(|contact| contact.local);
        let packet = Packet {
            version: version.as_bytes(),
            number: number.into(),
            user: user.as_bytes(),
            host: host.as_bytes(),
            command,
            extra,
        };
        let range = self.outbox.append(|bytes| packet.write(bytes));
        self.outbox.queue(to, local, range);
        self.statistics.sent += 1;
    }

    /// A packet number: above `last`, and increasing across restarts, because it follows the clock.
    fn number(&self, now: Instant, last: u32) -> u32 {
        let seconds = self.config.wall.read(now).as_secs();
        last.saturating_add(1).max(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// A random number from 0 to 1 (SplitMix64).
    fn draw(&mut self) -> f64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Contact {
    /// Whether the contact is proved, or was entered by the user.
    fn trust_is_earned(&self) -> bool {
        !matches!(self.trust, Trust::Unproved { .. })
    }

    /// Whether a new text may be sent: none is in flight, and the credit is not needed for an
    /// answer.
    fn is_free(&self) -> bool {
        self.in_flight.is_none() && (self.trust_is_earned() || self.answer_at.is_none())
    }

    /// Whether to probe the contact. One entered by the user is never removed.
    fn is_asked(&self) -> bool {
        match self.trust {
            Trust::Named => self.is_blank && self.probes + 1 < PROBES,
            Trust::Unproved { .. } | Trust::Proved => true,
        }
    }

    /// The next deadline.
    fn due(&self) -> Option<Instant> {
        let text = !self.queue.is_empty() && self.is_free() && self.may_get();
        let timers = [
            self.answer_at,
            self.in_flight.as_ref().map(|sent| sent.next_try),
            text.then_some(self.next_text),
            self.is_asked().then_some(self.probe_at),
        ];
        timers.into_iter().flatten().min()
    }
}

impl Machine for Messenger {
    type Event = Event;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        self.statistics.received += 1;
        if let Err(why) = self.receive(now, datagram) {
            self.statistics.ignore(why);
        }
    }

    /// ICMP messages can be forged. This one only ends a text to a contact entered by the user,
    /// which can be sent again.
    fn handle_refused_by(&mut self, now: Instant, _: SocketId, peer: SocketAddr) {
        self.outbox.reset_if_drained();
        let Some(contact) = self.contacts.get_mut(&peer) else { return };
        if contact.trust != Trust::Named {
            return;
        }
        if contact.in_flight.is_some() {
            self.give_up(peer, WhyUndelivered::Refused);
        } else if contact.is_blank {
            // The contact's entry will not come: sending the text shows whether the contact exists.
            contact.next_text = now;
        }
        self.turn(now, peer);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        while let Some(&(at, address)) = self.schedule.first().filter(|(at, _)| *at <= now) {
            self.schedule.remove(&(at, address));
            if let Some(contact) = self.contacts.get_mut(&address) {
                contact.scheduled = None;
            }
            self.turn(now, address);
        }
        if let Some(ip) = self.scan.next(now) {
            let to = SocketAddr::from((ip, PORT));
            let is_ours = self.config.sources.own.contains(&to);
            if !is_ours && !self.contacts.contains_key(&to) {
                let number = self.number(now, 0);
                self.send_entry(to, number, option::DIAL_UP);
            }
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The earliest deadline of the contacts and of the scan.
    fn poll_timeout(&self) -> Option<Instant> {
        let contact = self.schedule.first().map(|&(at, _)| at);
        [contact, self.scan.due()].into_iter().flatten().min()
    }
}

fn view(address: SocketAddr, contact: &Contact) -> ContactView<'_> {
    let Entry { nick, group, user, host, writes, program, is_absent } = &contact.entry;
    ContactView {
        address,
        nick,
        group,
        user,
        host,
        program: *program,
        writes: *writes,
        is_absent: *is_absent,
        is_proved: contact.trust == Trust::Proved,
    }
}

/// A hash of a text, to distinguish texts with the same number (FNV-1a). A sender who forces a
/// collision only loses a text of its own.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
