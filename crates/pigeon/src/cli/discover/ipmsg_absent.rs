//! `pigeon discover --ipmsg` in a program built without the feature `ipmsg`.

use std::time::Duration;

use crate::base::status::{Status, built_without};

pub(super) fn run(_: Duration, _: bool) -> anyhow::Result<Status> {
    Err(built_without("ipmsg").into())
}
