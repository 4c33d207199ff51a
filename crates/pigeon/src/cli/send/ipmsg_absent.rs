//! `pigeon send --ipmsg` in a program built without the feature `ipmsg`.

use std::net::SocketAddr;

use pigeon_text::Charset;

use crate::base::status::{Status, built_without};

pub(super) fn run(
    _: SocketAddr,
    _: &[String],
    _: Option<SocketAddr>,
    _: Option<Charset>,
) -> anyhow::Result<Status> {
    Err(built_without("ipmsg").into())
}
