//! What the console's `stats` says about the page: the counters of its members' sessions and of its
//! web server.

use pigeon_hub::reliable::Statistics;

use super::super::reliable::LinkState;
use super::figures::Web;
use crate::words::say;

/// The rows of the console's statistics. Reasons that have not occurred are left out.
pub(super) fn rows(links: &[LinkState], web: &Web) -> Vec<[String; 2]> {
    let sum =
        |of: fn(&Statistics) -> u64| links.iter().map(|link| of(&link.statistics)).sum::<u64>();
    let members = links.iter().map(|link| link.members as u64).sum();
    let Web { statistics: web, wrong_tokens, tokens_refused, .. } = web;
    let always = [
        (say!("hub-stat-page"), members),
        (say!("hub-stat-page-connections"), web.connections),
        (say!("hub-stat-page-websockets"), web.websockets),
        (say!("hub-stat-page-accepted"), web.accepted),
        (say!("hub-stat-page-requests"), web.requests),
        (say!("hub-stat-keyed-said"), sum(|it| it.said)),
        (say!("hub-stat-keyed-delivered"), sum(|it| it.delivered)),
        (say!("hub-stat-keyed-read"), web.read),
        (say!("hub-stat-keyed-written"), web.written),
    ];
    let if_any = [
        (say!("hub-stat-page-full"), web.refused_full),
        (say!("hub-stat-keyed-address"), web.refused_address),
        (say!("hub-stat-page-requests-bad"), web.bad_requests),
        (say!("hub-stat-page-host"), web.foreign_hosts),
        (say!("hub-stat-page-origin"), web.foreign_origins),
        (say!("hub-stat-page-tls"), web.tls_failed),
        (say!("hub-stat-page-tokens"), *wrong_tokens),
        (say!("hub-stat-page-tokens-limited"), *tokens_refused),
        (say!("hub-stat-page-displaced"), web.displaced),
        (say!("hub-stat-page-silent"), web.silent),
        (say!("hub-stat-page-stuck"), web.stuck),
        (say!("hub-stat-page-websockets-broken"), web.broken),
        (say!("hub-stat-keyed-unproved"), sum(|it| it.unproved)),
        (say!("hub-stat-keyed-silent"), sum(|it| it.silent)),
        (say!("hub-stat-keyed-broken"), sum(|it| it.broken)),
        (say!("hub-stat-keyed-replaced"), sum(|it| it.replaced)),
        (say!("hub-stat-keyed-overflowed"), sum(|it| it.overflowed)),
        (say!("hub-stat-keyed-refused"), sum(|it| it.refused)),
        (say!("hub-stat-keyed-conflicts"), sum(|it| it.conflicts)),
        (say!("hub-stat-keyed-commands"), sum(|it| it.commands_dropped)),
        (say!("hub-stat-keyed-behind"), sum(|it| it.fell_behind)),
        (say!("hub-stat-keyed-resets"), sum(|it| it.resets)),
        (say!("hub-stat-keyed-unreadable"), sum(|it| it.unreadable)),
    ];
    let occurred = if_any.into_iter().filter(|(_, count)| *count > 0);
    always.into_iter().chain(occurred).map(|(name, count)| [name, count.to_string()]).collect()
}
