//! `pigeon listen hub:HOST` in a program built without the feature `quic`.

use std::time::Duration;

use pigeon_proto::Seen;

use crate::base::endpoint::Family;
use crate::base::hub_target::{HubTarget, MemberArgs};
use crate::base::status::{Status, built_without};

pub(super) struct Following {
    pub(super) json: bool,
    pub(super) count: Option<u64>,
    pub(super) duration: Option<Duration>,
    pub(super) after: Option<Seen>,
    pub(super) last: u64,
}

pub(super) fn run(
    _: &HubTarget,
    _: &MemberArgs,
    _: Family,
    _: &Following,
) -> anyhow::Result<Status> {
    Err(built_without("quic").into())
}

pub(super) fn seen(_: &str) -> Result<Seen, String> {
    Err(built_without("quic").0)
}
