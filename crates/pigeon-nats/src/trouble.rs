//! What is reported of brokers that cannot be reached, or that take no record: each reason once.
//!
//! A hub that cannot open an epoch connects anew each time, and connecting works. So what publishing
//! reports does not end with a new connection, but with a record that the brokers have stored.

use std::time::Duration;

use pigeon_datagram::Instant;

use crate::connection::Unpublished;

/// Time for which no record gets an answer, until that is reported. Brokers elect a leader sooner.
const UNANSWERED: Duration = Duration::from_secs(15);

/// Time until the same refusal is reported again, if records were stored meanwhile. Brokers with too
/// much to do refuse some and store others.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Troubles {
    /// Why the stream cannot be opened, as reported last.
    opening: Option<String>,
    /// Why records are not published, as reported last, and when.
    publishing: Option<(String, Instant)>,
    /// Since when no record has got an answer.
    unanswered: Option<Instant>,
}

/// Each method returns what is to be reported.
impl Troubles {
    /// The brokers cannot be reached, or the stream cannot be opened.
    pub(crate) fn not_opened(&mut self, why: String) -> Option<String> {
        (self.opening.as_ref() != Some(&why)).then(|| self.opening.insert(why).clone())
    }

    /// The stream is open.
    pub(crate) fn opened(&mut self) {
        self.opening = None;
    }

    /// The connection is lost. Its end says more than records without an answer.
    pub(crate) fn disconnected(&mut self) {
        self.unanswered = None;
    }

    /// A record is stored.
    pub(crate) fn published(&mut self, now: Instant) {
        self.unanswered = None;
        self.publishing.take_if(|(_, at)| *at + QUIET <= now);
    }

    /// A record was not published. Reported if it persists, because later records wait behind it.
    pub(crate) fn unpublished(&mut self, now: Instant, why: &Unpublished) -> Option<String> {
        let why = match why {
            Unpublished::Refused(why) => why,
            Unpublished::Unanswered(why) => {
                let since = *self.unanswered.get_or_insert(now);
                return (since + UNANSWERED <= now).then(|| self.not_published(now, why)).flatten();
            }
            Unpublished::Late | Unpublished::TooLarge => return None,
        };
        self.unanswered = None;
        self.not_published(now, why)
    }

    fn not_published(&mut self, now: Instant, why: &str) -> Option<String> {
        if self.publishing.as_ref().is_some_and(|(last, _)| last == why) {
            return None;
        }
        self.publishing = Some((why.into(), now));
        Some(why.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_refusal_that_connecting_does_not_end_is_reported_once() {
        let mut troubles = Troubles::default();
        let full = Unpublished::Refused("no storage".into());
        let mut reported = Vec::new();
        for second in 0..1_000 {
            troubles.opened();
            reported.extend(troubles.unpublished(at(second), &full));
        }
        assert_eq!(reported, ["no storage"]);
        // It ends, and comes back a week later on the same connection.
        troubles.published(at(1_000));
        assert!(troubles.unpublished(at(605_800), &full).is_some());
        // While some records are stored, once a minute is enough.
        let mut count = 0;
        for second in 605_801..606_401 {
            troubles.published(at(second));
            count += usize::from(troubles.unpublished(at(second), &full).is_some());
        }
        assert_eq!(count, 10);
    }

    #[test]
    fn openings_without_an_answer_are_reported_although_each_is_on_a_new_connection() {
        let mut troubles = Troubles::default();
        let silent = Unpublished::Unanswered("timed out".into());
        let mut reported = Vec::new();
        for second in (0..60).step_by(3) {
            troubles.opened();
            let why = troubles.unpublished(at(second), &silent);
            reported.extend(why.map(|why| (second, why)));
        }
        assert_eq!(reported, [(15, "timed out".to_string())]);
        // The end of the connection is no missing answer.
        troubles.published(at(100));
        assert_eq!(troubles.unpublished(at(100), &silent), None);
        troubles.disconnected();
        assert_eq!(troubles.unpublished(at(200), &silent), None);
    }

    #[test]
    fn a_stream_that_cannot_be_opened_is_reported_once_until_it_is_open() {
        let mut troubles = Troubles::default();
        let mut not_opened = |why: &str| troubles.not_opened(why.into()).is_some();
        assert_eq!((not_opened("a"), not_opened("a"), not_opened("b")), (true, false, true));
        troubles.opened();
        assert!(troubles.not_opened("b".into()).is_some());
    }
}
