//! `pigeon listen hub:HOST`: prints a room's messages as lines or JSON, each once and in order,
//! including those sent while it was not running.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pigeon_client::reliable::{Event as SessionEvent, From};
use pigeon_member::{Event, Hub};
use pigeon_proto::{Identity, Message, Position, Seen};
use pigeon_text::escape;
use serde_json::{Map, Value, json};

use crate::base::endpoint::Family;
use crate::base::hub_target::{HubTarget, MemberArgs};
use crate::base::library_error::why_in;
use crate::base::signals::on_stop;
use crate::base::status::Status;
use crate::output::{remark, wall};
use crate::words::{self, say};

/// Time between checks for a signal.
const LOOK: Duration = Duration::from_millis(200);

/// What to follow, and how long.
pub(super) struct Following {
    pub(super) json: bool,
    pub(super) count: Option<u64>,
    pub(super) duration: Option<Duration>,
    /// Where to start, instead of after the last message read.
    pub(super) after: Option<Seen>,
    /// Number of newest messages to start with in a room not followed before.
    pub(super) last: u64,
}

/// Follows a room until it is stopped.
pub(super) fn run(
    target: &HubTarget,
    args: &MemberArgs,
    family: Family,
    following: &Following,
) -> anyhow::Result<Status> {
    let room = args.room()?;
    let stop = on_stop(|| {})?;
    let mut hub = Hub::connect(target.options(family, args)?)?;
    if hub.is_first() {
        let (at, fingerprint) = (escape(&target.text), hub.fingerprint());
        remark(say!("tools-stored-met", hub = &at, fingerprint = &fingerprint));
    }
    let from = match following.after {
        Some(seen) => From::After(seen),
        None => From::LeftOff { last: following.last },
    };
    hub.follow(&room, from)?;
    let until = following.duration.map(|duration| Instant::now() + duration);
    let mut left = following.count.unwrap_or(u64::MAX);
    let mut heard = 0_u64;
    while left > 0 && !stop.is_set() {
        let now = Instant::now();
        if until.is_some_and(|until| until <= now) {
            break;
        }
        let patience = until.map_or(LOOK, |until| LOOK.min(until - now));
        match hub.next(patience) {
            Some(Event::Session(SessionEvent::Bye { text, .. })) => {
                remark(say!("tools-follow-away", why = &escape(&*text)));
            }
            Some(Event::Session(event)) => {
                let Some(line) = line(&event, following.json) else { continue };
                let mut stdout = io::stdout().lock();
                writeln!(stdout, "{line}").and_then(|()| stdout.flush())?;
                if let SessionEvent::Message(message) = &event {
                    // Messages count as read only once they are printed.
                    hub.processed(message)?;
                    (left, heard) = (left - 1, heard + 1);
                }
            }
            Some(Event::NotTheHub(_)) => {
                let fingerprint = hub.fingerprint();
                anyhow::bail!(say!("errors-another-hub", fingerprint = &fingerprint));
            }
            Some(Event::Unreached(why)) => {
                remark(say!("tools-follow-unreached", why = why_in(words::language(), &why)));
            }
            Some(Event::Met(_) | Event::Opens(..) | Event::Closes(_)) | None => {}
        }
    }
    let is_in_vain = until.is_some() && heard == 0 && !stop.is_set();
    Ok(if is_in_vain { Status::Failed } else { Status::Done })
}

/// The output for an event, if any.
fn line(event: &SessionEvent, is_json: bool) -> Option<String> {
    match (event, is_json) {
        (SessionEvent::Message(message), true) => Some(object(message)),
        (SessionEvent::Message(message), false) => {
            let time = wall::local(Some(message.wall)).strftime("%H:%M:%S").to_string();
            let (room, name) = (message.room.as_str(), escape(&*message.speaker));
            Some(format!("[{time}] {room} {name}: {}", escape(&*message.text)))
        }
        (SessionEvent::Gap(gap), true) => {
            let (room, position) = (gap.room.as_str(), gap.position.get());
            Some(json!({ "room": room, "position": position, "missing": gap.count }).to_string())
        }
        (SessionEvent::Gap(gap), false) => {
            Some(format!("* {}", say!("tools-follow-missing", count = gap.count)))
        }
        (SessionEvent::Reset { room, forgotten, .. }, true) => {
            let (room, forgotten) = (room.as_str(), *forgotten);
            Some(json!({ "room": room, "reset": true, "forgotten": forgotten }).to_string())
        }
        _ => None,
    }
}

/// A message as a flat JSON object.
///
/// | field | |
/// | --- | --- |
/// | `time` | when it was sent, RFC 3339 |
/// | `room`, `name` | the room and the sender |
/// | `link` | how it reached the hub: `key`, `plain`, `page`, `ipmsg`, `import` |
/// | `text` or `base64` | its content |
/// | `position` | its place in the hub's order |
/// | `at` | for `--after`: starts after this message |
fn object(message: &Message) -> String {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_string(), value);
    put("time", wall::rfc3339(&wall::local(Some(message.wall))).into());
    put("room", message.room.as_str().into());
    put("name", (&*message.speaker).into());
    put("link", message.link.word().into());
    match std::str::from_utf8(&message.text) {
        Ok(text) => put("text", text.into()),
        Err(_) => put("base64", STANDARD.encode(&message.text).into()),
    };
    put("position", message.position.get().into());
    put("at", place(message).into());
    crate::output::json::escape_beyond_ascii_controls(&Value::Object(object).to_string())
}

fn place(message: &Message) -> String {
    let Identity { author, outbox, number } = message.identity;
    format!("{}/{author:032x}/{outbox:016x}/{number}", message.position.get())
}

/// Parses the content of `at`.
pub(super) fn seen(text: &str) -> Result<Seen, String> {
    let fields: Vec<&str> = text.split('/').collect();
    let read = || {
        let [position, author, outbox, number] = fields[..] else { return None };
        let position = Position::new(position.parse().ok()?)?;
        let author = u128::from_str_radix(author, 16).ok()?;
        let outbox = u64::from_str_radix(outbox, 16).ok()?;
        let number = number.parse().ok()?;
        Some(Seen { position, identity: Identity { author, outbox, number } })
    };
    read().ok_or_else(|| say!("tools-follow-bad-after"))
}
