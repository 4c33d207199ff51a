//! Comparison of hubs: the results of their turns, and ratios.

use super::turns::{Contender, Turn};
use crate::cpu::too_noisy;
use crate::report::{Report, Row, Wanted};
use crate::spread::Spread;

/// A table of hubs, in million deliveries per second: of the hub's busy CPU, and of the hub's
/// process (`own`), which is too low but less disturbed.
pub fn table(report: &mut Report, contenders: &[Contender]) {
    let rows = contenders.iter().map(|contender| (contender.name.to_string(), row(contender)));
    report.table(rows.collect());
}

fn row(contender: &Contender) -> Row {
    let sum = |of: fn(&Turn) -> u64| contender.turns.iter().map(of).sum::<u64>();
    vec![
        ("million_a_busy_second", spread(contender, |turn| turn.rate() / 1e6).into()),
        ("million_an_own_second", spread(contender, |turn| turn.own_rate() / 1e6).median.into()),
        ("others_percent", (spread(contender, Turn::others).median * 100.0).into()),
        ("sent", sum(|turn| turn.sent).into()),
        ("due", sum(|turn| turn.due).into()),
        ("delivered", sum(|turn| turn.delivered).into()),
        ("dropped_at_hub", sum(|turn| turn.dropped[0]).into()),
        ("dropped_at_members", sum(|turn| turn.dropped[1]).into()),
    ]
}

/// The ratio of two hubs, round by round. Skipped if either is not installed.
pub fn ratio(
    report: &mut Report,
    contenders: &[Contender],
    ours: &str,
    other: &str,
    wanted: Option<Wanted>,
) {
    let find = |name| contenders.iter().find(|contender| contender.name == name);
    let (Some(one), Some(two)) = (find(ours), find(other)) else { return };
    let rounds = |of: fn(&Turn) -> f64| {
        let rounds = one.turns.iter().zip(&two.turns);
        Spread::of(rounds.map(|(one, two)| of(one) / of(two)))
    };
    let name = format!("{ours} / {other}");
    let others = [one, two].map(|contender| spread(contender, Turn::others).median);
    match wanted {
        Some(wanted) => {
            let noisy = too_noisy(others[0].max(others[1]));
            report.judge_unless(&name, rounds(Turn::rate), wanted, noisy);
        }
        None => report.ratio(&name, rounds(Turn::rate)),
    }
    report.ratio(&format!("{name}, own seconds"), rounds(Turn::own_rate));
}

/// The comparison of two builds over all rounds: the median of the ratios with its 95 % confidence
/// interval. Skipped without another build.
pub fn interval(report: &mut Report, contenders: &[Contender], ours: &str, other: &str) {
    let find = |name| contenders.iter().find(|contender| contender.name == name);
    let (Some(one), Some(two)) = (find(ours), find(other)) else { return };
    let rates: [fn(&Turn) -> f64; 2] = [Turn::rate, Turn::own_rate];
    for (of, seconds) in rates.into_iter().zip(["busy", "own"]) {
        let rounds = one.all.iter().zip(&two.all);
        let ratios = rounds.map(|(one, two)| of(one) / of(two)).collect();
        report.ratio(&format!("{ours} / {other}, {seconds} seconds, 95 %"), confidence(ratios));
    }
}

/// The median of `ratios`, and the order statistics that bound the true median with 95 %
/// confidence, by the binomial distribution.
pub fn confidence(mut ratios: Vec<f64>) -> Spread {
    ratios.sort_by(f64::total_cmp);
    let n = ratios.len();
    // The normal approximation of the binomial: n/2 - 0.98 sqrt(n), rounded outwards.
    let out = (n as f64 / 2.0 - 0.98 * (n as f64).sqrt()).floor().max(0.0) as usize;
    Spread::of(ratios[out..n - out].iter().copied())
}

fn spread(contender: &Contender, of: fn(&Turn) -> f64) -> Spread {
    Spread::of(contender.turns.iter().map(of))
}
