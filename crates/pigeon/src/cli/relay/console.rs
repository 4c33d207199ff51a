//! Commands of a running relay.

use pigeon_text::escape;

use super::Shapes;
use super::knobs::{KNOBS, Setting, Settings};
use crate::base::system_error;
use crate::ui::console;
use crate::words::{key, say};

/// A command of the user.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// Changes conditions in one or both directions.
    Set(Ways, Vec<Setting>),
    /// Removes all conditions.
    Clear(Ways),
    Show,
    Stats,
    Clients,
    Handover,
    Quit,
    Help,
    /// An invalid command, and why.
    Wrong(String),
}

/// One or both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ways {
    Both,
    Up,
    Down,
}

impl console::Command for Command {
    const QUIT: Command = Command::Quit;
    const CLOSED: &'static str = key!("tools-relay-console-closed");

    fn parse(line: &str) -> Option<Command> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (ways, words) = match words[..] {
            [] => return None,
            ["up", ref rest @ ..] => (Ways::Up, rest),
            ["down", ref rest @ ..] => (Ways::Down, rest),
            ["both", ref rest @ ..] => (Ways::Both, rest),
            ref all => (Ways::Both, all),
        };
        Some(match (ways, words) {
            (ways, ["clear"]) => Command::Clear(ways),
            (Ways::Both, ["show"]) => Command::Show,
            (Ways::Both, ["stats"]) => Command::Stats,
            (Ways::Both, ["clients"]) => Command::Clients,
            (Ways::Both, ["handover"]) => Command::Handover,
            (Ways::Both, ["quit"]) => Command::Quit,
            (Ways::Both, ["help" | "?", ..]) => Command::Help,
            (Ways::Both, [word @ ("show" | "stats" | "clients" | "handover" | "quit"), ..]) => {
                Command::Wrong(say!("tools-relay-nothing-behind", word = word))
            }
            (ways, words) => match settings(words) {
                Ok(settings) => Command::Set(ways, settings),
                Err(reason) => Command::Wrong(reason),
            },
        })
    }
}

/// Parses `loss 5% delay 20ms` or `loss=5%,delay=20ms`.
fn settings(words: &[&str]) -> Result<Vec<Setting>, String> {
    match words {
        [knob, ..] if !KNOBS.contains(knob) && !knob.contains('=') => Err(say!(
            "tools-relay-no-command",
            word = &escape(*knob),
            help = say!("tools-relay-help")
        )),
        [assigned] if assigned.contains('=') => Ok(assigned.parse::<Settings>()?.0),
        words if !words.is_empty() && words.len().is_multiple_of(2) => {
            let one = |pair: &[&str]| {
                Setting::parse(pair[0], pair[1]).map_err(|error| format!("{}: {error}", pair[0]))
            };
            words.chunks(2).map(one).collect()
        }
        _ => Err(say!("tools-relay-no-value", help = say!("tools-relay-help"))),
    }
}

impl Shapes {
    /// Returns the conditions with some settings changed; fails if they contradict each other.
    pub(super) fn with(&self, ways: Ways, settings: &[Setting]) -> Result<Shapes, String> {
        let mut shapes = self.clone();
        for (meant, shape) in [(Ways::Up, &mut shapes.up), (Ways::Down, &mut shapes.down)] {
            if ways == meant || ways == Ways::Both {
                settings.iter().try_for_each(|setting| shape.set(setting))?;
                shape.conditions().map_err(|error| system_error::whole(&error))?;
                if settings.iter().any(Setting::is_queue) && !shape.has_rate() {
                    return Err(say!("tools-relay-queue"));
                }
            }
        }
        Ok(shapes)
    }

    /// Returns the conditions without those of `ways`.
    pub(super) fn cleared(&self, ways: Ways) -> Shapes {
        let perfect = Shapes::default();
        match ways {
            Ways::Both => perfect,
            Ways::Up => Shapes { up: perfect.up, ..self.clone() },
            Ways::Down => Shapes { down: perfect.down, ..self.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::console::Command as _;
    use super::*;

    fn set(ways: Ways, settings: &str) -> Option<Command> {
        Some(Command::Set(ways, settings.parse::<Settings>().unwrap().0))
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(Command::parse("loss 5%"), set(Ways::Both, "loss=5%"));
        assert_eq!(Command::parse(" up delay 20ms "), set(Ways::Up, "delay=20ms"));
        assert_eq!(
            Command::parse("down delay 20ms jitter 5ms"),
            set(Ways::Down, "delay=20ms,jitter=5ms")
        );
        assert_eq!(Command::parse("loss=1%,mtu=99"), set(Ways::Both, "loss=1%,mtu=99"));
        assert_eq!(Command::parse("up clear"), Some(Command::Clear(Ways::Up)));
        assert_eq!(Command::parse("quit"), Some(Command::Quit));
        assert_eq!(Command::parse("  "), None);
        for (line, reason) in [
            ("loss", "a value is missing"),
            ("up", "a value is missing"),
            ("up quit", "there is no command quit"),
            ("loss 120%", "loss: \"120%\" is not between"),
            ("handover now", "handover takes no arguments"),
            ("los 1%", "there is no command los"),
            ("\x1b[2J", "there is no command \\x1b[2J"),
        ] {
            let Some(Command::Wrong(said)) = Command::parse(line) else { panic!("{line}") };
            assert!(said.contains(reason), "{line}: {said}");
        }
    }

    #[test]
    fn knobs_that_do_not_go_together_change_nothing() {
        let shapes = Shapes::default();
        let settings = "delay=5ms,jitter=9ms".parse::<Settings>().unwrap().0;
        assert!(shapes.with(Ways::Both, &settings).is_err());
        let queue = "queue=8KiB".parse::<Settings>().unwrap().0;
        assert!(shapes.with(Ways::Both, &queue).is_err());
        let settings = "delay=9ms,jitter=5ms".parse::<Settings>().unwrap().0;
        let changed = shapes.with(Ways::Down, &settings).unwrap();
        assert_eq!(changed.up, shapes.up);
        assert_eq!(changed.cleared(Ways::Down), shapes);
    }
}
