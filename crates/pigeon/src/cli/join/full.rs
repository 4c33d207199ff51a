//! A session on a full screen: what the hub's lines tell, sorted into rooms and people.

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use pigeon_client::{Contact, Roster, Session, Spoken};
use pigeon_datagram::Instant;
use pigeon_net::Stats;
use pigeon_text::escape;
use rand_pcg::Pcg64;

use super::People;
use crate::base::count::count;
use crate::base::payload::without_end;
use crate::base::quantity::in_seconds;
use crate::output::Color;
use crate::ui::screen::{Action, Kind, Look, Midnight, Model, PlaceId, Screen, Update};
use crate::ui::typist::Typed;

/// What the hub understands beside words, and what this program does.
const COMMANDS: &[(&str, &str)] = &[
    ("/nick NAME", "what others call you"),
    ("/who", "who is in the room"),
    ("/join ROOM", "go into a room, or open it"),
    ("/leave", "back to the lobby"),
    ("/rooms", "which rooms there are"),
    ("/msg NAME TEXT", "say something to one person; the answers become a conversation"),
    ("/history", "what was said before, where the hub keeps it"),
    ("/quiet on|off", "whether the hub tells who comes and goes"),
    ("/encoding LABEL", "the encoding you read and write"),
    ("/pass SECRET", "the hub's password"),
    ("/resume WORD", "take a name back from another address"),
    ("/help", "what the hub itself says of this"),
    ("/search TEXT", "look for a text in what is shown"),
    ("quit", "leave"),
];

/// How many lines may wait for the loop; then typing waits.
const WAITING: usize = 64;

/// How long a line of ours may take to come back before it is shown as sent into the dark.
const COPY_WITHIN: Duration = Duration::from_secs(2);

/// The most lines of ours that are waited for.
const MAX_AWAITED: usize = 64;

/// Whether a server sends us what we say, as far as we have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copies {
    Unknown,
    Come,
    /// The first that was waited for never came. It may have been lost, but a hub in the raw format
    /// sends none at all.
    Missing,
}

/// The screen, and what it is told from.
pub(super) struct Full {
    screen: Screen,
    roster: Roster,
    /// The version of the roster that the screen has.
    told: u64,
    /// The room in which the screen has us.
    entered: String,
    local: SocketAddr,
    /// What was said to the room and has not come back, and when.
    awaited: VecDeque<(Instant, String)>,
    copies: Copies,
    last_note: String,
    midnight: Midnight,
}

impl Full {
    /// Takes the terminal.
    pub(super) fn open(people: People, color: Color) -> anyhow::Result<(Full, Receiver<Typed>)> {
        let People { hub, local, waker } = people;
        let (sender, typed) = sync_channel(WAITING);
        let look = Look { color: color.enabled(&std::io::stdout()) };
        let model = Model::new(format!("hub {hub}"), PlaceId::Room("".into()), COMMANDS);
        let act = move |action: Action| {
            let given = match action {
                Action::Say(place, lines) => lines
                    .into_iter()
                    .all(|line| sender.send(Typed::Line(addressed(&place, line))).is_ok()),
                Action::Leave(status) => sender.send(Typed::Leave(status)).is_ok(),
                Action::Look(_) | Action::Refresh | Action::Suspend | Action::Redraw => true,
            };
            waker.wake();
            given
        };
        let screen = Screen::open(model, look, act)?;
        let (entered, last_note) = (String::new(), String::new());
        let midnight = Midnight::default();
        let (roster, awaited) = (Roster::default(), VecDeque::new());
        let copies = Copies::Unknown;
        let full =
            Full { screen, roster, told: 0, entered, local, awaited, copies, last_note, midnight };
        Ok((full, typed))
    }

    /// Shows what came from the hub, where it belongs.
    pub(super) fn received(&mut self, now: Instant, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload);
        // What is no UTF-8 is shown as escapes, not as U+FFFD.
        let escaped =
            matches!(text, std::borrow::Cow::Owned(_)).then(|| escape(payload).to_string());
        let text = without_end(escaped.as_deref().unwrap_or(&text));
        let spoken = Spoken::parse(text);
        let wanted = self.roster.hear(now, spoken);
        if let Some(room) = self.roster.room().filter(|room| self.entered != **room) {
            self.entered = room.to_string();
            self.screen.tell(Update::Enter(room.into()));
        }
        if !wanted {
            return;
        }
        let room = || Some(PlaceId::Room(self.roster.room().unwrap_or_default().into()));
        let person = |name: &str| Some(PlaceId::Person(name.into()));
        let me = self.roster.me().unwrap_or("you");
        let (place, kind, sender, text) = match spoken {
            Spoken::Said { name, text } if self.is_me(name) => (room(), Kind::Mine, name, text),
            Spoken::Said { name, text } => (room(), Kind::Said, name, text),
            Spoken::ToYou { name, text } => (person(name), Kind::Said, name, text),
            Spoken::FromYou { name, text } => (person(name), Kind::Mine, me, text),
            Spoken::Notice(text) if spoken.is_news() => (room(), Kind::Notice, "", text),
            // The answer to a command stands where it was asked.
            Spoken::Notice(text) => (None, Kind::Notice, "", text),
            Spoken::Other(text) => (room(), Kind::Said, "", text),
        };
        let line = self.midnight.line(kind, sender, text);
        self.screen.tell(Update::Line(place, line));
        if !self.awaited.is_empty() {
            // A tutorial's server sends it back in capitals.
            let came = text.to_lowercase();
            let is_in = |said: &String| came.contains(&said.to_lowercase());
            if let Some(copy) = self.awaited.iter().position(|(_, said)| is_in(said)) {
                self.awaited.remove(copy);
                self.copies = Copies::Come;
            }
        }
    }

    fn is_me(&self, name: &str) -> bool {
        self.roster.me() == Some(name) || name == self.local.to_string()
    }

    /// Says something about the session itself.
    pub(super) fn note(&mut self, text: &str) {
        self.last_note = text.to_string();
        let line = self.midnight.line(Kind::Note, "", text);
        self.screen.tell(Update::Line(None, line));
    }

    /// Remembers what is about to be sent: its copy is the acknowledgement.
    pub(super) fn typed(&mut self, now: Instant, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        self.roster.typed(line);
        if line.starts_with('/') || line == "quit" {
            return;
        }
        if self.copies == Copies::Missing {
            let here = PlaceId::Room(self.roster.room().unwrap_or_default().into());
            let me = self.roster.me().unwrap_or("you");
            let own = self.midnight.line(Kind::Mine, me, line);
            self.screen.tell(Update::Line(Some(here), own));
        }
        if self.awaited.len() < MAX_AWAITED {
            self.awaited.push_back((now, escape(line).to_string()));
        }
    }

    /// Brings the lists and the status line up to date, and asks for what they lack.
    pub(super) fn look(&mut self, session: &mut Session<Pcg64>, now: Instant, stats: &Stats) {
        for question in self.roster.questions(now, session.contact()).into_iter().flatten() {
            // It is short enough; and if the hub is away it will be asked again.
            let _ = session.handle_line(now, question.as_bytes());
        }
        if self.told != self.roster.version() {
            self.told = self.roster.version();
            let members = self.roster.members().map(str::to_string).collect();
            self.screen.tell(Update::Rooms(self.roster.rooms().to_vec()));
            // Behind the rooms: how many are here is known better than how many were counted.
            self.screen.tell(Update::Members(members, self.roster.more()));
        }
        while let Some((_, said)) =
            self.awaited.pop_front_if(|(sent, _)| now - *sent >= COPY_WITHIN)
        {
            match self.copies {
                Copies::Missing => continue,
                Copies::Come => self.note(&format!("sent, but no copy came back: {said}")),
                Copies::Unknown => {
                    self.copies = Copies::Missing;
                    self.note(&format!(
                        "sent, but no copy came back: {said} (a hub in the raw format sends none)"
                    ));
                }
            }
        }
        self.screen.tell(Update::Missed(stats.kernel_drops + session.events_lost()));
        let (text, alarm) = status(session, now);
        self.screen.tell(Update::Status { text, alarm });
    }

    /// The hub was away: who was there may have gone.
    pub(super) fn doubt(&mut self) {
        self.roster.doubt();
    }

    /// Gives the terminal back; what went wrong stays readable behind it.
    pub(super) fn close(self, deadline: std::time::Instant, failed: bool) {
        self.screen.close(deadline);
        if failed {
            // Nobody may be reading.
            let _ = writeln!(std::io::stderr(), "{}", escape(&self.last_note));
        }
    }
}

/// A line as the hub is to get it: what is typed in a conversation with one person goes to them.
fn addressed(place: &PlaceId, line: String) -> Vec<u8> {
    let bare = line.trim();
    match place {
        PlaceId::Person(name) if !bare.starts_with('/') && bare != "quit" => {
            format!("/msg {name} {bare}").into_bytes()
        }
        _ => line.into_bytes(),
    }
}

/// What is known of the hub, and whether something is wrong.
fn status(session: &Session<Pcg64>, now: Instant) -> (String, bool) {
    let ago = now - session.last_heard();
    let heard = format!("last heard {} ago", in_seconds(ago));
    match session.contact() {
        Contact::Asking => ("asking whether it is a pigeon hub".to_string(), false),
        Contact::Plain => (format!("{heard}; it answers no heartbeats"), false),
        Contact::Silent => (format!("not answering since {}", in_seconds(ago)), true),
        Contact::Removed => (format!("sent away by the hub; {heard}"), true),
        Contact::Answering => {
            let mut text = heard;
            if let Some(time) = session.round_trip() {
                text.push_str(&format!(", round trip {}", in_millis(time)));
            }
            if let Some(members) = session.members() {
                text.push_str(&format!(", {}", count(members, "member")));
            }
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
    use super::*;

    #[test]
    fn words_for_one_person_go_to_them_and_commands_to_the_hub() {
        let dog = PlaceId::Person("狗哥".into());
        let bytes = |place: &PlaceId, line: &str| String::from_utf8(addressed(place, line.into()));
        assert_eq!(bytes(&dog, " 你好 ").unwrap(), "/msg 狗哥 你好");
        assert_eq!(bytes(&dog, "/who").unwrap(), "/who");
        assert_eq!(bytes(&dog, "quit").unwrap(), "quit");
        assert_eq!(bytes(&PlaceId::Room("lobby".into()), "hi ").unwrap(), "hi ");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(in_millis(Duration::from_micros(412)), "0.4 ms");
        assert_eq!(in_millis(Duration::from_micros(37)), "0.04 ms");
        assert_eq!(in_millis(Duration::from_millis(23)), "23 ms");
    }
}
