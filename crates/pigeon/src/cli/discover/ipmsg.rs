//! `pigeon discover --ipmsg`: finds users of IP Messenger, FeiQ and iptux.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, anyhow};
use pigeon_datagram::Instant;
use pigeon_ipmsg::{ContactView, Event, Messenger, PORT, Program};
use pigeon_net::{Clock, Driver, Host, Io, local_addresses};
use pigeon_text::{Encoding, escape};

use crate::base::ipmsg::{self, broadcast_addresses, program_name};
use crate::base::quantity;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::Status;
use crate::output::{json, remark};
use crate::words::say;

/// Minimum time to wait: programs answer after up to a second, and later on large networks.
const AT_LEAST: Duration = Duration::from_secs(3);

pub(super) fn run(lasts: Duration, json: bool) -> anyhow::Result<Status> {
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let (mut messenger, socket) = ipmsg::open(None, Encoding::GB18030, &interfaces)?;
    let clock = Clock::start();
    let broadcast = broadcast_addresses((Ipv4Addr::UNSPECIFIED, PORT).into(), &interfaces);
    messenger.announce(clock.now(), &broadcast);
    let lasts = lasts.max(AT_LEAST);
    let until = clock.now() + lasts;
    let mut driver = Driver::new(messenger, socket)
        .with_context(|| say!("errors-watch-socket"))?
        .with_clock(clock);
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let mut task = Task { until, stop, json, broadcast, seen: BTreeSet::new(), failed: None };
    driver.run(&mut task)?;
    if let Some(error) = task.failed {
        return Err(error).context(say!("errors-stdout"));
    }
    let time = quantity::roughly(lasts);
    match task.seen.len() {
        0 => Err(anyhow!(say!("tools-discover-no-user", time = time, port = &PORT))),
        answered => {
            remark(say!("tools-discover-users", count = answered, time = time));
            Ok(Status::Done)
        }
    }
}

struct Task {
    until: Instant,
    stop: Stop,
    json: bool,
    broadcast: Vec<SocketAddr>,
    seen: BTreeSet<SocketAddr>,
    failed: Option<io::Error>,
}

impl Task {
    fn end(&self, messenger: &mut Messenger, io: &Io<'_>) -> ControlFlow<()> {
        messenger.leave(io.now, &self.broadcast);
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
            Event::Appeared(who) => {
                if let Some(contact) = messenger.contact(who)
                    && self.seen.insert(who)
                {
                    let mut out = io::stdout().lock();
                    let line = if self.json { object(&contact) } else { line(&contact) };
                    self.failed = writeln!(out, "{line}").and_then(|()| out.flush()).err();
                    if self.failed.is_some() {
                        return self.end(messenger, io);
                    }
                }
            }
            Event::Text(text) => messenger.refuse(&text),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.until)
    }

    fn tick(&mut self, messenger: &mut Messenger, io: &mut Io<'_>) -> ControlFlow<()> {
        self.end(messenger, io)
    }
}

/// `192.168.1.7:2425  阿爱  一组  root@hosta  iptux  utf-8`
fn line(contact: &ContactView<'_>) -> String {
    let ContactView { address, nick, group, user, host, program, writes, .. } = contact;
    let (nick, group) = (escape(nick), escape(group));
    let place = format!("{}@{}", escape(user), escape(host));
    let group = if contact.group.is_empty() { "-".to_string() } else { group.to_string() };
    let program = match program {
        Program::Other => say!("tools-discover-other-program"),
        program => program_name(*program).to_string(),
    };
    format!("{address}  {nick}  {group}  {place}  {program}  {}", writes.encoding)
}

fn object(contact: &ContactView<'_>) -> String {
    json::counts(&[
        ("from", contact.address.to_string().into()),
        ("nick", contact.nick.into()),
        ("group", contact.group.into()),
        ("user", contact.user.into()),
        ("host", contact.host.into()),
        ("program", program_name(contact.program).into()),
        ("encoding", contact.writes.encoding.name().into()),
        ("absent", contact.is_absent.into()),
    ])
}
