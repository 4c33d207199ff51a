//! The floor: a loop that knows a flood when it sees one.
//!
//! It answers `^hb^` and makes its sender a member, sends every line of the speaker's to all members,
//! and throws away the rest at once but for one datagram in so many, as many as a rate would let
//! through: no table, no limit, no clock. No hub can do less for a flood than this, so what its
//! members wait is the kernel's and the machine's.

use std::io::IoSlice;

use super::LINE;
use pigeon_perf::bare::{Batch, JOINED, Payload, Sender, VECTOR, announce, open};

/// Runs until it is killed. Of what floods it, one in so many goes to the members, or none if that
/// is 0.
pub(crate) fn run(one_in: u64) -> ! {
    let socket = open(true);
    announce(&socket);
    let (mut batch, mut sender) = (Batch::new(JOINED), Sender::new());
    let mut members = Vec::new();
    let mut flood = 0;
    loop {
        batch.wait(&socket);
        for (message, bytes) in batch.iter() {
            let payload: Payload<'_> = [IoSlice::new(bytes)];
            if bytes.starts_with(b"^hb^") {
                if !members.contains(&message.from) {
                    members.push(message.from);
                }
                sender.send(&socket, &[payload], &[message.from], None);
                continue;
            }
            let is_line = bytes.starts_with(LINE.as_bytes());
            flood += u64::from(!is_line);
            if is_line || (one_in > 0 && flood % one_in == 0) {
                let same = [payload; VECTOR];
                members.chunks(VECTOR).for_each(|to| sender.send(&socket, &same, to, None));
            }
        }
    }
}
