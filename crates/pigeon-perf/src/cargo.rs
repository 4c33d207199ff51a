//! Paths that Cargo knows while it compiles a bench, and this crate does not.

use std::sync::OnceLock;

/// Where Cargo put things. [`begin!`](crate::begin) fills it in.
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

/// Makes the paths known. Called by [`begin!`](crate::begin); a second call changes nothing.
pub fn set(cargo: Cargo) {
    let _ = CARGO.set(cargo);
}

/// The paths of this bench.
pub(crate) fn cargo() -> Cargo {
    *CARGO.get().expect("a bench's `main` starts with `pigeon_perf::begin!()`")
}

/// The first line of a bench's `main`: makes known which `pigeon` to start and where to write.
///
/// A macro, because Cargo sets these variables for the bench alone, and while it compiles: a bench
/// that is started without Cargo, under `perf` say, finds its way all the same.
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
