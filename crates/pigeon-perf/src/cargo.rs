//! Paths that Cargo gives to a bench at compile time, and not to this crate.

use std::sync::OnceLock;

/// Paths from Cargo, filled in by [`begin!`](crate::begin).
#[derive(Clone, Copy, Debug)]
pub struct Cargo {
    /// The program `pigeon` that was built with the bench.
    pub pigeon: &'static str,
    /// The folder of the bench's package.
    pub package: &'static str,
    /// The folder `tmp` in Cargo's target folder.
    pub target_tmp: &'static str,
}

static CARGO: OnceLock<Cargo> = OnceLock::new();

/// Stores the paths. [`begin!`](crate::begin) calls this; a second call changes nothing.
pub fn set(cargo: Cargo) {
    let _ = CARGO.set(cargo);
}

pub(crate) fn cargo() -> Cargo {
    *CARGO.get().expect("a bench's `main` starts with `pigeon_perf::begin!()`")
}

/// The first line of a bench's `main`: records the paths of the `pigeon` program and of the output
/// folder.
///
/// A macro, because Cargo sets these variables only for the bench and only at compile time. A bench
/// that starts without Cargo, under `perf` for example, has them too.
#[macro_export]
macro_rules! begin {
    () => {
        $crate::cargo::set($crate::cargo::Cargo {
            pigeon: env!("CARGO_BIN_EXE_pigeon"),
            package: env!("CARGO_MANIFEST_DIR"),
            target_tmp: env!("CARGO_TARGET_TMPDIR"),
        })
    };
}
