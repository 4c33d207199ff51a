//! A trial: an experiment that proves whether a member answers automatically.
//!
//! A program that answers everything returns a *nonce* that only it was sent; one that answers with
//! words of its own (`size`, `OK`) sends when it is asked and at no other time. Nothing else does
//! either, so there are two proofs:
//!
//! - **Nonces** cannot be guessed. One that is returned may be quoted by a person; a second one,
//!   sent at once after it, is proof.
//! - **Timing** proves nothing while lines and answers alternate continuously: a sensor may keep
//!   pace with the lines it gets, and another member with the sensor. So the member's lines are
//!   held back, and sent in order after the trial. First the member settles: an automatic responder
//!   falls silent without lines. Then follow turns of equal length, and a random quarter of them
//!   have a probe. A text in a turn without one, or silence in a turn with one, clears the member.
//!   A member that does not see the probes passes for a responder through ten of them once in a
//!   million trials (1 in 4^10), whatever it or others do.
//!
//! ```text
//!   begin ──▶ Settling ──▶ Turns ─▶ Turns … ──▶ proved or cleared
//!     │          │           │
//!     └──────────┴───────────┴─────▶ Open, if lines cannot be held back: only nonces decide
//! ```
//!
//! Lines are not held back in raw rooms, where no member gets its own messages and so one address
//! alone cannot loop, nor beyond [`MAX_LINES`] or [`MAX_BYTES`].

use std::time::Duration;

use pigeon_datagram::Instant;

use crate::core::id::MemberId;

/// Maximum number of trials at once. A further suspect waits for its next sixteen texts.
const MAX_TRIALS: usize = 64;

/// Maximum number of lines held back for one member.
const MAX_LINES: usize = 64;

/// Maximum number of bytes held back for one member.
const MAX_BYTES: usize = 64 * 1024;

/// How long to wait for a nonce's return if lines are not held back.
const RETURN: Duration = Duration::from_secs(1);

/// The shortest and the longest turn: an answer must arrive within one.
const TURNS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

/// How many nonces must be returned.
const NONCES: u8 = 2;

/// How many turns with a probe must be answered. The first always has one, and so proves nothing.
const ANSWERED: u8 = 1 + 10;

/// The number of letters in a nonce.
pub(super) const NONCE: usize = 16;

/// A trial's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Wait,
    /// Send a probe with this nonce at once.
    Ask([u8; NONCE]),
    /// The end: the member answers automatically.
    Proved,
    /// The end: nothing is proved.
    Cleared,
}

/// The random values of a step: a nonce and a number.
#[derive(Clone, Copy)]
pub(super) struct Chance {
    pub(super) nonce: [u8; NONCE],
    pub(super) number: u64,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Lines are sent as usual.
    Open,
    /// From `quiet` on, all earlier lines have been answered.
    Settling {
        quiet: Instant,
    },
    Turns {
        is_asked: bool,
        is_answered: bool,
        answered: u8,
    },
}

struct Trial {
    member: MemberId,
    stage: Stage,
    /// The end of the stage or turn.
    due: Instant,
    turn: Duration,
    /// The last nonce sent.
    nonce: [u8; NONCE],
    returned: u8,
    /// Lines held back, in sequence, and the end of each.
    waiting: Vec<u8>,
    ends: Vec<usize>,
}

/// All current trials.
#[derive(Default)]
pub(super) struct Trials(Vec<Trial>);

impl Trials {
    /// Whether one more trial may begin.
    pub(super) fn have_place(&self) -> bool {
        self.0.len() < MAX_TRIALS
    }

    /// Begins a trial with a probe. `pace` is the time of the member's last sixteen texts.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        member: MemberId,
        pace: Duration,
        is_raw: bool,
        chance: Chance,
    ) -> Step {
        let [shortest, longest] = TURNS;
        let turn = (pace / 2).clamp(shortest, longest);
        let (stage, due) = match is_raw {
            true => (Stage::Open, now + RETURN),
            false => (Stage::Settling { quiet: now + turn }, now + turn * 2),
        };
        let (waiting, ends) = (Vec::new(), Vec::new());
        let nonce = chance.nonce;
        self.0.push(Trial { member, stage, due, turn, nonce, returned: 0, waiting, ends });
        Step::Ask(nonce)
    }

    /// Handles a datagram of a member on trial: a message or command, or another.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        member: MemberId,
        payload: &[u8],
        is_text: bool,
        chance: impl FnOnce() -> Chance,
    ) -> Step {
        match self.find(member) {
            Some(trial) if holds(payload, &trial.nonce) => trial.nonce_returned(now, chance),
            Some(trial) if is_text => trial.text(now),
            _ => Step::Wait,
        }
    }

    /// The end of the first stage or turn.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|trial| trial.due).min()
    }

    /// Continues a trial after a stage or turn.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        chance: impl FnOnce() -> Chance,
    ) -> Option<(MemberId, Step)> {
        let trial = self.0.iter_mut().find(|trial| trial.due <= now)?;
        Some((trial.member, trial.turn_over(now, chance())))
    }

    /// Holds back a line until the end of a member's trial. Returns false if it has no trial, or if
    /// its lines are sent as usual.
    pub(super) fn keep(&mut self, member: MemberId, line: &[u8]) -> bool {
        let Some(trial) = self.find(member) else { return false };
        if matches!(trial.stage, Stage::Open) {
            return false;
        }
        if trial.ends.len() == MAX_LINES || trial.waiting.len() + line.len() > MAX_BYTES {
            trial.stage = Stage::Open;
            return false;
        }
        trial.waiting.extend_from_slice(line);
        trial.ends.push(trial.waiting.len());
        true
    }

    /// Takes the lines held back for a member, once they no longer need to be.
    pub(super) fn take_lines(&mut self, member: MemberId) -> Lines {
        match self.find(member) {
            Some(trial) if matches!(trial.stage, Stage::Open) => trial.lines(),
            _ => Lines::default(),
        }
    }

    /// Ends a trial, and returns the lines to send.
    pub(super) fn end(&mut self, member: MemberId) -> Lines {
        let at = self.0.iter().position(|trial| trial.member == member);
        at.map_or_else(Lines::default, |at| self.0.swap_remove(at).lines())
    }

    pub(super) fn first(&self) -> Option<MemberId> {
        self.0.first().map(|trial| trial.member)
    }

    fn find(&mut self, member: MemberId) -> Option<&mut Trial> {
        self.0.iter_mut().find(|trial| trial.member == member)
    }
}

impl Trial {
    fn nonce_returned(&mut self, now: Instant, chance: impl FnOnce() -> Chance) -> Step {
        self.returned += 1;
        if self.returned >= NONCES {
            return Step::Proved;
        }
        match &mut self.stage {
            Stage::Open => self.due = now + RETURN,
            Stage::Settling { quiet } => {
                *quiet = now + self.turn;
                self.due = now + self.turn * 2;
            }
            Stage::Turns { is_asked, .. } => *is_asked = true,
        }
        self.ask(chance())
    }

    fn text(&mut self, now: Instant) -> Step {
        match &mut self.stage {
            Stage::Settling { quiet } if now >= *quiet => Step::Cleared,
            Stage::Turns { is_asked: false, .. } => Step::Cleared,
            Stage::Turns { is_answered, .. } => {
                *is_answered = true;
                Step::Wait
            }
            Stage::Open | Stage::Settling { .. } => Step::Wait,
        }
    }

    fn turn_over(&mut self, now: Instant, chance: Chance) -> Step {
        let (is_asked, answered) = match self.stage {
            Stage::Open => return Step::Cleared,
            Stage::Settling { .. } => (true, 0),
            Stage::Turns { is_asked: true, is_answered: false, .. } => return Step::Cleared,
            Stage::Turns { is_answered, answered, .. } => {
                (chance.number.is_multiple_of(4), answered + u8::from(is_answered))
            }
        };
        if answered >= ANSWERED {
            return Step::Proved;
        }
        self.stage = Stage::Turns { is_asked, is_answered: false, answered };
        self.due = now + self.turn;
        if is_asked { self.ask(chance) } else { Step::Wait }
    }

    fn ask(&mut self, chance: Chance) -> Step {
        self.nonce = chance.nonce;
        Step::Ask(chance.nonce)
    }

    fn lines(&mut self) -> Lines {
        let (bytes, ends) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.ends));
        Lines { bytes, ends }
    }
}

/// Lines held back.
#[derive(Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Lines {
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, &end)| self.bytes.get(start..end))
    }
}

/// Whether a datagram contains a nonce, ignoring case.
fn holds(payload: &[u8], nonce: &[u8; NONCE]) -> bool {
    payload.windows(NONCE).any(|window| window.eq_ignore_ascii_case(nonce))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::Slot;

    const MEMBER: MemberId = MemberId::new(Slot::new(3), 7);

    /// Reproducible pseudorandom values.
    struct Draw(u64);

    impl Draw {
        fn next(&mut self) -> Chance {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = self.0 >> 33;
            let mut nonce = [b'a'; NONCE];
            nonce[..8].copy_from_slice(format!("{:08x}", number as u32).as_bytes());
            Chance { nonce, number }
        }
    }

    /// Runs a trial in which `speaks` decides for each turn whether the member sends a text; it
    /// sees whether there is a probe. Returns the result and the number of probes.
    fn trial(seed: u64, mut speaks: impl FnMut(usize, bool) -> bool) -> (Step, usize) {
        let (mut trials, mut draw) = (Trials::default(), Draw(seed));
        let mut now = Instant::ORIGIN;
        trials.begin(now, MEMBER, Duration::ZERO, false, draw.next());
        let mut probes = 1;
        for turn in 0.. {
            now = trials.due().unwrap();
            let (_, step) = trials.go_on(now, || draw.next()).unwrap();
            let is_asked = matches!(step, Step::Ask(_));
            probes += usize::from(is_asked);
            let step = match step {
                Step::Wait | Step::Ask(_) if speaks(turn, is_asked) => {
                    trials.hear(now, MEMBER, b"words of its own", true, || draw.next())
                }
                step => step,
            };
            if matches!(step, Step::Proved | Step::Cleared) {
                return (step, probes);
            }
        }
        unreachable!()
    }

    #[test]
    fn what_speaks_when_it_is_asked_and_else_never_is_proved() {
        for seed in 0..100 {
            assert_eq!(trial(seed, |_, is_asked| is_asked), (Step::Proved, 12), "{seed}");
        }
    }

    #[test]
    fn what_does_not_see_the_probes_is_cleared_whatever_it_does() {
        for period in 1..9 {
            for seed in 0..2_000 {
                let (step, probes) = trial(seed, |turn, _| turn % period == 0);
                assert_eq!(step, Step::Cleared, "{period} {seed}");
                assert!(probes <= 9, "{probes}");
            }
        }
        assert_eq!(trial(1, |_, _| false), (Step::Cleared, 2));
    }

    #[test]
    fn while_it_settles_only_late_texts_clear() {
        for (millis, step) in [(0, Step::Wait), (19, Step::Wait), (20, Step::Cleared)] {
            let (mut trials, mut draw) = (Trials::default(), Draw(1));
            trials.begin(Instant::ORIGIN, MEMBER, Duration::ZERO, false, draw.next());
            let now = Instant::ORIGIN + Duration::from_millis(millis);
            assert_eq!(trials.hear(now, MEMBER, b"21.5", true, || draw.next()), step, "{millis}");
        }
    }

    #[test]
    fn the_second_nonce_that_comes_back_is_proof() {
        for is_raw in [false, true] {
            let (mut trials, mut draw) = (Trials::default(), Draw(1));
            let now = Instant::ORIGIN;
            let first = trials.begin(now, MEMBER, Duration::ZERO, is_raw, draw.next());
            let mut echo = |step| {
                let Step::Ask(nonce) = step else { panic!("{step:?}") };
                let text = [b"ACK ^HB^ PROBE ", &nonce.to_ascii_uppercase()[..], b"."].concat();
                trials.hear(now, MEMBER, &text, true, || draw.next())
            };
            let second = echo(first);
            assert_ne!(first, second);
            assert_eq!(echo(second), Step::Proved);
        }
    }

    #[test]
    fn a_nonce_that_comes_back_twice_counts_once() {
        let (mut trials, mut draw) = (Trials::default(), Draw(1));
        let now = Instant::ORIGIN;
        let Step::Ask(nonce) = trials.begin(now, MEMBER, RETURN, true, draw.next()) else {
            panic!("no probe")
        };
        let steps = [0, 1].map(|_| trials.hear(now, MEMBER, &nonce, true, || draw.next()));
        assert!(matches!(steps, [Step::Ask(_), Step::Wait]));
        assert_eq!(trials.due(), Some(now + RETURN));
        let end = trials.go_on(now + RETURN, || draw.next());
        assert_eq!(end, Some((MEMBER, Step::Cleared)));
    }

    #[test]
    fn lines_wait_in_order_and_not_beyond_their_bound() {
        let (mut trials, mut draw) = (Trials::default(), Draw(1));
        let lines = |lines: Lines| lines.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert!(!trials.keep(MEMBER, b"no trial"));
        trials.begin(Instant::ORIGIN, MEMBER, Duration::ZERO, false, draw.next());
        assert!(
            trials.keep(MEMBER, b"one") && trials.keep(MEMBER, b"") && trials.keep(MEMBER, b"2")
        );
        assert!(lines(trials.take_lines(MEMBER)).is_empty(), "they wait");
        assert_eq!(lines(trials.end(MEMBER)), [&b"one"[..], b"", b"2"]);
        assert_eq!((trials.due(), trials.first()), (None, None));

        trials.begin(Instant::ORIGIN, MEMBER, Duration::ZERO, false, draw.next());
        let kept = (0..100).filter(|_| trials.keep(MEMBER, b"line")).count();
        assert_eq!((kept, lines(trials.take_lines(MEMBER)).len()), (MAX_LINES, MAX_LINES));
        trials.begin(Instant::ORIGIN, MemberId::new(Slot::new(4), 0), RETURN, true, draw.next());
        assert!(!trials.keep(MemberId::new(Slot::new(4), 0), b"raw lines do not wait"));
    }
}
