//! Syntax of the conditions, the same for flags, the console and scenarios.

use std::fmt;
use std::time::Duration;

use pigeon_netsim::path::{
    Bursts, Conditions, ConditionsError, Jitter, Loss, Probability, Rate, Reorder,
};

use crate::base::quantity;
use crate::base::system_error;
use crate::words::{because, say};

/// All settings, in the order in which they apply to a datagram.
pub(super) const KNOBS: [&str; 9] =
    ["mtu", "rate", "queue", "loss", "corrupt", "duplicate", "delay", "jitter", "reorder"];

/// Default queue size before the rate limit: a tenth of a second at 5 Mbit/s, or about forty full
/// packets.
const DEFAULT_QUEUE: usize = 64 << 10;

/// Default time for which a reordered datagram is held back.
const DEFAULT_HOLD: Duration = Duration::from_millis(10);

/// The conditions of one direction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    conditions: Conditions,
    /// Stored separately, because it may be set before the rate.
    queue: usize,
}

/// One setting and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    knob: &'static str,
    value: String,
}

/// Several, as in `--up loss=1%,delay=20ms`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings(pub(super) Vec<Setting>);

impl Setting {
    /// Checks a value alone; combinations are checked when all are known.
    pub(super) fn parse(knob: &str, value: &str) -> Result<Setting, String> {
        let known = KNOBS.into_iter().find(|known| *known == knob);
        let knob = known.ok_or_else(|| {
            let knob = pigeon_text::escape(knob);
            say!("tools-knob-unknown", knob = &knob, known = KNOBS.join(", "))
        })?;
        let setting = Setting { knob, value: value.to_string() };
        Shape::default().set(&setting)?;
        Ok(setting)
    }

    pub(super) fn is_queue(&self) -> bool {
        self.knob == "queue"
    }
}

impl std::str::FromStr for Settings {
    type Err = String;

    fn from_str(text: &str) -> Result<Settings, String> {
        let one = |word: &str| {
            let (knob, value) = word.split_once('=').ok_or_else(|| say!("tools-knob-form"))?;
            Setting::parse(knob.trim(), value.trim())
                .map_err(|error| because(pigeon_text::escape(knob.trim()), error))
        };
        Ok(Settings(text.split(',').map(one).collect::<Result<_, _>>()?))
    }
}

impl Default for Shape {
    /// No conditions.
    fn default() -> Self {
        Shape { conditions: Conditions::default(), queue: DEFAULT_QUEUE }
    }
}

impl From<&Conditions> for Shape {
    fn from(conditions: &Conditions) -> Self {
        let queue = conditions.rate.map_or(DEFAULT_QUEUE, |rate| rate.queue_bytes);
        Shape { conditions: conditions.clone(), queue }
    }
}

impl Shape {
    pub(super) fn set(&mut self, setting: &Setting) -> Result<(), String> {
        let Setting { knob, value } = setting;
        let text = value.as_str();
        let conditions = &mut self.conditions;
        match *knob {
            "loss" => conditions.loss = loss(text)?,
            "delay" => conditions.delay = duration(text)?,
            "jitter" => conditions.jitter = jitter(text)?,
            "reorder" => conditions.reorder = reorder(text)?,
            "duplicate" => conditions.duplicate = probability(text)?,
            "corrupt" => conditions.corrupt = probability(text)?,
            "rate" => {
                let queue_bytes = self.queue;
                conditions.rate =
                    rate(text)?.map(|bytes_per_second| Rate { bytes_per_second, queue_bytes });
            }
            "queue" => {
                self.queue = quantity::size(text)?;
                if let Some(rate) = &mut conditions.rate {
                    rate.queue_bytes = self.queue;
                }
            }
            _ => conditions.mtu = mtu(text)?,
        }
        Ok(())
    }

    /// The conditions for a path; fails if they contradict each other.
    pub(super) fn conditions(&self) -> Result<Conditions, ConditionsError> {
        self.conditions.check().map(|()| self.conditions.clone())
    }

    /// Whether there is a rate limit, which a queue needs.
    pub(super) fn has_rate(&self) -> bool {
        self.conditions.rate.is_some()
    }
}

/// `loss 1%, delay 50ms, jitter 10ms:normal`, in the input syntax, or `perfect`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conditions { loss, delay, jitter, reorder, duplicate, corrupt, rate, mtu } =
            &self.conditions;
        let time =
            |duration: Duration| humantime::format_duration(duration).to_string().replace(' ', "");
        let mut said = Vec::new();
        if let Some(mtu) = mtu {
            said.push(format!("mtu {mtu}"));
        }
        if let Some(rate) = rate {
            said.push(format!("rate {}B/s, queue {}", rate.bytes_per_second, rate.queue_bytes));
        }
        match loss {
            Loss::Random(share) if share.is_never() => {}
            Loss::None => {}
            Loss::Random(share) => said.push(format!("loss {}", percent(*share))),
            Loss::Bursts(bursts) => {
                let (enter, leave) = (bursts.becomes_bad.share(), bursts.becomes_good.share());
                let mean = Probability::new(enter / (enter + leave)).unwrap_or_default();
                said.push(format!("loss {}:{}", percent(mean), rounded(1.0 / leave)));
            }
        }
        for (name, share) in [("corrupt", corrupt), ("duplicate", duplicate)] {
            if !share.is_never() {
                said.push(format!("{name} {}", percent(*share)));
            }
        }
        if !delay.is_zero() {
            said.push(format!("delay {}", time(*delay)));
        }
        match jitter {
            Jitter::None => {}
            Jitter::Uniform(by) => said.push(format!("jitter {}", time(*by))),
            Jitter::Normal(by) => said.push(format!("jitter {}:normal", time(*by))),
            Jitter::Pareto(by) => said.push(format!("jitter {}:pareto", time(*by))),
        }
        if !reorder.probability.is_never() {
            said.push(format!("reorder {}:{}", percent(reorder.probability), time(reorder.by)));
        }
        f.write_str(&if said.is_empty() { "perfect".to_string() } else { said.join(", ") })
    }
}

fn percent(share: Probability) -> String {
    format!("{}%", rounded(share.share() * 100.0))
}

/// Rounds to four fractional digits.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

fn probability(text: &str) -> Result<Probability, String> {
    text.parse::<Probability>().map_err(|error| system_error::whole(&error))
}

/// Maximum delay. A path keeps delayed datagrams in memory.
const MAX_DELAY: Duration = Duration::from_secs(3600);

fn duration(text: &str) -> Result<Duration, String> {
    // Zero needs no unit.
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    match quantity::duration(text)? {
        long if long > MAX_DELAY => Err(say!("tools-knob-too-long")),
        duration => Ok(duration),
    }
}

/// Parses `1%`, or `5%:4` for bursts of four on average.
fn loss(text: &str) -> Result<Loss, String> {
    let Some((share, burst)) = text.split_once(':') else {
        return Ok(Loss::Random(probability(text)?));
    };
    let mean = burst
        .parse::<f64>()
        .map_err(|_| say!("tools-knob-burst", burst = &pigeon_text::escape(burst)))?;
    let bursts = Bursts::from_means(probability(share)?, mean);
    Ok(Loss::Bursts(bursts.map_err(|error| system_error::whole(&error))?))
}

/// Parses `10ms`, `10ms:uniform`, `10ms:normal` or `10ms:pareto`.
fn jitter(text: &str) -> Result<Jitter, String> {
    let (by, distribution) = text.split_once(':').unwrap_or((text, "uniform"));
    let by = duration(by)?;
    match distribution {
        _ if by.is_zero() => Ok(Jitter::None),
        "uniform" => Ok(Jitter::Uniform(by)),
        "normal" => Ok(Jitter::Normal(by)),
        "pareto" => Ok(Jitter::Pareto(by)),
        other => Err(say!("tools-knob-distribution", word = &pigeon_text::escape(other))),
    }
}

/// Parses `5%`, or `5%:20ms` with the time for which each reordered datagram is held back.
fn reorder(text: &str) -> Result<Reorder, String> {
    let (share, by) = match text.split_once(':') {
        Some((share, by)) => (share, duration(by)?),
        None => (text, DEFAULT_HOLD),
    };
    Ok(Reorder { probability: probability(share)?, by })
}

/// Parses `10Mbit/s`, `64KiB/s` or `unlimited`, as bytes per second.
fn rate(text: &str) -> Result<Option<u64>, String> {
    let bare = text.strip_suffix("/s").unwrap_or(text);
    let bits = [("Gbit", 1_000_000_000), ("Mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)];
    let bits = bits.into_iter().find_map(|(unit, scale)| {
        Some((bare.strip_suffix(unit)?.trim().parse::<u64>().ok()?, scale))
    });
    if let Some((number, scale)) = bits {
        let bytes = number.checked_mul(scale).map(|bits| bits / 8).filter(|&bytes| bytes > 0);
        return bytes.map(Some).ok_or_else(|| say!("tools-knob-rate-least"));
    }
    match quantity::bytes_per_second(text) {
        Ok(rate) => Ok(rate.0),
        Err(_) => Err(say!("tools-knob-rate")),
    }
}

/// Parses `1200` or `none`.
fn mtu(text: &str) -> Result<Option<usize>, String> {
    match text {
        "none" => Ok(None),
        text => match quantity::size(text) {
            Ok(0) | Err(_) => Err(say!("tools-knob-mtu")),
            Ok(bytes) => Ok(Some(bytes)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(settings: &str) -> Result<Shape, String> {
        let mut shape = Shape::default();
        for setting in settings.parse::<Settings>()?.0 {
            shape.set(&setting)?;
        }
        Ok(shape)
    }

    #[test]
    fn every_knob_is_shown_as_it_could_be_typed_again() {
        for (typed, shown) in [
            ("mtu=1200", "mtu 1200"),
            ("rate=10Mbit/s", "rate 1250000B/s, queue 65536"),
            ("queue=8KiB,rate=64KiB/s", "rate 65536B/s, queue 8192"),
            ("loss=1%", "loss 1%"),
            ("loss=5%:4", "loss 5%:4"),
            ("corrupt=0.001", "corrupt 0.1%"),
            ("duplicate=2%", "duplicate 2%"),
            ("delay=50ms,jitter=10ms", "delay 50ms, jitter 10ms"),
            ("delay=1s,jitter=10ms:normal", "delay 1s, jitter 10ms:normal"),
            ("delay=1500us,jitter=1ms:pareto", "delay 1ms500us, jitter 1ms:pareto"),
            ("reorder=5%", "reorder 5%:10ms"),
            ("loss=0,mtu=none,rate=unlimited,jitter=0,delay=0", "perfect"),
        ] {
            let set = shape(typed).unwrap();
            assert_eq!(set.to_string(), shown);
            if shown != "perfect" {
                let again = shown.replace(", ", ",").replace(' ', "=");
                assert_eq!(shape(&again).unwrap(), set, "{shown}");
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused_in_a_line() {
        for (typed, reason) in [
            ("loss=120%", "loss: \"120%\" is not between 0 and 1 (0% and 100%)"),
            (
                "loss=90%:2",
                "loss: a mean loss of 0.9 in bursts of 2 datagrams is not possible: at least one datagram must arrive between two bursts",
            ),
            (
                "loss=5%:x",
                "loss: `x` is not a valid burst length; write e.g. 5%:4 for bursts of 4 datagrams",
            ),
            ("delay=-5ms", "delay: write a number with its unit, e.g. 250ms, 3s, 2m"),
            ("delay=9999h", "delay: must not be longer than an hour"),
            (
                "jitter=5ms:cauchy",
                "jitter: `cauchy` is not a valid distribution; choose uniform, normal or pareto",
            ),
            ("rate=10", "rate: write a number with its unit, e.g. 10Mbit/s, 64KiB/s, or unlimited"),
            ("rate=7bit/s", "rate: must be at least one byte a second"),
            ("mtu=0", "mtu: write a number of bytes, e.g. 1200, or none"),
            (
                "los=1%",
                "los: los is not a condition; there are mtu, rate, queue, loss, corrupt, duplicate, delay, jitter, reorder",
            ),
            ("loss", "write KNOB=VALUE, several with commas, e.g. loss=1%,delay=20ms"),
        ] {
            assert_eq!(shape(typed).unwrap_err(), reason);
        }
        let error = shape("delay=5ms,jitter=10ms").unwrap().conditions().unwrap_err();
        assert!(error.to_string().contains("exceeds the delay of 5ms"), "{error}");
    }
}
