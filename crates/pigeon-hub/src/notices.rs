//! Joins and leaves, gathered for a second into one line: `* 狗哥, 猴哥 joined; 127.0.0.1:5000 left`.
//!
//! A line for each would let one forged datagram make the hub write to a whole room, and a
//! classroom that opens its clients together would see nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Instant;

use crate::wording::list;
use crate::{Left, Name};

/// How long notices are gathered.
pub(crate) const GATHER: Duration = Duration::from_secs(1);

/// How many names a line spells out for each kind of news; the rest are counted.
const SPELLED: usize = 12;

/// The most news gathered in one second. More is counted, not named; rooms that can see as much
/// are above `--notices-up-to` anyway.
const MAX_NEWS: usize = 512;

/// How somebody is called: its name, or its address.
pub(crate) fn label(name: Option<&Name>, address: SocketAddr) -> String {
    name.map_or_else(|| address.to_string(), Name::to_string)
}

struct News {
    about: SocketAddr,
    kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// The label is looked up when the line is written: by then most have said `/nick`.
    Joined,
    Renamed {
        from: String,
    },
    Left {
        label: String,
        reason: Left,
    },
}

/// What a room has not been told yet.
#[derive(Default)]
pub(crate) struct Notices {
    news: Vec<News>,
    more: usize,
    due: Option<Instant>,
}

impl Notices {
    /// When the gathered line is to be sent, if there is one.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) fn joined(&mut self, now: Instant, about: SocketAddr) {
        // Left and back again within the second, and under no name that was lost: nothing to tell.
        let same = |news: &News| match &news.kind {
            Kind::Left { label, .. } => news.about == about && *label == about.to_string(),
            _ => false,
        };
        if !self.retract(same) {
            self.add(now, about, Kind::Joined);
        }
    }

    pub(crate) fn left(&mut self, now: Instant, about: SocketAddr, label: String, reason: Left) {
        // Renamed and gone within the second: the room knew it by the name before.
        let renamed = self
            .news
            .iter()
            .position(|news| news.about == about && matches!(news.kind, Kind::Renamed { .. }));
        let label = match renamed.map(|index| self.news.remove(index).kind) {
            Some(Kind::Renamed { from }) => from,
            _ => label,
        };
        let joined = |news: &News| news.about == about && news.kind == Kind::Joined;
        if !self.retract(joined) {
            self.add(now, about, Kind::Left { label, reason });
        }
    }

    pub(crate) fn renamed(&mut self, now: Instant, about: SocketAddr, from: String) {
        let told = |news: &News| {
            news.about == about && matches!(news.kind, Kind::Joined | Kind::Renamed { .. })
        };
        if !self.news.iter().any(told) {
            self.add(now, about, Kind::Renamed { from });
        }
    }

    fn add(&mut self, now: Instant, about: SocketAddr, kind: Kind) {
        self.due.get_or_insert(now + GATHER);
        if self.news.len() < MAX_NEWS {
            self.news.push(News { about, kind });
        } else {
            self.more += 1;
        }
    }

    fn retract(&mut self, which: impl Fn(&News) -> bool) -> bool {
        let found = self.news.iter().position(which);
        if let Some(index) = found {
            self.news.remove(index);
        }
        found.is_some()
    }

    /// Whether there is news about this address: its line must be its own.
    pub(crate) fn concerns(&self, address: SocketAddr) -> bool {
        self.news.iter().any(|news| news.about == address)
    }

    /// The line for everyone whom the news does not concern (`None`), or for one whom it does.
    /// `now_called` tells how a member is called by now. `None` if nothing is left to tell.
    pub(crate) fn line(
        &self,
        reader: Option<SocketAddr>,
        now_called: impl Fn(SocketAddr) -> String,
    ) -> Option<String> {
        let news = || self.news.iter().filter(|news| Some(news.about) != reader);
        let mut parts = Vec::new();
        let joined = news().filter(|n| n.kind == Kind::Joined).map(|n| now_called(n.about));
        parts.extend(clause(joined, "joined"));
        for reason in Left::ALL {
            let gone = news().filter_map(|n| match &n.kind {
                Kind::Left { label, reason: why } if *why == reason => Some(label.clone()),
                _ => None,
            });
            parts.extend(clause(gone, reason.describe()));
        }
        let renamed = news().filter_map(|n| match &n.kind {
            Kind::Renamed { from } => {
                let now = now_called(n.about);
                (now != *from).then(|| format!("{from} is now {now}"))
            }
            _ => None,
        });
        parts.extend(clause(renamed, ""));
        if self.more > 0 {
            parts.push(format!("{} more came or went", self.more));
        }
        if parts.is_empty() { None } else { Some(parts.join("; ")) }
    }
}

/// `a, b and 3 more VERB`, or nothing.
fn clause(items: impl Iterator<Item = String>, verb: &str) -> Option<String> {
    let all: Vec<String> = items.collect();
    let total = all.len();
    let text = list(String::new(), usize::MAX, total, all.into_iter().take(SPELLED));
    (total > 0).then(|| if verb.is_empty() { text } else { format!("{text} {verb}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ORIGIN;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn news_of_one_second_is_one_line() {
        let mut notices = Notices::default();
        notices.joined(NOW, address(1));
        notices.joined(NOW, address(2));
        notices.left(NOW, address(5000), "127.0.0.1:5000".into(), Left::TimedOut);
        notices.renamed(NOW, address(3), "cat".into());
        let called = |a: SocketAddr| match a.port() {
            1 => "狗哥".to_string(),
            2 => "猴哥".to_string(),
            _ => "dog".to_string(),
        };
        assert_eq!(notices.due(), Some(NOW + GATHER));
        assert_eq!(
            notices.line(None, called).unwrap(),
            "狗哥, 猴哥 joined; 127.0.0.1:5000 timed out; cat is now dog"
        );
        assert_eq!(
            notices.line(Some(address(1)), called).unwrap(),
            "猴哥 joined; 127.0.0.1:5000 timed out; cat is now dog"
        );
    }

    #[test]
    fn what_nobody_noticed_is_not_told() {
        let mut notices = Notices::default();
        notices.joined(NOW, address(1));
        notices.left(NOW, address(1), "x".into(), Left::Quit);
        notices.left(NOW, address(2), address(2).to_string(), Left::TimedOut);
        notices.joined(NOW, address(2));
        assert_eq!(notices.line(None, |a| a.to_string()), None);
    }

    #[test]
    fn renames_that_lead_nowhere_are_not_told() {
        let mut notices = Notices::default();
        notices.renamed(NOW, address(1), "cat".into());
        assert_eq!(notices.line(None, |_| "cat".into()), None);
        notices.left(NOW, address(1), "dog".into(), Left::Quit);
        assert_eq!(notices.line(None, |a| a.to_string()).unwrap(), "cat left");
    }

    #[test]
    fn a_line_stays_short() {
        let mut notices = Notices::default();
        for port in 0..2000 {
            notices.joined(NOW, address(port + 10_000));
        }
        let line = notices.line(None, |a| a.to_string()).unwrap();
        assert!(line.len() < 400, "{line}");
        assert!(line.ends_with("and 500 more joined; 1488 more came or went"), "{line}");
    }
}
