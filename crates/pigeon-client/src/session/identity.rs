//! The name and the room that the user wants, and those that the hub reports.
//!
//! A hub that was restarted, that timed the session out, or that sees it at a new address knows
//! neither. The answer to a heartbeat shows this, and the session requests them again:
//!
//! ```text
//!   NAME is not ours, and there is a token ──▶ /resume WORD ── refused ──▶ drops the token
//!   NAME is not ours                       ──▶ /nick NAME   ── in-use ───▶ /resume WORD, or waits
//!   ROOM is not ours                       ──▶ /join ROOM   ── refused ──▶ waits a minute
//! ```
//!
//! A member with a key may have several connections, one a window. Then another name or room is the
//! choice of another window, and this one adopts it: if each requested its own again, they would
//! rename their member for ever.

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{
    Command, Name, Notice, Reason, Refusal, RoomName, Subject, Verb, Word, You, fold,
};

use super::left_off::LeftOff;
use super::requests::{Answered, Asker};

/// How often the token is sent until the hub grants the name.
const RESUMES: u8 = 3;

/// The longest resume token kept; a hub's has a number and 16 characters.
const MAX_WORD: usize = 64;

/// How long to wait before requesting a refused name or room again. Its holder may be gone then.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// The effect of an unconfirmed command.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Move {
    To(RoomName),
    Home,
}

/// What a report of the hub about name and room contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Known,
    News,
    /// Another connection of the member has changed them.
    Elsewhere,
}

#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The name that the user wants. `None` if any will do.
    name: Option<Name>,
    /// The room that the user moved to. `None` is the address's default.
    room: Option<RoomName>,
    /// The resume token.
    word: Option<Box<str>>,
    /// The requested name, not confirmed yet.
    typed_name: Option<Name>,
    typed_room: Option<Move>,
    /// Whether other connections may rename and move the same member.
    is_shared: bool,
    /// Whether `name` was asked for explicitly, and not requested yet.
    is_unasked: bool,
    /// The hub's last report. `None` if it may be outdated.
    known: Option<You>,
    /// The last report shown to the user.
    shown: Option<You>,
    resumes: u8,
    /// When to request a refused name, and a refused room, again.
    name_after: Option<Instant>,
    room_after: Option<Instant>,
    /// The last refusal of one of the session's own requests.
    refused: Option<Refusal>,
}

impl Identity {
    /// A session that wants this name, or an earlier session's.
    pub(super) fn new(nick: Option<Name>, left_off: Option<LeftOff>) -> Self {
        let is_ours =
            |left: &LeftOff| nick.as_ref().is_none_or(|nick| nick.folded() == left.name.folded());
        let is_unasked = nick.is_some();
        match left_off.filter(is_ours) {
            Some(LeftOff { name, room, word }) => {
                let name = Some(nick.unwrap_or(name));
                Identity { name, room, word: Some(word), is_unasked, ..Identity::default() }
            }
            None => Identity { name: nick, is_unasked, ..Identity::default() },
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Sets whether other connections may rename and move the same member.
    pub(super) fn set_shared(&mut self, is_shared: bool) {
        self.is_shared = is_shared;
    }

    /// The hub's address has changed. The name and the room are wanted there too; the token is
    /// discarded, and `left_off` is the state of an earlier session at the new address.
    pub(super) fn move_to(&mut self, left_off: Option<LeftOff>) {
        let (room, is_shared) = (self.room.take(), self.is_shared);
        *self = Identity::new(self.name.take(), left_off);
        self.room = room.or(self.room.take());
        self.is_shared = is_shared;
    }

    /// The session's name at the hub, or the one to request.
    pub(super) fn name(&self) -> Option<&Name> {
        self.known.as_ref().and_then(|you| you.name.as_ref()).or(self.name.as_ref())
    }

    /// The state to reclaim the name and the room later.
    pub(super) fn left_off(&self) -> Option<LeftOff> {
        let name = self.known.as_ref()?.name.clone()?;
        let word = self.word.clone()?;
        Some(LeftOff { name, room: self.room.clone(), word })
    }

    /// The room in the hub's last report.
    pub(super) fn room(&self) -> Option<&RoomName> {
        self.known.as_ref()?.room.as_ref()
    }

    /// Whether the user wants a name.
    pub(super) fn wants_name(&self) -> bool {
        self.name.is_some()
    }

    /// Whether the hub requires a password.
    pub(super) fn is_locked_out(&self) -> bool {
        self.known.as_ref().is_some_and(|you| you.room.is_none())
    }

    // State changes.

    /// The user entered a command.
    pub(super) fn typed(&mut self, command: &Command<'_>) {
        match command {
            Command::Nick(Some(name)) => self.typed_name = Some(name.clone()),
            Command::Join(room) => self.typed_room = Some(Move::To(room.clone())),
            Command::Leave => self.typed_room = Some(Move::Home),
            _ => {}
        }
    }

    /// Call this when the hub may no longer know the session.
    pub(super) fn doubt(&mut self) {
        self.known = None;
    }

    /// Handles the answer to a heartbeat, with the session's name and room. Returns a notice that
    /// the user should see because the original was lost; not if a pending answer `is_awaited`,
    /// because it may still arrive.
    pub(super) fn heard(&mut self, you: &You, is_awaited: bool) -> Option<Notice> {
        if let Some(name) = &you.name {
            self.confirm_name(name, None);
        }
        match (&you.room, &self.typed_room) {
            (Some(room), Some(Move::To(wanted))) if same_room(room, wanted) => {
                self.go_to(Some(room.clone()));
            }
            (Some(room), Some(Move::Home)) if self.room.as_ref().is_some_and(|old| old != room) => {
                self.go_to(None);
            }
            _ => {}
        }
        self.adopt(you);
        self.known = Some(you.clone());
        let is_news = you.name.is_some() && self.shown.as_ref() != Some(you) && !is_awaited;
        let room = you.room.clone().filter(|_| is_news)?;
        self.shown = Some(you.clone());
        Some(Notice::Name { name: you.name.clone(), room, word: None })
    }

    /// Handles `^hb^ name`.
    pub(super) fn named(
        &mut self,
        name: Option<&Name>,
        room: &RoomName,
        word: Option<&str>,
        answered: Option<&Answered>,
    ) -> Report {
        let you = You { name: name.cloned(), room: Some(room.clone()) };
        let word = word.filter(|word| word.len() <= MAX_WORD && Word::new(word).is_some());
        let is_new = self.shown.as_ref() != Some(&you)
            || word.is_some_and(|word| self.word.as_deref() != Some(word));
        if let Some(name) = name {
            self.confirm_name(name, answered);
        }
        if let Some(word) = word {
            self.word = Some(word.into());
        }
        let typed = answered.filter(|answered| answered.asker == Asker::Person);
        match typed.map(|answered| answered.verb) {
            Some(Verb::Join | Verb::Resume) => self.go_to(Some(room.clone())),
            Some(Verb::Leave) => self.go_to(None),
            _ => {}
        }
        let is_adopted = self.adopt(&you);
        self.known = Some(you.clone());
        self.shown = Some(you);
        match (is_adopted && answered.is_none(), is_new) {
            (true, _) => Report::Elsewhere,
            (false, true) => Report::News,
            (false, false) => Report::Known,
        }
    }

    /// Adopts the name and the room that another connection gave the member. Returns whether they
    /// replace others.
    fn adopt(&mut self, you: &You) -> bool {
        if !self.is_shared || self.is_unasked {
            return false;
        }
        let was = (self.name.clone(), self.room.clone());
        if you.name.is_some() {
            self.name.clone_from(&you.name);
        }
        if let (Some(own), Some(room)) = (&mut self.room, &you.room) {
            own.clone_from(room);
        }
        let is_changed = (&was.0, &was.1) != (&self.name, &self.room);
        is_changed && (was.0.is_some() || was.1 != self.room)
    }

    /// Handles a refusal. Returns whether the user should see it.
    pub(super) fn refused(
        &mut self,
        now: Instant,
        refusal: &Refusal,
        answered: Option<&Answered>,
    ) -> bool {
        let Subject::Command(verb) = refusal.what else { return true };
        // The hub requires the password first, or is busy: the request stays pending.
        let is_for_now = matches!(
            refusal.why,
            Reason::Password | Reason::HubRate | Reason::Work | Reason::Overloaded
        );
        // What another connection requested, or this one when it joined, and requests again itself.
        let is_about_us = matches!(verb, Verb::Nick | Verb::Resume | Verb::Join | Verb::Leave);
        if self.is_shared && is_about_us && answered.is_none() {
            return false;
        }
        let typed = answered.is_none_or(|answered| answered.asker == Asker::Person);
        match verb {
            Verb::Nick => {
                let wanted = answered.and_then(|answered| answered.wanted.as_deref());
                if typed {
                    self.typed_name = None;
                }
                let is_ours = |name: &Name| wanted == Some(&*name.folded());
                if !is_for_now && self.name.as_ref().is_some_and(is_ours) {
                    self.lose_name(now, matches!(refusal.why, Reason::InUse(_) | Reason::Kept(_)));
                }
            }
            Verb::Resume if !is_for_now && !typed => self.word = None,
            Verb::Join | Verb::Leave if typed => self.typed_room = None,
            Verb::Join if !is_for_now => self.room_after = Some(now + REFUSED_FOR),
            _ => {}
        }
        if typed {
            return true;
        }
        if matches!(verb, Verb::Who | Verb::Rooms | Verb::History) {
            return false;
        }
        let is_news = verb != Verb::Resume && self.refused.as_ref() != Some(refusal);
        if is_news {
            self.refused = Some(refusal.clone());
        }
        is_news
    }

    /// The next request, if the hub does not know the session's name or room.
    pub(super) fn next(&mut self, now: Instant) -> Option<Command<'_>> {
        let known = self.known.as_ref()?;
        let room = known.room.as_ref()?;
        self.is_unasked = false;
        if let Some(name) = self.name.as_ref().filter(|name| known.name.as_ref() != Some(name))
            && self.name_after.is_none_or(|after| after <= now)
        {
            let word = self.word.as_deref().filter(|_| self.resumes < RESUMES);
            return Some(match word.and_then(Word::new) {
                Some(word) => {
                    self.resumes += 1;
                    Command::Resume(word)
                }
                None => Command::Nick(Some(name.clone())),
            });
        }
        let wanted = self.room.as_ref().filter(|wanted| !same_room(wanted, room))?;
        let may_ask = self.room_after.is_none_or(|after| after <= now);
        may_ask.then(|| Command::Join(wanted.clone()))
    }

    /// The hub confirms a name: the requested one, or the one wanted before.
    fn confirm_name(&mut self, name: &Name, answered: Option<&Answered>) {
        let is_same = |wanted: &Option<Name>| {
            wanted.as_ref().is_some_and(|wanted| wanted.folded() == name.folded())
        };
        let was_typed = is_same(&self.typed_name);
        let resumed = answered.is_some_and(|answered| {
            answered.asker == Asker::Person && answered.verb == Verb::Resume
        });
        if was_typed || resumed || is_same(&self.name) || self.name.is_none() {
            self.name = Some(name.clone());
            self.resumes = 0;
            self.name_after = None;
            self.refused = None;
        }
        if was_typed {
            self.typed_name = None;
        }
    }

    /// The hub refuses our name.
    fn lose_name(&mut self, now: Instant, in_use: bool) {
        if let Some(known) = &mut self.known {
            known.name = None;
        }
        let has_word = self.word.is_some() && self.resumes < RESUMES;
        if !(in_use && has_word) {
            self.name_after = Some(now + REFUSED_FOR);
            self.resumes = 0;
        }
    }

    fn go_to(&mut self, room: Option<RoomName>) {
        self.room = room;
        self.typed_room = None;
        self.room_after = None;
    }
}

fn same_room(a: &RoomName, b: &RoomName) -> bool {
    fold(a.as_str()) == fold(b.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ORIGIN;

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).unwrap()
    }

    fn room(text: &str) -> RoomName {
        RoomName::parse(text.as_bytes()).unwrap()
    }

    fn you(called: Option<&str>, place: &str) -> You {
        You { name: called.map(name), room: Some(room(place)) }
    }

    fn answered(asker: Asker, verb: Verb, wanted: Option<&str>) -> Answered {
        Answered { asker, verb, wanted: wanted.map(Box::from) }
    }

    /// A session named dog, with a token, in a room it has moved to.
    fn dog() -> Identity {
        let mut identity = Identity::new(Some(name("dog")), None);
        identity.heard(&you(None, "lobby"), false);
        assert_eq!(identity.next(NOW), Some(Command::Nick(Some(name("dog")))));
        let nick = answered(Asker::Client, Verb::Nick, Some("dog"));
        let report = identity.named(Some(&name("dog")), &room("lobby"), Some("7-abc"), Some(&nick));
        assert_eq!(report, Report::News);
        identity.typed(&Command::Join(room("7b")));
        let join = answered(Asker::Person, Verb::Join, Some("7b"));
        let report = identity.named(Some(&name("dog")), &room("7b"), None, Some(&join));
        assert_eq!(report, Report::News);
        assert_eq!(identity.next(NOW), None);
        identity
    }

    fn refusal(verb: Verb, why: Reason) -> Refusal {
        Refusal::new(Subject::Command(verb), why)
    }

    #[test]
    fn a_hub_that_has_forgotten_is_asked_with_the_word_then_the_name_then_the_room() {
        let mut dog = dog();
        dog.heard(&you(None, "lobby"), false);
        assert_eq!(dog.next(NOW), Some(Command::Resume(Word::new("7-abc").unwrap())));
        let resume = answered(Asker::Client, Verb::Resume, None);
        assert!(!dog.refused(NOW, &refusal(Verb::Resume, Reason::NotAWord), Some(&resume)));
        assert_eq!(dog.next(NOW), Some(Command::Nick(Some(name("dog")))));
        let nick = answered(Asker::Client, Verb::Nick, Some("dog"));
        dog.named(Some(&name("dog")), &room("lobby"), Some("8-def"), Some(&nick));
        assert_eq!(dog.next(NOW), Some(Command::Join(room("7b"))));
        let join = answered(Asker::Client, Verb::Join, Some("7b"));
        dog.named(Some(&name("dog")), &room("7b"), None, Some(&join));
        assert_eq!(dog.next(NOW), None);
    }

    #[test]
    fn a_name_in_use_is_taken_back_with_the_word_a_few_times() {
        let mut dog = dog();
        let nick = answered(Asker::Person, Verb::Nick, Some("dog"));
        for _ in 0..RESUMES {
            assert!(dog.refused(
                NOW,
                &refusal(Verb::Nick, Reason::InUse(name("dog"))),
                Some(&nick)
            ));
            assert!(matches!(dog.next(NOW), Some(Command::Resume(_))));
        }
        dog.refused(NOW, &refusal(Verb::Nick, Reason::InUse(name("dog"))), Some(&nick));
        assert_eq!(dog.next(NOW), None);
        assert!(dog.next(NOW + REFUSED_FOR).is_some());
    }

    #[test]
    fn a_refusal_of_the_sessions_own_wish_is_news_once() {
        let mut cat = Identity::new(Some(name("cat")), None);
        cat.heard(&you(None, "lobby"), false);
        let nick = answered(Asker::Client, Verb::Nick, Some("cat"));
        let in_use = refusal(Verb::Nick, Reason::InUse(name("dog")));
        assert!(cat.refused(NOW, &in_use, Some(&nick)));
        assert_eq!(cat.next(NOW), None);
        assert!(cat.next(NOW + REFUSED_FOR).is_some());
        assert!(!cat.refused(NOW + REFUSED_FOR, &in_use, Some(&nick)));
    }

    #[test]
    fn what_was_typed_is_wanted_once_the_hub_confirms_it() {
        let mut dog = dog();
        dog.typed(&Command::Nick(Some(name("cat"))));
        dog.typed(&Command::Leave);
        // Refused: nothing changes.
        let nick = answered(Asker::Person, Verb::Nick, Some("cat"));
        assert!(dog.refused(NOW, &refusal(Verb::Nick, Reason::InUse(name("dog"))), Some(&nick)));
        assert_eq!(dog.name(), Some(&name("dog")));
        // The answers were lost; the next answer to a heartbeat contains the name.
        dog.typed(&Command::Nick(Some(name("ape"))));
        dog.heard(&you(Some("ape"), "lobby"), false);
        assert_eq!(dog.next(NOW), None);
        assert_eq!(dog.name(), Some(&name("ape")));
    }

    #[test]
    fn nothing_is_asked_before_the_password_is_given() {
        let mut dog = Identity::new(Some(name("dog")), None);
        dog.heard(&You { name: None, room: None }, false);
        assert!(dog.is_locked_out());
        assert_eq!(dog.next(NOW), None);
        dog.named(None, &room("lobby"), None, None);
        assert!(dog.next(NOW).is_some());
    }

    #[test]
    fn a_word_that_is_none_is_not_kept() {
        let mut dog = dog();
        for word in ["", "a b", &"x".repeat(MAX_WORD + 1)] {
            dog.named(Some(&name("dog")), &room("7b"), Some(word), None);
        }
        dog.heard(&you(None, "7b"), false);
        assert_eq!(dog.next(NOW), Some(Command::Resume(Word::new("7-abc").unwrap())));
    }

    #[test]
    fn windows_of_one_member_do_not_fight_over_its_name_and_room() {
        let mut windows = [dog(), dog()];
        windows.iter_mut().for_each(|window| window.set_shared(true));
        // Renamed and moved in the first window; the second adopts both.
        windows[0].typed(&Command::Nick(Some(name("cat"))));
        let nick = answered(Asker::Person, Verb::Nick, Some("cat"));
        let [first, second] = &mut windows;
        let cat = name("cat");
        assert_eq!(first.named(Some(&cat), &room("7b"), Some("8-d"), Some(&nick)), Report::News);
        assert_eq!(second.named(Some(&cat), &room("7b"), Some("8-d"), None), Report::Elsewhere);
        assert_eq!(second.named(Some(&cat), &room("8c"), None, None), Report::Elsewhere);
        assert_eq!((first.next(NOW), second.next(NOW)), (None, None));
        assert_eq!(second.name(), Some(&cat));
        // A refusal of the other window's wish is not shown here.
        let in_use = refusal(Verb::Nick, Reason::InUse(name("ape")));
        assert!(!second.refused(NOW, &in_use, None));
        // A hub that forgets is asked for what both have.
        second.heard(&you(None, "lobby"), false);
        assert!(matches!(second.next(NOW), Some(Command::Resume(_))));
    }

    #[test]
    fn windows_that_rename_at_the_same_time_end_with_the_later_name() {
        let mut windows = [dog(), dog()];
        for (window, wanted) in windows.iter_mut().zip(["cat", "ape"]) {
            window.set_shared(true);
            window.typed(&Command::Nick(Some(name(wanted))));
        }
        for (window, wanted) in windows.iter_mut().zip(["cat", "ape"]) {
            for given in ["cat", "ape"] {
                let own = answered(Asker::Person, Verb::Nick, Some(wanted));
                let own = (given == wanted).then_some(&own);
                window.named(Some(&name(given)), &room("7b"), None, own);
                assert_eq!(window.next(NOW), None);
            }
            assert_eq!(window.name(), Some(&name("ape")));
        }
    }

    #[test]
    fn an_explicit_name_is_requested_once_of_a_member_with_another() {
        let mut cat = Identity::new(Some(name("cat")), None);
        cat.set_shared(true);
        cat.heard(&you(Some("dog"), "lobby"), false);
        assert_eq!(cat.next(NOW), Some(Command::Nick(Some(name("cat")))));
        let nick = answered(Asker::Client, Verb::Nick, Some("cat"));
        assert!(cat.refused(NOW, &refusal(Verb::Nick, Reason::InUse(name("cat"))), Some(&nick)));
        cat.heard(&you(Some("dog"), "lobby"), false);
        assert_eq!(cat.next(NOW + REFUSED_FOR), None);
        assert_eq!(cat.name(), Some(&name("dog")));
        // A name of an earlier session is not requested at all.
        let left_off = LeftOff { name: name("cat"), room: None, word: "7-abc".into() };
        let mut cat = Identity::new(None, Some(left_off));
        cat.set_shared(true);
        cat.heard(&you(Some("dog"), "lobby"), false);
        assert_eq!(cat.next(NOW), None);
    }
}
