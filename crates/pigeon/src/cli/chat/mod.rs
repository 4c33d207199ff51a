//! `pigeon chat`: direct chat with other UDP programs, several at once.

mod args;
mod find;
#[cfg(feature = "tui")]
mod full;
#[cfg(not(feature = "tui"))]
#[path = "full_absent.rs"]
mod full;
mod host;
#[cfg(feature = "ipmsg")]
mod ipmsg;
#[cfg(not(feature = "ipmsg"))]
#[path = "ipmsg_absent.rs"]
mod ipmsg;
mod lines;
mod lost;
mod request;
mod view;

use std::time::Duration;

use anyhow::{Context, anyhow};
use pigeon_client::chat::{Chat, Config, Known};
use pigeon_net::{Clock, Driver, Socket, SocketOptions};
use pigeon_text::escape;

pub(crate) use self::args::Args;
use self::find::{Found, find};
use self::full::Full;
use self::host::{PersonHost, in_words};
use self::lines::Lines;
use self::view::View;
use crate::base::bind::{bind, reached_at};
use crate::base::endpoint::ListenAddress;
use crate::base::signals::on_stop;
use crate::base::status::{Status, UsageError};
use crate::base::system_error::chain;
use crate::base::terminal;
use crate::contacts::{self, peer};
use crate::output::Color;
use crate::ui::screen::MAX_PLACES;
use crate::words::say;

/// Time limit for writing output after the chat.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let words = peer::with_ports(&args.peers)?;
    for word in &words {
        let peer = peer::parse(word, None).ok().filter(|peer| peer.is_ipmsg);
        match (peer, words.len()) {
            (Some(peer), 1) => return ipmsg::run(&args, &peer, color),
            (Some(_), _) => {
                return Err(UsageError(say!("chat-ipmsg-alone", word = &escape(word))).into());
            }
            (None, _) => {}
        }
    }
    let peers = words.iter().map(|word| find(word, args.family)).collect::<Result<Vec<_>, _>>()?;
    let listen = args.bind.unwrap_or(ListenAddress::UNSAID);
    let listen = args.family.listen(listen)?;
    let socket = bind(listen, &SocketOptions { refusals: true, ..SocketOptions::default() })?;
    let full = !args.line && !args.json && terminal::can_be_full();
    let mut chat = Chat::new(config(&args, listen, &socket, full));
    let contacts = contacts::load();
    for contact in contacts.iter().flat_map(contacts::Contacts::iter) {
        // Contacts with a host name are resolved when the user writes to them. Resolving all of
        // them would delay the start and reveal the contacts to the network.
        if let Some(address) = contact.endpoint.address() {
            let name = Some(contact.name.as_str().into());
            chat.know(address, Known { name, charset: contact.charset });
        }
    }
    let mut names = Vec::new();
    for Found { peer, known, again } in peers {
        chat.open(peer, known).map_err(|error| anyhow!(in_words(&error)))?;
        names.extend(again.map(|find| (peer, find)));
    }

    let bound = socket.local_addr();
    let mut words = vec![say!("chat-listening", bound = reached_at(bound))];
    if let Err(error) = &contacts {
        words.push(say!("chat-without-contacts", error = chain(error)));
    }
    let clock = Clock::start();
    let mut driver =
        Driver::new(chat, socket).with_context(|| say!("errors-watch-socket"))?.with_clock(clock);
    // Before the terminal is taken over: a signal must not leave it in raw mode.
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let (chat, waker) = (driver.machine(), driver.waker());
    let view = match full {
        true => {
            let names = contacts.iter().flat_map(contacts::Contacts::iter);
            let names = names.map(|contact| contact.name.as_str().to_string()).collect();
            View::Full(Box::new(Full::open(chat, bound, waker, color, names, &words)?))
        }
        false => View::Lines(Lines::open(chat, bound, waker, &args, color, &words)?),
    };
    let mut person = PersonHost::new(view, stop, driver.waker(), args.family);
    names.into_iter().for_each(|(peer, find)| person.follow(peer, find));
    let outcome = driver.run(&mut person);
    let words = sum_up(driver.machine(), person.dropped());
    let status = person.close(std::time::Instant::now() + LAST_WORDS, &words)?;
    outcome?;
    Ok(status)
}

fn config(args: &Args, listen: ListenAddress, socket: &Socket, full: bool) -> Config {
    // One place is for the state without a selected peer.
    let most = if full { MAX_PLACES - 1 } else { usize::MAX };
    let local = socket.local_addr();
    let one = listen.address().is_some() || local.is_ipv4();
    Config {
        charset: args.encoding,
        from: args.from.clone(),
        ipv4: !one || local.is_ipv4(),
        ipv6: !one || local.is_ipv6(),
        max_conversations: Config::default().max_conversations.min(most),
    }
}

/// Lists what was not shown; `dropped` is the number of lines the output dropped.
fn sum_up(chat: &Chat, dropped: u64) -> Vec<String> {
    let counters = chat.counters();
    let lost = counters.events_lost + dropped;
    let counts = [
        (counters.filtered, say!("chat-filtered", count = counters.filtered)),
        (counters.crowded_out, say!("chat-crowded-out", count = counters.crowded_out)),
        (counters.forgotten, say!("chat-forgotten", count = counters.forgotten)),
        (lost, say!("chat-lost", count = lost)),
    ];
    counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect()
}
