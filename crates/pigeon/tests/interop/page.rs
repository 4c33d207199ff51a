//! The hub's page in real browsers: the tests of `tests/browser`, a file each.
//!
//! They are JavaScript, because playwright-core drives Chromium from there. Node runs one file at
//! a time: two browsers on a small machine would measure each other.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::peers;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a file of `tests/browser`, unless a program is missing, and prints its figures.
#[track_caller]
fn browse(file: &str, programs: &[&str]) {
    if !programs.iter().chain(&["node", "timeout"]).all(|program| peers::installed(program)) {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    if !folder.join("node_modules/playwright-core").exists() {
        return peers::skipped("playwright-core (npm ci --prefix crates/pigeon/tests/browser)");
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // A browser that does not end keeps Node from ending.
    let output = Command::new("timeout")
        .args(["--kill-after=5", "600", "node", "--test", "--test-reporter=spec"])
        .arg(folder.join(file))
        .env("PIGEON_BIN", env!("CARGO_BIN_EXE_pigeon"))
        .env("PIGEON_BROWSER_FOLDER", PathBuf::from(env!("CARGO_TARGET_TMPDIR")))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    for line in said.lines().filter(|line| line.contains("FIGURE")) {
        // Not `eprintln!`: the test harness hides its output when a test passes.
        let _ = writeln!(io::stderr(), "{file}: {line}");
    }
    assert!(output.status.success(), "{file}:\n{said}");
}

#[test]
fn people_programs_and_sensors_hear_each_other_in_one_room() {
    browse("room.test.js", &["chromium", "nc", "openssl", "python3"]);
}

#[test]
fn nothing_is_lost_or_doubled_by_reloads_cuts_and_kills() {
    browse("resume.test.js", &["chromium", "nc", "python3"]);
}

#[test]
fn whatever_is_said_is_shown_as_text() {
    browse("hostile.test.js", &["chromium", "nc"]);
}

#[test]
fn other_sites_reach_nothing() {
    browse("origin.test.js", &["chromium"]);
}

#[test]
fn keys_and_screen_readers_reach_everything() {
    browse("access.test.js", &["chromium"]);
}

#[test]
fn a_page_answers_its_keys_while_the_room_is_loud() {
    browse("load.test.js", &["chromium"]);
}

#[test]
fn a_page_whose_hub_dies_goes_on_at_another_one() {
    browse("elsewhere.test.js", &["chromium", "nats-server"]);
}

#[test]
fn the_operator_sees_and_kicks_with_the_token_only() {
    browse("operator.test.js", &["chromium", "promtool"]);
}

#[test]
fn firefox_joins_and_talks() {
    browse("firefox.test.js", &["firefox-esr"]);
}
