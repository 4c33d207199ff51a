//! The operator: what the hub's loop calls between datagrams. It reads the console, passes messages
//! to the log and members to the links, and answers signals and the service manager.

use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use pigeon_datagram as datagram;
use pigeon_hub::{Event, Hub, Statistics};
use pigeon_net::{Host, Io};
use tracing::{error, info, warn};

use super::archive::Archive;
use super::args::Args;
use super::console::{self, Command};
use super::journal::{self, Journal, Level};
use super::service::{State, Watchdog, notify};
use super::settings::limit;
use super::{ipmsg, page, searchers, secure};
use crate::base::groups::GroupSockets;
use crate::base::invitation::Kept;
use crate::base::services::wall;
use crate::base::signals::{Reload, Stop};
use crate::base::system_error;
use crate::ui;
use crate::ui::lines::Printer;
use crate::ui::suggestions::Suggestions;
use crate::words::say;

/// Time between readings of the wall clock, which may be set while the hub runs.
pub(super) const WALL_EVERY: Duration = Duration::from_secs(10);

/// Time between updates of the names that Tab completes at the console.
const NAMES_EVERY: Duration = Duration::from_secs(1);

/// Time limit for writing output after the loop has ended. The last drain takes up to 0.8 s, so a
/// stop takes less than a second.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// The host of the hub: console, log, signals, service manager.
pub(super) struct Operator {
    pub(super) commands: Receiver<Command>,
    pub(super) stop: Stop,
    pub(super) reload: Reload,
    pub(super) reread: fn() -> anyhow::Result<Args>,
    pub(super) level: Level,
    pub(super) printer: Printer,
    pub(super) journal: Journal,
    /// When to read the wall clock again.
    pub(super) next_wall: datagram::Instant,
    pub(super) watchdog: Watchdog,
    pub(super) archive: Option<Archive>,
    pub(super) secure: Option<secure::Secure>,
    pub(super) page: Option<page::Page>,
    /// Says while it lives that the hub runs.
    pub(super) _invitation: Option<Kept>,
    pub(super) ipmsg: Option<ipmsg::Link>,
    /// The sockets that receive discovery requests.
    pub(super) groups: Option<GroupSockets>,
    /// Whether messages are printed on stdout.
    pub(super) shows_messages: bool,
    /// Whether the console is in colour.
    pub(super) color: bool,
    /// The console's Tab candidates, and when to update them.
    pub(super) suggestions: Suggestions,
    pub(super) next_names: datagram::Instant,
}

impl Operator {
    /// Reads the settings again and applies those that can change at run time. An error in them
    /// changes nothing.
    fn reload(&mut self, hub: &mut Hub) {
        notify(&[State::Reloading]);
        let read = (self.reread)().and_then(|args| Ok((args.password()?, args)));
        match read {
            Ok(((password, warnings), args)) => {
                warnings.iter().for_each(|warning| warn!("{warning}"));
                self.level.set(args.log_level);
                let mut config = hub.config().clone();
                limit(&args, password, &mut config);
                hub.reconfigure(&config);
                let asked = if config.password.is_some() { "is asked" } else { "none is asked" };
                info!(password = asked, "{}", say!("hub-reloaded"));
            }
            Err(error) => {
                let why = system_error::chain(&error);
                error!("{}", say!("hub-not-reloaded", why = why));
            }
        }
        notify(&[State::Ready]);
    }

    /// Ends the links and the log after the loop, and prints the last lines.
    pub(super) fn close(mut self, statistics: &Statistics) {
        if let Some(ipmsg) = self.ipmsg.take() {
            ipmsg.close();
        }
        // Both say goodbye at the same time.
        let page = self.page.take();
        page.iter().for_each(page::Page::wake);
        let keyed = self.secure.take().and_then(secure::Secure::close);
        if let Some(page) = page {
            page.close();
        }
        if let Some(archive) = self.archive.take() {
            archive.close();
        }
        let unprinted = self.printer.data.dropped() + self.printer.notes.dropped();
        keyed.iter().for_each(secure::Counters::log);
        journal::farewell(&mut self.journal, statistics, unprinted);
        // Ignored: the hub has stopped, even if its console is closed.
        let _ = self.printer.close(Instant::now() + LAST_WORDS);
    }
}

impl Host<Hub> for Operator {
    fn woken(&mut self, hub: &mut Hub, io: &mut Io<'_>) -> ControlFlow<()> {
        if self.reload.take() {
            self.reload(hub);
        }
        if let Some(archive) = &mut self.archive {
            archive.woken(hub, io.now);
            let forgotten = archive.take_forgotten();
            if let Some(places) = archive.take_places() {
                self.secure.iter().for_each(|secure| secure.hubs(places.clone()));
                self.page.iter().for_each(|page| page.hubs(&places));
            }
            for (to, up_to) in archive.take_rewinds() {
                self.secure.iter().for_each(|secure| secure.rewound(to, up_to));
                self.page.iter().for_each(|page| page.rewound(to, up_to));
            }
            if let Some(secure) = &mut self.secure {
                forgotten.iter().for_each(|what| secure.forgot(what));
                secure.woken(hub, archive, io.now);
            }
            if let Some(page) = &mut self.page {
                forgotten.iter().for_each(|what| page.forgot(what));
                page.woken(hub, archive, io.now);
            }
        }
        if let Some(ipmsg) = &mut self.ipmsg {
            ipmsg.woken(hub, io.now);
        }
        hub.set_now(io.now);
        let mut quit = self.stop.is_set();
        let commands: Vec<Command> = self.commands.try_iter().take(ui::console::WAITING).collect();
        for command in commands {
            quit |= command == Command::Quit;
            if command == Command::Reload {
                self.reload(hub);
            }
            if command == Command::Page {
                let lines = self.page.as_ref().map(|page| page.invitation(self.color));
                let lines = lines.unwrap_or_else(|| vec![say!("hub-page-off")]);
                for line in lines {
                    self.printer.data.line(line);
                }
            }
            let stats = io.stats();
            let console = console::Console {
                hub,
                now: io.now,
                stats: &stats,
                archive: self.archive.as_mut(),
                secure: self.secure.as_ref(),
                page: self.page.as_ref(),
            };
            for line in console.answer(command) {
                self.printer.data.line(line);
            }
        }
        if let Some(page) = &self.page {
            for (from, command) in page.take_commands() {
                let (stats, archive) = (io.stats(), self.archive.as_mut());
                let secure = self.secure.as_ref();
                let console = console::Console {
                    hub,
                    now: io.now,
                    stats: &stats,
                    archive,
                    secure,
                    page: Some(page),
                };
                page.answer(from, &console.answer(command));
            }
        }
        if let Some(ipmsg) = &mut self.ipmsg {
            ipmsg.settle(hub);
        }
        if quit {
            hub.stop();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, hub: &mut Hub, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        if let Some(ipmsg) = &mut self.ipmsg {
            ipmsg.event(hub, &event);
        }
        if let Some(secure) = &mut self.secure {
            secure.event(&event);
        }
        if let Some(page) = &mut self.page {
            page.event(&event);
        }
        if let Some(archive) = &mut self.archive {
            archive.event(hub, io.now, &event);
        }
        match (event, &mut self.archive) {
            (Event::Message(message), archive) => {
                self.journal.hear(&message.label);
                if self.shows_messages {
                    self.printer.data.line(shown(&message));
                }
                let history = hub.config().history;
                let keeps_raw = history.is_some_and(|history| history.keeps_raw);
                if let Some(archive) = archive
                    && !message.is_stored
                    && (keeps_raw || !message.is_raw)
                {
                    archive.message(message);
                }
            }
            (Event::Keep(keep), Some(archive)) => archive.keep(keep),
            (Event::Lookup(lookup), Some(archive)) => archive.look_up(hub, io.now, lookup),
            (event, _) => self.journal.note(io.now, &event),
        }
        ControlFlow::Continue(())
    }

    fn deadline(&self) -> Option<datagram::Instant> {
        let archive = self.archive.as_ref().map(Archive::next);
        let names = self.printer.interactive.then_some(self.next_names);
        let groups = self.groups.as_ref().map(GroupSockets::deadline);
        let secure = self.secure.as_ref().and_then(secure::Secure::deadline);
        let page = self.page.as_ref().and_then(page::Page::deadline);
        let (watchdog, journal) = (self.watchdog.next(), self.journal.deadline());
        let timers =
            [watchdog, journal, secure, page, archive, groups, names, Some(self.next_wall)];
        timers.into_iter().flatten().min()
    }

    fn tick(&mut self, hub: &mut Hub, io: &mut Io<'_>) -> ControlFlow<()> {
        self.watchdog.feed(io.now);
        self.journal.tick(io.now);
        if let Some(archive) = &mut self.archive {
            archive.tick(hub, io.now);
            if let Some(secure) = &mut self.secure {
                archive.take_probes().into_iter().for_each(|author| secure.elsewhere(author));
                secure.tick(hub, archive, io.now);
            }
            if let Some(page) = &mut self.page {
                page.tick(hub, archive, io.now);
                let secure = self.secure.as_ref().and_then(secure::Secure::state);
                let now = io.now;
                page.measure(hub, archive, secure, || io.stats(), now);
            }
        }
        if let Some(groups) = &mut self.groups {
            groups.tick(io.now, io.sockets).into_iter().for_each(searchers::tell);
        }
        if self.next_names <= io.now {
            self.next_names = io.now + NAMES_EVERY;
            self.suggestions.set_names(console::names(hub));
        }
        if self.next_wall <= io.now {
            self.next_wall = io.now + WALL_EVERY;
            hub.set_wall(wall(io.now));
        }
        ControlFlow::Continue(())
    }
}

/// A message as shown on the console: `21:04 lobby 狗哥: 你好`.
fn shown(message: &pigeon_hub::Message) -> String {
    let time = crate::output::wall::local(Some(message.wall)).strftime("%H:%M").to_string();
    let (room, text) = (&message.room, pigeon_text::escape(&message.text));
    format!("{time} {room} {}: {text}", message.label)
}
