//! Compares a sequence's statistics with a model that remembers everything and counts by brute
//! force.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, outside of `#[test]`")]

use std::collections::BTreeSet;

use pigeon_netsim::sequence::{Arrival, DEFAULT_WINDOW, Sequence, SequenceReport};
use proptest::prelude::*;

/// The definitions, literally, over the whole list of arrivals (offsets from the first number).
fn brute_force(arrivals: &[u64], sent: u64) -> SequenceReport {
    let mut seen = BTreeSet::new();
    // The first copy of each, in order of arrival: RFC 4737 considers only these.
    let mut firsts: Vec<u64> = Vec::new();
    let mut report = SequenceReport::default();
    for &number in arrivals {
        if !seen.insert(number) {
            report.duplicated += 1;
            continue;
        }
        firsts.push(number);
        // The extent: i - j for the smallest j with s[j] > s[i].
        if let Some(j) = firsts.iter().position(|&earlier| earlier > number) {
            report.reordered += 1;
            report.max_extent = report.max_extent.max((firsts.len() - 1 - j) as u64);
        }
    }
    let greatest = seen.last().map_or(0, |last| last + 1);
    report.expected = greatest.max(sent);
    report.received = seen.len() as u64;
    report.lost = (0..report.expected).filter(|number| !seen.contains(number)).count() as u64;
    report.tail_lost = report.expected - greatest;
    report
}

/// Numbers below `count` in a realistic network order: each is displaced by up to `spread`, some
/// are lost, some duplicated.
fn arrivals(count: u64, spread: u64) -> impl Strategy<Value = Vec<u64>> {
    let fates = proptest::collection::vec((0..10_u8, 0..=spread, 0..=spread), count as usize);
    fates.prop_map(move |fates| {
        let mut due = Vec::new();
        for (number, (fate, delay, again)) in fates.into_iter().enumerate() {
            let number = number as u64;
            if fate != 0 {
                due.push((number + delay, number));
            }
            if fate == 1 {
                due.push((number + again, number));
            }
        }
        due.sort_by_key(|&(due, number)| (due, number.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        due.into_iter().map(|(_, number)| number).collect()
    })
}

fn first() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), Just(u64::MAX - 100), Just(1 << 63), any::<u64>()]
}

fn feed(sequence: &mut Sequence, first: u64, arrivals: &[u64]) {
    let mut fed = sequence.report().arrivals();
    for &offset in arrivals {
        sequence.receive(first.wrapping_add(offset));
        let report = sequence.report();
        fed += 1;
        assert_eq!(report.expected, report.received + report.lost);
        assert_eq!(report.arrivals(), fed);
        assert!(report.tail_lost <= report.lost);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_counts_what_brute_force_counts(
        first in first(),
        arrivals in (0..300_u64, 0..80_u64).prop_flat_map(|(count, spread)| arrivals(count, spread)),
        sent in 0..400_u64,
    ) {
        let mut sequence = Sequence::with_window(first, 512);
        feed(&mut sequence, first, &arrivals);
        sequence.sender_sent(sent);
        prop_assert_eq!(sequence.report(), brute_force(&arrivals, sent));
    }

    #[test]
    fn any_order_at_all(
        first in first(),
        arrivals in proptest::collection::vec(0..200_u64, 0..300),
    ) {
        let mut sequence = Sequence::with_window(first, 256);
        feed(&mut sequence, first, &arrivals);
        prop_assert_eq!(sequence.report(), brute_force(&arrivals, 0));
    }

    /// With a window smaller than the disorder, numbers beyond it are counted separately, the sum
    /// stays exact, and no number counts as new twice.
    #[test]
    fn a_small_window_keeps_the_sum(
        first in first(),
        arrivals in proptest::collection::vec(0..1_000_u64, 0..400),
        sent in 0..1_200_u64,
    ) {
        let mut sequence = Sequence::with_window(first, 64);
        let mut new = BTreeSet::new();
        for &offset in &arrivals {
            match sequence.receive(first.wrapping_add(offset)) {
                Arrival::InOrder { .. } | Arrival::Reordered { .. } => {
                    prop_assert!(new.insert(offset));
                }
                Arrival::Duplicate => prop_assert!(arrivals.contains(&offset)),
                Arrival::BeyondWindow | Arrival::Implausible => {}
            }
        }
        sequence.sender_sent(sent);
        let report = sequence.report();
        prop_assert_eq!(report.expected, report.received + report.lost);
        prop_assert_eq!(report.arrivals(), arrivals.len() as u64);
        prop_assert!(report.received >= new.len() as u64);
    }

    #[test]
    fn any_numbers_are_survived(
        first in first(),
        numbers in proptest::collection::vec(any::<u64>(), 0..100),
        sent in proptest::collection::vec(0..u64::MAX / 256, 0..5),
    ) {
        let mut sequence = Sequence::with_window(first, 64);
        for (index, &number) in numbers.iter().enumerate() {
            sequence.receive(number);
            if index % 20 == 0 {
                sequence.sender_sent(sent.get(index / 20).copied().unwrap_or(0));
                sequence.restart(number);
            }
        }
        let report = sequence.report();
        prop_assert_eq!(report.expected, report.received + report.lost);
        prop_assert_eq!(report.arrivals(), numbers.len() as u64);
    }

    #[test]
    fn restarts_add_up(
        runs in proptest::collection::vec(
            (first(), (1..100_u64, 0..20_u64).prop_flat_map(|(n, spread)| arrivals(n, spread)), 0..120_u64),
            1..4,
        ),
    ) {
        let mut sequence = Sequence::with_window(runs[0].0, 128);
        let mut sum = SequenceReport::default();
        for (index, (first, arrivals, sent)) in runs.iter().enumerate() {
            if index > 0 {
                sequence.restart(*first);
            }
            feed(&mut sequence, *first, arrivals);
            sequence.sender_sent(*sent);
            let run = brute_force(arrivals, *sent);
            sum = SequenceReport {
                expected: sum.expected + run.expected,
                received: sum.received + run.received,
                lost: sum.lost + run.lost,
                tail_lost: run.tail_lost,
                duplicated: sum.duplicated + run.duplicated,
                reordered: sum.reordered + run.reordered,
                max_extent: sum.max_extent.max(run.max_extent),
                restarts: index as u64,
                ..sum
            };
        }
        prop_assert_eq!(sequence.report(), sum);
    }
}

#[test]
fn late_is_not_lost() {
    let mut sequence = Sequence::new(0);
    assert_eq!(sequence.receive(0), Arrival::InOrder { skipped: 0 });
    assert_eq!(sequence.receive(3), Arrival::InOrder { skipped: 2 });
    assert_eq!(sequence.report().lost, 2);
    assert_eq!(sequence.receive(1), Arrival::Reordered { extent: 1 });
    assert_eq!(sequence.receive(1), Arrival::Duplicate);
    assert_eq!(sequence.receive(2), Arrival::Reordered { extent: 2 });
    assert_eq!(sequence.report().lost, 0);
}

#[test]
fn nothing_at_all_is_lost_to_the_tail() {
    let mut sequence = Sequence::new(7);
    sequence.sender_sent(10);
    let report = sequence.report();
    assert_eq!((report.expected, report.lost, report.tail_lost), (10, 10, 10));
    assert_eq!(report.loss_share(), 1.0);
    // A smaller claim changes nothing; late arrivals count as received.
    sequence.sender_sent(3);
    sequence.receive(16);
    let report = sequence.report();
    assert_eq!((report.expected, report.received, report.tail_lost), (10, 1, 0));
}

#[test]
fn one_flipped_bit_loses_nothing() {
    let mut sequence = Sequence::new(0);
    for number in 0..1_000 {
        let damaged = number % 100 == 50;
        let arrival = sequence.receive(if damaged { number ^ (1 << 40) } else { number });
        assert_eq!(arrival == Arrival::Implausible, damaged);
    }
    let report = sequence.report();
    assert_eq!((report.implausible, report.lost, report.received), (10, 10, 990));
}

#[test]
fn a_damaged_datagram_and_its_copy_prove_nothing() {
    let mut sequence = Sequence::new(0);
    sequence.receive(0);
    assert_eq!(sequence.receive(1 << 50), Arrival::Implausible);
    assert_eq!(sequence.receive(1 << 50), Arrival::Implausible);
    assert_eq!(sequence.receive(1), Arrival::InOrder { skipped: 0 });
    assert_eq!(sequence.report().implausible, 2);
}

#[test]
fn a_long_outage_is_counted_to_the_datagram() {
    let outage = 10 * DEFAULT_WINDOW as u64;
    let mut sequence = Sequence::new(0);
    sequence.receive(0);
    assert_eq!(sequence.receive(outage + 2), Arrival::Implausible);
    assert_eq!(sequence.receive(outage + 1), Arrival::Reordered { extent: 1 });
    let report = sequence.report();
    assert_eq!((report.received, report.lost, report.implausible), (3, outage, 0));

    // A single number after an outage counts once the sender claims as many.
    let mut sequence = Sequence::new(0);
    assert_eq!(sequence.receive(outage), Arrival::Implausible);
    sequence.sender_sent(outage + 1);
    let report = sequence.report();
    assert_eq!((report.received, report.lost, report.implausible), (1, outage, 0));
}

#[test]
fn what_nobody_can_have_sent_is_never_believed() {
    let mut sequence = Sequence::new(0);
    for number in (1 << 62)..(1 << 62) + 10 {
        assert_eq!(sequence.receive(number), Arrival::Implausible);
    }
    for _ in 0..10 {
        sequence.sender_sent(u64::MAX);
        sequence.restart(0);
    }
    assert_eq!(sequence.report().received, 0);
}

#[test]
fn before_the_first_number_there_is_nothing() {
    let mut sequence = Sequence::new(100);
    sequence.receive(100);
    assert_eq!(sequence.receive(99), Arrival::BeyondWindow);
    assert_eq!(sequence.report().expected, 1);
}
