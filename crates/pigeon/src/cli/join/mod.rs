//! `pigeon join`: a member of a hub, at the terminal or in a pipe.
//!
//! - here: [`run`], which puts the parts together. [`args`]: the command line.
//! - [`host`]: what stands around the session: typed lines in, events out.
//! - [`view`]: how it looks: [`lines`], or a [`full`] screen. Both get a [`connection`].
//! - [`note`]: news of the session in words. [`record`]: what `--json` prints.

mod args;
mod connection;
mod full;
mod host;
mod lines;
mod note;
mod record;
mod view;

use std::time::Duration;

use anyhow::Context;
use pigeon_client::{Session, SessionConfig};
use pigeon_net::{Clock, Driver, Socket, SocketOptions};
use pigeon_proto::{Name, sentence};
use rand_pcg::Pcg64;

use crate::base::bind::one_host;
use crate::base::random;
use crate::base::signals::on_stop;
use crate::base::status::{Status, UsageError};
use crate::base::terminal;
use crate::contacts::peer;
use crate::output::Color;
use connection::Connection;
use full::Full;
use host::JoinHost;
use lines::Lines;
use view::View;

pub(crate) use args::Args;

/// Where a hub is when nothing else is said.
const DEFAULT_PORT: u16 = 9999;

/// How long output may still be written after the session is over.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Joins and stays until the person leaves.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let language = args.language();
    let nick = args.nick.as_ref().map(|nick| Name::parse(nick.as_bytes())).transpose();
    let nick = nick.map_err(|error| {
        UsageError(format!("bad --nick: {}", sentence::name_error(error, language)))
    })?;
    let hub = peer::resolve(&args.hub, DEFAULT_PORT, args.family)?;
    one_host(hub)?;
    let socket = Socket::connect(hub, None, &SocketOptions::default())?;
    let clock = Clock::start();
    let seed = random::u64()?;
    let config =
        SessionConfig { hub, nick: nick.clone(), heartbeat: args.heartbeat, plain: args.plain };
    let session = Session::new(clock.now(), config, Pcg64::new(seed.into(), 0));
    let local = socket.local_addr();
    let mut driver =
        Driver::new(session, socket).context("cannot watch the socket")?.with_clock(clock);

    let connection = Connection { hub, local, waker: driver.waker(), language };
    // Before the terminal is taken, so that no signal leaves it behind.
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let full = !args.line && !args.json && terminal::can_be_full();
    let (view, typed) = match full {
        true => {
            let (full, typed) = Full::open(connection, color)?;
            (View::Full(Box::new(full)), typed)
        }
        false => {
            let (lines, typed) = Lines::open(connection, args.wait, args.json, color)?;
            (View::Lines(lines), typed)
        }
    };

    let mut host = JoinHost::new(view, typed, stop, nick, args.plain);
    let outcome = driver.run(&mut host);
    let (view, status) = host.finish();
    let failed = status == Status::Failed || outcome.is_err();
    let deadline = std::time::Instant::now() + LAST_WORDS;
    view.close(deadline, driver.machine().events_lost(), failed)?;
    outcome?;
    Ok(status)
}
