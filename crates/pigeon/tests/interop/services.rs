//! `pigeon serve` and its services' addresses.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use crate::pigeon::pigeon;
use crate::process::{Process, SOON, Voice};

/// `pigeon serve` with services on system-chosen ports.
pub(crate) struct Services {
    process: Process,
}

/// `pigeon serve SPECS…`, after each has printed its address. Options are allowed.
pub(crate) fn serve(specs: &[&str]) -> Services {
    Services::new(pigeon("pigeon serve", &[&["serve"], specs].concat()), specs)
}

impl Services {
    /// Takes over a `pigeon serve` started elsewhere.
    pub(crate) fn new(process: Process, specs: &[&str]) -> Services {
        let services = Services { process };
        for (name, _) in specs.iter().filter_map(|spec| spec.split_once(':')) {
            services.at(name);
        }
        services
    }

    #[track_caller]
    pub(crate) fn at(&self, name: &str) -> SocketAddr {
        let start = format!("{name} on ");
        let line = self.process.expect_status(|line| line.starts_with(&start), SOON);
        line[start.len()..].parse().unwrap_or_else(|_| panic!("no address in {line:?}"))
    }

    /// A service's summary, after its address: `3 datagrams, 2 replies…`
    #[track_caller]
    pub(crate) fn summary(&self, name: &str) -> String {
        let start = format!("{name} on {}: ", self.at(name));
        let lines = self.process.lines(Voice::Err);
        let line = lines.iter().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{name} ended without a summary")).to_string()
    }
}

/// The numbers of datagrams and replies in a summary.
#[track_caller]
pub(crate) fn counts_in(summary: &str) -> (u64, u64) {
    let numbers = summary.split(", ").take(2).map(|part| part.split(' ').next()?.parse().ok());
    match numbers.collect::<Option<Vec<u64>>>().as_deref() {
        Some(&[datagrams, replies]) => (datagrams, replies),
        _ => panic!("no counts in {summary:?}"),
    }
}

impl Deref for Services {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Services {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
