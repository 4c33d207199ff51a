//! `pigeon join`: a member of a hub, at the terminal or in a pipe.
//!
//! - here: [`run`], which connects the parts. [`args`]: the command line.
//! - [`find`]: selects the hub.
//! - [`host`]: the host of the session: typed lines in, events out.
//! - [`link`]: the session's link to the hub, plain or with a key; [`gate`] connects the session to
//!   a member with a [`keyed`] link.
//! - [`forward`]: sends messages to other programs; [`raw`]: bytes instead of lines.
//! - [`view`]: the output: [`lines`], or a [`full`] screen. Both get a [`connection`].
//! - [`copies`]: whether our lines have come back; [`kept`]: the hub's stored messages of a room;
//!   [`meant`]: suggestions for unknown commands.
//! - [`memory`]: state for the next session.
//! - [`note`]: notes about the session. [`record`]: the output of `--json`.

mod args;
mod connection;
mod copies;
mod find;
mod forward;
#[cfg(feature = "tui")]
mod full;
#[cfg(not(feature = "tui"))]
#[path = "full_absent.rs"]
mod full;
mod gate;
mod host;
mod kept;
#[cfg(feature = "quic")]
mod keyed;
#[cfg(not(feature = "quic"))]
#[path = "keyed_absent.rs"]
mod keyed;
mod lines;
mod link;
mod meant;
mod memory;
mod note;
mod raw;
mod record;
mod view;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use pigeon_client::{Session, SessionConfig};
use pigeon_net::{Clock, Driver, OpenError, Socket, SocketOptions};
use pigeon_proto::{Name, sentence};
use rand_pcg::Pcg64;

use crate::base::bind::{explain, one_host};
use crate::base::choice::is_at_terminal;
use crate::base::hub_target::HubTarget;
use crate::base::lookup::Lookup;
use crate::base::random;
use crate::base::signals::on_stop;
use crate::base::status::{Status, UsageError};
use crate::base::switch::Switch;
use crate::base::system_error::chain;
use crate::base::terminal;
use crate::output::Color;
use crate::words::say;
use connection::Connection;
use find::Found;
use forward::Forward;
use full::Full;
use host::JoinHost;
use keyed::Keyed;
use lines::{Lines, Messages};
use link::Link;
use memory::Memory;
use note::Note;
use view::View;

pub(crate) use args::Args;

/// The default port of a hub.
const DEFAULT_PORT: u16 = 9999;

/// Time limit for writing output after the session.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Opens the socket of a session with this hub.
fn connect(hub: SocketAddr) -> Result<Socket, OpenError> {
    // With refusals the system also reports routers' errors: no such host, no route.
    Socket::connect(hub, None, &SocketOptions { refusals: true, ..SocketOptions::default() })
}

/// Joins, and stays until the user leaves.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let language = args.language();
    let nick = args.nick.as_ref().map(|nick| Name::parse(nick.as_bytes())).transpose();
    let nick = nick.map_err(|error| {
        UsageError(say!("join-bad-nick", why = sentence::name_error(error, language)))
    })?;
    let target = args.hub.as_deref().map(HubTarget::parse).transpose().map_err(UsageError)?;
    let invitation = target.flatten().map(|target| target.invitation(args.family)).transpose()?;
    let invitation = invitation.flatten();
    let found = match invitation {
        // The plain port is the one before, unless the hub was told otherwise.
        Some((secure, _)) => SocketAddr::new(secure.ip(), secure.port().saturating_sub(1)).into(),
        None => find::find(args.hub.as_deref(), args.port, args.family)?,
    };
    let Found { address: hub, name: hub_name, again } = found;
    one_host(hub)?;
    let password = crate::base::password::read(args.password_file.as_deref())?;
    let shows_lines = args.line || args.json || args.raw || !args.forward.is_empty();
    let full = !shows_lines && terminal::can_be_full();
    // A script must request a name; a user keeps the previous one.
    let remembers = !args.plain && (full || nick.is_some() || is_at_terminal());
    let is_plain = args.plain || args.raw || !args.forward.is_empty();
    let person = match is_plain || !remembers {
        true => None,
        false => memory::whose(hub, nick.as_ref(), Keyed::has_person),
    };
    let memory = || Memory::open(hub, person.as_ref(), nick.as_ref());
    let (memory, forgetful) = match remembers.then(memory).transpose() {
        Ok(memory) => (memory.flatten(), None),
        Err(error) => (None, Some(error)),
    };
    let left_off = memory.as_ref().and_then(|memory| memory.left_off().cloned());
    let clock = Clock::start();
    let is_second = remembers && memory.is_none() && forgetful.is_none();
    let keyed = match is_plain {
        true => None,
        false => {
            let typed = args.hub.as_deref().filter(|_| invitation.is_none());
            let invited = invitation.map(|(address, fingerprint)| (address.port(), fingerprint));
            let keyed = Keyed::new(typed, hub, password.as_deref(), language);
            keyed.map(|keyed| keyed.invited(invited).of_person(person.as_ref()))
        }
    };
    // A hub that had a key is never joined without: another server may answer there.
    let port = keyed.as_ref().map(Keyed::known_port).transpose()?.flatten();
    let known = keyed.as_ref().zip(port).map(|(keyed, port)| {
        keyed.open(SocketAddr::new(hub.ip(), port), clock, left_off.as_ref(), nick.as_ref())
    });
    let known = known.transpose()?;
    let (member, socket) = match known {
        Some(opened) => (Some(opened.member), opened.socket),
        None => (None, connect(hub).map_err(explain)?),
    };
    let seed = random::u64()?;
    let (heartbeat, plain) = (args.heartbeat, args.plain);
    let config = SessionConfig { hub, nick: nick.clone(), left_off, password, heartbeat, plain };
    let session = Session::new(clock.now(), config, Pcg64::new(seed.into(), 0));
    let link = match member {
        Some(member) => Link::secure(session, member, full),
        None => Link::plain(session, full),
    };
    let local = socket.local_addr();
    let forward = Forward::open(clock.now(), &args.forward, hub, local)?;
    let mut driver =
        Driver::new(link, socket).with_context(|| say!("errors-watch-socket"))?.with_clock(clock);

    let connection = Connection { hub, local, waker: driver.waker(), language };
    // Before the terminal is taken over: a signal must not leave it in raw mode.
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let (view, typed) = match full {
        true => {
            let (full, typed) = Full::open(connection, color, args.bell == Switch::On)?;
            (View::Full(Box::new(full)), typed)
        }
        false => {
            let messages = match (args.json, args.raw) {
                (true, _) => Messages::Json,
                (_, true) => Messages::Raw,
                // Forwarded to programs; they may be endless binary data.
                _ if !forward.is_over() => Messages::Hidden,
                _ => Messages::Text,
            };
            let (lines, typed) = Lines::open(connection, args.wait, messages, color)?;
            (View::Lines(lines), typed)
        }
    };

    let host =
        JoinHost::new(view, typed, stop, nick, args.plain, local, clock.now()).with_memory(memory);
    let host = host.with_person(person, is_second);
    let waker = driver.waker();
    let lookup = again.map(|find| Lookup::new(find, move || waker.wake()));
    let mut host = host.with_hub_name(hub_name).with_lookup(lookup, remembers);
    host = host.with_forward(forward).with_keyed(keyed, clock);
    if let Some(error) = forgetful {
        host.note(Note::NotKept { error: chain(&error) });
    }
    let outcome = driver.run(&mut host);
    let (view, status) = host.finish();
    let failed = status == Status::Failed || outcome.is_err();
    let deadline = std::time::Instant::now() + LAST_WORDS;
    view.close(deadline, driver.machine().session().events_lost(), failed)?;
    outcome?;
    Ok(status)
}
