//! The checks that a server needs before it answers strangers over UDP. A sender's address may be
//! forged, and a reply then hits the owner of that address.
//!
//! - [`SourceRules`]: whether a sender may be answered at all, and its [`Origin`].
//! - [`Bucket`]: a rate limit. [`Throttle`]: a rate limit for each of any number of senders.
//! - [`TokenKey`]: short codes that prove that a sender receives at its address, and other
//!   unforgeable tokens.
//!
//! The hub, the small services and the measurement server build their own rules on these. Pure: the
//! driver passes in the time and the random keys.
#![forbid(unsafe_code)]

mod bucket;
mod sources;
mod throttle;
mod token_key;

pub use bucket::{Bucket, cost};
pub use sources::{BadSource, Origin, SourceRules};
pub use throttle::Throttle;
pub use token_key::{Code, TokenKey};
