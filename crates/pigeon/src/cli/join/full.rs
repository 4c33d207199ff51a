//! A session on a full screen: messages and notices, sorted by room and person.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use pigeon_client::{Contact, Event, Roster, Session, Spoken, action};
use pigeon_datagram::Instant;
use pigeon_net::Stats;
use pigeon_proto::{
    Command, Format, Gone, Label, Language, LinkKind, Name, Notice, Reason, Refusal, RoomName,
    Setting, Subject, Verb, sentence,
};
use pigeon_text::escape;
use rand_pcg::Pcg64;

use super::connection::Connection;
use super::copies::{Copies, Missing};
use super::gate::{Delivery, DeliveryState};
use super::kept::Kept;
use super::note::{Note, without_word};
use crate::base::payload::without_end;
use crate::output::Color;
use crate::ui::screen::{
    Action, Kind, Line, Look, Members, Model, PlaceId, Screen, Update, WallClock,
};
use crate::ui::span::in_seconds;
use crate::ui::typist::Typed;
use crate::words::{self, say_in};

/// Number of older lines requested at the top of the screen.
const OLDER: u16 = 50;

/// Queue length of lines to the loop; when it is full, typing waits.
const WAITING: usize = 64;

/// The screen, and the state last sent to it.
pub(super) struct Full {
    screen: Screen,
    roster: Roster,
    /// The roster version that the screen shows.
    listed: u64,
    /// The room that the screen shows as ours.
    entered: String,
    hub: SocketAddr,
    local: SocketAddr,
    language: Language,
    copies: Copies,
    /// Whether the screen shows us as a member, with a member's lists.
    is_in: bool,
    /// Why the hub has not admitted us; `None` once it has.
    not_admitted: Option<Note>,
    kept: Kept,
    /// Until when the hub sends no more history, and its notice about that.
    wait: Option<(Instant, String)>,
    /// Our name on the screen.
    me: Option<Name>,
    last_note: String,
    /// For a member with a key: whether the hub is connected, and how many messages it has not
    /// stored.
    delivery: Option<DeliveryState>,
    clock: WallClock,
}

impl Full {
    pub(super) fn open(
        connection: Connection,
        color: Color,
        bell: bool,
    ) -> anyhow::Result<(Full, Receiver<Typed>)> {
        let Connection { hub, local, waker, language } = connection;
        let (sender, typed) = sync_channel(WAITING);
        let look = Look { color: color.enabled(&std::io::stdout()) };
        let first = PlaceId::Room("".into());
        let title = say_in!(language, "screen-title", hub = &hub);
        let commands = |language| say_in!(language, "join-commands");
        let mut model = Model::new(title, first, commands, language);
        model.bell = bell;
        model.is_in = false;
        let act = move |action: Action| {
            let given = match action {
                Action::Say(place, lines) => lines
                    .into_iter()
                    .all(|line| sender.send(Typed::Line(addressed(&place, line))).is_ok()),
                Action::Older(before) => {
                    let command = Command::History { count: Some(OLDER), before };
                    sender.send(Typed::Line(command.to_bytes())).is_ok()
                }
                Action::Leave(status) => sender.send(Typed::Leave(status)).is_ok(),
                Action::Look(_) | Action::Refresh | Action::Suspend | Action::Redraw => true,
            };
            waker.wake();
            given
        };
        let full = Full {
            screen: Screen::open(model, look, act)?,
            roster: Roster::default(),
            listed: 0,
            entered: String::new(),
            hub,
            local,
            language,
            copies: Copies::default(),
            is_in: false,
            not_admitted: None,
            kept: Kept::default(),
            wait: None,
            me: None,
            delivery: None,
            last_note: String::new(),
            clock: WallClock::default(),
        };
        Ok((full, typed))
    }

    /// Updates the lists after an event of the session.
    pub(super) fn event(&mut self, now: Instant, event: &Event) {
        self.roster.hear(now, event);
        match event {
            Event::Notice(Notice::Refused(refusal)) => {
                self.copies.refused(now, refusal);
                if refusal.what == Subject::Member {
                    self.not_admitted = Some(Note::NotAdmitted(refusal.clone()));
                }
            }
            Event::Notice(Notice::Gone(gone @ (Gone::Kicked | Gone::Banned | Gone::Moved))) => {
                self.copies.forget();
                self.not_admitted = Some(Note::Gone(*gone));
            }
            // The notice names our room, so we are admitted.
            Event::Notice(Notice::Name { .. }) => self.not_admitted = None,
            Event::Background(Notice::Refused(refusal)) => self.reach_the_oldest(refusal),
            Event::Joined(answer) | Event::Answered(answer) => {
                // A hub also answers heartbeats while it waits for the password.
                let is_in = answer.you.as_ref().is_some_and(|you| you.room.is_some());
                self.not_admitted.take_if(|note| is_in || !note.asks_for_password());
                if self.kept.answered(now, answer) {
                    self.screen.tell(Update::Keeps(self.kept.keeps()));
                }
            }
            Event::Again { .. } => self.not_admitted = None,
            _ => {}
        }
        if self.me.as_ref() != self.roster.me() {
            self.me = self.roster.me().cloned();
            let me = self.me.as_ref().map(Name::as_str).unwrap_or_default();
            self.screen.tell(Update::Me(me.into()));
        }
        if let Some(room) = self.roster.room().filter(|room| self.entered != room.as_str()) {
            self.entered = room.to_string();
            self.kept.entered(now);
            self.screen.tell(Update::Enter(room.as_str().into()));
        }
    }

    pub(super) fn received(&mut self, session: &Session<Pcg64>, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload);
        // Invalid UTF-8 is shown as escapes, not as U+FFFD.
        let escaped =
            matches!(text, std::borrow::Cow::Owned(_)).then(|| escape(payload).to_string());
        let text = without_end(escaped.as_deref().unwrap_or(&text));
        let spoken = match session.format() {
            Some(Format::Raw | Format::Classic) => Spoken::Other(text),
            Some(Format::Chat) | None => Spoken::parse(text),
        };
        let (kind, sender, text) = match spoken {
            Spoken::Said { name, text } if self.is_me(name) => (Kind::Mine, name, text),
            Spoken::Said { name, text } => (Kind::Said, name, text),
            Spoken::Other(text) => (Kind::Said, "", text),
        };
        self.show(Some(self.here()), kind, sender, text);
        self.copies.came(text);
    }

    /// Shows a notice: private messages as conversations, news in the room, answers where they were
    /// requested.
    pub(super) fn notice(&mut self, now: Instant, notice: &Notice) {
        if let Notice::Set(Setting::Language(language)) = notice {
            self.language = *language;
            words::set_language(*language);
            self.screen.tell(Update::Language(*language));
        }
        let here = Some(self.here());
        match notice {
            Notice::MsgFrom { name, text } => {
                let line = self.clock.line(Kind::Said, name.as_str(), text.as_str());
                self.screen.tell(Update::Whisper(PlaceId::Person(name.as_str().into()), line));
            }
            Notice::MsgTo { name, text } => {
                let line = self.clock.line(Kind::Mine, &self.me(), text.as_str());
                self.screen.tell(Update::Whisper(PlaceId::Person(name.as_str().into()), line));
            }
            Notice::Said { position, time, link, name, text } => {
                let kind = if self.is_me(name.as_str()) { Kind::Mine } else { Kind::Said };
                let line = Line {
                    time: WallClock::at(i64::try_from(*time).unwrap_or(i64::MAX)),
                    kind,
                    sender: name.as_str().into(),
                    text: text.as_str().into(),
                    position: Some(*position),
                    link: (*link != LinkKind::Plain).then(|| sentence::link(*link, self.language)),
                };
                self.wait = None;
                self.screen.tell(
                    match self.kept.said(now, *position, name.as_str(), text.as_str()) {
                        true => Update::Hit(line),
                        false => Update::Kept(self.here(), line),
                    },
                );
            }
            Notice::Refused(refusal)
                if refusal.what == Subject::Command(Verb::Search) && self.kept.refused() =>
            {
                let sentence = sentence::of(notice, self.language);
                self.screen.tell(Update::NoHits(sentence.into()));
            }
            Notice::Missing { position, time, .. } => {
                let sentence = sentence::of(notice, self.language);
                let time = WallClock::at(i64::try_from(*time).unwrap_or(i64::MAX));
                let kind = Kind::Notice;
                let (sender, text) = ("".into(), sentence.into());
                let line = Line { time, kind, sender, text, position: Some(*position), link: None };
                self.screen.tell(Update::Kept(self.here(), line));
            }
            // The request for older lines handles it.
            Notice::Earlier { .. } => {}
            Notice::Refused(Refusal {
                what: Subject::Command(Verb::History),
                why: Reason::Wait { seconds },
            }) => {
                // A user scrolled up does not see the newest lines.
                let until = now + Duration::from_secs(*seconds);
                self.wait = Some((until, sentence::of(notice, self.language)));
            }
            Notice::Refused(refusal) if is_at_the_oldest(refusal) => self.reach_the_oldest(refusal),
            Notice::News(_) => {
                let sentence = sentence::of(notice, self.language);
                self.show(here, Kind::Notice, "", &sentence);
            }
            _ => {
                let sentence = sentence::of(&without_word(notice), self.language);
                self.show(None, Kind::Notice, "", &sentence);
            }
        }
    }

    /// The hub has a new address, and so may we.
    pub(super) fn moved(&mut self, hub: SocketAddr, local: SocketAddr) {
        (self.hub, self.local) = (hub, local);
    }

    /// The room was read up to this position before.
    pub(super) fn seen(&mut self, room: &RoomName, position: u64) {
        self.screen.tell(Update::Seen(PlaceId::Room(room.as_str().into()), position));
    }

    /// There is nothing older, or no history at all.
    fn reach_the_oldest(&mut self, refusal: &Refusal) {
        match (refusal.what, &refusal.why) {
            (Subject::Command(Verb::History), Reason::NothingSaid) => {
                self.screen.tell(Update::Oldest(self.here()));
            }
            (Subject::Command(Verb::History), Reason::NoHistory) => {
                self.kept.keeps_nothing();
                self.screen.tell(Update::Keeps(false));
            }
            _ => {}
        }
    }

    fn show(&mut self, place: Option<PlaceId>, kind: Kind, sender: &str, text: &str) {
        let line = self.clock.line(kind, sender, text);
        self.screen.tell(Update::Line(place, line));
    }

    fn here(&self) -> PlaceId {
        PlaceId::Room(self.entered.as_str().into())
    }

    fn me(&self) -> String {
        let you = || say_in!(self.language, "screen-you");
        self.roster.me().map_or_else(you, ToString::to_string)
    }

    fn is_me(&self, name: &str) -> bool {
        self.roster.me().is_some_and(|me| me.as_str() == name) || name == self.local.to_string()
    }

    /// Shows a note about the session.
    pub(super) fn note(&mut self, note: &Note) {
        let uncounted = match note {
            // The list beside it shows the current number.
            Note::Joined { name, format, secure_port, is_in, .. } => Some(Note::Joined {
                name: name.clone(),
                members: 0,
                format: *format,
                secure_port: *secure_port,
                is_in: *is_in,
            }),
            _ => None,
        };
        let mut words = uncounted.as_ref().unwrap_or(note).words(self.hub, self.language);
        if matches!(
            note,
            Note::NotSent(_) | Note::Delivery(Delivery::Refused { text: Some(_), .. })
        ) {
            words = say_in!(self.language, "screen-input-brought-back", why = words);
        }
        self.last_note = words;
        let line = self.clock.line(Kind::Note, "", &self.last_note);
        self.screen.tell(Update::Line(None, line));
    }

    /// Records a sent line until its copy confirms it. If `is_lost`, no copy will arrive.
    pub(super) fn typed(
        &mut self,
        session: &Session<Pcg64>,
        now: Instant,
        line: &[u8],
        is_lost: bool,
    ) {
        let line = String::from_utf8_lossy(line);
        if self.kept.keeps()
            && let Some(query) = self.kept.typed(now, &line)
        {
            self.screen.tell(Update::Sought(query.into()));
        }
        let Some(said) = said(line.trim(), session.format()) else { return };
        if session.format() == Some(Format::Raw) {
            self.copies.expect_none();
        }
        if !self.copies.are_sent() {
            let (here, me) = (self.here(), self.me());
            self.show(Some(here), Kind::Mine, &me, &said);
        }
        if !is_lost {
            self.copies.wait_for(now, &said);
        }
    }

    /// Updates the lists and the status line, and requests missing parts. `cut_off`: the error of
    /// the path to the hub, if any.
    pub(super) fn look(
        &mut self,
        session: &mut Session<Pcg64>,
        now: Instant,
        stats: &Stats,
        cut_off: Option<&str>,
    ) {
        self.roster.questions(now, |command| session.ask(now, command));
        self.kept.questions(now, |command| session.ask(now, command));
        let is_in = session.last_heard().is_some()
            && session.contact() != Contact::Removed
            && self.not_admitted.is_none();
        let is_changed = std::mem::replace(&mut self.is_in, is_in) != is_in;
        if is_changed {
            self.screen.tell(Update::IsIn(is_in));
        }
        if !is_in {
            // The hub sends no news of joins and leaves here.
            if is_changed {
                self.screen.tell(Update::Rooms(Vec::new()));
                self.screen.tell(Update::Members(Members::default()));
            }
        } else if is_changed || self.listed != self.roster.changes() {
            self.listed = self.roster.changes();
            let members = Members {
                people: self.roster.people().map(Label::to_string).collect(),
                senders: self.roster.senders().map(Label::to_string).collect(),
                more: self.roster.more(),
            };
            let rooms = self.roster.rooms().iter();
            let rooms = rooms.map(|(room, count)| (room.to_string(), u64::from(*count))).collect();
            self.screen.tell(Update::Rooms(rooms));
            // After the rooms: the members of this room are more up to date than its count.
            self.screen.tell(Update::Members(members));
        }
        if session.holds_lines() || session.contact() == Contact::Asking {
            self.copies.wait_longer(now);
        }
        // Only a server that was heard and names no format may omit copies. For a raw hub none are
        // expected.
        let is_unknown = session.contact() == Contact::Plain && session.format().is_none();
        // For a member with a key, the hub reports the result of each message.
        while self.delivery.is_none()
            && let Some(Missing { said, may_be_raw }) = self.copies.missing(now, is_unknown)
        {
            self.note(&match session.contact() {
                _ if session.last_heard().is_none() => Note::NobodyAnswers { said },
                Contact::Silent => Note::Lost { said },
                _ => Note::NoCopy { said, may_be_raw },
            });
        }
        self.screen.tell(Update::Missed(stats.kernel_drops + session.events_lost()));
        self.wait.take_if(|(until, _)| *until <= now);
        let (text, alarm) = match (&self.not_admitted, &self.wait) {
            (Some(note), _) => (note.words(self.hub, self.language), true),
            (None, Some((_, sentence))) => (sentence.clone(), false),
            (None, None) => match cut_off {
                Some(cause) => (cause.to_string(), true),
                None => match self.delivery {
                    Some(delivery) => secure_status(delivery, session, now, self.language),
                    None => status(session, now, self.language),
                },
            },
        };
        self.screen.tell(Update::Status { text, alarm });
    }

    /// Sets the delivery state of a member with a key.
    pub(super) fn set_delivery(&mut self, delivery: Option<DeliveryState>) {
        self.delivery = delivery;
    }

    /// Restores the terminal and leaves an error readable.
    pub(super) fn close(self, deadline: std::time::Instant, failed: bool) {
        self.screen.close(deadline);
        if failed {
            // Ignored if stderr is closed.
            let _ = writeln!(std::io::stderr(), "{}", escape(&self.last_note));
        }
    }
}

/// The message of a typed line. `None` if it is a command or ends the session.
fn said(line: &str, format: Option<Format>) -> Option<String> {
    if let Some(action) = action(line.as_bytes()) {
        return Some(String::from_utf8_lossy(&action).into_owned());
    }
    let line = match line.strip_prefix("／／").map(|rest| format!("//{rest}")) {
        Some(line) => line,
        None => line.to_string(),
    };
    match line.strip_prefix('/') {
        // A raw hub relays everything unchanged.
        _ if line == "quit" => None,
        Some(_) if format == Some(Format::Raw) => Some(line),
        Some(text) => text.starts_with('/').then(|| text.to_string()),
        None if line.starts_with('／') => None,
        None => Some(line),
    }
}

/// A line as sent to the hub: in a conversation with one person, a private message.
fn addressed(place: &PlaceId, line: String) -> Vec<u8> {
    let bare = line.trim();
    match place {
        PlaceId::Person(name) => match action(bare.as_bytes()) {
            Some(action) => [format!("/msg {name} ").as_bytes(), &action].concat(),
            None if !bare.starts_with(['/', '／']) && bare != "quit" => {
                format!("/msg {name} {bare}").into_bytes()
            }
            None => line.into_bytes(),
        },
        _ => line.into_bytes(),
    }
}

/// Whether the hub has no older messages.
fn is_at_the_oldest(refusal: &Refusal) -> bool {
    refusal.what == Subject::Command(Verb::History) && refusal.why == Reason::NothingSaid
}

/// The state of a hub that stores messages, and whether something is wrong.
fn secure_status(
    delivery: DeliveryState,
    session: &Session<Pcg64>,
    now: Instant,
    language: Language,
) -> (String, bool) {
    let heard = session.last_heard();
    let ago = in_seconds(language, heard.map(|heard| now - heard).unwrap_or_default());
    match (delivery.is_connected, delivery.waiting) {
        (true, 0) if !delivery.stores => {
            (say_in!(language, "join-status-relayed", ago = ago), false)
        }
        (true, 0) => (say_in!(language, "join-status-stored", ago = ago), false),
        (true, count) => (say_in!(language, "join-status-sending", count = count), false),
        (false, 0) => (say_in!(language, "join-status-not-connected"), true),
        (false, count) => (say_in!(language, "join-status-waiting", count = count), true),
    }
}

/// The state of the hub, and whether something is wrong.
fn status(session: &Session<Pcg64>, now: Instant, language: Language) -> (String, bool) {
    let heard = session.last_heard();
    let ago = in_seconds(language, heard.map(|heard| now - heard).unwrap_or_default());
    match session.contact() {
        Contact::Asking => (say_in!(language, "join-status-asking"), false),
        _ if heard.is_none() => {
            (say_in!(language, "join-status-unheard", hub = &session.hub()), true)
        }
        Contact::Plain | Contact::Unheard => {
            (say_in!(language, "join-status-plain", ago = ago), false)
        }
        Contact::Silent => (say_in!(language, "join-status-silent", ago = ago), true),
        Contact::Removed => (say_in!(language, "join-status-removed", ago = ago), true),
        Contact::Answering => {
            let text = match session.round_trip().map(in_millis) {
                Some(time) => say_in!(language, "join-status-round-trip", time = time),
                None => say_in!(language, "join-status-heard"),
            };
            (text, false)
        }
    }
}

/// `0.04 ms`, `0.4 ms`, `23 ms`
fn in_millis(time: Duration) -> String {
    match time.as_secs_f64() * 1_000.0 {
        millis @ ..0.1 => format!("{millis:.2} ms"),
        millis @ ..10.0 => format!("{millis:.1} ms"),
        millis => format!("{millis:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::meant::OWN_OF_SCREEN;
    use super::*;
    use crate::ui::screen::help::entries;

    #[test]
    fn words_for_one_person_go_to_them_and_commands_to_the_hub() {
        let dog = PlaceId::Person("狗哥".into());
        let bytes = |place: &PlaceId, line: &str| String::from_utf8(addressed(place, line.into()));
        assert_eq!(bytes(&dog, " 你好 ").unwrap(), "/msg 狗哥 你好");
        assert_eq!(bytes(&dog, "/who").unwrap(), "/who");
        assert_eq!(bytes(&dog, "／who").unwrap(), "／who");
        assert_eq!(bytes(&dog, "quit").unwrap(), "quit");
        assert_eq!(bytes(&PlaceId::Room("lobby".into()), "hi ").unwrap(), "hi ");
        assert_eq!(bytes(&dog, "／me 挥手").unwrap(), "/msg 狗哥 *挥手*");
    }

    #[test]
    fn a_copy_is_awaited_of_what_is_said_and_of_nothing_else() {
        let chat = |line| said(line, Some(Format::Chat));
        assert_eq!(chat("hi").as_deref(), Some("hi"));
        assert_eq!(chat("//dev/null").as_deref(), Some("/dev/null"));
        assert_eq!(chat("／／dev").as_deref(), Some("/dev"));
        assert_eq!(chat("/me waves").as_deref(), Some("*waves*"));
        for other in ["/who", "／who", "quit"] {
            assert_eq!(chat(other), None, "{other}");
        }
        assert_eq!(said("//x", Some(Format::Raw)).as_deref(), Some("//x"));
    }

    #[test]
    fn every_command_is_explained_in_every_language() {
        // The words without placeholders.
        let words = |language| {
            let entries = entries(&say_in!(language, "join-commands")).into_iter();
            let words = entries.filter_map(|entry| Some(entry.key.split(' ').next()?.to_string()));
            words.map(|word| word.trim_end_matches("TEXT").trim_end_matches("内容").to_string())
        };
        let english: Vec<String> = words(Language::English).collect();
        assert!(english.iter().eq(words(Language::Chinese).collect::<Vec<_>>().iter()));
        for verb in Verb::ALL {
            assert!(english.contains(&format!("/{}", verb.word())), "{verb:?}");
        }
        for own in OWN_OF_SCREEN.iter().filter(|own| **own != "quit") {
            assert!(english.contains(&format!("/{own}")), "{own}");
        }
    }

    #[test]
    fn times_are_short() {
        assert_eq!(in_millis(Duration::from_micros(412)), "0.4 ms");
        assert_eq!(in_millis(Duration::from_micros(37)), "0.04 ms");
        assert_eq!(in_millis(Duration::from_millis(23)), "23 ms");
    }
}
