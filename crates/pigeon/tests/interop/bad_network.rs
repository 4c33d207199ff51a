//! A hub, its member and those who ask, across a network that loses, delays, repeats and reorders:
//! what `bad_network.py` says that it carried is held against what each of them says that it got.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::bad_path::{BadNetwork, Counts};
use crate::namespace::Namespace;
use crate::process::{Process, SOON, Voice, wait_until};
use crate::services::Services;

/// How much later than planned a datagram may go or come on a busy machine.
const LATE: f64 = 0.25;

/// A fifth is lost each way, some overtake, some come twice; there and back takes up to 60 ms.
const BAD: &str = "loss=0.2 delay=0.02 jitter=0.01 reorder=0.05 duplicate=0.05";

/// What entered and left a direction.
fn came(counts: &Counts, way: &str) -> u64 {
    counts.of(way, "other", "came")
}

fn passed(counts: &Counts, way: &str) -> u64 {
    counts.of(way, "other", "passed")
}

#[test]
fn ask_repeats_itself_until_the_network_lets_a_reply_through() {
    let Some(mut network) = BadNetwork::new(&format!("{BAD} seed=2")) else { return };
    let echo = ["echo:10.77.1.2:7000"];
    let args = [&["serve"], &echo[..]].concat();
    let _echo = Services::new(network.far.pigeon("pigeon serve", &args), &["echo:0"]);
    let (mut most, mut replies) = (0, 0);
    let mut before = network.set("");
    for question in 0..8 {
        let text = format!("question {question}");
        let args = ["ask", "10.77.1.2:7000", &text, "--json"];
        let mut ask = network.near.pigeon("pigeon ask", &args);
        let code = ask.expect_end(SOON).code();
        let told: Value = serde_json::from_str(ask.output().trim_end()).unwrap();
        // Until what is late has come and been echoed as well.
        let after = wait_until("every question is echoed", || {
            let counts = network.settled();
            (passed(&counts, "there") == came(&counts, "back")).then_some(counts)
        });
        let since = |count: fn(&Counts, &str) -> u64, way| count(&after, way) - count(&before, way);
        let attempts = told["attempts"].as_u64().unwrap();
        assert_eq!(attempts, since(came, "there"), "{told} {after}");
        let elapsed = told["elapsed"].as_f64().unwrap();
        // The waits are 0.1, 0.2, 0.4, 0.8 and 1.6 s.
        let waits = |attempts: u64| 0.1 * ((1 << attempts) - 1) as f64;
        let due = waits(attempts - 1)..waits(attempts) + LATE;
        assert!(due.contains(&elapsed), "{due:?}: {told}");
        if told["result"] == "reply" {
            assert_eq!((code, &told["text"]), (Some(0), &text.into()));
            assert!(since(passed, "back") > 0, "{told} {after}");
            replies += 1;
        } else {
            assert_eq!((code, &told["result"], attempts), (Some(1), &"timed out".into(), 5));
            assert_eq!(since(passed, "back"), 0, "{told} {after}");
        }
        most = most.max(attempts);
        before = after;
    }
    assert!(most > 1 && replies > 4, "{replies} replies, at most {most} attempts: {before}");
}

/// A hub at the far host that logs what it hears, and forgets who is silent for 2 s.
fn hub(far: &Namespace) -> Process {
    let args = "hub --listen *:9999 --timeout 2s --messages on --console off";
    let hub = far.pigeon("hub", &args.split(' ').collect::<Vec<_>>());
    hub.expect_status(|line| line.contains("listening on "), SOON);
    hub
}

/// A member at the near host.
fn join(near: &Namespace) -> Process {
    let args = ["join", "10.77.1.2:9999", "--nick", "狗哥", "--heartbeat", "300ms"];
    let member = near.pigeon("pigeon join", &args);
    member.expect_status(|line| line.contains("a pigeon hub"), SOON);
    member
}

/// The lines of stdout that end in `line N`, without the names before them.
fn said(process: &Process) -> BTreeSet<String> {
    let lines = process.lines(Voice::Out).into_iter();
    lines.filter_map(|line| Some(line[line.find("line ")?..].to_string())).collect()
}

#[test]
fn a_member_stays_one_through_loss_and_sees_which_of_its_lines_arrived() {
    let Some(mut network) = BadNetwork::new(&format!("{BAD} seed=3")) else { return };
    let mut hub = hub(&network.far);
    let mut member = join(&network.near);
    let lines: BTreeSet<String> = (0..30).map(|number| format!("line {number}")).collect();
    for line in &lines {
        member.say(line);
        // At the pace of a fast speaker, and for longer than the hub's patience.
        std::thread::sleep(Duration::from_millis(100));
    }
    member.end_stdin();
    assert_eq!(member.expect_end(SOON).code(), Some(0));
    let counts = network.settled();
    hub.signal("TERM");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));

    let (arrived, seen) = (said(&hub), said(&member));
    assert!(arrived.is_subset(&lines) && seen.is_subset(&arrived), "{arrived:?} {seen:?}");
    // A fifth does not arrive, and of the rest a fifth is not seen to.
    assert!(arrived.len() < lines.len() && seen.len() < arrived.len(), "{arrived:?} {seen:?}");
    assert!(seen.len() > lines.len() / 3, "{seen:?}");
    let log = hub.lines(Voice::Err);
    assert!(!log.iter().any(|line| line.contains("timed out")), "{log:?}");
    // The hub has received and sent what the network carried, to the datagram.
    let stopped = log.iter().find(|line| line.contains(" stopped ")).unwrap();
    let number = |field: &str| -> u64 {
        let rest = stopped.split_once(field).unwrap().1;
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(number(" received="), passed(&counts, "there"), "{counts}");
    assert_eq!(number(" sent="), came(&counts, "back"), "{counts}");
}

#[test]
fn a_member_comes_back_after_an_outage_longer_than_the_hubs_patience() {
    let Some(mut network) = BadNetwork::new(&format!("{BAD} seed=4")) else { return };
    let hub = hub(&network.far);
    let mut member = join(&network.near);
    network.set("loss=1");
    hub.expect_status(|line| line.contains("timed out"), SOON);
    member.expect_status(|line| line.contains("nothing heard since"), SOON);
    member.say("line 0");
    member.expect_status(|line| line.contains("probably lost"), SOON);
    network.set("loss=0.2");
    member.expect_status(
        |line| line.starts_with("10.77.1.2:9999 is back after") && line.contains("a member again"),
        SOON,
    );
    // Its name too, though the wish for it may have been lost: who speaks is heard under it.
    let mut number = 0;
    wait_until("it is heard under its name", || {
        number += 1;
        member.say(&format!("line {number}"));
        let heard = hub.lines(Voice::Out);
        heard.iter().any(|line| line.starts_with("狗哥: line ")).then_some(())
    });
    assert!(!said(&hub).contains("line 0"), "it was said into the outage");
}

#[test]
fn discover_finds_the_hub_whenever_the_network_lets_an_answer_through() {
    let Some(mut network) = BadNetwork::new(&format!("{BAD} seed=5")) else { return };
    let _hub = hub(&network.far);
    let mut found_ever = false;
    let mut before = network.set("");
    for _ in 0..3 {
        let mut discover = network.near.pigeon("pigeon discover", &["discover", "--json"]);
        let code = discover.expect_end(SOON).code();
        let after = network.settled();
        let found = discover.lines(Voice::Out);
        let answers = passed(&after, "back") - passed(&before, "back");
        assert_eq!(code, Some(if found.is_empty() { 1 } else { 0 }));
        // The hub answers within 0.2 s and asking ends after half of the second.
        assert_eq!(found.is_empty(), answers == 0, "{found:?} {answers} answers: {after}");
        let at_hub = found.iter().filter(|line| line.contains(r#""from":"10.77.1.2:9999""#));
        found_ever |= at_hub.count() == 1;
        before = after;
    }
    assert!(found_ever, "{before}");
    let [asked, heard] = [came(&before, "there"), passed(&before, "there")];
    assert!(asked > 3 && heard > 0, "{before}");
}
