//! What every command with a small service needs: the settings that keep it from loops and
//! amplification, and what its operator is told of them.

use anyhow::Context;
use jiff::tz::TimeZone;
use pigeon_guard::SourceRules;
use pigeon_services::{Config, Event};

use super::quantity::PerSecond;

/// The settings of a service, from what was asked for.
pub(crate) fn config(
    sources: SourceRules,
    per_source: Option<PerSecond>,
) -> anyhow::Result<Config> {
    let defaults = Config::default();
    let mut hash_keys = [0; 4];
    for key in &mut hash_keys {
        *key = getrandom::u64().context("the system gives no random numbers")?;
    }
    Ok(Config {
        sources,
        per_source: per_source.map_or(defaults.per_source, |given| given.0),
        loopback_counts: per_source.is_some(),
        zone: TimeZone::system(),
        hash_keys,
        ..defaults
    })
}

/// What the operator is told of a bound that was hit, or of a loop that hits none.
pub(crate) fn warning(event: &Event) -> Option<String> {
    match event {
        Event::Limited { source, bound, requests } => {
            let s = if *requests == 1 { "" } else { "s" };
            let bound = bound.describe();
            Some(format!(
                "{source} asks too much ({bound}): {requests} request{s} not answered; a loop?"
            ))
        }
        Event::Repeating { source, length, a_second } => {
            let s = if *length == 1 { "" } else { "s" };
            Some(format!(
                "{source} sends the same {length} byte{s} {a_second} times a second; a loop? \
                 --per-source 1k/s would bound it"
            ))
        }
        Event::Datagram { .. } => None,
    }
}
