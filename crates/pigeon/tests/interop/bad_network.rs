//! A hub, its member and clients across a network with loss, delay, duplicates and reordering, made
//! by `bad_network.py` or by netem. Compares the network's counts with each program's.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::bad_path::{BadNetwork, BadPath, Netem, Way, on_netem};
use crate::namespace::Namespace;
use crate::process::{Process, SOON, Voice, wait_until};
use crate::services::Services;

/// The tolerance for late datagrams on a busy machine.
const LATE: f64 = 0.25;

/// A fifth is lost each way, some are reordered, some duplicated; a round trip takes up to 60 ms.
const BAD: Way = Way {
    // netem counts a duplicate as another arrival, so it makes none.
    netem: "loss 20% delay 20ms 10ms reorder 5%",
    program: "loss=0.2 delay=0.02 jitter=0.01 reorder=0.05 duplicate=0.05",
};

const OUTAGE: Way = Way { netem: "loss 100%", program: "loss=1" };

mod by_a_program {
    use super::*;

    fn bad(seed: u64) -> Option<BadNetwork> {
        BadNetwork::new(&format!("{} seed={seed}", BAD.program))
    }

    #[test]
    fn ask() {
        bad(2).iter_mut().for_each(|network| ask_repeats_itself(network));
    }

    #[test]
    fn membership() {
        bad(3).iter_mut().for_each(|network| a_member_stays_one(network));
    }

    #[test]
    fn outage() {
        bad(4).iter_mut().for_each(|network| a_member_comes_back(network));
    }

    #[test]
    fn discover() {
        bad(5).iter_mut().for_each(|network| discover_finds_the_hub(network));
    }
}

/// Ignored by default: on most machines each of these tests boots a kernel.
mod by_netem {
    use super::*;

    #[test]
    #[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
    fn ask() {
        on_netem(ask, || ask_repeats_itself(&mut Netem::new(&BAD)));
    }

    #[test]
    #[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
    fn membership() {
        on_netem(membership, || a_member_stays_one(&mut Netem::new(&BAD)));
    }

    #[test]
    #[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
    fn outage() {
        on_netem(outage, || a_member_comes_back(&mut Netem::new(&BAD)));
    }

    #[test]
    #[ignore = "may boot a kernel; CONTRIBUTING.md has the command"]
    fn discover() {
        on_netem(discover, || discover_finds_the_hub(&mut Netem::new(&BAD)));
    }
}

/// It repeats requests until a reply gets through, and gives up at its time limit.
fn ask_repeats_itself(network: &mut dyn BadPath) {
    let args = ["serve", "echo:10.77.1.2:7000"];
    let _echo = Services::new(network.far().pigeon("pigeon serve", &args), &["echo:0"]);
    let (mut most, mut replies) = (0, 0);
    let mut before = network.carried();
    // Two in three get a reply to the first attempt.
    for _ in 0..100 {
        if most > 1 && replies > 4 {
            return;
        }
        let text = format!("question {replies}");
        let args = ["ask", "10.77.1.2:7000", &text, "--json"];
        let mut ask = network.near().pigeon("pigeon ask", &args);
        let code = ask.expect_end(SOON).code();
        let told: Value = serde_json::from_str(ask.output().trim_end()).unwrap();
        // Waits until late requests have been echoed, too.
        let after = wait_until("every question is echoed", || {
            let carried = network.settled();
            (carried.there.passed == carried.back.came).then_some(carried)
        });
        let attempts = told["attempts"].as_u64().unwrap();
        assert_eq!(attempts, after.there.came - before.there.came, "{told} {after:?}");
        let elapsed = told["elapsed"].as_f64().unwrap();
        // The waits are 0.1, 0.2, 0.4, 0.8 and 1.6 s.
        let waits = |attempts: u64| 0.1 * ((1 << attempts) - 1) as f64;
        let due = waits(attempts - 1)..waits(attempts) + LATE;
        assert!(due.contains(&elapsed), "{due:?}: {told}");
        let answers = after.back.passed - before.back.passed;
        if told["result"] == "reply" {
            assert_eq!((code, &told["text"]), (Some(0), &text.into()));
            assert!(answers > 0, "{told} {after:?}");
            replies += 1;
        } else {
            assert_eq!((code, &told["result"], attempts), (Some(1), &"timed out".into(), 5));
            assert_eq!(answers, 0, "{told} {after:?}");
        }
        most = most.max(attempts);
        before = after;
    }
    panic!("{replies} replies, at most {most} attempts: {before:?}");
}

/// A hub at the far host that logs its datagrams, with a time-out of 2 s.
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

/// The lines of stdout that end in `line N`, without names.
fn said(process: &Process) -> BTreeSet<String> {
    let lines = process.lines(Voice::Out).into_iter();
    lines.filter_map(|line| Some(line[line.find("line ")?..].to_string())).collect()
}

/// Loss does not end a membership, and a member learns which of its lines arrived.
fn a_member_stays_one(network: &mut dyn BadPath) {
    let mut hub = hub(network.far());
    let mut member = join(network.near());
    let lines: BTreeSet<String> = (0..30).map(|number| format!("line {number}")).collect();
    for line in &lines {
        member.say(line);
        // Sends at a fast speaker's pace, and for longer than the hub's time-out.
        std::thread::sleep(Duration::from_millis(100));
    }
    member.end_stdin();
    assert_eq!(member.expect_end(SOON).code(), Some(0));
    network.settled();
    hub.signal("TERM");
    assert_eq!(hub.expect_end(SOON).code(), Some(0));
    // Includes its goodbye, unless that was lost.
    let carried = network.settled();

    let (arrived, seen) = (said(&hub), said(&member));
    assert!(arrived.is_subset(&lines) && seen.is_subset(&arrived), "{arrived:?} {seen:?}");
    // A fifth does not arrive, and for a fifth of the rest the acknowledgement is lost.
    let due = lines.len() / 6..lines.len();
    assert!(due.contains(&seen.len()), "{arrived:?} {seen:?}");
    let log = hub.lines(Voice::Err);
    assert!(!log.iter().any(|line| line.contains("timed out")), "{log:?}");
    // The hub has received and sent exactly what the network carried.
    let stopped = log.iter().find(|line| line.contains(" stopped ")).unwrap();
    let number = |field: &str| -> u64 {
        let rest = stopped.split_once(field).unwrap().1;
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(number(" received="), carried.there.passed, "{carried:?}");
    assert_eq!(number(" sent="), carried.back.came, "{carried:?}");
}

/// A member returns with its name after an outage longer than the hub's time-out.
fn a_member_comes_back(network: &mut dyn BadPath) {
    let hub = hub(network.far());
    let mut member = join(network.near());
    network.become_as(&OUTAGE);
    hub.expect_status(|line| line.contains("timed out"), SOON);
    member.expect_status(|line| line.contains("nothing heard since"), SOON);
    member.say("line 0");
    member.expect_status(|line| line.contains("probably lost"), SOON);
    // The count may be taken before the line is carried, but not after the next one.
    let before = network.carried().there.came;
    wait_until("the line is lost", || (network.carried().there.came > before + 1).then_some(()));
    network.become_as(&BAD);
    member.expect_status(|line| line.starts_with("10.77.1.2:9999 is back after"), SOON);
    // The request for the name may have been lost too. The member's lines show that it has the
    // name.
    let mut number = 0;
    wait_until("it is heard under its name", || {
        number += 1;
        member.say(&format!("line {number}"));
        let heard = hub.lines(Voice::Out);
        heard.iter().any(|line| line.contains(" 狗哥: line ")).then_some(())
    });
    assert!(!said(&hub).contains("line 0"), "it was said into the outage");
}

/// Discovery must find the hub if the network lets an answer through.
fn discover_finds_the_hub(network: &mut dyn BadPath) {
    let _hub = hub(network.far());
    let mut before = network.carried();
    for _ in 0..20 {
        let mut discover = network.near().pigeon("pigeon discover", &["discover", "--json"]);
        let code = discover.expect_end(SOON).code();
        let after = network.settled();
        let found = discover.lines(Voice::Out);
        let asked = after.there.came - before.there.came;
        let answers = after.back.passed - before.back.passed;
        assert!(asked > 1, "{after:?}");
        assert_eq!(code, Some(if found.is_empty() { 1 } else { 0 }));
        // The hub answers within 0.2 s, and the last request is sent after half a second.
        assert_eq!(found.is_empty(), answers == 0, "{found:?} {answers} answers: {after:?}");
        let at_hub = found.iter().filter(|line| line.contains(r#""from":"10.77.1.2:9999""#));
        if at_hub.count() == 1 {
            return;
        }
        before = after;
    }
    panic!("never found: {before:?}");
}
