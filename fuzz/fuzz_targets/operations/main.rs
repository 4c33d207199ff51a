//! Random operations on a hub, compared with a model of each message's recipients.
//!
//! Messages contain numbers, so the model can follow each one: it must reach every member that was
//! in its room when it was sent and still exists when the batch leaves, once, and no one else.
//! Members, rooms and names must agree with each other, with the events and with the statistics;
//! unproved addresses never get more than they sent; echoes are not relayed again; bans are
//! enforced; timers exist exactly when needed.
//!
//! - [`input`]: the decoded input.
//! - [`model`]: the hub, the expected messages of each member, and the checks.
#![no_main]

mod input;
mod model;

use libfuzzer_sys::fuzz_target;

use crate::input::Input;
use crate::model::Model;

/// Longer sequences find nothing more, and slow the search down.
const MAX_OPERATIONS: usize = 150;

fuzz_target!(|input: Input| {
    let mut model = Model::new(&input.settings);
    for operation in input.operations.iter().take(MAX_OPERATIONS) {
        model.take(operation);
        if model.has_stopped() {
            return;
        }
    }
    model.drain();
    model.empties();
});
