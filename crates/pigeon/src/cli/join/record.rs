//! Output of `pigeon join --json`: one flat object per event.
//!
//! Nothing is translated. A hub's notices use the words of its control lines, which
//! `docs/protocol.md` describes. Every object has
//!
//! | field | |
//! | --- | --- |
//! | `time` | time of arrival, RFC 3339 with six fractional digits |
//! | `kind` | its kind |
//!
//! and by its kind
//!
//! | `kind` | fields |
//! | --- | --- |
//! | `message` | `room` if known; in the chat format `from`, the sender's name or address; `text`, or `base64` if the bytes are not UTF-8 |
//! | `private` | `from` (received) or `to` (sent), `text` |
//! | `said` | `room`, `position`, `sent` (Unix time in seconds), `link`, `from`, `text`: a stored message |
//! | `notice` | `room`, `version`, `change`, `names` (of `renamed` in pairs), `more`: number not named |
//! | `roster` | `room`, `version`, `people`, `senders`, `offset` of the first of `names`, `names` |
//! | `rooms` | `offset`, `total`, `names`, `counts` |
//! | `name` | `name` and `word`, or null; `room` |
//! | `refused` | `what`, `reason`, and optional `detail` |
//! | `set` | `setting`, `value` |
//! | `gone` | `reason` |
//! | `help` | |
//! | `joined` | `hub`, `plain`; for a pigeon hub `members`, `format`, `secure_port` (null: none) |
//! | `away` | `hub`, `reason`: `refused` or `timed-out` |
//! | `again` | `hub`, `after` in seconds |
//! | `unreachable` | `hub`, `error`: the system's error for the path |
//! | `reachable` | `hub`: heard again after that |
//! | `unsent` | `hub`, `error`: a line was not sent, with the system's error |
//! | `forward` | `to`, `reason` (`refused`, `unreachable`, `repeats`, `loop`), and the system's `error` if any |
//! | `moved` | `hub`, `from`: the hub's name has a new address |
//! | `secure` | `hub`, `fingerprint`, `first`: the session is encrypted and reliable now |
//! | `insecure` | `hub`, `error`: the announced port for that does not work |
//! | `delivery` | `hub`, `state`: `stored`, `relayed` or `refused` with `text` (and `reason`); `waiting`, `back`, `keeps-nothing`, `another-hub`, `disk-failed` |
//! | `unheard` | `hub`: nothing was received so far |
//!
//! The hub escapes the text of a notice; a message is unchanged.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Zoned;
use pigeon_client::Spoken;
use pigeon_proto::{Format, Label, Notice, RoomName};
use serde_json::Value;

use super::forward::Trouble;
use super::gate::Delivery;
use super::note::Note;
use crate::base::payload::without_end;
use crate::output::{json, wall};

type Fields = Vec<(&'static str, Value)>;

fn begin(time: &Zoned, kind: &str) -> Fields {
    vec![("time", wall::rfc3339(time).into()), ("kind", kind.into())]
}

/// A message of the room.
pub(super) fn message(
    time: &Zoned,
    room: Option<&RoomName>,
    format: Option<Format>,
    payload: &[u8],
) -> String {
    let mut fields = begin(time, "message");
    fields.extend(room.map(|room| ("room", room.as_str().into())));
    match std::str::from_utf8(payload) {
        Ok(text) => {
            let spoken = match format {
                Some(Format::Chat) => Spoken::parse(without_end(text)),
                _ => Spoken::Other(text),
            };
            if let Spoken::Said { name, text } = spoken {
                fields.push(("from", name.into()));
                fields.push(("text", text.into()));
            } else {
                fields.push(("text", text.into()));
            }
        }
        Err(_) => fields.push(("base64", STANDARD.encode(payload).into())),
    }
    json::counts(&fields)
}

/// A control line.
pub(super) fn notice(time: &Zoned, room: Option<&RoomName>, notice: &Notice) -> String {
    let room = || room.map(|room| ("room", Value::from(room.as_str())));
    let names = |names: &[Label]| names.iter().map(Label::as_str).collect::<Vec<_>>().into();
    let line = notice.to_bytes();
    let line = String::from_utf8_lossy(&line);
    // `^hb^`, the kind, and its arguments.
    let mut words = line.splitn(5, ' ').skip(2);
    let mut word = || Value::from(words.next().unwrap_or_default());
    let mut fields = begin(time, kind(notice));
    match notice {
        Notice::Name { name, room, word } => fields.extend([
            ("name", name.as_ref().map(|name| name.as_str()).into()),
            ("room", room.as_str().into()),
            ("word", word.as_deref().into()),
        ]),
        Notice::Refused(_) => {
            fields.extend([("what", word()), ("reason", word())]);
            let detail = words.next().filter(|detail| !detail.is_empty());
            fields.extend(detail.map(|detail| ("detail", detail.into())));
        }
        Notice::Roster(roster) => fields.extend([
            ("room", roster.room.as_str().into()),
            ("version", roster.version.into()),
            ("people", roster.people.into()),
            ("senders", roster.senders.into()),
            ("offset", roster.from.into()),
            ("names", names(&roster.names)),
        ]),
        Notice::News(news) => {
            let change = line.split(' ').nth(4).unwrap_or_default();
            fields.extend([
                ("room", news.room.as_str().into()),
                ("version", news.version.into()),
                ("change", change.into()),
                ("names", names(&news.names)),
                ("more", news.more.into()),
            ]);
        }
        Notice::Rooms { from, total, rooms } => {
            let names: Vec<&str> = rooms.iter().map(|(name, _)| name.as_str()).collect();
            let counts: Vec<u32> = rooms.iter().map(|(_, count)| *count).collect();
            fields.extend([
                ("offset", (*from).into()),
                ("total", (*total).into()),
                ("names", names.into()),
                ("counts", counts.into()),
            ]);
        }
        Notice::Set(_) => fields.extend([("setting", word()), ("value", word())]),
        Notice::MsgFrom { name, text } => {
            fields.extend([("from", name.as_str().into()), ("text", text.as_str().into())]);
        }
        Notice::MsgTo { name, text } => {
            fields.extend([("to", name.as_str().into()), ("text", text.as_str().into())]);
        }
        Notice::Said { position, time, link, name, text } => {
            fields.extend(room());
            fields.extend([
                ("position", (*position).into()),
                ("sent", (*time).into()),
                ("link", link.word().into()),
                ("from", name.as_str().into()),
                ("text", text.as_str().into()),
            ]);
        }
        Notice::Missing { position, time, count } => {
            fields.extend(room());
            fields.extend([
                ("position", (*position).into()),
                ("sent", (*time).into()),
                ("count", (*count).into()),
            ]);
        }
        Notice::Earlier { position } => fields.push(("position", (*position).into())),
        Notice::Gone(_) => fields.push(("reason", word())),
        Notice::NotUtf8 => fields.push(("hint", word())),
        Notice::Help | Notice::Probe(_) | Notice::Probed(_) => {}
    }
    json::counts(&fields)
}

fn kind(notice: &Notice) -> &'static str {
    match notice {
        Notice::Name { .. } => "name",
        Notice::Refused(_) => "refused",
        Notice::Roster(_) => "roster",
        Notice::News(_) => "notice",
        Notice::Rooms { .. } => "rooms",
        Notice::Set(_) => "set",
        Notice::MsgFrom { .. } | Notice::MsgTo { .. } => "private",
        Notice::Said { .. } => "said",
        Notice::Missing { .. } => "missing",
        Notice::Earlier { .. } => "earlier",
        Notice::Gone(_) => "gone",
        Notice::NotUtf8 => "hint",
        Notice::Help => "help",
        Notice::Probe(_) => "probe",
        Notice::Probed(_) => "probed",
    }
}

/// A note about the session. `None` if programs get it elsewhere, or on stderr.
pub(super) fn note(time: &Zoned, hub: SocketAddr, note: &Note) -> Option<String> {
    let of_hub = |kind| {
        let mut fields = begin(time, kind);
        fields.push(("hub", hub.to_string().into()));
        fields
    };
    let away = |reason: &str| {
        let mut fields = of_hub("away");
        fields.push(("reason", reason.into()));
        fields
    };
    let fields = match note {
        Note::Joined { members, format, secure_port, .. } => {
            let mut fields = of_hub("joined");
            fields.extend([
                ("plain", false.into()),
                ("members", (*members).into()),
                ("format", format.map(Format::word).into()),
                ("secure_port", (*secure_port).into()),
            ]);
            fields
        }
        Note::JoinedPlainly { .. } => {
            let mut fields = of_hub("joined");
            fields.push(("plain", true.into()));
            fields
        }
        Note::Unheard => of_hub("unheard"),
        Note::NobodyListens { .. } | Note::Refused => away("refused"),
        Note::NeverHeard | Note::Silent { .. } => away("timed-out"),
        Note::Again { after, .. } => {
            let mut fields = of_hub("again");
            fields.push(("after", after.as_secs_f64().into()));
            fields
        }
        Note::CutOff { why } => {
            let mut fields = of_hub("unreachable");
            fields.push(("error", why.to_string().into()));
            fields
        }
        Note::Unsent { cause } => {
            let mut fields = of_hub("unsent");
            fields.push(("error", cause.to_string().into()));
            fields
        }
        Note::Reached => of_hub("reachable"),
        Note::Forward(trouble) => {
            let (to, reason, error) = match trouble {
                Trouble::Refused { to } => (to, "refused", None),
                Trouble::CutOff { to, cause } => (to, "unreachable", Some(cause)),
                Trouble::Repeats { to } => (to, "repeats", None),
                Trouble::Loop { to } => (to, "loop", None),
            };
            let mut fields = begin(time, "forward");
            fields.extend([("to", to.to_string().into()), ("reason", reason.into())]);
            fields.extend(error.map(|error| ("error", error.to_string().into())));
            fields
        }
        Note::Moved { from } => {
            let mut fields = of_hub("moved");
            fields.push(("from", from.to_string().into()));
            fields
        }
        Note::Gone(gone) => return Some(notice(time, None, &Notice::Gone(*gone))),
        Note::NotAdmitted(refusal) => {
            return Some(notice(time, None, &Notice::Refused(refusal.clone())));
        }
        Note::Secure { fingerprint, is_first } => {
            let mut fields = of_hub("secure");
            fields.push(("fingerprint", fingerprint.as_str().into()));
            fields.push(("first", (*is_first).into()));
            fields
        }
        Note::NotSecure { error } => {
            let mut fields = of_hub("insecure");
            fields.push(("error", error.as_str().into()));
            fields
        }
        Note::Delivery(delivery) => {
            let mut fields = of_hub("delivery");
            let (state, text) = match delivery {
                Delivery::Stored { text, is_kept: true } => ("stored", Some(text)),
                Delivery::Stored { text, is_kept: false } => ("relayed", Some(text)),
                Delivery::Refused { text, .. } => ("refused", text.as_ref()),
                Delivery::Waits | Delivery::LeftWaiting(_) => ("waiting", None),
                Delivery::Back { .. } => ("back", None),
                Delivery::KeepsNothing => ("keeps-nothing", None),
                Delivery::NotTheHub => ("another-hub", None),
                Delivery::DiskFailed => ("disk-failed", None),
            };
            fields.push(("state", state.into()));
            fields.extend(text.map(|text| ("text", text.as_str().into())));
            if let Delivery::Refused { why, .. } = delivery {
                fields.push(("reason", why.text.as_str().into()));
            }
            fields
        }
        Note::NameKept { .. }
        | Note::NoName { .. }
        | Note::SameMember
        | Note::Elsewhere { .. }
        | Note::NotDelivered(_)
        | Note::Meant { .. }
        | Note::NobodyAnswers { .. }
        | Note::Lost { .. }
        | Note::IntoSilence
        | Note::NotSent(_)
        | Note::NotKept { .. }
        | Note::NoCopy { .. } => return None,
    };
    Some(json::counts(&fields))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pigeon_proto::Gone;

    use super::*;

    fn without_time(line: &str) -> String {
        let value: Value = serde_json::from_str(line).unwrap();
        let object = value.as_object().unwrap();
        assert!(object.values().all(|value| !value.is_object()), "{line} is not flat");
        format!("{{{}", &line[line.find("\"kind\"").unwrap()..])
    }

    fn of(line: &str) -> String {
        let parsed = Notice::parse(format!("^hb^ {line}").as_bytes()).unwrap();
        without_time(&notice(&wall::local(None), Some(&RoomName::lobby()), &parsed))
    }

    #[test]
    fn control_lines_are_told_in_their_own_words() {
        for (line, json) in [
            (
                "name 狗哥 lobby 7-abc",
                r#"{"kind":"name","name":"狗哥","room":"lobby","word":"7-abc"}"#,
            ),
            ("name - lobby -", r#"{"kind":"name","name":null,"room":"lobby","word":null}"#),
            (
                "refused say rate 20 65536",
                r#"{"kind":"refused","what":"say","reason":"rate","detail":"20 65536"}"#,
            ),
            (
                "refused nick in-use 狗哥",
                r#"{"kind":"refused","what":"nick","reason":"in-use","detail":"狗哥"}"#,
            ),
            (
                "roster lobby 7 1 1 0 dog 127.0.0.1:9",
                r#"{"kind":"roster","room":"lobby","version":7,"people":1,"senders":1,"offset":0,"names":["dog","127.0.0.1:9"]}"#,
            ),
            (
                "notice 7b 8 timed-out dog;3",
                r#"{"kind":"notice","room":"7b","version":8,"change":"timed-out","names":["dog"],"more":3}"#,
            ),
            (
                "rooms 0 2 lobby 3 7b 1",
                r#"{"kind":"rooms","offset":0,"total":2,"names":["lobby","7b"],"counts":[3,1]}"#,
            ),
            ("set quiet on", r#"{"kind":"set","setting":"quiet","value":"on"}"#),
            ("msg from dog psst: hi", r#"{"kind":"private","from":"dog","text":"psst: hi"}"#),
            ("msg to dog psst", r#"{"kind":"private","to":"dog","text":"psst"}"#),
            (
                "said 5 1700000000 plain dog hi",
                r#"{"kind":"said","room":"lobby","position":5,"sent":1700000000,"link":"plain","from":"dog","text":"hi"}"#,
            ),
            ("gone timed-out", r#"{"kind":"gone","reason":"timed-out"}"#),
            ("help", r#"{"kind":"help"}"#),
        ] {
            assert_eq!(of(line), json);
        }
    }

    #[test]
    fn a_message_has_a_speaker_where_the_format_names_one() {
        let room = RoomName::lobby();
        let of = |format, payload: &[u8]| {
            without_time(&message(&wall::local(None), Some(&room), format, payload))
        };
        let chat = Some(Format::Chat);
        assert_eq!(
            of(chat, "狗哥: 你好: 再见\n".as_bytes()),
            r#"{"kind":"message","room":"lobby","from":"狗哥","text":"你好: 再见"}"#
        );
        assert_eq!(
            of(Some(Format::Raw), b"dog: hi\n"),
            r#"{"kind":"message","room":"lobby","text":"dog: hi\n"}"#
        );
        assert_eq!(of(chat, b"\xff\x00"), r#"{"kind":"message","room":"lobby","base64":"/wA="}"#);
        let plainly = message(&wall::local(None), None, None, b"hello");
        assert_eq!(without_time(&plainly), r#"{"kind":"message","text":"hello"}"#);
    }

    #[test]
    fn news_of_the_session_says_why() {
        let hub = SocketAddr::from(([127, 0, 0, 1], 9999));
        let of = |told: Note| Some(without_time(&note(&wall::local(None), hub, &told)?));
        let json = |text: &str| Some(text.to_string());
        assert_eq!(
            of(Note::Joined {
                name: None,
                members: 3,
                format: Some(Format::Chat),
                secure_port: None,
                is_in: true,
            }),
            json(
                r#"{"kind":"joined","hub":"127.0.0.1:9999","plain":false,"members":3,"format":"chat","secure_port":null}"#
            )
        );
        assert_eq!(
            of(Note::NobodyListens { is_here: true }),
            json(r#"{"kind":"away","hub":"127.0.0.1:9999","reason":"refused"}"#)
        );
        assert_eq!(
            of(Note::NeverHeard),
            json(r#"{"kind":"away","hub":"127.0.0.1:9999","reason":"timed-out"}"#)
        );
        assert_eq!(
            of(Note::Again { after: Duration::from_millis(1_500), was_removed: false }),
            json(r#"{"kind":"again","hub":"127.0.0.1:9999","after":1.5}"#)
        );
        assert_eq!(
            of(Note::Moved { from: SocketAddr::from(([127, 0, 0, 2], 9999)) }),
            json(r#"{"kind":"moved","hub":"127.0.0.1:9999","from":"127.0.0.2:9999"}"#)
        );
        assert_eq!(of(Note::Gone(Gone::Kicked)), json(r#"{"kind":"gone","reason":"kicked"}"#));
        assert_eq!(of(Note::IntoSilence), None);
    }
}
