//! Decides which requests are answered, how often and at what length: every rule against loops and
//! amplification.
//!
//! A service that answers every request is a weapon for senders who forge addresses. One forged
//! datagram makes two services answer each other for ever (CVE-2024-2169), and a short one draws a
//! long reply to the forged address (US-CERT TA14-017A). So, in this order:
//!
//! 1. Addresses that never send requests get no reply: port 0, multicast, broadcast, our own. Ports
//!    below 1024 get none either, because services use them and clients do not. Port 123 is the
//!    exception, because NTP clients use it.
//! 2. Datagrams that look like a service's reply get no reply. Where replies differ from requests
//!    (`size`, `time`, `daytime`, `sntp`), two services stop after one reply each.
//! 3. The rate of replies is limited, per source and in total. This ends loops where replies look
//!    like requests: `echo`, `upper`, `fixed`, and any service against an unknown program. So the
//!    limit applies to every service that replies. On loopback the limit per source applies to
//!    `echo`, `upper` and `fixed`, because two of them answering each other would keep a CPU busy
//!    for ever. The first request over the rate ends such a loop.
//! 4. Outside the open networks a reply is never longer than its request, and a request gets at
//!    most one.

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::{Instant, Received};
use pigeon_guard::{BadSource, Bucket, Origin, cost};

use crate::sources::Sources;
use crate::{Config, Kind, sntp, texts};

/// Why a request was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Port 0, or a multicast, broadcast or unspecified address.
    BadSource,
    /// The service's own address, or another service's in this process.
    OwnAddress,
    /// A port below 1024.
    LowPort,
    /// The request was larger than the receive buffer, so its end is missing.
    Truncated,
    /// The request looks like a reply, and answering replies makes loops.
    Reply,
    /// Not a valid request: too short, or of an unsupported version.
    NotRequest,
    /// The source exceeds the rate per source.
    SourceRate,
    /// All sources together exceed the total rate.
    TotalRate,
    /// The source is outside the open networks, and the reply would be longer than the request.
    LongerThanRequest,
    /// The batch has more requests than the outgoing buffer has space for replies.
    BatchFull,
}

impl Ignored {
    /// Every reason, in the order of [`Statistics`](crate::Statistics).
    pub const ALL: [Ignored; 10] = [
        Ignored::BadSource,
        Ignored::OwnAddress,
        Ignored::LowPort,
        Ignored::Truncated,
        Ignored::Reply,
        Ignored::NotRequest,
        Ignored::SourceRate,
        Ignored::TotalRate,
        Ignored::LongerThanRequest,
        Ignored::BatchFull,
    ];

    /// The reason's text in logs and JSON.
    pub fn describe(self) -> &'static str {
        match self {
            Ignored::BadSource => "bad source address",
            Ignored::OwnAddress => "own address",
            Ignored::LowPort => "source port below 1024",
            Ignored::Truncated => "truncated",
            Ignored::Reply => "a reply",
            Ignored::NotRequest => "not a request",
            Ignored::SourceRate => "source's rate",
            Ignored::TotalRate => "rate in all",
            Ignored::LongerThanRequest => "reply longer than request",
            Ignored::BatchFull => "batch full",
        }
    }
}

/// The limits of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// Maximum number of bytes of the reply.
    pub(crate) most: usize,
    /// Whether no rate limits the source.
    pub(crate) is_free: bool,
}

/// The state of the rules: rates and the last sender.
#[derive(Debug)]
pub(crate) struct Guard {
    sources: Sources,
    in_all: Bucket,
    /// The last accepted sender: a train brings many datagrams of one, and looking through the
    /// networks costs as much as all other checks.
    last: Option<(SocketAddr, Origin)>,
}

impl Guard {
    pub(crate) fn new(hash_keys: [u64; 4]) -> Self {
        Guard { sources: Sources::new(hash_keys), in_all: Bucket::default(), last: None }
    }

    /// Requests that shared another source's rate.
    pub(crate) fn shared_rate(&self) -> u64 {
        self.sources.shared
    }

    /// Decides whether a request may be answered, and returns the reply's limits.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        config: &Config,
        kind: Kind,
        request: &Received<'_>,
    ) -> Result<Admitted, Ignored> {
        let origin = match self.last {
            Some((last, origin)) if last == request.from => origin,
            _ => {
                let origin = check_source(config, kind, request.from)?;
                self.last = Some((request.from, origin));
                origin
            }
        };
        check_request(config, kind, request)?;
        let is_loopback = origin == Origin::Loopback;
        let counts = !is_loopback || config.loopback_counts || kind.is_untyped();
        let is_free = !counts || config.per_source.is_none();
        if counts {
            self.take(now, config, request.from.ip(), is_loopback)?;
        }
        let most = if origin == Origin::Untrusted { request.length } else { usize::MAX };
        Ok(Admitted { most, is_free })
    }

    /// Takes one reply from both the source's bucket and the total one, or from neither. The total
    /// rate protects the network, so it excludes loopback.
    fn take(
        &mut self,
        now: Instant,
        config: &Config,
        ip: IpAddr,
        is_loopback: bool,
    ) -> Result<(), Ignored> {
        let in_all = if is_loopback { None } else { config.in_all };
        let source = self.sources.bucket(now, ip);
        if !has_room(*source, now, config.per_source) {
            return Err(Ignored::SourceRate);
        }
        if !has_room(self.in_all, now, in_all) {
            return Err(Ignored::TotalRate);
        }
        take(source, now, config.per_source);
        take(&mut self.in_all, now, in_all);
        Ok(())
    }
}

/// Whether one more reply may be sent. `None` is no limit; a rate of zero lets nothing through.
fn has_room(bucket: Bucket, now: Instant, per_second: Option<u32>) -> bool {
    per_second.is_none_or(|most| most > 0 && bucket.has_room(now, cost(1, most.into())))
}

fn take(bucket: &mut Bucket, now: Instant, per_second: Option<u32>) {
    if let Some(most) = per_second {
        bucket.take(now, cost(1, most.into()));
    }
}

/// Rejects senders that must get no reply, and classifies the others.
fn check_source(config: &Config, kind: Kind, from: SocketAddr) -> Result<Origin, Ignored> {
    config.sources.check(from).map_err(|bad| match bad {
        BadSource::Forged => Ignored::BadSource,
        BadSource::Own => Ignored::OwnAddress,
    })?;
    if from.port() < 1_024 && kind != Kind::Sntp {
        return Err(Ignored::LowPort);
    }
    Ok(config.sources.origin(from.ip()))
}

/// Rejects replies and invalid requests.
fn check_request(config: &Config, kind: Kind, request: &Received<'_>) -> Result<(), Ignored> {
    let payload = request.payload;
    match kind {
        Kind::Echo | Kind::Upper | Kind::Time if request.is_truncated() => Err(Ignored::Truncated),
        Kind::Size | Kind::Time | Kind::Daytime | Kind::Fixed if texts::is_reply(payload) => {
            Err(Ignored::Reply)
        }
        Kind::Time if !texts::asks_for_time(payload) => Err(Ignored::Reply),
        Kind::Sntp => sntp::check_request(payload),
        // Our own reply returned, perhaps in capitals, or that of another such service.
        Kind::Fixed if payload.eq_ignore_ascii_case(&config.reply) => Err(Ignored::Reply),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use pigeon_guard::SourceRules;

    use super::*;

    fn from(source: &str) -> SocketAddr {
        source.parse().unwrap()
    }

    #[test]
    fn no_reply_goes_to_a_service() {
        let sources = SourceRules { own: vec![from("127.0.0.1:7000")], ..SourceRules::default() };
        let config = Config { sources, ..Config::default() };
        for (source, expected) in [
            ("10.0.0.1:0", Err(Ignored::BadSource)),
            ("255.255.255.255:5000", Err(Ignored::BadSource)),
            ("127.0.0.1:7000", Err(Ignored::OwnAddress)),
            ("10.0.0.1:7", Err(Ignored::LowPort)),
            ("10.0.0.1:1023", Err(Ignored::LowPort)),
            ("10.0.0.1:1024", Ok(Origin::Open)),
            ("127.0.0.1:7001", Ok(Origin::Loopback)),
            ("8.8.8.8:65535", Ok(Origin::Untrusted)),
        ] {
            assert_eq!(check_source(&config, Kind::Echo, from(source)), expected, "{source}");
        }
        let ntp = |source| check_source(&config, Kind::Sntp, from(source));
        assert_eq!(ntp("10.0.0.1:123"), Ok(Origin::Open));
        assert_eq!(ntp("10.0.0.1:0"), Err(Ignored::BadSource));
    }

    #[test]
    fn a_rate_of_zero_lets_nothing_through_and_none_everything() {
        let now = Instant::ORIGIN;
        assert!(!has_room(Bucket::default(), now, Some(0)));
        assert!(has_room(Bucket::default(), now, Some(u32::MAX)));
        let mut bucket = Bucket::default();
        take(&mut bucket, now, None);
        assert!(bucket.is_full(now) && has_room(bucket, now, None));
    }

    #[test]
    fn replies_are_free_in_open_networks_and_bounded_beyond() {
        let mut guard = Guard::new([0; 4]);
        let config = Config::default();
        let mut most = |source: &str| {
            let request = Received::new(from(source), b"hello");
            guard
                .admit(Instant::ORIGIN, &config, Kind::Size, &request)
                .map(|admitted| admitted.most)
        };
        for (source, expected) in [
            ("127.3.4.5:5000", usize::MAX),
            ("192.168.7.7:5000", usize::MAX),
            ("[fe80::1]:5000", usize::MAX),
            ("[fd00::1]:5000", usize::MAX),
            ("8.8.8.8:5000", 5),
            ("[2001:db8::1]:5000", 5),
            ("172.32.0.1:5000", 5),
        ] {
            assert_eq!(most(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn one_source_and_all_together_have_their_rates() {
        let answered = |config: &Config, sources: &[&str]| {
            let mut guard = Guard::new([0; 4]);
            let mut admit = |source: &&str| {
                let request = Received::new(from(source), b"hello");
                guard.admit(Instant::ORIGIN, config, Kind::Echo, &request).is_ok()
            };
            (0..2_000).flat_map(|_| sources).filter(|source| admit(source)).count()
        };
        let config = Config::default();
        assert_eq!(answered(&config, &["10.0.0.1:5000", "10.0.0.1:5001"]), 1_000);
        assert_eq!(answered(&config, &["10.0.0.1:5000", "10.0.0.2:5000"]), 2_000);
        assert_eq!(answered(&config, &["127.0.0.1:5000"]), 1_000);
        let counted = Config { loopback_counts: true, ..config.clone() };
        assert_eq!(answered(&counted, &["127.0.0.1:5000"]), 1_000);
        let nowhere = SourceRules { open: vec![], ..SourceRules::default() };
        let closed = Config { sources: nowhere, ..config.clone() };
        assert_eq!(answered(&closed, &["127.0.0.1:5000"]), 1_000);
        let few = Config { in_all: Some(1_500), ..config.clone() };
        assert_eq!(answered(&few, &["10.0.0.1:5000", "10.0.0.2:5000"]), 1_500);
        let free = Config { per_source: None, in_all: None, ..config.clone() };
        assert_eq!(answered(&free, &["10.0.0.1:5000"]), 2_000);
        // Replies on loopback do not use the network.
        let few = Config { in_all: Some(10), loopback_counts: true, ..config };
        assert_eq!(answered(&few, &["127.0.0.1:5000", "10.0.0.2:5000"]), 1_010);
    }

    #[test]
    fn on_loopback_a_rate_bounds_what_could_answer_a_reply() {
        let free = |kind: Kind, config: &Config| {
            let mut guard = Guard::new([0; 4]);
            let request = Received::new(from("127.0.0.1:5000"), b"%H");
            guard.admit(Instant::ORIGIN, config, kind, &request).map(|admitted| admitted.is_free)
        };
        let config = Config::default();
        for kind in [Kind::Echo, Kind::Upper, Kind::Fixed] {
            assert_eq!(free(kind, &config), Ok(false), "{kind}");
        }
        for kind in [Kind::Size, Kind::Time, Kind::Daytime] {
            assert_eq!(free(kind, &config), Ok(true), "{kind}");
        }
        let unlimited = Config { per_source: None, loopback_counts: true, ..config };
        assert_eq!(free(Kind::Echo, &unlimited), Ok(true));
    }
}
