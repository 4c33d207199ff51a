//! The hub stops and restarts on the same port: all previous members return.
//!
//! While it is away, the first write of `nc`, `ncat` or `socat` is their last: the kernel reports a
//! refusal, and they exit (nc with 0, the others with 1). So these send nothing meanwhile, like
//! people who have seen `Bye!`. Python's client and our own continue their heartbeats, and must
//! survive the refusals.

use std::time::Duration;

use crate::peers::{client, installed, python_to};
use crate::pigeon::{hub, hub_at, join, pigeon};
use crate::process::{Process, SOON, Voice};

/// A hub stops within a second; the other second is for a busy machine.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn everyone_is_back_after_a_hub_was_stopped() {
    everyone_is_back_after("TERM");
}

#[test]
fn everyone_is_back_after_a_hub_was_killed() {
    everyone_is_back_after("KILL");
}

/// No heartbeat is refused or missed: ada only notices by the next answer.
#[test]
fn a_name_is_back_after_a_restart_between_two_heartbeats() {
    let mut first = hub(&[]);
    let at = first.address.to_string();
    let mut ada = pigeon("ada", &["join", &at, "--nick", "ada", "--heartbeat", "2s"]);
    ada.expect_line(|line| line == "* you are ada, in lobby", SOON);
    first.signal("KILL");
    first.expect_end(SOON);

    let second = hub_at(&at, &[]);
    second.expect_status(|line| line.contains("name=ada"), SOON);
    ada.say("I am");
    ada.expect_line(|line| line == "ada: I am", SOON);
    // For ada nothing has changed, and nothing is shown.
    let lines = ada.lines(Voice::Out);
    assert_eq!(lines.iter().filter(|line| line.starts_with("* you are")).count(), 1, "{lines:?}");
}

fn everyone_is_back_after(signal: &str) {
    let mut first = hub(&[]);
    let address = first.address;
    let mut tools: Vec<Process> = ["nc", "socat"]
        .into_iter()
        .filter(|tool| installed(tool))
        .map(|tool| client(tool, address))
        .collect();
    let mut python: Vec<Process> = Vec::new();
    if installed("python3") {
        python.push(python_to("tutorial_client.py", address, &["--heartbeat", "0.5"]));
    }
    let mut pigeons = vec![join(address, "ada"), join(address, "猴哥")];
    for tool in &mut tools {
        tool.say("^hb^");
    }
    let by_themselves = python.len() + pigeons.len();
    first.expect_members(tools.len() + by_themselves);

    first.signal(signal);
    let status = first.expect_end(STOPS_WITHIN);
    if signal == "TERM" {
        assert_eq!(status.code(), Some(0));
        for member in tools.iter().chain(&python) {
            member.expect_output("Bye!", SOON);
        }
        // Ours show it as a notice, not as a message.
        for pigeon in &pigeons {
            pigeon.expect_status(|line| line.contains("Bye!"), SOON);
        }
    }
    for pigeon in &pigeons {
        pigeon.expect_status(tells_that_the_hub_is_away, SOON);
    }
    for client in &python {
        client.expect_status(|line| line == "the server is away", SOON);
    }

    let second = hub_at(&address.to_string(), &[]);
    second.expect_members(by_themselves);
    for pigeon in &pigeons {
        pigeon.expect_status(|line| line.contains("is back after"), SOON);
    }

    // Our own first: the new hub can have their names only from them.
    let names: Vec<String> = pigeons.iter().map(|pigeon| pigeon.name().to_string()).collect();
    for (pigeon, name) in pigeons.iter_mut().zip(&names) {
        pigeon.say("我回来了");
        let line = format!("{name}: 我回来了");
        pigeon.expect_line(|seen| seen == line, SOON);
        for client in &python {
            client.expect_line(|seen| seen == line, SOON);
        }
    }
    let mut everyone: Vec<Process> = tools.into_iter().chain(python).chain(pigeons).collect();
    for speaker in 0..everyone.len() {
        let text = format!("{} is back", everyone[speaker].name());
        everyone[speaker].say(&text);
        // A tool receives again after its own first line.
        for member in &everyone[..=speaker] {
            member.expect_line(|line| line.ends_with(&format!(": {text}")), SOON);
        }
    }
    second.expect_members(everyone.len());
}

/// A refusal, `Bye!`, or missing answers.
fn tells_that_the_hub_is_away(line: &str) -> bool {
    line.contains("waiting for it to come back") || line.contains("nothing heard since")
}
