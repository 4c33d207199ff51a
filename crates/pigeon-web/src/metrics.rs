//! The text of `/metrics`, in Prometheus's text format 0.0.4. Thirty lines instead of a client library,
//! whose registry and atomic counters have no use here: the figures are those of one moment.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::http::Response;

/// The figures of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(String);

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Something that only grows. Its name gets the suffix `_total`.
    Sum,
    /// Something that grows and shrinks.
    Level,
}

impl Snapshot {
    /// Adds a figure.
    pub fn add(&mut self, kind: Counted, name: &str, help: &str, value: f64) {
        let name = self.begin(kind, name, help);
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name} {value}");
    }

    /// Adds a figure for each value of a label. Their number must be bounded.
    pub fn add_each(
        &mut self,
        kind: Counted,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (Cow<'static, str>, f64)>,
    ) {
        let name = self.begin(kind, name, help);
        for (word, value) in values {
            let word = word.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let _ = writeln!(self.0, "{name}{{{label}=\"{word}\"}} {value}");
        }
    }

    /// Describes a figure, and returns its whole name.
    fn begin(&mut self, kind: Counted, name: &str, help: &str) -> String {
        let (name, kind) = match kind {
            Counted::Sum => (format!("{name}_total"), "counter"),
            Counted::Level => (name.to_owned(), "gauge"),
        };
        let _ = writeln!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}");
        name
    }

    /// The answer to a scrape.
    pub fn response(self) -> Response {
        Response::of("text/plain; version=0.0.4; charset=utf-8", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_with_their_kind_and_labels() {
        let mut snapshot = Snapshot::default();
        snapshot.add(Counted::Level, "pigeon_members", "Members", 3.0);
        let drops = [("rate".into(), 2.5), ("a\"b\\c\n".into(), 1e15)];
        snapshot.add_each(Counted::Sum, "pigeon_dropped", "Dropped", "reason", drops);
        let response = snapshot.response();
        let text = std::str::from_utf8(&response.body).unwrap();
        let expected = r#"# HELP pigeon_members Members.
# TYPE pigeon_members gauge
pigeon_members 3
# HELP pigeon_dropped_total Dropped.
# TYPE pigeon_dropped_total counter
pigeon_dropped_total{reason="rate"} 2.5
pigeon_dropped_total{reason="a\"b\\c\n"} 1000000000000000
"#;
        assert_eq!(text, expected);
    }
}
