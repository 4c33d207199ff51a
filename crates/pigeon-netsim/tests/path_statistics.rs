//! Compares the path's statistics with theory, over a million datagrams per setting. Seeds are
//! fixed, so a test that passes once always passes; the bounds are five standard deviations.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, outside of `#[test]`")]

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_netsim::path::{
    Bursts, Conditions, DropReason, Fate, Jitter, Loss, Path, Probability, Rate, Reorder, Timeline,
};
use rand_core::SeedableRng;
use rand_pcg::Pcg64;

const MILLION: u64 = 1_000_000;
const START: Instant = Instant::from_nanos(1_000_000_000);

/// Small, so that a million of them are cheap.
type Payload = [u8; 4];

fn share(share: f64) -> Probability {
    Probability::new(share).unwrap()
}

fn ns(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

fn path(conditions: Conditions, seed: u64) -> Path<Payload> {
    Path::seeded(conditions, seed).unwrap()
}

/// Sends a million datagrams at one instant, takes the due ones, and passes each fate to `see`.
fn send_a_million(path: &mut Path<Payload>, mut see: impl FnMut(Fate)) {
    for number in 0..MILLION {
        see(path.send(START, (number as u32).to_le_bytes()));
        while path.poll(Instant::from_nanos(u64::MAX)).is_some() {}
    }
}

/// Asserts that a count is plausible for a binomial distribution over `of` trials.
fn assert_binomial(count: u64, of: u64, probability: f64) {
    let mean = of as f64 * probability;
    assert_near(count as f64, mean, (mean * (1.0 - probability)).sqrt());
}

fn assert_near(value: f64, mean: f64, deviation: f64) {
    let off = (value - mean) / deviation;
    assert!(off.abs() < 5.0, "{value} is {off:.2} standard deviations from {mean}");
}

/// Pearson's chi-squared test: the statistic has mean `k` and variance `2k` for `k` degrees of
/// freedom.
fn assert_chi_squared(observed: &[u64], expected: impl Fn(usize) -> f64) {
    let term = |(bin, &count): (usize, &u64)| {
        let expected = expected(bin);
        assert!(expected > 5.0, "too few are expected in bin {bin}");
        (count as f64 - expected).powi(2) / expected
    };
    let statistic: f64 = observed.iter().enumerate().map(term).sum();
    let freedom = (observed.len() - 1) as f64;
    let off = (statistic - freedom) / (2.0 * freedom).sqrt();
    assert!(off < 5.0, "chi-squared {statistic} at {freedom} degrees of freedom");
}

fn is_lost(fate: Fate) -> bool {
    fate == Fate::Dropped(DropReason::Lost)
}

fn random_loss(probability: f64) {
    let conditions = Conditions { loss: Loss::Random(share(probability)), ..Conditions::default() };
    let mut path = path(conditions, 1);
    let mut lost = 0;
    send_a_million(&mut path, |fate| lost += u64::from(is_lost(fate)));
    assert_binomial(lost, MILLION, probability);
    let counters = path.statistics();
    assert_eq!((counters.lost, counters.delivered), (lost, MILLION - lost));
}

#[test]
fn random_loss_of_a_thousandth() {
    random_loss(0.001);
}

#[test]
fn random_loss_of_a_hundredth() {
    random_loss(0.01);
}

#[test]
fn random_loss_of_a_tenth() {
    random_loss(0.1);
}

#[test]
fn random_loss_of_a_half() {
    random_loss(0.5);
}

#[test]
fn bursts_have_the_mean_loss_and_geometric_lengths() {
    let (mean_loss, mean_burst) = (0.05, 4.0);
    let bursts = Bursts::from_means(share(mean_loss), mean_burst).unwrap();
    let conditions = Conditions { loss: Loss::Bursts(bursts), ..Conditions::default() };
    // The last bin counts all longer ones.
    let mut lengths = [0_u64; 21];
    let (mut run, mut lost) = (0_usize, 0);
    send_a_million(&mut path(conditions, 2), |fate| {
        if is_lost(fate) {
            run += 1;
            lost += 1;
        } else if run > 0 {
            lengths[run.min(lengths.len()) - 1] += 1;
            run = 0;
        }
    });

    // The loss: a two-state chain with autocorrelation 1 - p - r at lag one, which widens the
    // binomial variance by (1 + lambda) / (1 - lambda).
    let lambda = 1.0 - bursts.becomes_bad.share() - bursts.becomes_good.share();
    let variance = MILLION as f64 * mean_loss * (1.0 - mean_loss) * (1.0 + lambda) / (1.0 - lambda);
    assert_near(lost as f64, MILLION as f64 * mean_loss, variance.sqrt());

    // The lengths: geometric with q = 1 / mean, of variance (1 - q) / q^2.
    let q = 1.0 / mean_burst;
    let count: u64 = lengths.iter().sum();
    let deviation = ((1.0 - q) / (q * q) / count as f64).sqrt();
    assert_near(lost as f64 / count as f64, mean_burst, deviation);
    assert_chi_squared(&lengths, |bin| {
        let longer = (1.0 - q).powi(bin as i32);
        count as f64 * if bin + 1 == lengths.len() { longer } else { longer * q }
    });
}

#[test]
fn a_channel_that_loses_in_both_states_has_the_mean_of_both() {
    let (p, r, good, bad) = (0.02, 0.1, 0.01, 0.6);
    let bursts = Bursts {
        becomes_bad: share(p),
        becomes_good: share(r),
        loss_in_good: share(good),
        loss_in_bad: share(bad),
    };
    let conditions = Conditions { loss: Loss::Bursts(bursts), ..Conditions::default() };
    let (mut lost, mut pairs, mut before) = (0_u64, 0_u64, false);
    send_a_million(&mut path(conditions, 3), |fate| {
        let is_lost = is_lost(fate);
        lost += u64::from(is_lost);
        pairs += u64::from(is_lost && before);
        before = is_lost;
    });
    let (in_good, in_bad, lambda) = (r / (p + r), p / (p + r), 1.0 - p - r);
    let between = (bad - good).powi(2) * in_good * in_bad;
    let within = in_good * good * (1.0 - good) + in_bad * bad * (1.0 - bad);
    let variance = within + between * (1.0 + lambda) / (1.0 - lambda);
    let mean = in_good * good + in_bad * bad;
    let n = MILLION as f64;
    assert_near(lost as f64, n * mean, (n * variance).sqrt());
    // Two lost in a row: the mean squared, plus the states' autocorrelation. The exact variance is
    // long, so the bound is a generous three per cent.
    let in_a_row = mean * mean + between * lambda;
    assert!((pairs as f64 / (n * in_a_row) - 1.0).abs() < 0.03);
}

#[test]
fn the_delay_is_exact() {
    let delay = Duration::from_micros(12_345);
    let mut path = path(Conditions { delay, ..Conditions::default() }, 4);
    for number in 0..MILLION {
        let now = START + ns(number);
        path.send(now, [0; 4]);
        assert_eq!(path.poll_timeout(), Some(now + delay));
        assert!(path.poll(now + (delay - ns(1))).is_none());
        assert!(path.poll(now + delay).is_some());
    }
}

#[test]
fn jitter_is_uniform_to_both_ends() {
    let (delay, spread) = (1_000_000, 5_000);
    let conditions = Conditions {
        delay: ns(delay),
        jitter: Jitter::Uniform(ns(spread)),
        ..Conditions::default()
    };
    let values = 2 * spread + 1;
    // 10,001 values in 73 bins of 137, so all bins are equal.
    let mut bins = [0_u64; 73];
    let (mut sum, mut squares, mut least, mut most) = (0.0, 0.0, u64::MAX, 0);
    send_a_million(&mut path(conditions, 5), |fate| {
        let Fate::Carried { due, .. } = fate else { panic!("{fate:?}") };
        let above = (due - START).as_nanos() as u64 - (delay - spread);
        bins[above as usize / 137] += 1;
        let from_mean = above as f64 - spread as f64;
        sum += from_mean;
        squares += from_mean * from_mean;
        least = least.min(above);
        most = most.max(above);
    });
    assert_eq!((least, most), (0, 2 * spread));
    assert_chi_squared(&bins, |_| MILLION as f64 / 73.0);
    // A discrete uniform over m values: variance (m^2 - 1) / 12, and the variance of its square is
    // (m^2 - 1)(m^2 - 4) / 180.
    let (n, m2) = (MILLION as f64, (values * values) as f64);
    let variance = (m2 - 1.0) / 12.0;
    assert_near(sum / n, 0.0, (variance / n).sqrt());
    assert_near(squares / n, variance, ((m2 - 1.0) * (m2 - 4.0) / 180.0 / n).sqrt());
}

/// The standard normal distribution's mass between two points, by Simpson's rule.
fn normal_mass(from: f64, to: f64) -> f64 {
    let density = |z: f64| (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let step = (to - from) / 1_000.0;
    let points = (0..=1_000).map(|i| {
        let weight = [2.0, 4.0][i % 2] - f64::from(u8::from(i == 0 || i == 1_000));
        weight * density(from + i as f64 * step)
    });
    points.sum::<f64>() * step / 3.0
}

/// The delays of a million datagrams, in nanoseconds.
fn delays(delay: u64, jitter: Jitter, seed: u64) -> Vec<f64> {
    let conditions = Conditions { delay: ns(delay), jitter, ..Conditions::default() };
    let mut delays = Vec::new();
    send_a_million(&mut path(conditions, seed), |fate| {
        let Fate::Carried { due, .. } = fate else { panic!("{fate:?}") };
        delays.push((due - START).as_nanos() as f64);
    });
    delays
}

#[test]
fn jitter_is_normal_within_four_deviations() {
    let (delay, deviation) = (50_000_000, 10_000_000);
    let delays = delays(delay, Jitter::Normal(ns(deviation)), 19);
    let scores = delays.iter().map(|due| (due - delay as f64) / deviation as f64);
    // 32 bins of a quarter of a deviation.
    let mut bins = [0_u64; 32];
    let (mut sum, mut squares) = (0.0, 0.0);
    for score in scores {
        bins[((score + 4.0) * 4.0).floor().min(31.0) as usize] += 1;
        sum += score;
        squares += score * score;
    }
    let all = normal_mass(-4.0, 4.0);
    assert_chi_squared(&bins, |bin| {
        let from = bin as f64 / 4.0 - 4.0;
        MILLION as f64 * normal_mass(from, from + 0.25) / all
    });
    // Cut off at four deviations, the variance is 0.99893 of the whole.
    let n = MILLION as f64;
    assert_near(sum / n, 0.0, (0.99893 / n).sqrt());
    assert_near(squares / n, 0.99893, (2.0 / n).sqrt());
}

#[test]
fn jitter_has_the_tail_of_a_pareto_distribution() {
    let (delay, deviation) = (50_000_000.0, 10_000_000.0);
    let delays = delays(50_000_000, Jitter::Pareto(ns(10_000_000)), 20);
    let (scale, root) = (deviation * 2.0 / 3.0_f64.sqrt(), 3.0_f64.sqrt());
    // Fifty equally likely bins; and the share beyond ten times the scale, one in a thousand.
    let (mut bins, mut far, mut sum) = ([0_u64; 50], 0, 0.0);
    for due in delays {
        let times = (due - delay + root * deviation) / scale;
        let share_above = times.powi(-3).min(1.0);
        bins[((share_above * 50.0) as usize).min(49)] += 1;
        far += u64::from(share_above < 0.001);
        sum += due;
    }
    assert_chi_squared(&bins, |_| MILLION as f64 / 50.0);
    assert_binomial(far, MILLION, 0.001);
    assert_near(sum / MILLION as f64, delay, deviation / 1_000.0);
}

#[test]
fn the_share_held_back_is_overtaken() {
    let by = ns(10);
    let conditions = Conditions {
        delay: ns(100),
        reorder: Reorder { probability: share(0.03), by },
        ..Conditions::default()
    };
    let mut path = path(conditions, 6);
    let (mut held, mut late, mut newest) = (0, 0, None);
    for number in 0..MILLION {
        // A pair every 100 ns. Held back for 10 ns, the first of a pair is overtaken by the second,
        // but not by the next pair.
        let now = START + ns(number / 2 * 100);
        let fate = path.send(now, (number as u32).to_le_bytes());
        let Fate::Carried { due, held_back, .. } = fate else { panic!("{fate:?}") };
        assert_eq!(due, now + ns(100) + if held_back { by } else { ns(0) });
        held += u64::from(held_back);
        if number % 2 == 1 {
            while let Some(arrived) = path.poll(now + ns(110)) {
                let arrived = Some(u32::from_le_bytes(arrived));
                late += u64::from(arrived < newest);
                newest = newest.max(arrived);
            }
        }
    }
    assert_binomial(held, MILLION, 0.03);
    assert_eq!(path.statistics().held_back, held);
    // The first of a pair is held back, and the second is not.
    assert_binomial(late, MILLION / 2, 0.03 * 0.97);
}

#[test]
fn the_share_duplicated_arrives_twice() {
    let mut path = path(Conditions { duplicate: share(0.02), ..Conditions::default() }, 7);
    let mut copies = 0;
    for number in 0..MILLION {
        let payload = (number as u32).to_le_bytes();
        let fate = path.send(START, payload);
        let Fate::Carried { copy_due, .. } = fate else { panic!("{fate:?}") };
        copies += u64::from(copy_due.is_some());
        assert_eq!(path.poll(START), Some(payload));
        assert_eq!(path.poll(START), copy_due.map(|_| payload));
    }
    assert_binomial(copies, MILLION, 0.02);
    let counters = path.statistics();
    assert_eq!((counters.duplicated, counters.delivered), (copies, MILLION + copies));
}

#[test]
fn the_share_corrupted_has_one_bit_flipped_anywhere() {
    let mut path = path(Conditions { corrupt: share(0.25), ..Conditions::default() }, 8);
    let mut bits = [0_u64; 32];
    for number in 0..MILLION {
        let sent = (number as u32).wrapping_mul(2_654_435_761);
        let fate = path.send(START, sent.to_le_bytes());
        let Fate::Carried { corrupted_bit, .. } = fate else { panic!("{fate:?}") };
        let arrived = u32::from_le_bytes(path.poll(START).unwrap());
        let expected = corrupted_bit.map_or(0, |bit| 1 << bit);
        assert_eq!(sent ^ arrived, expected);
        if let Some(bit) = corrupted_bit {
            bits[bit] += 1;
        }
    }
    let corrupted: u64 = bits.iter().sum();
    assert_binomial(corrupted, MILLION, 0.25);
    assert_eq!(path.statistics().corrupted, corrupted);
    assert_chi_squared(&bits, |_| corrupted as f64 / 32.0);
}

#[test]
fn an_empty_datagram_is_never_corrupted() {
    let certain = Conditions { corrupt: Probability::ALWAYS, ..Conditions::default() };
    let mut path = Path::<[u8; 0]>::seeded(certain, 9).unwrap();
    path.send(START, []);
    assert_eq!(path.poll(START), Some([]));
    assert_eq!(path.statistics().corrupted, 0);
}

#[test]
fn the_rate_is_kept_and_its_queue_is_bounded() {
    // Four bytes offered per microsecond, three carried: 4/3 microseconds per datagram of 4 bytes.
    let rate = Rate { bytes_per_second: 3_000_000, queue_bytes: 3_000 };
    let mut path = path(Conditions { rate: Some(rate), ..Conditions::default() }, 10);
    let (mut accepted, mut longest, mut last) = (0_u64, Duration::ZERO, START);
    for number in 0..MILLION {
        let now = START + Duration::from_micros(number);
        match path.send(now, [0; 4]) {
            Fate::Carried { due, .. } => {
                assert!(due > last, "two datagrams leave at once");
                accepted += 1;
                longest = longest.max(due - now);
                last = due;
            }
            fate => assert_eq!(fate, Fate::Dropped(DropReason::QueueFull)),
        }
        while path.poll(now).is_some() {}
    }
    // Always busy from the first datagram on: exactly bytes divided by rate.
    assert_eq!((last - START).as_nanos(), u128::from(accepted) * 4_000_000_000 / 3_000_000);
    // A full queue takes 1 ms to leave. It is never fuller, and was within one datagram of full.
    let full = Duration::from_millis(1);
    assert!(longest <= full && longest > full - ns(1_334), "{longest:?}");
    // The bytes that leave in one second, and those queued at its end, in datagrams of 4 bytes.
    let most = (3_000_000 + 3_000) / 4;
    assert!((most - 2..=most).contains(&accepted), "{accepted}");
    assert_eq!(path.statistics().dropped_queue_full, MILLION - accepted);
}

#[test]
fn the_mtu_is_the_largest_that_passes() {
    let conditions = Conditions { mtu: Some(10), ..Conditions::default() };
    let mut path = Path::<Vec<u8>>::seeded(conditions, 11).unwrap();
    for number in 0..MILLION as usize {
        let fate = path.send(START, vec![0; number % 21]);
        assert_eq!(fate == Fate::Dropped(DropReason::Mtu), number % 21 > 10);
        path.poll(START);
    }
    let too_large = MILLION / 21 * 10 + (MILLION % 21).saturating_sub(11);
    assert_eq!(path.statistics().dropped_mtu, too_large);
}

/// Counts the datagrams with both events, each of probability one half.
fn joint(first: &mut Path<Payload>, second: &mut Path<Payload>) -> u64 {
    let mut both = 0;
    for _ in 0..MILLION {
        let lost = [&mut *first, second].map(|path| {
            let fate = path.send(START, [0; 4]);
            path.poll(START);
            is_lost(fate)
        });
        both += u64::from(lost == [true, true]);
    }
    both
}

#[test]
fn two_directions_from_one_seed_are_independent() {
    let half = Conditions { loss: Loss::Random(share(0.5)), ..Conditions::default() };
    let mut rng = Pcg64::seed_from_u64(12);
    let mut up = Path::new(half.clone(), &mut rng).unwrap();
    let mut down = Path::new(half, &mut rng).unwrap();
    assert_binomial(joint(&mut up, &mut down), MILLION, 0.25);
}

#[test]
fn neighbouring_seeds_are_independent() {
    let half = Conditions { loss: Loss::Random(share(0.5)), ..Conditions::default() };
    assert_binomial(joint(&mut path(half.clone(), 13), &mut path(half, 14)), MILLION, 0.25);
}

#[test]
fn the_knobs_of_one_path_are_independent() {
    let half = share(0.5);
    let conditions = Conditions {
        delay: ns(1_000),
        jitter: Jitter::Uniform(ns(1_000)),
        reorder: Reorder { probability: half, by: ns(10_000) },
        duplicate: half,
        corrupt: half,
        ..Conditions::default()
    };
    // Each combination of the four, with jitter as below or above its mean, is equally likely.
    let mut combinations = [0_u64; 16];
    send_a_million(&mut path(conditions, 15), |fate| {
        let Fate::Carried { due, held_back, corrupted_bit, copy_due } = fate else {
            panic!("{fate:?}")
        };
        let travelled = due - START - if held_back { ns(10_000) } else { ns(0) };
        let bits = [held_back, corrupted_bit.is_some(), copy_due.is_some(), travelled > ns(1_000)];
        combinations[bits.iter().fold(0, |sum, &bit| sum * 2 + usize::from(bit))] += 1;
    });
    // The mean itself is one of 2,001 values, so "below" is likelier by that much.
    let (below, above) = (1_001.0 / 2_001.0, 1_000.0 / 2_001.0);
    assert_chi_squared(&combinations, |bin| {
        MILLION as f64 / 8.0 * if bin % 2 == 1 { above } else { below }
    });
}

#[test]
fn a_copy_finds_its_own_way() {
    let conditions = Conditions {
        delay: ns(1_000),
        jitter: Jitter::Uniform(ns(1_000)),
        duplicate: Probability::ALWAYS,
        ..Conditions::default()
    };
    let late = |due: Instant| due - START > ns(1_000);
    let mut both = 0;
    send_a_million(&mut path(conditions, 18), |fate| {
        let Fate::Carried { due, copy_due, .. } = fate else { panic!("{fate:?}") };
        both += u64::from(late(due) && copy_due.is_some_and(late));
    });
    let above = 1_000.0 / 2_001.0;
    assert_binomial(both, MILLION, above * above);
}

#[test]
fn turning_one_knob_leaves_the_draws_of_the_others() {
    let loss = Loss::Random(share(0.1));
    let mut plain = path(Conditions { loss, ..Conditions::default() }, 16);
    let mut busy = path(
        Conditions {
            loss,
            delay: ns(1_000),
            jitter: Jitter::Uniform(ns(1_000)),
            reorder: Reorder { probability: share(0.1), by: ns(5_000) },
            duplicate: share(0.1),
            corrupt: share(0.1),
            ..Conditions::default()
        },
        16,
    );
    let more = Loss::Random(share(0.2));
    let mut worse = path(Conditions { loss: more, ..Conditions::default() }, 16);
    for _ in 0..MILLION {
        let [plain, busy, worse] = [&mut plain, &mut busy, &mut worse].map(|path| {
            let fate = path.send(START, [0; 4]);
            while path.poll(Instant::from_nanos(u64::MAX)).is_some() {}
            is_lost(fate)
        });
        assert_eq!(plain, busy);
        assert!(worse || !plain, "a higher loss lets through what a lower one lost");
    }
}

#[test]
fn a_timeline_of_one_knob_leaves_the_draws_of_the_others() {
    let quiet = Conditions { loss: Loss::Random(share(0.1)), ..Conditions::default() };
    let mut rough = quiet.clone();
    (rough.delay, rough.duplicate) = (ns(1_000), share(0.5));
    rough.jitter = Jitter::Pareto(ns(1_000));
    // A round of ten datagrams, five of them under rough conditions.
    let changes = vec![(ns(0), quiet.clone()), (ns(5), rough)];
    let mut timeline = Timeline::new(START, changes, Some(ns(10))).unwrap();
    let (mut plain, mut changing) = (path(quiet.clone(), 21), path(quiet, 21));
    let (mut lost, mut copies) = ([0_u64; 2], [0_u64; 2]);
    for number in 0..MILLION {
        let now = START + ns(number);
        while let Some(conditions) = timeline.poll(now) {
            changing.set_conditions(now, conditions.clone()).unwrap();
        }
        let [one, other] = [&mut plain, &mut changing].map(|path| path.send(now, [0; 4]));
        assert_eq!(is_lost(one), is_lost(other));
        let half = usize::from(number % 10 >= 5);
        lost[half] += u64::from(is_lost(other));
        copies[half] += u64::from(matches!(other, Fate::Carried { copy_due: Some(_), .. }));
        for path in [&mut plain, &mut changing] {
            while path.poll(Instant::from_nanos(u64::MAX)).is_some() {}
        }
    }
    assert_binomial(lost[0], MILLION / 2, 0.1);
    assert_binomial(lost[1], MILLION / 2, 0.1);
    assert_eq!(copies[0], 0);
    assert_binomial(copies[1], MILLION / 2, 0.9 * 0.5);
}

#[test]
fn what_passes_a_transparent_path_has_its_draws() {
    let half = Conditions { loss: Loss::Random(share(0.5)), ..Conditions::default() };
    let (mut sent, mut passed) = (path(Conditions::default(), 22), path(Conditions::default(), 22));
    for round in 0..100 {
        for path in [&mut sent, &mut passed] {
            path.set_conditions(START, Conditions::default()).unwrap();
            assert!(path.is_transparent());
        }
        for _ in 0..round {
            sent.send(START, [0; 4]);
            assert!(sent.poll(START).is_some());
        }
        passed.pass(round);
        for path in [&mut sent, &mut passed] {
            path.set_conditions(START, half.clone()).unwrap();
            assert!(!path.is_transparent());
        }
        for _ in 0..100 {
            assert_eq!(sent.send(START, [0; 4]), passed.send(START, [0; 4]));
        }
        for path in [&mut sent, &mut passed] {
            while path.poll(START).is_some() {}
        }
        assert_eq!(sent.statistics(), passed.statistics());
    }
}

#[test]
fn an_mtu_leaves_the_bursts_of_the_rest() {
    let bursts = Loss::Bursts(Bursts::from_means(share(0.2), 5.0).unwrap());
    let all = Conditions { loss: bursts, ..Conditions::default() };
    let small = Conditions { mtu: Some(10), ..all.clone() };
    let mut all = Path::<Vec<u8>>::seeded(all, 17).unwrap();
    let mut small = Path::<Vec<u8>>::seeded(small, 17).unwrap();
    for number in 0..MILLION as usize / 10 {
        let payload = vec![0; number % 2 * 20];
        let [all, small] = [&mut all, &mut small].map(|path| {
            let fate = path.send(START, payload.clone());
            path.poll(START);
            fate
        });
        if payload.is_empty() {
            assert_eq!(all, small);
        }
    }
}
