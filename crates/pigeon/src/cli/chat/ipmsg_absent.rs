//! `pigeon chat` with an IP Messenger contact in a program built without the feature `ipmsg`.

use super::args::Args;
use crate::base::status::{Status, built_without};
use crate::contacts::peer::Peer;
use crate::output::Color;

pub(super) fn run(_: &Args, _: &Peer, _: Color) -> anyhow::Result<Status> {
    Err(built_without("ipmsg").into())
}
