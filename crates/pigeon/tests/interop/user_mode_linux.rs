//! A private Linux kernel, for features that this machine's kernel may lack: [user-mode
//! Linux](https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html), a kernel that runs as a
//! program (Debian's package `user-mode-linux`). It boots in two seconds with this machine's files
//! and clock, needs no root, and leaves no traces.

use std::any::type_name_of_val;
use std::process::Command;
use std::time::Duration;

use crate::namespace::skipped;
use crate::peers::installed;
use crate::process::Process;

/// The kernel's init: prepares the machine, runs one test, and shuts down.
const INIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/own_kernel.sh");

/// Set inside the kernel.
const INSIDE: &str = "PIGEON_ON_ITS_OWN_KERNEL";

/// The time limit for a test with booting and shutdown. [`INIT`] ends a hanging test earlier.
const AT_MOST: Duration = Duration::from_secs(120);

/// Whether this runs inside such a kernel.
pub(crate) fn is_here() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs one of these tests alone on a private kernel, and fails if it fails there. Prints a note if
/// user-mode Linux is missing or not permitted.
#[track_caller]
pub(crate) fn run_there(test: impl Fn()) {
    if !installed("linux.uml") || !installed("insmod") {
        return;
    }
    // `interop::` is the program.
    let (_, test) = type_name_of_val(&test).split_once("::").unwrap();
    let tests = std::env::current_exe().unwrap();
    // The kernel's clock ticks late while it does not run; only root may raise its priority.
    let mut linux = Command::new("nice");
    linux.args(["-n", "-10", "linux.uml"]);
    linux.args(["mem=256M", "rootfstype=hostfs", "rootflags=/", "rw", "quiet"]);
    // A private folder for its unused socket.
    linux.arg(format!("uml_dir={}/", std::env::temp_dir().display()));
    linux.args(["con=null", "con0=null,fd:1", "init=/bin/sh", "--", INIT]).arg(tests).arg(test);
    let mut linux = Process::spawn(test, &mut linux);
    linux.expect_end(AT_MOST);
    let said = linux.output();
    if !said.contains("on a kernel of its own") {
        // Without a required permission, such as ptrace(2), it ends at once.
        let last = said.lines().last().unwrap_or_default();
        return skipped(&format!("user-mode Linux does not boot here: {last}"));
    }
    let passed = said.contains("test result: ok. 1 passed");
    assert!(passed, "it fails on a kernel of its own, which tells why");
}
