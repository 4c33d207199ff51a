//! The checks that every server needs that answers strangers over UDP: a sender's address may be
//! forged, and an answer to it hits the owner of that address.
//!
//! - [`SourceRules`]: whether a sender may be answered at all, and where it comes from ([`Origin`]).
//! - [`Bucket`]: how often. [`Throttle`]: how often each of any number of senders.
//! - [`TokenKey`]: short codes that prove that somebody receives at an address, and other such words.
//!
//! The hub, the small services and the measurement's server build their own rules on these. Pure:
//! the time is passed in, and the driver draws the keys.
#![forbid(unsafe_code)]

mod bucket;
mod sources;
mod throttle;
mod token_key;

pub use bucket::{Bucket, cost};
pub use sources::{BadSource, Origin, SourceRules};
pub use throttle::Throttle;
pub use token_key::{Code, TokenKey};
