//! Time advances: the hub is called at its deadlines, which end; silent members time out; and at
//! the end no deadline is left.

use std::time::Duration;

use pigeon_datagram::Machine;

use super::Model;
use crate::input::Wait;

/// No hub has more separate deadlines within ten minutes.
const MAX_WAKES: usize = 1_000;

/// How long people who send no heartbeats stay; only those who have named themselves are people.
const PATIENCE: Duration = Duration::from_secs(600);

impl Model {
    /// Like a driver: sleeps until the hub's deadlines, and drains after each.
    pub(super) fn wait(&mut self, wait: Wait) {
        let end = match wait {
            Wait::Millis(millis) => self.now + Duration::from_millis(millis.into()),
            Wait::Deadline => self.hub.poll_timeout().unwrap_or(self.now).max(self.now),
            Wait::Minute => self.now + Duration::from_secs(60),
            Wait::TenMinutes => self.now + Duration::from_secs(600),
        };
        for _ in 0..MAX_WAKES {
            match self.hub.poll_timeout().filter(|deadline| *deadline <= end) {
                Some(deadline) => {
                    self.now = self.now.max(deadline);
                    self.timer();
                    self.drain();
                }
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the hub asks to be woken without end");
    }

    pub(super) fn timer(&mut self) {
        self.begin(0);
        self.hub.handle_timeout(self.now);
        self.look();
        if let Some(deadline) = self.hub.poll_timeout() {
            assert!(deadline > self.now, "the timer has been handled, and is due again at once");
        }
        let timeout = self.hub.config().timeout;
        let late = self.hub.members().find(|member| {
            let stays = if member.name.is_some() { timeout.max(PATIENCE) } else { timeout };
            member.heard.is_some_and(|heard| heard + stays <= self.now)
        });
        assert!(late.is_none(), "{late:?} has been silent for too long");
    }

    /// Finally all members time out, and no timer is left.
    pub fn empties(&mut self) {
        self.wait(Wait::TenMinutes);
        assert_eq!(self.hub.member_count(), 0);
        // What was noted with the last of them.
        self.wait(Wait::Minute);
        assert_eq!(self.hub.poll_timeout(), None, "nobody is here, and yet a timer");
    }
}
