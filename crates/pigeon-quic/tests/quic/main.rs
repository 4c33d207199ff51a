//! Both ends in virtual time, over paths that lose, repeat, reorder, damage and delay, and among
//! strangers who send whatever they like.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it panics")]

mod ends;
mod exchange;
