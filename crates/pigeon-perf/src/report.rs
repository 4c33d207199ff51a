//! A benchmark's report: prints tables, judges targets, and writes all of it as JSON to
//! `bench/NAME.json` in Cargo's target folder.
//!
//! A figure has one name: what the file calls `dropped_at_hub` stands below `dropped at hub` in
//! the table. Names carry their units.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::cargo::cargo;
use crate::spread::{Spread, rounded};

/// One benchmark's report: sections, each with tables, targets and remarks.
pub struct Report {
    name: String,
    started: Instant,
    sections: Vec<Section>,
    missed: bool,
}

#[derive(Default)]
struct Section {
    title: String,
    rows: Map<String, Value>,
    ratios: Map<String, Value>,
    remarks: Vec<String>,
}

/// One cell of a table.
pub enum Figure {
    /// A whole number.
    Count(u64),
    /// Any number; the report rounds it.
    Number(f64),
    /// Several measurements of one figure.
    Spread(Spread),
}

/// The cells of a row, each with its name. All rows of a table have the same names.
pub type Row = Vec<(&'static str, Figure)>;

/// The target of a figure.
#[derive(Clone, Copy)]
pub enum Wanted {
    /// The figure must be at least this.
    AtLeast(f64),
    /// The figure must be at most this.
    AtMost(f64),
    /// No farther than this from 1.
    NearOne(f64),
}

impl Report {
    /// An empty report; `name` is the file's too.
    pub fn new(name: &str) -> Report {
        let sections = Vec::new();
        Report { name: name.into(), started: Instant::now(), sections, missed: false }
    }

    /// Begins a section. The other methods add to it.
    pub fn section(&mut self, title: &str) {
        println!("\n{}: {title}", self.name);
        self.sections.push(Section { title: title.into(), ..Section::default() });
    }

    fn last(&mut self) -> &mut Section {
        self.sections.last_mut().expect("a section was begun")
    }

    /// Adds a remark in words.
    pub fn remark(&mut self, words: &str) {
        println!("  {words}");
        self.last().remarks.push(words.into());
    }

    /// Notes that a program is left out.
    pub fn skipped(&mut self, program: &str) {
        self.remark(&format!("{program}: not installed, skipped"));
    }

    /// Adds a table, with a named row for each contender.
    pub fn table(&mut self, rows: Vec<(String, Row)>) {
        let Some((_, first)) = rows.first() else { return };
        let headings: Vec<String> = first.iter().map(|(name, _)| name.replace('_', " ")).collect();
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|(_, row)| row.iter().map(|(_, figure)| figure.text()).collect())
            .collect();
        let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..headings.len())
            .map(|at| {
                cells
                    .iter()
                    .map(|row| &row[at])
                    .chain([&headings[at]])
                    .map(|c| c.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let print = |name: &str, cells: &[String]| {
            let cells: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
            println!("  {name:<names$}  {}", cells.join("  "));
        };
        print("", &headings);
        for ((name, row), cells) in rows.into_iter().zip(&cells) {
            print(&name, cells);
            let figures = row.iter().map(|(name, figure)| (name.to_string(), figure.json()));
            self.last().rows.insert(name, Value::Object(figures.collect()));
        }
    }

    /// Adds a figure without a target, most often a ratio taken round by round.
    pub fn ratio(&mut self, name: &str, ratio: impl Into<Spread>) {
        self.note(name, ratio.into(), "", "");
    }

    /// Adds a figure and judges its median.
    pub fn judge(&mut self, name: &str, figure: impl Into<Spread>, wanted: Wanted) {
        self.judge_unless(name, figure, wanted, None);
    }

    /// Judges a figure like `judge`, unless there is a reason not to.
    pub fn judge_unless(
        &mut self,
        name: &str,
        figure: impl Into<Spread>,
        wanted: Wanted,
        reason: Option<String>,
    ) {
        let figure = figure.into();
        let met = wanted.is_met(figure.median);
        let verdict = match (reason, met) {
            (Some(reason), _) => format!("not judged: {reason}"),
            (None, true) => "met".to_string(),
            (None, false) => {
                self.missed = true;
                "MISSED".to_string()
            }
        };
        self.note(name, figure, &wanted.words(), &verdict);
    }

    fn note(&mut self, name: &str, figure: Spread, wanted: &str, verdict: &str) {
        let text = Figure::Spread(figure).text();
        let separator = if wanted.is_empty() { "" } else { ": " };
        let line = format!("  {name:<52}  {text:<22}  {wanted}{separator}{verdict}");
        println!("{}", line.trim_end());
        let mut json = figure.json();
        if !wanted.is_empty() {
            json["wanted"] = json!(wanted);
            json["verdict"] = json!(verdict.to_lowercase());
        }
        self.last().ratios.insert(name.into(), json);
    }

    /// Writes the file. Returns false if a target was missed.
    fn finish(self) -> bool {
        let path = folder().join(format!("{}.json", self.name));
        let sections: Vec<Value> = self.sections.iter().map(Section::json).collect();
        let seconds = rounded(self.started.elapsed().as_secs_f64());
        let json = json!({
            "bench": self.name, "seconds": seconds, "missed": self.missed, "sections": sections,
        });
        let text = serde_json::to_string_pretty(&json).expect("numbers and words");
        std::fs::write(&path, text + "\n").expect("the target folder is ours");
        println!("  took {seconds:.0} s; written to {}", path.display());
        !self.missed
    }
}

/// Writes each report's file as soon as the report is complete, and ends the program: with exit
/// status 1 if any target was missed.
pub fn end(reports: impl IntoIterator<Item = Report>) -> ! {
    let missed = reports.into_iter().filter_map(|report| (!report.finish()).then_some(())).count();
    std::process::exit(i32::from(missed > 0));
}

/// The folder `bench` in Cargo's target folder; created if missing.
pub fn folder() -> PathBuf {
    let folder = PathBuf::from(cargo().target_tmp).with_file_name("bench");
    std::fs::create_dir_all(&folder).expect("the target folder is ours");
    folder
}

impl Section {
    fn json(&self) -> Value {
        json!({
            "title": self.title, "rows": self.rows, "ratios": self.ratios, "remarks": self.remarks,
        })
    }
}

impl Wanted {
    /// Whether a figure meets the target.
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Wanted::AtLeast(least) => figure >= least,
            Wanted::AtMost(most) => figure <= most,
            Wanted::NearOne(near) => (figure - 1.0).abs() <= near,
        }
    }

    fn words(self) -> String {
        match self {
            Wanted::AtLeast(least) => format!("at least {least} wanted"),
            Wanted::AtMost(most) => format!("at most {most} wanted"),
            Wanted::NearOne(near) => format!("within {near} of 1 wanted"),
        }
    }
}

impl Figure {
    fn text(&self) -> String {
        match self {
            Figure::Count(count) => count.to_string(),
            Figure::Number(number) => digits(*number),
            Figure::Spread(Spread { min, median, max }) if min == max => digits(*median),
            Figure::Spread(Spread { min, median, max }) => {
                format!("{} ({}–{})", digits(*median), digits(*min), digits(*max))
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Figure::Count(count) => json!(count),
            Figure::Number(number) => json!(rounded(*number)),
            Figure::Spread(spread) => spread.json(),
        }
    }
}

impl From<u64> for Figure {
    fn from(count: u64) -> Figure {
        Figure::Count(count)
    }
}

impl From<usize> for Figure {
    fn from(count: usize) -> Figure {
        Figure::Count(count as u64)
    }
}

impl From<f64> for Figure {
    fn from(number: f64) -> Figure {
        Figure::Number(number)
    }
}

impl From<Spread> for Figure {
    fn from(spread: Spread) -> Figure {
        Figure::Spread(spread)
    }
}

/// A number with about four significant digits, as precise as any measurement here.
fn digits(number: f64) -> String {
    match number.abs() {
        _ if number.fract() == 0.0 => format!("{number}"),
        1_000.0.. => format!("{number:.0}"),
        100.0.. => format!("{number:.1}"),
        10.0.. => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}
