//! A Linux kernel of a test's own, for what this machine's kernel may not have: Linux that runs as a
//! program ([user-mode Linux](https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html), Debian's
//! package `user-mode-linux`). It boots in two seconds with this machine's files as its own, takes no
//! root, and is left as it was found. Its clock is this machine's.

use std::any::type_name_of_val;
use std::process::Command;
use std::time::Duration;

use crate::namespace::skipped;
use crate::peers::installed;
use crate::process::Process;

/// What such a kernel runs first: it makes the machine usable, runs one test, and ends it.
const INIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/own_kernel.sh");

/// Set in there.
const INSIDE: &str = "PIGEON_ON_ITS_OWN_KERNEL";

/// For a test and the two ends of its kernel. A test that hangs is ended by [`INIT`], sooner.
const AT_MOST: Duration = Duration::from_secs(120);

/// Whether this is such a kernel.
pub(crate) fn is_here() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs one of these tests, alone, on a kernel of its own, and fails if it fails there. Where there
/// is no user-mode Linux, or it may not run, that is said.
#[track_caller]
pub(crate) fn run_there(test: impl Fn()) {
    if !installed("linux.uml") || !installed("insmod") {
        return;
    }
    // `interop::` is the program.
    let (_, test) = type_name_of_val(&test).split_once("::").unwrap();
    let tests = std::env::current_exe().unwrap();
    // Clocks tick late in there whenever it does not run; only root may put it before others.
    let mut linux = Command::new("nice");
    linux.args(["-n", "-10", "linux.uml"]);
    linux.args(["mem=256M", "rootfstype=hostfs", "rootflags=/", "rw", "quiet"]);
    // Its own folder, where it keeps a socket that nobody uses.
    linux.arg(format!("uml_dir={}/", std::env::temp_dir().display()));
    linux.args(["con=null", "con0=null,fd:1", "init=/bin/sh", "--", INIT]).arg(tests).arg(test);
    let mut linux = Process::spawn(test, &mut linux);
    linux.expect_end(AT_MOST);
    let said = linux.output();
    if !said.contains("on a kernel of its own") {
        // Without a right that it takes, as ptrace(2), it ends at once.
        let last = said.lines().last().unwrap_or_default();
        return skipped(&format!("user-mode Linux does not boot here: {last}"));
    }
    let passed = said.contains("test result: ok. 1 passed");
    assert!(passed, "it fails on a kernel of its own, which tells why");
}
