//! What every server that answers strangers over UDP has to ask itself, said once: a sender's address
//! may be forged, and an answer to it hits whoever lives there.
//!
//! - [`SourceRules`]: whether a sender may be answered at all, and where it comes from ([`Origin`]).
//! - [`Bucket`]: how often. [`Throttle`]: how often each of any number of senders.
//! - [`Seal`]: short codes that prove that somebody receives at an address, and other such words.
//!
//! The hub, the small services and the measurement's server build their own rules on these. Pure: the
//! time is told, keys are drawn by the driver.
#![forbid(unsafe_code)]

mod bucket;
mod seal;
mod sources;
mod throttle;

pub use bucket::{Bucket, cost};
pub use seal::{Code, Seal};
pub use sources::{BadSource, Origin, SourceRules};
pub use throttle::Throttle;
