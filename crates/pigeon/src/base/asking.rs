//! Sends a request to a host, a group or a broadcast address: opens the socket, runs the loop, and
//! reports a missing reply.

use std::net::SocketAddr;
use std::ops::ControlFlow;

use anyhow::{Context, anyhow};
use pigeon_client::{Ask, Asked, NoReply, Outcome, Request, RetryPolicy};
use pigeon_net::{Clock, Driver, DropReason, Host, Io, Socket, SocketOptions};
use pigeon_text::escape;

use super::bind::{explain, is_broadcast, unspecified};
use super::cause::Cause;

use super::status::UsageError;
use crate::words::{self, say};

/// Maximum number of strays shown; further ones are only counted.
const SHOWN: u64 = 5;

/// Opens a socket that receives from every port of `to`, and gets its errors. Where the system
/// reports errors only to connected sockets, it is connected, and receives from the requested port
/// only.
pub(crate) fn open(
    to: SocketAddr,
    source: Option<SocketAddr>,
    options: SocketOptions,
) -> anyhow::Result<Socket> {
    check_source(source, to)?;
    let options = SocketOptions { refusals: true, ..options };
    let socket = Socket::bind(source.unwrap_or(unspecified(to)), &options).map_err(explain)?;
    if socket.capabilities().refusals || asks_anybody(to) {
        return Ok(socket);
    }
    drop(socket);
    Socket::connect(to, source, &options).map_err(explain)
}

/// Rejects a source of another IP version.
pub(crate) fn check_source(source: Option<SocketAddr>, to: SocketAddr) -> Result<(), UsageError> {
    match source.filter(|source| source.is_ipv4() != to.is_ipv4()) {
        Some(source) => Err(UsageError(say!("errors-source-family", source = &source, to = &to))),
        None => Ok(()),
    }
}

/// Whether `to` is a group or broadcast address, so that any host may answer.
pub(crate) fn asks_anybody(to: SocketAddr) -> bool {
    to.ip().is_multicast() || is_broadcast(to.ip())
}

/// The result of a request.
#[derive(Debug)]
pub(crate) struct Ended<A> {
    pub(crate) to: SocketAddr,
    pub(crate) outcome: Outcome<A>,
    /// The last error from the system.
    pub(crate) cause: Option<Cause>,
}

/// Runs a request to its end. `note` gets a line for each event; `show` converts a payload to text.
pub(crate) fn ask<R: Request>(
    request: R,
    to: SocketAddr,
    socket: Socket,
    policy: RetryPolicy,
    show: impl FnMut(&[u8]) -> String,
    note: impl FnMut(String),
) -> anyhow::Result<Ended<R::Answer>> {
    let clock = Clock::start();
    let mut ask = Ask::with(clock.now(), to, request, policy);
    if asks_anybody(to) {
        ask = ask.of_anybody();
    }
    let mut driver =
        Driver::new(ask, socket).with_context(|| say!("errors-watch-socket"))?.with_clock(clock);
    let mut asker = Asker { to, shown: 0, cause: None, outcome: None, show, note };
    driver.run(&mut asker)?;
    let cause = Cause::of(&driver.stats());
    let outcome = asker.outcome.context("the loop ended without an outcome")?;
    Ok(Ended { to, outcome, cause })
}

impl<A> Ended<A> {
    /// The error for a missing reply.
    pub(crate) fn no_reply(&self, why: NoReply) -> anyhow::Error {
        let Ended { to, outcome, cause } = self;
        let cause = cause.map(|cause| cause.said());
        anyhow!(match (why, cause) {
            (NoReply::Refused, _) => say!("errors-refused", to = to),
            (NoReply::Unsent, None) => say!("errors-not-sent", to = to),
            (NoReply::Unsent, Some(cause)) => {
                say!("errors-not-sent-cause", to = to, cause = cause)
            }
            (NoReply::Undelivered, None) => say!("errors-not-delivered", to = to),
            (NoReply::Undelivered, Some(cause)) => {
                say!("errors-not-delivered-cause", to = to, cause = cause)
            }
            (NoReply::TimedOut, cause) => {
                let seconds = format!("{:.1}", outcome.elapsed.as_secs_f64());
                let mut parts = vec![say!(
                    "errors-no-reply",
                    to = to,
                    attempts = outcome.attempts,
                    seconds = seconds,
                )];
                if outcome.strays > 0 {
                    parts.push(say!("errors-strays", count = outcome.strays));
                }
                parts.extend(cause.map(|cause| say!("errors-system-said", cause = cause)));
                parts.join(words::between_parts())
            }
        })
    }
}

/// Whether the reason is a full queue, which soon has space again.
fn is_momentary(reason: DropReason) -> bool {
    matches!(reason, DropReason::NoBuffers | DropReason::Congested)
}

/// Reports events, and keeps the outcome.
struct Asker<A, S, N> {
    to: SocketAddr,
    shown: u64,
    cause: Option<Cause>,
    outcome: Option<Outcome<A>>,
    show: S,
    note: N,
}

impl<R, S, N> Host<Ask<R>> for Asker<R::Answer, S, N>
where
    R: Request,
    S: FnMut(&[u8]) -> String,
    N: FnMut(String),
{
    fn event(
        &mut self,
        ask: &mut Ask<R>,
        io: &mut Io<'_>,
        event: Asked<R::Answer>,
    ) -> ControlFlow<()> {
        match event {
            Asked::Stray { from, payload, why } if self.shown < SHOWN => {
                self.shown += 1;
                let text = (self.show)(&payload);
                (self.note)(match why {
                    None => {
                        say!("errors-other-port-says", from = &from, to = &self.to, text = text)
                    }
                    Some(why) => {
                        say!("errors-not-an-answer", from = &from, why = &escape(&why))
                    }
                });
            }
            Asked::Stray { .. } => {}
            Asked::Undelivered => {
                let cause = Cause::of(&io.stats());
                if self.cause != cause
                    && let Some(cause) = cause
                {
                    (self.note)(say!("errors-asked-again", to = &self.to, cause = cause.said()));
                }
                self.cause = cause;
            }
            Asked::Unsent => {
                let failure = io.stats().sent.last_failure;
                match failure.filter(|failure| is_momentary(failure.reason)) {
                    Some(failure) => {
                        let cause = Cause::from(failure);
                        (self.note)(say!(
                            "errors-tried-again",
                            to = &self.to,
                            cause = cause.said()
                        ));
                    }
                    None => ask.give_up(io.now),
                }
            }
            Asked::Over(outcome) => {
                self.outcome = Some(outcome);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
