//! `pigeon join`: a member of a hub, at the terminal or in a pipe.

mod face;
mod full;
mod lines;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Context;
use clap_complete::ArgValueCandidates;
use pigeon_client::{Event, NoReply, Said, Session, SessionConfig};
use pigeon_net::{Clock, Driver, Host, Io, Socket, SocketOptions, Waker};
use pigeon_proto::Name;
use pigeon_text::escape;
use rand_pcg::Pcg64;

use crate::base::bind::one_host;
use crate::base::count::count;
use crate::base::endpoint::Family;
use crate::base::quantity::{self, roughly};
use crate::base::random;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::base::terminal;
use crate::contacts::peer;
use crate::output::{Color, wall};
use crate::ui::typist::Typed;
use face::Face;
use full::Full;
use lines::Lines;

/// Where a hub is when nothing else is said.
const DEFAULT_PORT: u16 = 9999;

/// How long output may still be written after the session is over.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Join a hub: what others say appears, what you type goes to everyone
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon join                           the hub on this machine
  pigeon join 192.168.1.20 --nick 狗哥  a hub on the network, under a name
  echo hello | pigeon join              say a line, print what comes for 2 s, leave

On a terminal it takes the whole screen; ? on an empty line or F1 shows the keys. --line prints
lines instead. `quit`, Ctrl-D or Ctrl-C leaves; /help asks the hub what else it understands.")]
pub(crate) struct Args {
    /// The hub: HOST[:PORT], port 9999 where none is given, or a contact's name
    #[arg(value_name = "HOST[:PORT]", default_value = "127.0.0.1:9999", add = ArgValueCandidates::new(peer::candidates))]
    hub: String,

    #[command(flatten)]
    family: Family,

    /// What to be called: one word (a raw hub knows no names and would pass the wish on as data)
    #[arg(long, value_name = "NAME")]
    nick: Option<String>,

    /// Speak plain datagrams as any program does, and expect no answers to heartbeats
    #[arg(long)]
    plain: bool,

    /// The time between heartbeats (each is up to a fifth earlier)
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = quantity::heartbeat)]
    heartbeat: Duration,

    /// How long to stay for replies after the end of piped input
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = quantity::duration)]
    wait: Duration,

    /// Print one JSON object a datagram: time, from, to, len, text or base64, truncated; one of to and
    /// result where the hub refuses, or was never heard
    #[arg(long)]
    json: bool,

    /// Lines instead of a full screen, as where stdin or stdout is no terminal
    #[arg(long)]
    line: bool,
}

/// Where a face finds the session.
struct People {
    hub: SocketAddr,
    local: SocketAddr,
    waker: Waker,
}

/// Joins and stays until the person leaves.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    if let Some(Err(error)) = args.nick.as_ref().map(|nick| Name::parse(nick.as_bytes())) {
        return Err(UsageError(format!("bad --nick: {error}")).into());
    }
    let hub = peer::resolve(&args.hub, DEFAULT_PORT, args.family)?;
    one_host(hub)?;
    let socket = Socket::connect(hub, None, &SocketOptions::default())?;
    let clock = Clock::start();
    let seed = random::u64()?;
    let config = SessionConfig {
        hub,
        local: Some(socket.local_addr()),
        nick: args.nick.clone(),
        heartbeat: args.heartbeat,
        plain: args.plain,
    };
    let session = Session::new(clock.now(), config, Pcg64::new(seed.into(), 0));
    let local = socket.local_addr();
    let mut driver =
        Driver::new(session, socket).context("cannot watch the socket")?.with_clock(clock);

    let people = People { hub, local, waker: driver.waker() };
    // Before the terminal is taken, so that no signal leaves it behind.
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let full = !args.line && !args.json && terminal::can_be_full();
    let (face, typed) = match full {
        true => {
            let (full, typed) = Full::open(people, color)?;
            (Face::Full(Box::new(full)), typed)
        }
        false => {
            let (lines, typed) = Lines::open(people, &args, color)?;
            (Face::Lines(lines), typed)
        }
    };

    let (nick, plain) = (args.nick, args.plain);
    let mut around = Around { face, typed, stop, nick, plain, met: false, status: Status::Done };
    let outcome = driver.run(&mut around);
    let failed = around.status == Status::Failed || outcome.is_err();
    around.face.close(
        std::time::Instant::now() + LAST_WORDS,
        driver.machine().events_lost(),
        failed,
    )?;
    outcome?;
    Ok(around.status)
}

/// What stands around the session: the person, and a signal to stop.
struct Around {
    face: Face,
    typed: Receiver<Typed>,
    stop: Stop,
    nick: Option<String>,
    plain: bool,
    /// Whether the hub was ever there.
    met: bool,
    status: Status,
}

impl Host<Session<Pcg64>> for Around {
    fn woken(&mut self, session: &mut Session<Pcg64>, io: &mut Io<'_>) -> ControlFlow<()> {
        let now = io.now;
        if let Some(status) = self.stop.status() {
            self.status = status;
            session.leave();
        }
        // As many lines as one drain carries; the rest follow at once.
        let typed: Vec<Typed> = self.typed.try_iter().take(64).collect();
        for typed in typed {
            match typed {
                Typed::Line(line) => {
                    self.face.typed(now, &line);
                    match session.handle_line(now, &line) {
                        Ok(Said::IntoSilence) => {
                            self.note("the hub is away; that line was sent, but is probably lost");
                        }
                        Ok(_) => {}
                        Err(error) => {
                            if self.face.is_script() {
                                self.status = Status::Failed;
                            }
                            self.note(&error.to_string());
                        }
                    }
                }
                // A script must be able to tell; a person has been told.
                Typed::Refused if self.face.is_script() => self.status = Status::Failed,
                Typed::Refused => {}
                Typed::Leave(status) => {
                    if self.status == Status::Done {
                        self.status = status;
                    }
                    session.leave();
                }
            }
        }
        self.face.look(session, now, &io.stats());
        ControlFlow::Continue(())
    }

    fn event(
        &mut self,
        session: &mut Session<Pcg64>,
        io: &mut Io<'_>,
        event: Event,
    ) -> ControlFlow<()> {
        let now = io.now;
        let hub = session.hub();
        match event {
            Event::Received(payload) => {
                self.met = true;
                self.face.received(now, hub, &payload);
            }
            Event::Joined(answer) => {
                self.met = true;
                let members = count(answer.members, "member");
                self.note(&format!("joined {hub}: a pigeon hub, {members}"));
            }
            Event::JoinedPlainly => {
                self.met = true;
                self.joined_plainly(hub);
            }
            Event::Refused if !self.met => {
                self.face.no_reply(hub, NoReply::Refused);
                self.note(&format!(
                    "{hub} refused: nobody listens there. `pigeon hub` starts a hub"
                ));
                self.status = Status::Failed;
                return ControlFlow::Break(());
            }
            Event::Refused => {
                self.face.no_reply(hub, NoReply::Refused);
                self.note(&format!("{hub} refused: the hub is gone; waiting for it to come back"));
            }
            Event::Silent { since } => {
                let ago = now - since;
                let wall = wall::local(None).saturating_sub(ago);
                let since = wall::time_of_day(&wall);
                self.note(&format!(
                    "nothing heard since {since} ({} ago); still trying",
                    roughly(ago)
                ));
            }
            Event::Stopped => {
                self.met = true;
                self.note("the hub says Bye!; waiting for it to come back");
            }
            Event::Again { after } => {
                self.face.doubt();
                let after = roughly(after);
                self.note(&format!("{hub} is back after {after}; a member again"));
            }
            Event::Removed => {
                self.note("the hub has sent you away; your next line asks to be let in again");
            }
            Event::Left => {
                if !self.met && self.status == Status::Done {
                    self.face.no_reply(hub, NoReply::TimedOut);
                    self.note(&format!("nothing was heard from {hub}"));
                    self.status = Status::Failed;
                }
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl Around {
    /// Says something about the session itself.
    fn note(&mut self, text: &str) {
        self.face.note(text);
    }

    fn joined_plainly(&mut self, hub: std::net::SocketAddr) {
        if self.plain {
            return self
                .note(&format!("joined {hub} plainly, as asked; it may or may not be there"));
        }
        self.note(&format!(
            "joined {hub} plainly: it answers no padded heartbeats (no pigeon hub?), so nobody can \
             tell when it goes away"
        ));
        if let Some(nick) = &self.nick {
            let nick = escape(nick).to_string();
            self.note(&format!("not asked for the name {nick}: such a server would publish it"));
        }
    }
}
