//! A tutorial's client as a member of our hub: its heartbeats keep it, and without them it times
//! out.

use crate::peers::{installed, python_to};
use crate::pigeon::{hub, join};
use crate::process::SOON;

#[test]
fn heartbeats_keep_a_chat_member() {
    heartbeats_keep_a_member("chat", "silent", "still there?");
}

#[test]
fn heartbeats_keep_a_classic_member() {
    heartbeats_keep_a_member("classic", "Bye!", "Ack STILL THERE?. from ");
}

/// The time-out of a silent member that joined later shows that the time has passed.
fn heartbeats_keep_a_member(format: &str, dropped: &str, heard: &str) {
    if !installed("python3") {
        return;
    }
    let hub = hub(&["--format", format, "--timeout", "2s"]);
    let client = python_to("tutorial_client.py", hub.address, &["--heartbeat", "0.5"]);
    hub.expect_members(1);
    let mut silent = python_to("plain_member.py", hub.address, &[]);
    silent.say("^hb^");
    hub.expect_members(2);

    silent.expect_output(dropped, SOON);
    hub.expect_members(1);
    assert!(!client.output().contains(dropped), "the client was dropped too");
    silent.say("still there?");
    client.expect_output(heard, SOON);
    hub.expect_members(2);
}

#[test]
fn a_killed_chat_member_is_dropped_and_the_others_are_told() {
    if !installed("python3") {
        return;
    }
    let hub = hub(&["--timeout", "2s"]);
    let ada = join(hub.address, "ada");
    let mut client = python_to("tutorial_client.py", hub.address, &["--heartbeat", "0.5"]);
    client.say("/nick 狗哥");
    ada.expect_line(|line| line.starts_with("* ") && line.contains("狗哥"), SOON);
    client.signal("KILL");
    client.expect_end(SOON);
    ada.expect_line(|line| line.starts_with("* ") && line.contains("狗哥 timed out"), SOON);
    hub.expect_members(1);
}

#[test]
fn a_killed_classic_member_is_dropped() {
    if !installed("python3") {
        return;
    }
    let hub = hub(&["--format", "classic", "--timeout", "2s"]);
    let _ada = join(hub.address, "ada");
    let mut client = python_to("tutorial_client.py", hub.address, &["--heartbeat", "0.5"]);
    hub.expect_members(2);
    client.signal("KILL");
    client.expect_end(SOON);
    // Nobody sends: the hub's own timer must act.
    hub.expect_members(1);
}
