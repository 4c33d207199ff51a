//! The floor: a loop that recognises the flood.
//!
//! It answers `^hb^` and adds its sender as a member, relays every line of the speaker to all
//! members, and discards the flood at once, except one datagram in `one_in`, the share that a hub's
//! rate would allow. It has no table, no limit and no clock. No hub can do less, so its members'
//! delays are the kernel's and the machine's.

use std::io::IoSlice;

use super::LINE;
use pigeon_perf::bare::{Batch, JOINED, Payload, Sender, VECTOR, announce, open};

/// Relays one datagram of the flood in `one_in`, or none if that is 0.
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
