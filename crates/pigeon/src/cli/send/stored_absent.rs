//! `pigeon send hub:HOST` in a program built without the feature `quic`.

use std::time::Duration;

use crate::base::endpoint::Family;
use crate::base::hub_target::{HubTarget, MemberArgs};
use crate::base::status::{Status, built_without};

pub(super) fn run(
    _: &HubTarget,
    _: &[String],
    _: &MemberArgs,
    _: Family,
    _: Option<Duration>,
) -> anyhow::Result<Status> {
    Err(built_without("quic").into())
}
