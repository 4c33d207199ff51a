//! Shared by commands with a small service: protection against loops and amplification, the wall
//! clock, and warnings for the operator.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use pigeon_datagram::Instant;
use pigeon_guard::SourceRules;
use pigeon_services::{Config, Event, Ignored, WallClock};

use super::quantity::PerSecond;
use super::random;
use crate::words::{key, say};

/// A service's settings.
pub(crate) fn config(
    sources: SourceRules,
    per_source: Option<PerSecond>,
) -> anyhow::Result<Config> {
    let defaults = Config::default();
    Ok(Config {
        sources,
        per_source: per_source.map_or(defaults.per_source, |given| given.0),
        loopback_counts: per_source.is_some(),
        zone: TimeZone::system(),
        hash_keys: random::hash_keys()?,
        ..defaults
    })
}

/// A reading of the wall clock.
pub(crate) fn wall(now: Instant) -> WallClock {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallClock::new(unix, now)
}

/// Why a datagram was not answered.
pub(crate) fn reason(reason: Ignored) -> String {
    say!(match reason {
        Ignored::BadSource => key!("tools-ignored-bad-source"),
        Ignored::OwnAddress => key!("tools-ignored-own-address"),
        Ignored::LowPort => key!("tools-ignored-low-port"),
        Ignored::Truncated => key!("tools-ignored-truncated"),
        Ignored::Reply => key!("tools-ignored-reply"),
        Ignored::NotRequest => key!("tools-ignored-not-request"),
        Ignored::SourceRate => key!("tools-ignored-source-rate"),
        Ignored::TotalRate => key!("tools-ignored-total-rate"),
        Ignored::LongerThanRequest => key!("tools-ignored-longer-than-request"),
        Ignored::BatchFull => key!("tools-ignored-batch-full"),
    })
}

/// The warning about a source that exceeds a limit, or that repeats itself without a limit.
pub(crate) fn warning(event: &Event) -> Option<String> {
    match event {
        Event::Limited { source, bound, requests } => {
            let bound = reason(*bound);
            Some(say!("errors-asks-too-much", source = source, bound = bound, requests = *requests))
        }
        Event::Repeating { source, length, a_second } => {
            Some(say!("errors-repeats-itself", source = source, length = *length, rate = a_second))
        }
        Event::Datagram { .. } => None,
    }
}
