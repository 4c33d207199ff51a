//! `pigeon send --ipmsg`: sends one text to a user of IP Messenger, FeiQ or iptux, for scripts.

use std::io::Read;
use std::net::SocketAddr;
use std::ops::ControlFlow;

use anyhow::{Context, anyhow};
use pigeon_ipmsg::{Event, MAX_TEXT, Messenger, PORT, SendError, WhyUndelivered};
use pigeon_net::{Clock, Driver, Host, Io, local_addresses};
use pigeon_text::{Charset, Encoding, escape};

use crate::base::ipmsg;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::output::remark;
use crate::words::say;

/// Maximum length read from stdin: a longer text fits no packet in any encoding.
const MAX_STDIN: u64 = 64 * 1_024;

/// Sends the text, and waits for its acknowledgement.
pub(super) fn run(
    to: SocketAddr,
    words: &[String],
    source: Option<SocketAddr>,
    charset: Option<Charset>,
) -> anyhow::Result<Status> {
    if !to.is_ipv4() {
        return Err(UsageError(say!("tools-ipmsg-ipv4", to = &to)).into());
    }
    let text = text(words)?;
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let encoding = match charset {
        Some(Charset::Fixed(encoding)) => Some(encoding),
        _ => None,
    };
    let legacy = encoding.unwrap_or(Encoding::GB18030);
    let (mut messenger, socket) = ipmsg::open(source, legacy, &interfaces)?;
    let clock = Clock::start();
    messenger.add(clock.now(), to);
    messenger.send(clock.now(), to, text.into()).map_err(|error| match error {
        SendError::TooLong { length } => {
            anyhow!(UsageError(say!("tools-ipmsg-too-long", length = &length, most = &MAX_TEXT,)))
        }
        SendError::Unknown => anyhow!(say!("tools-ipmsg-nothing")),
    })?;
    let mut driver = Driver::new(messenger, socket)
        .with_context(|| say!("errors-watch-socket"))?
        .with_clock(clock);
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let mut task = Task { to, stop, outcome: None };
    driver.run(&mut task)?;
    match task.outcome {
        Some(None) => Ok(Status::Done),
        Some(Some(WhyUndelivered::Refused)) => Err(anyhow!(say!("tools-ipmsg-refused", to = &to))),
        Some(Some(_)) => Err(anyhow!(say!("tools-ipmsg-unacknowledged", to = &to, port = &PORT))),
        None => Ok(Status::Interrupted),
    }
}

/// The text of the command line, or all of stdin.
fn text(words: &[String]) -> anyhow::Result<String> {
    let text = match words {
        [] => {
            let mut bytes = Vec::new();
            let mut stdin = std::io::stdin().lock().take(MAX_STDIN);
            stdin.read_to_end(&mut bytes).with_context(|| say!("tools-ipmsg-stdin"))?;
            let text =
                String::from_utf8(bytes).ok().with_context(|| say!("tools-ipmsg-not-utf8"))?;
            text.trim_end().to_string()
        }
        words => words.join(" "),
    };
    match text.trim().is_empty() {
        true => Err(UsageError(say!("tools-ipmsg-empty")).into()),
        false => Ok(text),
    }
}

struct Task {
    to: SocketAddr,
    stop: Stop,
    /// The result; the inner `None`: it was delivered.
    outcome: Option<Option<WhyUndelivered>>,
}

impl Task {
    /// Sends an exit packet, so that the contact no longer lists this program.
    fn end(&mut self, messenger: &mut Messenger, io: &Io<'_>) -> ControlFlow<()> {
        messenger.leave(io.now, &[]);
        ControlFlow::Break(())
    }
}

impl Host<Messenger> for Task {
    fn woken(&mut self, messenger: &mut Messenger, io: &mut Io<'_>) -> ControlFlow<()> {
        match self.stop.is_set() {
            true => self.end(messenger, io),
            false => ControlFlow::Continue(()),
        }
    }

    fn event(
        &mut self,
        messenger: &mut Messenger,
        io: &mut Io<'_>,
        event: Event,
    ) -> ControlFlow<()> {
        match event {
            Event::Delivered(..) => self.outcome = Some(None),
            Event::Undelivered(_, _, why) => self.outcome = Some(Some(why)),
            // A gateway may require an acknowledgement before it sends one.
            Event::Text(text) if text.from == self.to => {
                messenger.accept(io.now, &text);
                remark(format_args!("{}: {}", self.to, escape(&text.text)));
            }
            Event::Text(text) => messenger.refuse(&text),
            _ => {}
        }
        match self.outcome {
            Some(_) => self.end(messenger, io),
            None => ControlFlow::Continue(()),
        }
    }
}
