//! `pigeon join` with a tutorial's server, which knows nothing of pigeon.

use crate::peers::{address_of, installed, python, python_to};
use crate::pigeon::{HEARTBEAT, pigeon};
use crate::process::{SOON, Voice};

#[test]
fn join_is_a_plain_member_of_a_tutorials_server() {
    if !installed("python3") {
        return;
    }
    let server = python("tutorial_server.py", &["0", "--timeout", "2"]);
    let address = address_of(&server);
    let at = address.to_string();
    let mut ada = pigeon("ada", &["join", &at, "--nick", "ada", "--heartbeat", HEARTBEAT]);
    let unheard = format!("nothing heard from {at} yet");
    ada.expect_status(|line| line.starts_with(&unheard), SOON);

    let mut client = python_to("tutorial_client.py", address, &["--heartbeat", "0.5"]);
    client.say("hello from the tutorial");
    ada.expect_line(|line| line.starts_with("Ack HELLO FROM THE TUTORIAL. from "), SOON);
    let joined = format!("joined {at}");
    ada.expect_status(|line| line.contains(&joined) && line.contains("plainly"), SOON);
    ada.say("ada 说:你好");
    server.expect_line(|line| line.ends_with(" says ada 说:你好"), SOON);
    let ack = client.expect_line(|line| line.starts_with("Ack ADA 说:你好. from "), SOON);
    ada.expect_line(|line| line == ack, SOON);

    // When the server has forgotten a member that wrote after ada, its time-out has passed.
    let mut silent = python_to("plain_member.py", address, &[]);
    silent.say("and now I am silent");
    ada.expect_line(|line| line.starts_with("Ack AND NOW I AM SILENT. from "), SOON);
    let forgotten = server.expect_line(|line| line.ends_with(" timed out"), SOON);
    let ada_at = ack.split(". from ").nth(1).unwrap();
    assert_ne!(forgotten, format!("{ada_at} timed out"));
    client.say("still there?");
    ada.expect_line(|line| line.starts_with("Ack STILL THERE?. from "), SOON);

    ada.say("quit");
    assert!(ada.expect_end(SOON).success());
    server.expect_line(|line| line == format!("{ada_at} left"), SOON);
    // Such a server would have relayed a command, or a resume token, to everyone.
    let said = server.lines(Voice::Out);
    assert!(!said.iter().any(|line| line.contains("says /")), "a command was published");
}
