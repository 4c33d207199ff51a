//! Scenarios: conditions that change over time, as a TOML file.
//!
//! ```toml
//! description = "A lift between two floors"
//! repeat = "20s"            # restarts after this time; without it the last step stays
//!
//! [[step]]
//! at = "0s"
//! delay = "20ms"            # both directions, the flags' syntax
//! down = { loss = "1%" }    # one direction
//!
//! [[step]]
//! at = "8s"
//! note = "doors closed"
//! loss = "60%:20"
//! handover = true           # clients reach the target from new addresses
//! ```
//!
//! A step changes only the conditions it names. The first starts from those of the command line,
//! and so does each repetition.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use pigeon_datagram::Instant;
use pigeon_netsim::path::Timeline;
use pigeon_netsim::relay::Step;
use pigeon_text::escape;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Shapes;
use super::knobs::{KNOBS, Setting, Shape};
use crate::base::place::place;
use crate::base::quantity;
use crate::base::status::UsageError;
use crate::base::system_error;
use crate::base::text_file;
use crate::words::{self, say};

/// Maximum size of the file, and maximum number of steps.
const MAX_BYTES: u64 = 1 << 20;
const MAX_STEPS: usize = 10_000;

/// A valid scenario.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) description: String,
    steps: Vec<(Duration, Step)>,
    repeat: Option<Duration>,
}

/// An error and its position.
struct Fault {
    span: Range<usize>,
    reason: String,
}

fn fault<T>(span: Range<usize>, reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { span, reason: reason.into() })
}

impl Scenario {
    /// Reads a file. Its steps change `base`.
    pub(super) fn read(path: &Path, base: &Shapes) -> anyhow::Result<Scenario> {
        let shown = escape(&path.to_string_lossy().into_owned()).to_string();
        let cannot = |error| {
            let file = say!("errors-cannot-read", file = &shown);
            anyhow!(UsageError(words::because(file, system_error::said(&error))))
        };
        let text = text_file::read(path, MAX_BYTES).map_err(cannot)?;
        let scenario = Scenario::parse(&text, base);
        Ok(scenario.map_err(|error| UsageError(words::because(shown.clone(), error)))?)
    }

    /// Parses a scenario. The error is one line with its position.
    pub(super) fn parse(text: &str, base: &Shapes) -> Result<Scenario, String> {
        let placed = |fault: Fault| words::because(place(text, fault.span.start), fault.reason);
        let table = DeTable::parse(text).map_err(|error| {
            let reason = error.message().replace('\n', ", ");
            placed(Fault { span: error.span().unwrap_or_default(), reason })
        })?;
        read_table(table.get_ref(), base).map_err(placed)
    }

    /// The steps after `start`.
    pub(super) fn timeline(&self, start: Instant) -> anyhow::Result<Timeline<Step>> {
        // `read_table` has checked the order and the period, so that its errors name line and
        // column.
        Ok(Timeline::new(start, self.steps.clone(), self.repeat)?)
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }
}

fn read_table(table: &DeTable<'_>, base: &Shapes) -> Result<Scenario, Fault> {
    let mut description = String::new();
    let (mut repeat, mut steps) = (None, Vec::new());
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "description" => description = string(value)?.to_string(),
            "repeat" => repeat = Some((duration(value)?, value.span())),
            "step" => steps = read_steps(value, base)?,
            other => {
                let known = "description, repeat, step";
                let reason = say!("tools-scenario-setting", name = &escape(other), known = known);
                return fault(key.span(), reason);
            }
        }
    }
    if steps.is_empty() {
        return fault(0..0, say!("tools-scenario-empty"));
    }
    if let (Some((period, span)), Some((last, _))) = (&repeat, steps.last())
        && period <= last
    {
        let reason = say!("tools-scenario-repeat", last = format!("{last:?}"));
        return fault(span.clone(), reason);
    }
    Ok(Scenario { description, steps, repeat: repeat.map(|(period, _)| period) })
}

fn read_steps(value: &Spanned<DeValue<'_>>, base: &Shapes) -> Result<Vec<(Duration, Step)>, Fault> {
    let Some(array) = value.get_ref().as_array() else {
        return fault(value.span(), say!("tools-scenario-form"));
    };
    if array.len() > MAX_STEPS {
        return fault(value.span(), say!("tools-scenario-many", most = &MAX_STEPS));
    }
    let mut shapes = base.clone();
    let mut steps: Vec<(Duration, Step)> = Vec::new();
    for item in array {
        let Some(table) = item.get_ref().as_table() else {
            return fault(item.span(), say!("tools-scenario-form"));
        };
        let (at, span, step) = read_step(table, item.span(), &mut shapes)?;
        if steps.last().is_some_and(|(before, _)| at < *before) {
            return fault(span, say!("tools-scenario-order"));
        }
        steps.push((at, step));
    }
    Ok(steps)
}

fn read_step(
    table: &DeTable<'_>,
    span: Range<usize>,
    shapes: &mut Shapes,
) -> Result<(Duration, Range<usize>, Step), Fault> {
    let mut at = None;
    let mut step = Step::default();
    // Settings for both directions first, regardless of the order in the file.
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        match name {
            "at" => at = Some((duration(value)?, value.span())),
            "note" => step.note = string(value)?.to_string(),
            "handover" => match value.get_ref().as_bool() {
                Some(handover) => step.handover = handover,
                None => return fault(value.span(), say!("tools-scenario-handover")),
            },
            "up" | "down" => {}
            _ => {
                set(&mut shapes.up, key, value)?;
                set(&mut shapes.down, key, value)?;
            }
        }
    }
    for (name, shape) in [("up", &mut shapes.up), ("down", &mut shapes.down)] {
        let Some(value) = table.get(name) else { continue };
        let Some(table) = value.get_ref().as_table() else {
            let reason = say!(
                "tools-scenario-table",
                name = name,
                example = format!("{name} = {{ loss = \"1%\" }}")
            );
            return fault(value.span(), reason);
        };
        for (key, value) in table {
            set(shape, key, value)?;
        }
    }
    for (way, shape, conditions) in
        [("up", &shapes.up, &mut step.up), ("down", &shapes.down, &mut step.down)]
    {
        match shape.conditions() {
            Ok(sound) => *conditions = sound,
            Err(error) => return fault(span, words::because(way, system_error::whole(&error))),
        }
    }
    match at {
        Some((at, at_span)) => Ok((at, at_span, step)),
        None => fault(span, say!("tools-scenario-at")),
    }
}

fn set(
    shape: &mut Shape,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<(), Fault> {
    let name = key.get_ref().as_ref();
    if !KNOBS.contains(&name) {
        let known = KNOBS.join(", ");
        let reason = say!(
            "tools-scenario-setting",
            name = &escape(name),
            known = format!("at, note, handover, up, down, {known}")
        );
        return fault(key.span(), reason);
    }
    let text = match value.get_ref() {
        DeValue::Integer(number) => number.as_str().to_string(),
        DeValue::Float(number) => number.as_str().to_string(),
        _ => string(value)?.to_string(),
    };
    let setting = Setting::parse(name, &text);
    let set = setting.and_then(|setting| shape.set(&setting));
    set.map_err(|error| Fault { span: value.span(), reason: words::because(name, error) })
}

fn string<'a>(value: &'a Spanned<DeValue<'_>>) -> Result<&'a str, Fault> {
    match value.get_ref().as_str() {
        Some(text) => Ok(text),
        None => fault(value.span(), say!("tools-scenario-text")),
    }
}

fn duration(value: &Spanned<DeValue<'_>>) -> Result<Duration, Fault> {
    quantity::duration(string(value)?).map_err(|reason| Fault { span: value.span(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Scenario::parse(text, &Shapes::default()).unwrap_err()
    }

    #[test]
    fn every_scenario_of_the_repository_is_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let scenario = Scenario::read(&path, &Shapes::default()).unwrap();
            assert!(!scenario.description.is_empty() && scenario.len() > 0, "{path:?}");
            names.push(path.file_name().unwrap().to_str().unwrap().to_string());
        }
        names.sort();
        let expected = [
            "3g.toml",
            "datacentre-burst.toml",
            "mobile-handover.toml",
            "satellite.toml",
            "wifi-edge.toml",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_step_changes_what_it_names() {
        let text = "
            repeat = '10s'
            [[step]]
            at = '0s'
            delay = '20ms'
            up = { loss = '1%' }
            [[step]]
            at = '5s'
            note = 'worse'
            down = { delay = '30ms', mtu = 1200 }
            handover = true
        ";
        let scenario = Scenario::parse(text, &Shapes::default()).unwrap();
        let (first, second) = (&scenario.steps[0].1, &scenario.steps[1].1);
        let ms = Duration::from_millis;
        assert_eq!((first.up.delay, first.down.delay), (ms(20), ms(20)));
        assert_eq!((second.up.delay, second.down.delay), (ms(20), ms(30)));
        assert_eq!((&second.up.loss, second.down.mtu), (&first.up.loss, Some(1200)));
        assert!(second.handover && !first.handover);
        assert_eq!(second.note, "worse");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("[[step]]\nat = 5s", "line 2, column "),
            ("[[step]]\nat = '5s'\nloss = '120%'", "line 3, column 8: loss: \"120%\" is not"),
            (
                "[[step]]\nat = '5s'\n  up = { los = '1%' }",
                "line 3, column 10: there is no setting los; ",
            ),
            ("[[step]]\nloss = '1%'", "line 1, column 1: a step needs its time"),
            ("[[step]]\nat='5s'\n[[step]]\nat = '4s'", "line 4, column 6: comes before the step"),
            (
                "repeat = '5s'\n[[step]]\nat = '5s'",
                "line 1, column 10: it would begin again before",
            ),
            (
                "[[step]]\nat = '0s'\njitter = '3ms'",
                "line 1, column 1: up: a jitter of 3ms exceeds",
            ),
            ("speed = 3", "line 1, column 1: there is no setting speed"),
            ("step = 3", "line 1, column 8: write a step as [[step]]"),
            ("[[step]]\nat = 3", "line 2, column 6: expected a text in quotes"),
            ("", "line 1, column 1: there is no step"),
            ("[[step]]\nat = '1s'\nup = 3", "line 3, column 6: up must be a table"),
        ] {
            let error = error(text);
            assert!(error.starts_with(expected) && error.lines().count() == 1, "{text}: {error}");
        }
    }
}
