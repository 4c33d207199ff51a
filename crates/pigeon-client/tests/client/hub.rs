//! A minimal hub for tests of clients, by the rules of `docs/protocol.md`. Records its commands.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, Transmit};
use pigeon_proto::{
    Answer, Change, Command, Door, Format, Gone, Here, Incoming, Label, Name, News, Notice, Prove,
    Reason, Refusal, RoomName, Roster, Subject, Text, Verb, You,
};

const TIMEOUT: Duration = Duration::from_secs(30);
const TOKEN: &[u8; Prove::TOKEN] = b"abcdefghijklmnop";

/// A member.
#[derive(Clone, Debug)]
struct Member {
    name: Option<Name>,
    room: RoomName,
    heard: Instant,
}

/// The hub's configuration.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) format: Format,
    pub(crate) max_members: Option<usize>,
    /// Whether members must prove their addresses.
    pub(crate) asks_for_proof: bool,
    pub(crate) asks_for_password: bool,
    /// Maximum number of names in one line of a list.
    pub(crate) page: Option<usize>,
    /// The hub's name in answers to `/discover`.
    pub(crate) called: Option<Name>,
}

/// The test hub.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    script: Script,
    members: BTreeMap<SocketAddr, Member>,
    proved: Vec<SocketAddr>,
    admitted: Vec<SocketAddr>,
    banned: Vec<SocketAddr>,
    newcomers: Vec<SocketAddr>,
    words: BTreeMap<String, Name>,
    versions: BTreeMap<RoomName, u64>,
    /// Every command received.
    pub(crate) commands: Vec<String>,
    pub(crate) heartbeats: u64,
    pub(crate) joined: u64,
    pub(crate) timed_out: u64,
    outbox: Outbox,
}

impl Hub {
    pub(crate) fn new() -> Hub {
        Hub::default()
    }

    pub(crate) fn with(script: Script) -> Hub {
        Hub { script, ..Hub::default() }
    }

    pub(crate) fn raw() -> Hub {
        Hub::with(Script { format: Format::Raw, ..Script::default() })
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The names of members, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.members.values().filter_map(|member| member.name.as_ref());
        let mut names: Vec<String> = names.map(Name::to_string).collect();
        names.sort();
        names
    }

    pub(crate) fn is_member(&self, address: SocketAddr) -> bool {
        self.members.contains_key(&address)
    }

    pub(crate) fn room_of(&self, name: &str) -> Option<String> {
        let member = self.members.values().find(|member| is_called(member, name))?;
        Some(member.room.to_string())
    }

    // The operator's actions.

    pub(crate) fn stop(&mut self) {
        self.outbox.reset_if_drained();
        let members: Vec<SocketAddr> = self.members.keys().copied().collect();
        members.into_iter().for_each(|to| self.notify(to, &Notice::Gone(Gone::Stopped)));
        self.members.clear();
    }

    pub(crate) fn remove(&mut self, name: &str, gone: Gone) {
        self.outbox.reset_if_drained();
        let found = self.members.iter().find(|(_, member)| is_called(member, name));
        let address = *found.unwrap().0;
        self.drop_member(address, Change::Kicked);
        self.banned.push(address);
        self.notify(address, &Notice::Gone(gone));
    }

    pub(crate) fn pardon(&mut self) {
        self.banned.clear();
    }

    /// Removes all members except bans, like a hub that times them out.
    pub(crate) fn forget(&mut self) {
        self.members.clear();
    }

    pub(crate) fn send(&mut self, to: SocketAddr, payload: &[u8]) {
        self.outbox.reset_if_drained();
        self.outbox.send(to, None, payload);
    }

    // Members' actions.

    fn notify(&mut self, to: SocketAddr, notice: &Notice) {
        self.outbox.send(to, None, &notice.to_bytes());
    }

    fn refuse(&mut self, to: SocketAddr, what: Subject, why: Reason) {
        self.notify(to, &Notice::Refused(Refusal::new(what, why)));
    }

    /// Adds or keeps the sender as a member.
    fn admit(&mut self, now: Instant, from: SocketAddr) -> bool {
        let room = RoomName::lobby();
        if let Some(member) = self.members.get_mut(&from) {
            member.heard = now;
            return true;
        }
        if self.script.max_members.is_some_and(|most| self.members.len() >= most) {
            self.refuse(from, Subject::Member, Reason::HubFull);
            return false;
        }
        self.joined += 1;
        self.members.insert(from, Member { name: None, room: room.clone(), heard: now });
        *self.versions.entry(room).or_default() += 1;
        self.newcomers.push(from);
        true
    }

    /// Sends news of joined members after the answers: a hub collects news for a second.
    fn tell_newcomers(&mut self) {
        for address in std::mem::take(&mut self.newcomers) {
            let Some(member) = self.members.get(&address) else { continue };
            let (room, names) = (member.room.clone(), vec![self.label(address)]);
            let version = self.versions.get(&room).copied().unwrap_or(0);
            let news = News { room: room.clone(), version, change: Change::Joined, names, more: 0 };
            self.in_room(&room)
                .into_iter()
                .for_each(|to| self.notify(to, &Notice::News(news.clone())));
        }
    }

    fn drop_member(&mut self, address: SocketAddr, change: Change) {
        let label = self.label(address);
        if let Some(member) = self.members.remove(&address) {
            self.tell(&member.room, change, vec![label]);
        }
    }

    fn label(&self, address: SocketAddr) -> Label {
        let name = self.members.get(&address).and_then(|member| member.name.as_ref());
        name.map_or(Label::from(address), Label::from)
    }

    fn in_room(&self, room: &RoomName) -> Vec<SocketAddr> {
        let here = self.members.iter().filter(|(_, member)| member.room == *room);
        here.map(|(address, _)| *address).collect()
    }

    fn tell(&mut self, room: &RoomName, change: Change, names: Vec<Label>) {
        let version = self.versions.entry(room.clone()).or_default();
        *version += 1;
        let version = *version;
        let news = News { room: room.clone(), version, change, names, more: 0 };
        for to in self.in_room(room) {
            self.notify(to, &Notice::News(news.clone()));
        }
    }

    fn answer(&mut self, from: SocketAddr) {
        let Some(member) = self.members.get(&from) else { return };
        let is_in = !self.script.asks_for_password || self.admitted.contains(&from);
        let room = is_in.then(|| member.room.clone());
        let version = self.versions.get(&member.room).copied().unwrap_or(0);
        let answer = Answer {
            members: self.members.len() as u64,
            secure_port: None,
            format: Some(self.script.format),
            you: Some(You { name: member.name.clone(), room }),
            version: Some(version),
            last: Some(0),
        };
        let mut bytes = Vec::new();
        answer.write(336, &mut bytes);
        self.outbox.send(from, None, &bytes);
    }

    fn say(&mut self, from: SocketAddr, text: &[u8]) {
        let Some(member) = self.members.get(&from) else { return };
        let room = member.room.clone();
        let line = match self.script.format {
            Format::Raw => text.to_vec(),
            _ => [self.label(from).as_str().as_bytes(), b": ", text, b"\n"].concat(),
        };
        for to in self.in_room(&room) {
            if self.script.format != Format::Raw || to != from {
                self.outbox.send(to, None, &line);
            }
        }
    }

    fn name_notice(&mut self, to: SocketAddr) {
        let Some(member) = self.members.get(&to).cloned() else { return };
        let word = self.words.iter().find(|(_, name)| Some(*name) == member.name.as_ref());
        let word = word.map(|(word, _)| word.as_str().into());
        self.notify(to, &Notice::Name { name: member.name, room: member.room, word });
    }

    fn take_name(&mut self, from: SocketAddr, name: Name) {
        let before = self.label(from);
        let after = Label::from(&name);
        let Some(member) = self.members.get_mut(&from) else { return };
        let (room, is_new) = (member.room.clone(), before != after);
        member.name = Some(name.clone());
        if !self.words.values().any(|owner| *owner == name) {
            self.words.insert(format!("{}-word", self.words.len()), name);
        }
        self.name_notice(from);
        if is_new {
            self.tell(&room, Change::Renamed, vec![before, after]);
        }
    }

    fn go_to(&mut self, from: SocketAddr, room: RoomName) {
        let label = self.label(from);
        let Some(member) = self.members.get_mut(&from) else { return };
        let before = std::mem::replace(&mut member.room, room.clone());
        self.name_notice(from);
        if before != room {
            self.tell(&before, Change::Left, vec![label.clone()]);
            self.tell(&room, Change::Joined, vec![label]);
        }
    }

    fn resume(&mut self, from: SocketAddr, word: &str) {
        let what = Subject::Command(Verb::Resume);
        let Some(name) = self.words.get(word).cloned() else {
            return self.refuse(from, what, Reason::NotAWord);
        };
        let ghost = self.members.iter().find(|(_, member)| member.name.as_ref() == Some(&name));
        let room = match ghost.map(|(address, member)| (*address, member.room.clone())) {
            Some((address, _)) if address == from => return self.name_notice(from),
            Some((address, room)) => {
                self.members.remove(&address);
                self.notify(address, &Notice::Gone(Gone::Moved));
                *self.versions.entry(room.clone()).or_default() += 1;
                room
            }
            None => RoomName::lobby(),
        };
        if let Some(member) = self.members.get_mut(&from) {
            member.room = room;
        }
        self.take_name(from, name);
    }

    fn command(&mut self, from: SocketAddr, line: &[u8]) {
        self.commands.push(String::from_utf8_lossy(line).into_owned());
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(refusal) => return self.notify(from, &Notice::Refused(refusal)),
        };
        let what = Subject::Command(command.verb());
        if self.script.asks_for_password && !self.admitted.contains(&from) {
            match command {
                Command::Pass(secret) if secret.as_bytes() == b"sesame" => {
                    self.admitted.push(from);
                    return self.name_notice(from);
                }
                Command::Pass(_) => return self.refuse(from, what, Reason::WrongPassword),
                _ => return self.refuse(from, what, Reason::Password),
            }
        }
        match command {
            Command::Nick(Some(name)) => {
                let holder = self.members.iter().find(|(_, m)| m.name.as_ref() == Some(&name));
                match holder.is_some_and(|(address, _)| *address != from) {
                    true => self.refuse(from, what, Reason::InUse(name)),
                    false => self.take_name(from, name),
                }
            }
            Command::Resume(word) => self.resume(from, word.as_str()),
            Command::Join(room) => self.go_to(from, room),
            Command::Leave => self.go_to(from, RoomName::lobby()),
            Command::Who { from: first } => self.who(from, first),
            Command::Rooms { from: first } => {
                let mut counts: BTreeMap<RoomName, u32> = BTreeMap::new();
                self.members.values().for_each(|m| *counts.entry(m.room.clone()).or_default() += 1);
                let total = counts.len() as u32;
                let rooms = counts.into_iter().skip(first as usize);
                self.notify(from, &Notice::rooms(first, total, rooms));
            }
            Command::Msg { to, text } => {
                let found = self.members.iter().find(|(_, member)| is_called(member, to.as_str()));
                let text = Text::of(text.as_bytes()).unwrap();
                match found.map(|(address, _)| *address) {
                    None => self.refuse(from, what, Reason::Nobody(detail(to.as_str()))),
                    Some(address) => {
                        let (me, other) = (self.label(from), self.label(address));
                        self.notify(address, &Notice::MsgFrom { name: me, text: text.clone() });
                        self.notify(from, &Notice::MsgTo { name: other, text });
                    }
                }
            }
            Command::Help => self.notify(from, &Notice::Help),
            Command::History { .. } | Command::Search(_) => {
                self.refuse(from, what, Reason::NoHistory)
            }
            _ => self.name_notice(from),
        }
    }

    fn who(&mut self, from: SocketAddr, first: u32) {
        let Some(member) = self.members.get(&from) else { return };
        let room = member.room.clone();
        let version = self.versions.get(&room).copied().unwrap_or(0);
        let here = self.in_room(&room);
        let labels = here.iter().map(|address| self.label(*address));
        let labels: Vec<Label> =
            labels.skip(first as usize).take(self.script.page.unwrap_or(usize::MAX)).collect();
        let people = here.len() as u32;
        let members = labels.into_iter().map(|label| (label, pigeon_proto::LinkKind::Plain));
        let roster = Roster::fill(room, version, (people, 0), first, members);
        self.notify(from, &Notice::Roster(roster));
    }

    /// Whether the sender has proved its address. If not, a padded heartbeat gets a request for
    /// proof.
    fn is_proved(&mut self, from: SocketAddr, incoming: &Incoming<'_>) -> bool {
        if !self.script.asks_for_proof || self.proved.contains(&from) {
            return true;
        }
        match incoming {
            Incoming::Prove(prove) if prove.token == TOKEN => self.proved.push(from),
            Incoming::Heartbeat { padded: true } => {
                let mut question = Vec::new();
                Prove { token: TOKEN }.write(&mut question);
                self.outbox.send(from, None, &question);
            }
            _ => {}
        }
        false
    }
}

fn is_called(member: &Member, name: &str) -> bool {
    member.name.as_ref().is_some_and(|called| called.as_str() == name)
}

fn detail(text: &str) -> pigeon_proto::Detail {
    pigeon_proto::Detail::of(text.as_bytes())
}

impl Machine for Hub {
    type Event = std::convert::Infallible;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        let from = datagram.from;
        let incoming = Incoming::parse(self.script.format, datagram.payload);
        if self.banned.contains(&from) || !self.is_proved(from, &incoming) {
            return;
        }
        match incoming {
            Incoming::Heartbeat { padded } => {
                self.heartbeats += 1;
                if self.admit(now, from) && padded {
                    self.answer(from);
                }
            }
            Incoming::Quit => self.drop_member(from, Change::Left),
            Incoming::Empty => drop(self.admit(now, from)),
            Incoming::Command(line) => {
                if self.admit(now, from) {
                    self.command(from, line);
                }
            }
            Incoming::Message(text) => {
                if self.admit(now, from) {
                    self.say(from, text);
                }
            }
            Incoming::Discover(question) => {
                if let Some(name) = self.script.called.clone() {
                    let door = Some(Door { id: 7, port: from.port(), format: self.script.format });
                    let (nonce, members) = (question.nonce, self.members.len() as u64);
                    let here = Here { nonce, name, members, secure_port: None, door };
                    let mut answer = Vec::new();
                    here.write(datagram.payload.len(), &mut answer);
                    self.outbox.send(from, None, &answer);
                }
            }
            Incoming::Prove(_) | Incoming::Reply => {}
        }
        self.tell_newcomers();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        let late = self.members.iter().filter(|(_, member)| now - member.heard >= TIMEOUT);
        let late: Vec<SocketAddr> = late.map(|(address, _)| *address).collect();
        for address in late {
            self.timed_out += 1;
            self.drop_member(address, Change::TimedOut);
            self.notify(address, &Notice::Gone(Gone::TimedOut));
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.members.values().map(|member| member.heard + TIMEOUT).min()
    }
}
