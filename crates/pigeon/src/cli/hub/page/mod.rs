//! `--page`: the web page, whose members join over a WebSocket.
//!
//! ```text
//!   the page's thread                                       the hub's loop
//!   pigeon_web::Server ─▶ Site ─▶ Carrier (http) ─ queues ─▶ Link (page-http) ─▶ Hub
//!                            └──▶ Carrier (https) ─ queues ─▶ Link (page)
//! ```
//!
//! Members over http and over https are two links, because the same key is another author on each.

mod board;
mod counters;
mod figures;
mod operator;
mod site;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use pigeon_datagram::Instant;
use pigeon_guard::{SourceRules, TokenKey};
use pigeon_hub::reliable::{Config, Crypto};
use pigeon_hub::{Event, Hub};
use pigeon_log::Forget;
use pigeon_net::{Stats, Waker};
use pigeon_proto::frame::OtherHub;
use pigeon_proto::{Format, LinkKind, Position, RoomName};
use pigeon_quic::POINT_LENGTH;
use pigeon_text::escape;
use pigeon_web::{Assets, Certificate, Guard, Limits, Server, Token};
use serde_json::json;
use tracing::{error, info, warn};

use self::board::Board;
use self::figures::Figures;
use self::operator::Views;
use self::site::Site;
use super::archive::Archive;
use super::console;
use super::reliable::{Carrier, Link, LinkState, Queues};
use crate::base::endpoint::ListenAddress;
use crate::base::host_name;
use crate::base::invitation::PagePlace;
use crate::base::open_files;
use crate::base::private_file;
use crate::base::qr;
use crate::base::random;
use crate::base::status::UsageError;
use crate::base::system_error;
use crate::base::thread;
use crate::words::say;

/// Maximum number of connections to the page.
const MOST_CONNECTIONS: usize = 4_096;

/// Time between attempts to open the port again.
const RETRY: Duration = Duration::from_secs(5);

/// Time between figures, and between lists of members for the operator.
const FIGURES: Duration = Duration::from_secs(1);
const MEMBERS: Duration = Duration::from_secs(2);

/// Maximum number of members in the operator's list.
const MOST_LISTED: usize = 1_000;

/// The file with the address of the operator's view.
const OPERATOR_FILE: &str = "operator";

/// Time limit for the page's goodbye.
const PATIENCE: Duration = Duration::from_millis(500);

/// The page's settings.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) address: ListenAddress,
    pub(super) certificate: Option<Certificate>,
    pub(super) names: Vec<String>,
    pub(super) metrics: Metrics,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Metrics {
    /// this machine
    Loopback,
    /// everyone
    Open,
    /// nobody
    Off,
}

/// Parses a name of the page.
pub(super) fn name(text: &str) -> Result<String, String> {
    Guard::check(text)
        .map(|()| text.to_owned())
        .map_err(|_| say!("hub-page-name", name = &escape(text)))
}

/// Reads the certificate of https.
pub(super) fn certificate(file: &Path) -> anyhow::Result<Certificate> {
    let shown = file.display();
    let pem = std::fs::read(file).with_context(|| say!("hub-page-unread", file = &shown))?;
    let certificate = Certificate::from_pem(&pem);
    certificate.map_err(|why| {
        UsageError(say!("hub-page-certificate", file = &shown, why = system_error::whole(&why)))
            .into()
    })
}

/// The page.
pub(super) struct Page {
    settings: Settings,
    /// The room in which newcomers begin.
    room: RoomName,
    sources: SourceRules,
    hub_waker: Arc<OnceLock<Waker>>,
    running: Option<Running>,
    /// When to open the port again.
    next: Option<Instant>,
    token: Token,
    board: Arc<Board>,
    /// When to take figures again, and the members.
    next_figures: Instant,
    next_members: Instant,
}

struct Running {
    links: Vec<Link>,
    /// The page's port.
    port: u16,
    waker: Waker,
    thread: JoinHandle<()>,
    why: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Page {
    /// Opens the page's port. Fails if it cannot be opened.
    pub(super) fn start(
        hub: &mut Hub,
        archive: &Archive,
        settings: Settings,
        sources: SourceRules,
        hub_waker: &Arc<OnceLock<Waker>>,
    ) -> anyhow::Result<Page> {
        open_files::raise_limit();
        let hub_waker = Arc::clone(hub_waker);
        let mut page = Page {
            settings,
            room: hub.config().doors.first().map_or_else(RoomName::lobby, |door| door.room.clone()),
            sources,
            hub_waker,
            running: None,
            next: None,
            token: Token::new(random::bytes()?),
            board: Arc::default(),
            next_figures: Instant::ORIGIN,
            next_members: Instant::ORIGIN,
        };
        page.running = Some(page.run(hub, archive)?);
        page.keep_operator_url(archive);
        Ok(page)
    }

    /// Writes the address of the operator's view to a file that only its owner can read, for a hub
    /// without a terminal.
    fn keep_operator_url(&self, archive: &Archive) {
        let Some(place) = self.place() else { return };
        let file = archive.folder().join(OPERATOR_FILE);
        let url = self.operator_url(&place) + "\n";
        let shown = file.display().to_string();
        match private_file::write(&file, url.as_bytes()) {
            Ok(()) => info!("{}", say!("hub-operator-url", file = shown)),
            Err(why) => warn!("{}", say!("hub-operator-url-unkept", file = shown, why = &why)),
        }
    }

    fn is_https(&self) -> bool {
        self.settings.certificate.is_some()
    }

    fn run(&self, hub: &mut Hub, archive: &Archive) -> anyhow::Result<Running> {
        let Settings { address, certificate, names, .. } = &self.settings;
        let guard = Guard::new(Some(&host_name::find()), names, self.is_https());
        let config = hub.config();
        let limits = Limits {
            connections: MOST_CONNECTIONS,
            per_address: config.max_per_address.unwrap_or(usize::MAX),
            loopback_counts: config.loopback_counts,
        };
        let server = Server::listen(
            &[self::address(*address)],
            guard,
            limits,
            certificate.clone(),
            assets(),
        )?;
        let listening = server.local_addresses();
        let waker = server.waker();
        // A proxy speaks https for the names that the operator has given.
        let has_https = self.is_https() || !names.is_empty();
        let schemes = [(!self.is_https()).then_some(false), has_https.then_some(true)];
        let (mut links, mut carriers) = (Vec::new(), [None, None]);
        for is_https in schemes.into_iter().flatten() {
            let (link, carrier) = self.link(hub, archive, &waker, is_https)?;
            links.push(link);
            carriers[usize::from(is_https)] = Some(carrier);
        }
        archive.wake_when_stored(waker.clone());
        let wake_hub = {
            let hub = Arc::clone(&self.hub_waker);
            move || hub.get().into_iter().for_each(Waker::wake)
        };
        let (token, board) = (self.token.clone(), Arc::clone(&self.board));
        let name = hub.config().name.clone();
        let key = random::bytes()?;
        let views = Views::new(token, Arc::clone(&board), name.as_str(), key, wake_hub);
        let mut site = Site::new(carriers, views, board, self.settings.metrics);
        let why = Arc::new(Mutex::new(None));
        let thread = thread::spawn("page", {
            let why = Arc::clone(&why);
            move || {
                let outcome = server.run(&mut site);
                let error = outcome.err().map(anyhow::Error::from);
                *why.lock().unwrap_or_else(PoisonError::into_inner) = error;
            }
        })?;
        let port = listening.first().map_or(address.port, SocketAddr::port);
        for url in self.place_at(port).urls() {
            info!("{}", say!("hub-page", url = url));
        }
        Ok(Running { links, port, waker, thread, why })
    }

    /// Where the page is, if it is served.
    pub(super) fn place(&self) -> Option<PagePlace> {
        self.running.as_ref().map(|running| self.place_at(running.port))
    }

    fn place_at(&self, port: u16) -> PagePlace {
        let Settings { address, names, .. } = &self.settings;
        let ip = address.address().map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
        let room = self.room.as_str().into();
        PagePlace { is_https: self.is_https(), ip, port, names: names.clone(), room }
    }

    /// What the operator is shown: the page's address as a QR code, and the address of the operator's
    /// view with its token.
    pub(super) fn invitation(&self, is_colored: bool) -> Vec<String> {
        let Some(place) = self.place() else { return vec![say!("hub-page-gone")] };
        let url = place.url();
        let mut lines = vec![say!("hub-page-open", url = &url)];
        lines.extend(qr::lines(&url, is_colored));
        lines.push(say!("hub-page-operator", url = self.operator_url(&place)));
        lines
    }

    /// The address of the operator's view, which only this machine and https reach.
    fn operator_url(&self, place: &PagePlace) -> String {
        let urls = place.urls();
        let url = if self.is_https() { urls.first() } else { urls.last() };
        format!("{}operator#{}", url.map_or("", String::as_str), self.token.as_str())
    }

    /// A link of the page, and its side in the page's thread.
    fn link(
        &self,
        hub: &mut Hub,
        archive: &Archive,
        waker: &Waker,
        is_https: bool,
    ) -> anyhow::Result<(Link, Carrier)> {
        let config = hub.config();
        let author = if is_https { author_https } else { author_http };
        let crypto = Crypto { verify: pigeon_quic::verify, author };
        let nonces = TokenKey::new(random::bytes()?);
        let sessions = Config {
            label: "page",
            max_text: config.most_text(Format::Chat),
            // The server limits connections.
            max_connections: usize::MAX,
            max_per_address: usize::MAX,
            ..Config::new(config.name.as_str(), "", nonces, crypto)
        };
        let queues = Arc::new(Queues::default());
        let carrier = Carrier::new(
            sessions,
            Arc::clone(&queues),
            Arc::clone(&self.hub_waker),
            archive.newest_entries(),
            [archive.reader()?, archive.reader()?],
            waker.clone(),
            self.sources.clone(),
        )?;
        let kind = if is_https { LinkKind::Page } else { LinkKind::PageHttp };
        let link = Link::new(hub, kind, queues, waker.clone(), &self.hub_waker)?;
        Ok((link, carrier))
    }

    /// Handles the links' and the log's results.
    pub(super) fn woken(&mut self, hub: &mut Hub, archive: &Archive, now: Instant) {
        let Some(running) = &mut self.running else { return };
        for link in &mut running.links {
            link.settled(hub, archive, now);
            link.woken(hub, archive, now);
        }
        let why = running.why.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(why) = why {
            error!("{}", say!("hub-page-lost", why = system_error::chain(&why)));
            running.links.iter_mut().for_each(|link| link.lost(hub, now));
            self.running = None;
            self.next = Some(now + RETRY);
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.running.iter_mut().flat_map(|it| &mut it.links).for_each(|link| link.event(event));
    }

    /// Reports deleted messages.
    pub(super) fn forgot(&self, what: &Forget) {
        self.running.iter().flat_map(|it| &it.links).for_each(|link| link.forgot(what));
    }

    /// Followers that began after one position and before another begin anew.
    pub(super) fn rewound(&self, to: Position, up_to: Position) {
        let links = self.running.iter().flat_map(|it| &it.links);
        links.for_each(|link| link.rewound(to, up_to));
    }

    /// The hubs with the same rooms.
    pub(super) fn hubs(&self, hubs: &[OtherHub]) {
        let links = self.running.iter().flat_map(|it| &it.links);
        links.for_each(|link| link.hubs(hubs.to_vec()));
    }

    /// The rows of the console's statistics.
    pub(super) fn counters(&self) -> Vec<[String; 2]> {
        let links: Vec<LinkState> =
            self.running.iter().flat_map(|it| &it.links).map(Link::state).collect();
        counters::rows(&links, &self.board.web())
    }

    /// When [`tick`](Page::tick) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let lists = self.running.iter().flat_map(|it| &it.links).filter_map(Link::deadline).min();
        [self.next, lists, Some(self.next_figures)].into_iter().flatten().min()
    }

    /// The operator's commands, each with the number of its view.
    pub(super) fn take_commands(&self) -> Vec<(u64, console::Command)> {
        self.board.take_commands()
    }

    /// Sends a command's answer to its view.
    pub(super) fn answer(&self, to: u64, lines: &[String]) {
        self.board.answer(to, lines);
        self.wake();
    }

    /// Takes figures for `/metrics` and the operator's view, if that is due.
    pub(super) fn measure(
        &mut self,
        hub: &Hub,
        archive: &Archive,
        secure: Option<LinkState>,
        stats: impl FnOnce() -> Stats,
        now: Instant,
    ) {
        if now < self.next_figures {
            return;
        }
        self.next_figures = now + FIGURES;
        let pages = self.running.iter().flat_map(|it| &it.links).map(Link::state);
        let links: Vec<LinkState> = secure.into_iter().chain(pages).collect();
        let figures = Figures::of(hub, &stats(), archive, &links, self.board.web(), now);
        self.board.set_figures(figures);
        if self.board.has_viewers() {
            if self.next_members <= now {
                self.next_members = now + MEMBERS;
                self.board.set_members(&members(hub, archive));
            }
            self.wake();
        }
    }

    /// Reports members to those who watch, and opens the port again if it is due.
    pub(super) fn tick(&mut self, hub: &mut Hub, archive: &Archive, now: Instant) {
        for link in self.running.iter_mut().flat_map(|it| &mut it.links) {
            if link.deadline().is_some_and(|at| at <= now) {
                link.list(hub, now);
            }
        }
        if self.next.is_some_and(|next| next <= now) {
            match self.run(hub, archive) {
                Ok(running) => (self.running, self.next) = (Some(running), None),
                Err(error) => {
                    let why = system_error::chain(&error);
                    error!("{}", say!("hub-page-unserved", why = why));
                    self.next = Some(now + RETRY);
                }
            }
        }
    }

    /// Makes the page's thread see that the hub stops.
    pub(super) fn wake(&self) {
        self.running.iter().for_each(|running| running.waker.wake());
    }

    /// Stops the page after its goodbye.
    pub(super) fn close(self) {
        let Some(Running { thread, .. }) = self.running else { return };
        let until = std::time::Instant::now() + PATIENCE;
        while !thread.is_finished() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The address to listen on. Without a host it is every address, `[::]`, which takes IPv4 too: a page
/// is for the devices of others.
fn address(listen: ListenAddress) -> SocketAddr {
    let every = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), listen.port);
    listen.address().unwrap_or(every)
}

/// The members for the operator's view.
fn members(hub: &Hub, archive: &Archive) -> serde_json::Value {
    let member = |view: pigeon_hub::MemberView| {
        let address = match (archive.hub_of(view.id), view.address) {
            (Some(hub), _) => format!("@{hub}"),
            (None, Some(address)) => address.to_string(),
            (None, None) => view.ip.to_string(),
        };
        let name = view.name.as_ref().map_or(view.label.as_str(), |name| name.as_str());
        json!({
            "name": name,
            "room": view.room.as_ref().map(|room| room.as_str()),
            "link": view.link.word(),
            "address": address,
            "rate": (view.rate * 10.0).round() / 10.0,
            "drops": view.dropped,
            "muted": view.is_muted,
        })
    };
    let members: Vec<_> = hub.members().take(MOST_LISTED).map(member).collect();
    let more = hub.member_count().saturating_sub(members.len());
    json!({"type": "members", "members": members, "more": more})
}

/// The page's files; in a debug build, perhaps those of a folder, for work on the page.
fn assets() -> Assets {
    let folder = std::env::var_os("PIGEON_PAGE_FOLDER").filter(|_| cfg!(debug_assertions));
    Assets::new(folder.map(PathBuf::from))
}

fn author_http(key: &[u8; POINT_LENGTH]) -> u128 {
    pigeon_quic::author_with(b"page http ", key)
}

fn author_https(key: &[u8; POINT_LENGTH]) -> u128 {
    pigeon_quic::author_with(b"page https ", key)
}
