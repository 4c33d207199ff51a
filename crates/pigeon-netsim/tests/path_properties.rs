//! Properties of a path under any conditions and any traffic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, outside of `#[test]`")]

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_netsim::path::{
    Bursts, Conditions, Fate, InFlightLimit, Jitter, Loss, Path, PathCounters, Probability, Rate,
    Reorder,
};
use proptest::prelude::*;

/// A call to the path.
#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Wait(Duration),
    Poll,
    Change(Conditions),
}

fn probability() -> impl Strategy<Value = Probability> {
    prop_oneof![Just(0.0), Just(1.0), 0.0..1.0].prop_map(|p| Probability::new(p).unwrap())
}

/// Mostly network delays, sometimes the longest possible duration.
fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..50_000_000_u64).prop_map(Duration::from_nanos),
        1 => (0..u64::MAX).prop_map(Duration::from_nanos),
        1 => Just(Duration::MAX),
    ]
}

fn loss() -> impl Strategy<Value = Loss> {
    let bursts = (probability(), probability(), probability(), probability()).prop_map(
        |(becomes_bad, becomes_good, loss_in_good, loss_in_bad)| {
            Loss::Bursts(Bursts { becomes_bad, becomes_good, loss_in_good, loss_in_bad })
        },
    );
    prop_oneof![Just(Loss::None), probability().prop_map(Loss::Random), bursts]
}

fn jitter(by: Duration, kind: u8) -> Jitter {
    [Jitter::Uniform(by), Jitter::Normal(by), Jitter::Pareto(by), Jitter::None][usize::from(kind)]
}

fn rate() -> impl Strategy<Value = Rate> {
    let bytes_per_second = prop_oneof![1..10_000_000_u64, Just(1), Just(u64::MAX)];
    let queue_bytes = prop_oneof![0..10_000_usize, Just(usize::MAX)];
    (bytes_per_second, queue_bytes)
        .prop_map(|(bytes_per_second, queue_bytes)| Rate { bytes_per_second, queue_bytes })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let path = (loss(), duration(), (duration(), 0..4_u8), probability(), duration());
    let rest = (probability(), probability(), proptest::option::of(rate()), any::<Option<u8>>());
    (path, rest).prop_map(
        |((loss, delay, (vary, kind), reordered, by), (duplicate, corrupt, rate, mtu))| {
            Conditions {
                loss,
                delay,
                jitter: jitter(vary.min(delay), kind),
                reorder: Reorder { probability: reordered, by: by.max(Duration::from_nanos(1)) },
                duplicate,
                corrupt,
                rate,
                mtu: mtu.map(|mtu| usize::from(mtu) + 1),
            }
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..400_usize).prop_map(Step::Send),
        2 => duration().prop_map(Step::Wait),
        2 => Just(Step::Poll),
        1 => conditions().prop_map(Step::Change),
    ];
    proptest::collection::vec(step, 0..60)
}

fn instant() -> impl Strategy<Value = Instant> {
    prop_oneof![Just(0), Just(u64::MAX), Just(u64::MAX - 1_000_000), any::<u64>()]
        .prop_map(Instant::from_nanos)
}

/// Everything observable in a run.
#[derive(Debug, PartialEq)]
struct Outcome {
    fates: Vec<Fate>,
    arrivals: Vec<(Instant, Vec<u8>)>,
    counters: PathCounters,
}

/// Runs the steps, and checks the invariants on the way.
fn play(start: Instant, conditions: &Conditions, seed: u64, steps: &[Step]) -> Outcome {
    let limit = InFlightLimit { datagrams: 20, bytes: 4_000 };
    let path = Path::seeded(conditions.clone(), seed).unwrap();
    let mut path = path.with_in_flight_limit(limit);
    let mut now = start;
    let (mut fates, mut arrivals) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Send(length) => {
                let fate = path.send(now, vec![0; *length]);
                if let Fate::Carried { due, copy_due, .. } = fate {
                    assert!(due >= now && copy_due.is_none_or(|due| due >= now));
                }
                fates.push(fate);
            }
            Step::Wait(duration) => now = now + *duration,
            Step::Poll => take(&mut path, now, &mut arrivals),
            Step::Change(conditions) => path.set_conditions(now, conditions.clone()).unwrap(),
        }
        let counters = path.statistics();
        assert_eq!(
            counters.sent + counters.duplicated,
            counters.delivered + counters.lost + counters.dropped() + path.in_flight() as u64,
        );
        assert!(path.in_flight() <= limit.datagrams);
    }
    take(&mut path, Instant::from_nanos(u64::MAX), &mut arrivals);
    assert_eq!(path.in_flight(), 0);
    assert_eq!(path.poll_timeout(), None);
    Outcome { fates, arrivals, counters: *path.statistics() }
}

/// Takes the due datagrams: never before their time, and in order.
fn take(path: &mut Path<Vec<u8>>, now: Instant, arrivals: &mut Vec<(Instant, Vec<u8>)>) {
    let mut earlier = Instant::ORIGIN;
    loop {
        let due = path.poll_timeout();
        let arrived = path.poll(now);
        assert_eq!(arrived.is_some(), due.is_some_and(|due| due <= now));
        let (Some(due), Some(arrived)) = (due, arrived) else { break };
        assert!(due >= earlier);
        earlier = due;
        arrivals.push((due, arrived));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_made_up_or_forgotten(
        start in instant(),
        conditions in conditions(),
        seed in any::<u64>(),
        steps in steps(),
    ) {
        let outcome = play(start, &conditions, seed, &steps);
        // The arrivals match the fates.
        let mut due: Vec<_> = outcome.fates.iter().flat_map(|fate| match *fate {
            Fate::Carried { due, copy_due, .. } => [Some(due), copy_due],
            Fate::Dropped(_) => [None, None],
        }).flatten().collect();
        due.sort();
        let mut arrived: Vec<_> = outcome.arrivals.iter().map(|&(at, _)| at).collect();
        arrived.sort();
        prop_assert_eq!(arrived, due);
    }

    #[test]
    fn the_same_seed_does_the_same(
        conditions in conditions(),
        seed in any::<u64>(),
        steps in steps(),
    ) {
        let play = || play(Instant::ORIGIN, &conditions, seed, &steps);
        prop_assert_eq!(play(), play());
    }

    #[test]
    fn any_conditions_are_taken_or_refused(
        loss in loss(),
        delay in duration(),
        jitter in duration(),
        probability in probability(),
        by in duration(),
        rate in proptest::option::of(
            (0..3_u64).prop_map(|bytes_per_second| Rate { bytes_per_second, queue_bytes: 0 }),
        ),
        mtu in proptest::option::of(0..3_usize),
    ) {
        let conditions = Conditions {
            loss, delay, jitter: Jitter::Uniform(jitter),
            reorder: Reorder { probability, by },
            rate, mtu, ..Conditions::default()
        };
        let checked = conditions.check();
        prop_assert_eq!(Path::<Vec<u8>>::seeded(conditions, 0).err(), checked.err());
    }
}

#[test]
fn what_is_due_at_one_instant_keeps_its_order() {
    let mut path = Path::seeded(Conditions::default(), 1).unwrap();
    for number in 0..100_u8 {
        path.send(Instant::ORIGIN, [number]);
    }
    let arrived: Vec<_> = std::iter::from_fn(|| path.poll(Instant::ORIGIN)).collect();
    assert!(arrived.iter().map(|&[number]| number).eq(0..100));
}

#[test]
fn the_bounds_of_the_model_are_kept_and_counted() {
    let far = Conditions {
        delay: Duration::from_secs(1),
        duplicate: Probability::ALWAYS,
        ..Conditions::default()
    };
    let limit = InFlightLimit { datagrams: 3, bytes: 100 };
    let mut path = Path::seeded(far, 1).unwrap().with_in_flight_limit(limit);
    // The path has three entries: for the first datagram and its copy, and for the second without
    // its copy. It drops the third.
    for _ in 0..3 {
        path.send(Instant::ORIGIN, vec![0; 10]);
    }
    let counters = *path.statistics();
    assert_eq!((path.in_flight(), counters.duplicated, counters.dropped_in_flight_full), (3, 2, 2));
    while path.poll(Instant::from_nanos(u64::MAX)).is_some() {}
    // The path is empty, but this datagram alone exceeds the limit of 100 bytes.
    path.send(Instant::ORIGIN, vec![0; 101]);
    assert_eq!((path.in_flight(), path.statistics().dropped_in_flight_full), (0, 3));
}

/// A seed gives the same results on every machine and in every version: the expected values are
/// fixed here.
#[test]
fn a_seed_keeps_its_meaning() {
    let due = |jitter: Jitter| -> Vec<u64> {
        let conditions = Conditions {
            loss: Loss::Random(Probability::new(0.2).unwrap()),
            delay: Duration::from_nanos(1_000),
            jitter,
            ..Conditions::default()
        };
        let mut path = Path::seeded(conditions, 2026).unwrap();
        let due = |fate| match fate {
            Fate::Carried { due, .. } => due.as_nanos(),
            Fate::Dropped(_) => 0,
        };
        (0..10).map(|_| due(path.send(Instant::ORIGIN, [0; 1]))).collect()
    };
    let uniform = due(Jitter::Uniform(Duration::from_nanos(900)));
    assert_eq!(uniform, [1722, 1047, 0, 964, 0, 1665, 720, 1418, 266, 1447]);
    let normal = due(Jitter::Normal(Duration::from_nanos(250)));
    assert_eq!(normal, [679, 984, 0, 1514, 0, 720, 1253, 846, 1058, 833]);
    let pareto = due(Jitter::Pareto(Duration::from_nanos(900)));
    assert_eq!(pareto, [517, 728, 0, 768, 0, 530, 923, 594, 1740, 586]);
}
