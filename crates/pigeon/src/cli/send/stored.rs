//! `pigeon send hub:HOST`: messages that the hub stores on disk, for shells and cron.
//!
//! A message that the hub has not acknowledged in time stays in the outbox with its number, and the
//! next command to the hub sends it: a script must not send it again.

use std::io::{self, BufRead, BufReader};
use std::time::{Duration, Instant};

use pigeon_client::reliable::Event as SessionEvent;
use pigeon_member::{Event, Hub, NotSaid, Said};
use pigeon_proto::frame::ByeReason;
use pigeon_text::escape;

use crate::base::endpoint::Family;
use crate::base::hub_target::{HubTarget, MemberArgs};
use crate::base::status::{Status, UsageError};
use crate::output::remark;
use crate::words::say;

/// Default for `--wait`.
const PATIENCE: Duration = Duration::from_secs(30);

/// Maximum number of unacknowledged messages before waiting for the first.
const WINDOW: usize = 256;

/// Sends the words, or each line of stdin, and waits until the hub has stored all of them.
pub(super) fn run(
    target: &HubTarget,
    words: &[String],
    args: &MemberArgs,
    family: Family,
    wait: Option<Duration>,
) -> anyhow::Result<Status> {
    let room = args.room()?;
    let text = match words {
        [] => None,
        [dash] if dash == "-" => None,
        words => Some(words.join(" ")),
    };
    if text.as_ref().is_some_and(|text| text.is_empty()) {
        return Err(UsageError(say!("tools-stored-empty")).into());
    }
    let mut hub = Hub::connect(target.options(family, args)?)?;
    if hub.is_first() {
        let (at, fingerprint) = (escape(&target.text), hub.fingerprint());
        remark(say!("tools-stored-met", hub = &at, fingerprint = &fingerprint));
    }
    let mut sending = Sending { patience: wait.unwrap_or(PATIENCE), said: Default::default() };
    let mut outcome = Status::Done;
    let mut note = |result: Result<(), String>| {
        if let Err(error) = result {
            eprintln!("pigeon: {error}");
            outcome = Status::Failed;
        }
    };
    match text {
        Some(text) => note(sending.say(&mut hub, &room, 1, text.as_bytes())),
        None => {
            for (number, line) in (1..).zip(BufReader::new(io::stdin()).split(b'\n')) {
                let mut line = line?;
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                // A hub rejects an empty message; an empty line of a script has no meaning.
                if !line.is_empty() {
                    note(sending.say(&mut hub, &room, number, &line));
                }
            }
        }
    }
    while let Some(result) = sending.settle(&mut hub) {
        note(result);
    }
    Ok(outcome)
}

/// Unacknowledged messages.
struct Sending {
    patience: Duration,
    said: std::collections::VecDeque<(u64, Said, Instant)>,
}

impl Sending {
    fn say(
        &mut self,
        hub: &mut Hub,
        room: &pigeon_proto::RoomName,
        number: u64,
        text: &[u8],
    ) -> Result<(), String> {
        let mut first = Ok(());
        while self.said.len() >= WINDOW {
            first = first.and(self.settle(hub).unwrap_or(Ok(())));
        }
        match hub.say_bytes(room, text) {
            Ok(said) => self.said.push_back((number, said, Instant::now() + self.patience)),
            Err(error) => return first.and(Err(told(number, &error))),
        }
        first
    }

    /// Waits for the oldest. `None` if there is none.
    fn settle(&mut self, hub: &mut Hub) -> Option<Result<(), String>> {
        let (number, said, until) = self.said.pop_front()?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match said.wait(left.min(Duration::from_millis(50))) {
                Err(NotSaid::Waiting) if !left.is_zero() => {
                    if let Some(error) = refusal(hub) {
                        return Some(Err(error));
                    }
                }
                Err(error) => return Some(Err(told(number, &error))),
                Ok(()) => {
                    let _ = refusal(hub);
                    return Some(match said.is_relayed() {
                        true => Err(say!("tools-stored-relayed", number = number)),
                        false => Ok(()),
                    });
                }
            }
        }
    }
}

/// Takes the events, because a full queue would block the member. Returns an error that ends the
/// command: another key of the hub, or a hub that does not let this member in.
fn refusal(hub: &mut Hub) -> Option<String> {
    while let Some(event) = hub.next(Duration::ZERO) {
        match event {
            Event::NotTheHub(_) => {
                return Some(say!("errors-another-hub", fingerprint = &hub.fingerprint()));
            }
            Event::Session(SessionEvent::Bye {
                reason: ByeReason::Banned | ByeReason::Kicked,
                text,
            }) => return Some(say!("tools-stored-away", why = &escape(&*text))),
            _ => {}
        }
    }
    None
}

/// The result of a line's message, in the user's language.
fn told(number: u64, error: &NotSaid) -> String {
    let number = &number;
    match error {
        NotSaid::Refused(why) => {
            say!("tools-stored-refused", number = number, why = &escape(&**why))
        }
        NotSaid::Waiting => say!("tools-stored-waiting", number = number),
        NotSaid::TooLong(most) => say!("tools-stored-too-long", number = number, most = most),
        NotSaid::Full => say!("tools-stored-full", number = number),
        NotSaid::Left => say!("tools-stored-left", number = number),
    }
}
