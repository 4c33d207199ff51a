//! `pigeon hub`: serves group chat on one or more UDP ports. [`run`] is the whole way from the
//! arguments to the end; [`operator`] is what happens in between, while the hub serves.

mod archive;
mod args;
mod check;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(not(feature = "cluster"))]
#[path = "cluster_absent.rs"]
mod cluster;
mod console;
mod door;
mod ending;
mod figure;
pub(super) mod invitation;
#[cfg(feature = "ipmsg")]
mod ipmsg;
#[cfg(not(feature = "ipmsg"))]
#[path = "ipmsg_absent.rs"]
mod ipmsg;
mod journal;
mod listening;
mod operator;
#[cfg(feature = "page")]
mod page;
#[cfg(not(feature = "page"))]
#[path = "page_absent.rs"]
mod page;
mod password;
mod reliable;
mod room_log;
mod searchers;
#[cfg(feature = "quic")]
mod secure;
#[cfg(not(feature = "quic"))]
#[path = "secure_absent.rs"]
mod secure;
mod service;
mod settings;

use std::sync::{Arc, OnceLock};

use anyhow::Context;
use pigeon_datagram::Machine;
use pigeon_hub::{Door, Event, Hub};
use pigeon_net::{
    Clock, Driver, Interfaces, IoPath, Socket, SocketOptions, Waker, local_addresses,
};
use pigeon_proto::Format;
use tracing::{info, warn};

pub(crate) use self::args::Args;
use self::invitation::Kept;
use self::journal::Journal;
use self::operator::{Operator, WALL_EVERY};
use self::service::{State, Watchdog, notify};
use crate::base::invitation::Invitation;
use crate::base::random;
use crate::base::services::wall;
use crate::base::signals::on_stop_or_reload;
use crate::base::status::{Status, UsageError};
use crate::base::switch::Switch;
use crate::base::system_error;
use crate::output::Color;
use crate::ui;
use crate::ui::lines;
use crate::words;
use crate::words::say;

/// Runs the hub until it is stopped. `unknown` are warnings about the environment; `reread` reads
/// the settings again.
pub(crate) fn run(
    args: Args,
    color: Color,
    unknown: &[String],
    reread: fn() -> anyhow::Result<Args>,
) -> anyhow::Result<Status> {
    if args.check {
        return check::run(&args, unknown);
    }

    // The arguments, so that a mistake is reported before anything is opened.
    let doors = args.doors();
    door::check(doors, args.format.into())?;
    let ipmsg = args.ipmsg()?;
    let page = args.page()?;
    let (cluster, of_cluster) = args.cluster()?;
    let (password, warnings) = args.password()?;

    // The terminal and the log.
    let suggestions = console::suggestions();
    let (reader, printer) = lines::open("hub> ", suggestions.clone())?;
    let level = journal::start(args.log, args.log_level, color, printer.notes.clone());
    unknown.iter().chain(&warnings).chain(&of_cluster).for_each(|warning| warn!("{warning}"));

    // Signals before sockets, so that a hub waiting for its address can be stopped.
    let waker: Arc<OnceLock<Waker>> = Arc::default();
    let (stop, reload) = on_stop_or_reload({
        let waker = Arc::clone(&waker);
        move || waker.get().into_iter().for_each(Waker::wake)
    })?;
    let path = if args.offload == Switch::On { IoPath::Best } else { IoPath::NoOffload };
    let options = SocketOptions { path, timestamps: false, ..SocketOptions::default() };
    let Some(mut sockets) = listening::open(doors, &options, args.wait_for_address, &stop)? else {
        info!("{}", say!("hub-stopped-early"));
        return Ok(Status::Done);
    };

    // The data after the sockets, so that a hub that does not get its port leaves no folder behind.
    let archive = args.archive(&waker)?;
    let (mut archive, secret, why_not) = match archive {
        Ok((archive, secret)) => (Some(archive), Some(secret), String::new()),
        Err(why_not) => (None, None, why_not),
    };

    // The configuration.
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let doors: Vec<Door> = doors.iter().map(|door| door.door(args.format.into())).collect();
    let mut config =
        settings::config(&args, doors, password, &sockets, &interfaces, printer.interactive)?;
    config.secret = secret.map_or_else(random::bytes, Ok)?;
    config.history = args.history().filter(|_| archive.is_some());
    config.keeps = archive.is_some();
    let has_lines = config.doors.iter().any(|door| door.format != Format::Raw);
    let first = sockets.first().map(Socket::local_addr);
    // The link needs a folder, for a lasting certificate, and messages in lines: raw data may be a
    // video, of which the last 4 MiB in memory would serve nobody.
    let secure = first
        .and_then(|first| args.secure(first))
        .filter(|_| archive.is_some() && (config.history.is_some() || has_lines));
    if let (Some(archive), None) = (&mut archive, config.history) {
        archive.keep_no_history()?;
    }
    config.secure_port = secure.map(|address| address.port);
    let clock = Clock::start();
    searchers::share(&sockets);
    let groups = config
        .discovery
        .and_then(|discovery| searchers::listen(&discovery, clock.now(), &options, &mut sockets));

    // The hub, with what it kept.
    let mut hub = Hub::new(config);
    if let Some(archive) = &archive {
        archive.restore(&mut hub, clock.now())?;
        while let Some(event) = hub.poll_event() {
            if let Event::Keep(keep) = event {
                archive.keep(keep);
            }
        }
        archive.settle();
    }
    listening::announce(&hub, &sockets);
    match (&mut archive, &cluster) {
        (Some(archive), _) => {
            archive.join_cluster(cluster.as_ref(), &mut hub, clock.now())?;
        }
        (None, Some(_)) => return Err(UsageError(say!("hub-cluster-without-history")).into()),
        (None, None) => {}
    }
    let kept = match (hub.config().history, &archive) {
        (Some(_), Some(archive)) => Kept::All(archive.folder().to_owned()),
        (None, Some(archive)) => Kept::Names(archive.folder().to_owned()),
        (_, None) => Kept::Nothing { why: why_not },
    };
    invite(&hub, &sockets, &interfaces, kept);

    // The links, each on its own thread: members with a key, the page, IP Messenger.
    let secure = match (&archive, secure) {
        (Some(archive), Some(address)) => {
            let sources = hub.config().sources.clone();
            let now = clock.now();
            Some(secure::Secure::start(&mut hub, archive, address, sources, &waker, now)?)
        }
        _ => None,
    };
    let page = match (&archive, page) {
        (Some(archive), Some(settings)) if hub.config().history.is_some() => {
            let sources = hub.config().sources.clone();
            Some(page::Page::start(&mut hub, archive, settings, sources, &waker)?)
        }
        (_, Some(_)) => return Err(UsageError(say!("hub-page-without-history")).into()),
        (_, None) => None,
    };
    if let Some(archive) = &mut archive {
        let mut here = secure.as_ref().map(secure::Secure::here);
        if let Some(place) = page.as_ref().and_then(page::Page::place) {
            here.get_or_insert_default().page = place.urls().into_iter().next().map(Into::into);
        }
        archive.set_place(here);
    }
    let invitation = archive.as_ref().and_then(|archive| {
        let invitation = Invitation {
            hub: hub.config().name.to_string(),
            listen: sockets.iter().map(Socket::local_addr).take(hub.config().doors.len()).collect(),
            page: page.as_ref().and_then(page::Page::place),
            keyed: secure.as_ref().map(secure::Secure::place),
        };
        let kept = invitation.keep(archive.folder());
        kept.inspect_err(|error| {
            warn!("{}", say!("hub-uninvited", why = system_error::said(error)))
        })
        .ok()
    });
    let ipmsg = ipmsg.map(|settings| ipmsg::Link::start(&mut hub, &settings, &interfaces, &waker));
    let ipmsg = ipmsg.transpose()?;

    // The loop and the console.
    hub.set_wall(wall(clock.now()));
    let shows_messages = hub.config().report_messages;
    let driver = Driver::over(hub, sockets).with_context(|| say!("errors-watch-socket"))?;
    let mut driver = driver.with_clock(clock);
    // The only call of `set`.
    let _ = waker.set(driver.waker());
    let wanted = args.console == Switch::On;
    let commands = ui::console::start(reader, &printer, driver.waker(), wanted)?;
    // For signals that came before the waker was set.
    driver.waker().wake();
    notify(&[State::Ready, State::Status(&say!("hub-status-serving"))]);
    let color = color.enabled(&std::io::stderr());
    if printer.interactive {
        let lines = page.iter().flat_map(|page| page.invitation(color));
        for line in lines {
            printer.notes.line(line);
        }
        if wanted {
            printer.notes.line(say!("hub-console-hint"));
        }
    }

    let mut operator = Operator {
        commands,
        stop,
        reload,
        reread,
        level,
        printer,
        journal: Journal::default(),
        next_wall: clock.now() + WALL_EVERY,
        watchdog: Watchdog::start(clock.now()),
        archive,
        secure,
        page,
        _invitation: invitation,
        ipmsg,
        groups,
        shows_messages,
        color,
        suggestions,
        next_names: clock.now(),
    };
    let outcome = driver.run(&mut operator);
    notify(&[State::Stopping]);
    operator.close(driver.machine().statistics());
    outcome?;
    Ok(Status::Done)
}

/// Logs how others join.
fn invite(hub: &Hub, sockets: &[Socket], interfaces: &Interfaces, kept: Kept) {
    let config = hub.config();
    let doors = config.doors.iter().cloned();
    let doors: Vec<_> = doors.zip(sockets.iter().map(Socket::local_addr)).collect();
    let has_password = config.password.is_some();
    let lines = invitation::lines(words::language(), &doors, interfaces, has_password, kept);
    lines.into_iter().for_each(|line| info!("{line}"));
}
