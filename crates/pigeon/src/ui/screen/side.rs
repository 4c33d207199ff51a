//! The rows on the left: conversations, the room's people, and one line for programs that only
//! send.

use std::ops::Range;

use super::model::Model;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// The visible conversations, by index.
    pub(crate) places: Range<usize>,
    /// Whether a row above the names shows their number.
    pub(crate) title: bool,
    /// The visible people, by index.
    pub(crate) people: Range<usize>,
    /// The number of hidden people, if a row shows it.
    pub(crate) hidden: u64,
    /// Whether a row counts the programs that only send.
    pub(crate) senders: bool,
}

impl Side {
    /// Divides this many rows.
    pub(crate) fn of(model: &Model, height: usize) -> Side {
        let members = &model.members;
        let (people, senders) = (members.people.len(), usize::from(!members.senders.is_empty()));
        // Members get at least half, if there are enough; the shown place is always visible.
        let wanted = people + senders + 2;
        let for_places = height.saturating_sub(wanted).max(height / 2).max(1);
        let for_places = model.places.len().min(for_places);
        let first = (model.current + 1).saturating_sub(for_places);
        let mut side = Side {
            places: first..first + for_places,
            title: false,
            people: 0..0,
            hidden: 0,
            senders: false,
        };
        let left = height.saturating_sub(for_places);
        if left < 2 || members.count() == 0 {
            return side;
        }
        side.title = true;
        side.senders = senders > 0 && left > 2;
        let left = left - 1 - usize::from(side.senders);
        let fits = people <= left && members.more == 0;
        let shown = if fits { people } else { people.min(left - 1) };
        let from = model.members_at.min(people - shown);
        side.people = from..from + shown;
        side.hidden = members.more.saturating_add((people - shown) as u64);
        side
    }
}
