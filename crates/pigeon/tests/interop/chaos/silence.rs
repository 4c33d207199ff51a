//! How long a reliable member hears nothing when its hub is killed or hangs.
//!
//! `PIGEON_CLUSTER_KILLS=12 cargo test -p pigeon --test interop silence` measures 108 members of
//! each, and then judges.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::asked;
use super::members::{Door, Orders, Reliable};
use super::sites::{self, Sites};
use crate::process::wait_within;

/// How long a member may be silent at all.
const PATIENCE: Duration = Duration::from_secs(60);

const MEMBERS: usize = 9;

/// The most messages that a member who follows live has not read.
const BEHIND: u64 = 25;

fn door(sites: &Sites, n: usize) -> Door {
    let hub = &sites.hubs[n];
    Door { secure: hub.secure, fingerprint: hub.fingerprint.unwrap() }
}

/// The number in the last message that a member has read, if it is the speaker's, and when it came.
fn last(member: &Reliable, speaker: &Reliable) -> Option<(Instant, u64)> {
    let (at, text) = member.book().last.clone()?;
    let (name, number) = text.split_once(' ')?;
    (name == speaker.name).then_some((at, number.parse().ok()?))
}

#[test]
fn a_reliable_member_whose_hub_dies_goes_on_at_another() {
    let Some(turns) = asked("PIGEON_CLUSTER_KILLS").map(|turns| turns as usize) else { return };
    sites::with("silence", 1, 3, move |sites| {
        for (what, limit) in [("killed", 3), ("stopped", 15)] {
            let mut silences: Vec<Duration> = Vec::new();
            for turn in 0..turns {
                silences.extend(turn_of(sites, what, turn));
            }
            silences.sort();
            let part = |part: f64| silences[((silences.len() - 1) as f64 * part).ceil() as usize];
            println!(
                "a hub is {what}: {} members hear nothing for {:.2?} (median), {:.2?} (99 %), {:.2?} \
                 (longest); {limit} s allowed",
                silences.len(),
                part(0.5),
                part(0.99),
                part(1.0)
            );
            // A few members on a busy machine say nothing about one in a hundred.
            let limit = if silences.len() >= 100 { Duration::from_secs(limit) } else { PATIENCE };
            assert!(part(0.99) < limit);
        }
    });
}

/// How long members hear nothing after their hub has died.
fn turn_of(sites: &mut Sites, what: &str, turn: usize) -> Vec<Duration> {
    let speaks = Orders::with_pace(Duration::from_millis(20));
    speaks.speak.store(true, Ordering::Relaxed);
    // Every third one speaks at the hub that dies, and has to go on itself.
    let at = if turn % 3 == 2 { 0 } else { 2 };
    let name = format!("{what}{turn}-speaker");
    let speaker = Reliable::start(&name, door(sites, at), &sites.folder, Arc::clone(&speaks));
    let orders = Orders::with_pace(Duration::MAX);
    let start = |n: usize| {
        let name = format!("{what}{turn}-{n}");
        Reliable::start(&name, door(sites, 0), &sites.folder, Arc::clone(&orders))
    };
    let members: Vec<Reliable> = (0..MEMBERS).map(start).collect();
    let is_live = |member: &Reliable| {
        last(member, &speaker).is_some_and(|(_, read)| read + BEHIND >= speaker.book().said)
    };
    wait_within("all follow", PATIENCE, || members.iter().all(is_live).then_some(()));
    // The hub may have just begun: until it knows the others, and its members do.
    sleep(Duration::from_secs(5));
    match what {
        "killed" => sites.kill_hub(0),
        _ => sites.signal_hub(0, "STOP"),
    }
    let dead = Instant::now();
    // What was sent before may come after.
    sleep(Duration::from_millis(100));
    let newest: Vec<u64> = members.iter().map(|it| last(it, &speaker).unwrap().1).collect();
    let mut silences: Vec<Option<Duration>> = vec![None; MEMBERS];
    wait_within("all hear again", PATIENCE, || {
        for ((member, newest), silence) in members.iter().zip(&newest).zip(&mut silences) {
            let again = last(member, &speaker).filter(|(_, number)| number > newest);
            if let (None, Some((at, _))) = (&silence, again) {
                *silence = Some(at - dead);
            }
        }
        silences.iter().all(Option::is_some).then_some(())
    });
    match what {
        "killed" => sites.start_hub(0),
        _ => sites.signal_hub(0, "CONT"),
    }
    for it in [&orders, &speaks] {
        it.end.store(true, Ordering::Relaxed);
    }
    let at_another = members.iter().all(|it| it.book().hub != sites.hubs[0].fingerprint);
    assert!(at_another, "they went on at another hub");
    members.into_iter().chain([speaker]).for_each(Reliable::join);
    silences.into_iter().flatten().collect()
}
