//! `pigeon serve`: small services, several at once, each on its own port.

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use pigeon_datagram::{Instant, Received};
use pigeon_net::{Clock, Driver, Host, Io, SocketOptions, Stats, Waker, local_addresses};
use pigeon_services::{Config, Event, Ignored, Kind, Outcome, Service, Statistics};

use crate::base::bind::bind;
use crate::base::cause::Watch;
use crate::base::endpoint::{ListenAddress, ListenHost};
use crate::base::networks::{Nets, source_rules};
use crate::base::quantity::{self, PerSecond};
use crate::base::services::{self, wall};
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::base::thread;
use crate::output::{Spool, is_quiet, json};
use crate::words::{self, say};

/// Time between updates of the counters on a terminal.
const REFRESH: Duration = Duration::from_millis(100);

/// Time between JSON reports.
const REPORT: Duration = Duration::from_secs(1);

/// Time limit for writing output after the services have ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Run small services: echo, upper, size, time, discard, daytime, sntp
#[derive(clap::Args)]
#[command(after_help = "\
Services:
  echo  returns each datagram
  upper  returns it in ASCII capitals
  size  returns `Your data was N bytes`
  time  returns the local time in the strftime format of the request; an empty request means `%Y-%m-%d %X`, and text without a % is not answered, as it may be another service's reply
  daytime  returns date and time (RFC 867)
  sntp  returns the time to NTP clients
  discard  counts datagrams and answers nothing

Examples:
  pigeon serve echo:7000  # for programs on this machine
  pigeon serve echo:7000 time:9000  # several at once
  pigeon serve 'time:*:9000'  # for the local network
  pigeon serve size:7000 --verbose  # one line per datagram

Datagrams that are replies themselves are never answered, no source gets more than --per-source replies per second,
and outside --open a reply is never longer than its request.")]
pub(crate) struct Args {
    /// What to serve where: a port alone means this machine, * every address; port 0 lets the system
    /// choose
    #[arg(value_name = "NAME:[ADDR:]PORT", required = true)]
    services: Vec<Spec>,

    /// Networks that may get a reply longer than their request [default: this machine and private
    /// networks]
    #[arg(long, value_name = "NETS", default_value_t = Nets::default(), hide_default_value = true)]
    open: Nets,

    /// Maximum replies per second to one source [default: 1k/s; for programs on this machine, only
    /// echo and upper are limited]
    #[arg(long, value_name = "N/s", value_parser = quantity::per_second)]
    per_source: Option<PerSecond>,

    /// Print one line per datagram
    #[arg(short, long)]
    verbose: bool,

    /// Print one JSON object per second and service: service, address, and the counts so far
    #[arg(long)]
    json: bool,
}

/// A service and its listening address.
#[derive(Clone, Copy, Debug)]
struct Spec {
    kind: Kind,
    listen: ListenAddress,
}

impl std::str::FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(say!("tools-serve-empty"));
        }
        let (name, listen) = text.split_once([':', '：']).ok_or_else(|| {
            match text.bytes().all(|byte| byte.is_ascii_digit()) {
                true => say!("tools-serve-which", port = text),
                false => say!("tools-serve-no-port", name = text),
            }
        })?;
        let kind = name
            .parse::<Kind>()
            .map_err(|_| say!("tools-serve-unknown", name = &pigeon_text::escape(name)))?;
        let listen = listen.parse::<ListenAddress>()?;
        Ok(Spec { kind, listen: listen.or(ListenHost::Ip(Ipv4Addr::LOCALHOST.into())) })
    }
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind, self.listen)
    }
}

/// Rejects two services on one port: the second would report that this program itself holds it.
fn refuse_clashes(services: &[Spec]) -> Result<(), UsageError> {
    for (at, second) in services.iter().enumerate() {
        let before = &services[..at];
        if let Some(first) = before.iter().find(|first| first.listen.overlaps(second.listen)) {
            let error = say!("errors-same-port", first = first, second = second);
            return Err(UsageError(error));
        }
    }
    Ok(())
}

pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    refuse_clashes(&args.services)?;
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let mut sockets = Vec::new();
    for spec in &args.services {
        let options =
            SocketOptions { timestamps: spec.kind == Kind::Sntp, ..SocketOptions::default() };
        sockets.push((spec.kind, bind(spec.listen, &options)?));
    }
    // A datagram from another of these services would also loop.
    let bound = sockets.iter().map(|(_, socket)| socket.local_addr());
    let sources = source_rules(&args.open, bound, &interfaces);

    let notes = Spool::log(io::stderr())?;
    let data = Spool::lines(io::stdout())?;
    let clock = Clock::start();
    let live = io::stderr().is_terminal() && !args.verbose && !args.json && !is_quiet();
    let every = match (live, args.json) {
        (true, _) => Some(REFRESH),
        (false, true) => Some(REPORT),
        (false, false) => None,
    };
    let mut posts = Vec::new();
    let mut drivers = Vec::new();
    for (kind, socket) in sockets {
        let address = socket.local_addr();
        notes.remark(say!("tools-serve-on", kind = &kind, address = &address));
        let config = services::config(sources.clone(), args.per_source)?;
        let config = Config { report_datagrams: args.verbose, ..config };
        let service = Service::new(kind, config, wall(clock.now()));
        let driver = Driver::new(service, socket).with_context(|| say!("errors-watch-socket"))?;
        posts.push(Post { kind, address, counts: Arc::default(), rate: Rate::default() });
        drivers.push(driver.with_clock(clock));
    }
    let wakers: Vec<Waker> = drivers.iter().map(Driver::waker).collect();
    let stop = on_stop({
        let wakers = wakers.clone();
        move || wakers.iter().for_each(Waker::wake)
    })?;

    // One thread per service. One loop for all costs no more per datagram, but two busy services on
    // two cores sent 25,000 replies per second with one thread, and 45,000 to 87,000 with two.
    let (ended, an_end) = channel();
    let mut threads = Vec::new();
    for (mut driver, post) in drivers.into_iter().zip(&posts) {
        let mut host = ServiceHost {
            kind: post.kind,
            stop: stop.clone(),
            counts: Arc::clone(&post.counts),
            notes: notes.clone(),
            every,
            next: every.map(|every| clock.now() + every),
            way: Watch::new(clock.now()),
        };
        let ended = Ended(ended.clone());
        let serve = move || {
            let _ended = ended;
            let outcome = driver.run(&mut host);
            let stats = driver.stats();
            host.post(driver.machine(), &stats);
            outcome
        };
        threads.push(thread::spawn(post.kind.name(), serve)?);
    }
    drop(ended);
    let mut screen = Screen { posts, notes: notes.clone(), data: data.clone(), live, shown: None };
    // Until the first ends, by a signal or an error; then the others end too.
    while let Err(RecvTimeoutError::Timeout) = an_end.recv_timeout(every.unwrap_or(Duration::MAX)) {
        screen.show(clock.now(), args.json);
    }
    stop.set();
    wakers.iter().for_each(Waker::wake);
    let mut outcome = Ok(());
    for thread in threads {
        match thread.join() {
            Ok(ended) => outcome = outcome.and(ended.map_err(anyhow::Error::from)),
            Err(_) => outcome = Err(anyhow::anyhow!(say!("tools-serve-fault"))),
        }
    }
    screen.end(args.json);
    let deadline = std::time::Instant::now() + LAST_WORDS;
    data.finish(deadline);
    notes.finish(deadline);
    outcome?;
    Ok(Status::Done)
}

/// Signals the end of a thread, even after a panic.
struct Ended(Sender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Fails only if the program is ending.
        let _ = self.0.send(());
    }
}

/// A running service: its address, and its counters at the last report.
struct Post {
    kind: Kind,
    address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
    rate: Rate,
}

#[derive(Clone, Default)]
struct Counts {
    service: Statistics,
    kernel_drops: u64,
}

impl Post {
    fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `echo 7000: 123, 40/s`
    fn brief(&mut self, now: Instant) -> String {
        let requests = self.counts().service.requests;
        let a_second = self.rate.observe(now, requests);
        format!("{} {}: {requests}, {a_second}/s", self.kind, self.address.port())
    }

    fn summary(&self) -> String {
        let Counts { service, kernel_drops } = self.counts();
        let (kind, address, requests) = (self.kind, self.address, service.requests);
        let mut parts = vec![say!(
            "tools-serve-summary",
            kind = &kind,
            address = &address,
            requests = requests,
            replies = service.replies,
        )];
        for reason in Ignored::ALL.into_iter().filter(|&reason| service.ignored(reason) > 0) {
            let (count, why) = (service.ignored(reason), services::reason(reason));
            parts.push(say!("tools-not-answered", count = count, why = why));
        }
        if service.unsent > 0 {
            parts.push(say!("tools-serve-unsent", count = service.unsent));
        }
        if kernel_drops > 0 {
            parts.push(say!("tools-kernel-drops", count = kernel_drops));
        }
        parts.join(words::between_items())
    }

    fn json(&self) -> String {
        let Counts { service, kernel_drops } = self.counts();
        json::counts(&[
            ("service", self.kind.name().into()),
            ("address", self.address.to_string().into()),
            ("requests", service.requests.into()),
            ("request_bytes", service.request_bytes.into()),
            ("replies", service.replies.into()),
            ("reply_bytes", service.reply_bytes.into()),
            ("unsent", service.unsent.into()),
            ("discarded", service.discarded.into()),
            ("not_answered", service.ignored_in_all().into()),
            ("kernel_drops", kernel_drops.into()),
        ])
    }
}

/// Requests in the last second, computed from totals that are sampled more often.
#[derive(Default)]
struct Rate {
    since: Option<(Instant, u64)>,
    a_second: u64,
}

impl Rate {
    fn observe(&mut self, now: Instant, total: u64) -> u64 {
        let (since, before) = *self.since.get_or_insert((now, total));
        let elapsed = (now - since).as_secs_f64();
        if elapsed >= 1.0 {
            self.a_second = ((total - before) as f64 / elapsed).round() as u64;
            self.since = Some((now, total));
        }
        self.a_second
    }
}

/// Shows the services' counters.
struct Screen {
    posts: Vec<Post>,
    notes: Spool<Vec<u8>>,
    data: Spool<Vec<u8>>,
    /// Whether the counters are shown on a terminal.
    live: bool,
    /// The line currently shown.
    shown: Option<String>,
}

impl Screen {
    fn show(&mut self, now: Instant, json: bool) {
        if self.live {
            let line: Vec<String> = self.posts.iter_mut().map(|post| post.brief(now)).collect();
            let line = line.join("  ");
            if self.shown.as_ref() != Some(&line) {
                self.notes.push(format!("\r{line}\x1b[K").into_bytes(), line.len());
                self.shown = Some(line);
            }
        }
        if json {
            self.print_json();
        }
    }

    /// Prints the last counters and the totals.
    fn end(&mut self, json: bool) {
        if self.shown.is_some() {
            self.notes.push(b"\r\x1b[K".to_vec(), 4);
        }
        if json {
            self.print_json();
        }
        for post in &self.posts {
            self.notes.remark(post.summary());
        }
    }

    fn print_json(&self) {
        for post in &self.posts {
            self.data.line(post.json());
        }
    }
}

/// The host of one service: sets its wall clock and reports its counters.
struct ServiceHost {
    kind: Kind,
    stop: Stop,
    counts: Arc<Mutex<Counts>>,
    notes: Spool<Vec<u8>>,
    /// The interval between reports, if any, and the time of the next.
    every: Option<Duration>,
    next: Option<Instant>,
    /// Watches for replies that the system does not send.
    way: Watch,
}

impl ServiceHost {
    fn post(&self, service: &Service, stats: &Stats) {
        let counts = Counts { service: service.snapshot(), kernel_drops: stats.kernel_drops };
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }
}

impl Host<Service> for ServiceHost {
    fn woken(&mut self, _: &mut Service, _: &mut Io<'_>) -> ControlFlow<()> {
        match self.stop.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn event(&mut self, _: &mut Service, _: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        let line = match &event {
            Event::Datagram { from, length, outcome } => Some(match outcome {
                Outcome::Replied { length: back } => {
                    say!("tools-serve-replied", length = length, from = from, back = back)
                }
                Outcome::Unsent { length: back } => {
                    say!("tools-serve-back-unsent", length = length, from = from, back = back)
                }
                Outcome::Discarded => {
                    say!("tools-serve-discarded", length = length, from = from)
                }
                Outcome::Ignored(reason) => {
                    let why = services::reason(*reason);
                    say!("tools-serve-ignored", length = length, from = from, why = why)
                }
            }),
            _ => services::warning(&event),
        };
        if let Some(line) = line {
            self.notes.remark(format!("{}: {line}", self.kind));
        }
        ControlFlow::Continue(())
    }

    fn deadline(&self) -> Option<Instant> {
        [Some(self.way.look_at()), self.next].into_iter().flatten().min()
    }

    fn tick(&mut self, service: &mut Service, io: &mut Io<'_>) -> ControlFlow<()> {
        let stats = io.stats();
        if self.way.look_at() <= io.now
            && let Some(cause) = self.way.look(io.now, &stats)
        {
            let (kind, said) = (&self.kind, cause.said());
            self.notes.line(match cause.to() {
                Some(to) => say!("tools-serve-way", kind = kind, to = &to, cause = said),
                None => say!("tools-serve-way-unknown", kind = kind, cause = said),
            });
        }
        if self.next.is_some_and(|next| next <= io.now) {
            self.post(service, &stats);
            self.next = self.every.map(|every| io.now + every);
        }
        ControlFlow::Continue(())
    }

    /// Some services report the time of day, so it is set before each batch.
    fn arrived(&mut self, service: &mut Service, now: Instant, _: &Received<'_>, _: usize) {
        if matches!(self.kind, Kind::Time | Kind::Daytime | Kind::Sntp) {
            service.set_wall(wall(now));
        }
    }
}
