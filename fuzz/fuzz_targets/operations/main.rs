//! Any sequence of things that happen to a hub, beside a model of who should hear what.
//!
//! Messages carry numbers, so that the model sees where each one goes: to everyone who was in its
//! room when it was said and is still a member when the batch leaves, once, and to nobody else.
//! Members, rooms and names must agree with one another, with the events and with the statistics;
//! addresses that have not proved themselves never get more than they sent; what comes back as it
//! was sent is not relayed again; bans hold; timers are there when they are needed and only then.
//!
//! - [`input`]: what bytes are decoded into.
//! - [`model`]: the hub, what it owes to each member, and the checks.
#![no_main]

mod input;
mod model;

use libfuzzer_sys::fuzz_target;

use crate::input::Input;
use crate::model::Model;

/// Longer sequences find nothing that these do not, and slow the search down.
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
