//! What was measured, as a table on stdout and as JSON in a file.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::spread::Spread;
use crate::turns::{Contender, Turn};

/// The share of others on the hub's CPU from which on no target is judged.
const NOISY: f64 = 0.1;

/// One benchmark's report: sections, each with its hubs and ratios.
pub(crate) struct Report {
    name: &'static str,
    sections: Vec<Value>,
    section: Map<String, Value>,
    missed: bool,
}

impl Report {
    pub(crate) fn new(name: &'static str) -> Report {
        Report { name, sections: Vec::new(), section: Map::new(), missed: false }
    }

    /// Begins a section.
    pub(crate) fn title(&mut self, title: &str) {
        self.end_section();
        println!("\n{}: {title}", self.name);
        self.section.insert("title".into(), json!(title));
    }

    fn end_section(&mut self) {
        let section = std::mem::take(&mut self.section);
        if !section.is_empty() {
            self.sections.push(section.into());
        }
    }

    pub(crate) fn skipped(&mut self, name: &str) {
        println!("  {name}: not installed, skipped");
        self.figure(name, json!({ "skipped": "not installed" }));
    }

    /// A table of hubs, in million deliveries a second: of the hub's CPU being busy, and at the end
    /// (`own`) of the hub's process running, which is less than the truth but hardly disturbed.
    pub(crate) fn hubs(&mut self, contenders: &[Contender]) {
        println!(
            "  {:<28} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>10} {:>10} {:>7}",
            "M deliveries/busy second",
            "min",
            "median",
            "max",
            "others",
            "own",
            "sent",
            "due",
            "delivered",
            "dropped"
        );
        for contender in contenders {
            let spread = |of| spread_of(contender, of);
            let sum = |of: fn(&Turn) -> u64| contender.turns.iter().map(of).sum::<u64>();
            let (rate, own) = (spread(Turn::rate), spread(Turn::own_rate));
            let others = spread(Turn::others).median;
            let (sent, due) = (sum(|turn| turn.sent), sum(|turn| turn.due));
            let (delivered, dropped) = (sum(|turn| turn.delivered), sum(|turn| turn.dropped));
            println!(
                "  {:<28} {:>7.3} {:>7.3} {:>7.3} {:>6.1}% {:>7.3} {sent:>8} {due:>10} {delivered:>10} {dropped:>7}",
                contender.name,
                rate.min / 1e6,
                rate.median / 1e6,
                rate.max / 1e6,
                others * 100.0,
                own.median / 1e6
            );
            self.figure(
                contender.name,
                json!({
                    "members": contender.members.count(),
                    "deliveries_per_busy_second": rate.json(),
                    "deliveries_per_own_second": own.json(),
                    "others": others,
                    "sent": sent,
                    "due": due,
                    "delivered": delivered,
                    "dropped_by_kernel": dropped,
                }),
            );
        }
    }

    /// How two hubs compare, round by round.
    pub(crate) fn ratio(
        &mut self,
        contenders: &[Contender],
        ours: &str,
        other: &str,
        wanted: Option<f64>,
    ) {
        let find = |name| contenders.iter().find(|contender| contender.name == name);
        let (Some(one), Some(two)) = (find(ours), find(other)) else { return };
        let spread = |of: fn(&Turn) -> f64| {
            let rounds = one.turns.iter().zip(&two.turns);
            Spread::of(rounds.map(|(one, two)| of(one) / of(two)))
        };
        let others = spread_of(one, Turn::others).median.max(spread_of(two, Turn::others).median);
        let busy = spread(Turn::rate);
        let verdict = wanted.map(|wanted| match busy.median >= wanted {
            _ if others > NOISY => format!("at least {wanted} wanted: too noisy to judge"),
            true => format!("at least {wanted} wanted: reached"),
            false => {
                self.missed = true;
                format!("at least {wanted} wanted: MISSED")
            }
        });
        let name = format!("{ours} / {other}");
        self.compare(&name, busy, &verdict.unwrap_or_default());
        self.compare(&format!("{name}, own"), spread(Turn::own_rate), "");
    }

    /// A ratio, round by round, and what it means.
    pub(crate) fn compare(&mut self, name: &str, ratio: Spread, verdict: &str) {
        let Spread { min, median, max } = ratio;
        println!("  {name:<33} {min:>5.2} {median:>5.2} {max:>5.2}  {verdict}");
        let mut json = ratio.json();
        json["verdict"] = json!(verdict);
        self.figure(name, json);
    }

    /// Anything else for the file.
    pub(crate) fn figure(&mut self, name: &str, value: Value) {
        self.section.insert(name.into(), value);
    }

    /// Writes the file. False if a target was missed.
    pub(crate) fn finish(mut self) -> bool {
        self.end_section();
        let path = folder().join(format!("fanout-{}.json", self.name));
        let json = json!({ "bench": self.name, "sections": self.sections });
        let text = serde_json::to_string_pretty(&json).expect("numbers and words");
        std::fs::write(&path, text + "\n").expect("the target folder is ours");
        println!("  written to {}", path.display());
        !self.missed
    }
}

fn spread_of(contender: &Contender, of: fn(&Turn) -> f64) -> Spread {
    Spread::of(contender.turns.iter().map(of))
}

/// `bench` in Cargo's target folder.
pub(crate) fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    std::fs::create_dir_all(&folder).expect("the target folder is ours");
    folder
}
