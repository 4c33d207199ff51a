//! The experiment that shows whether a member answers by itself.
//!
//! A program that answers whatever it gets returns a *nonce* that only it was sent, or, if it answers
//! with words of its own (`size`, `OK`), speaks when it was asked and at no other time. Nothing else
//! does either, so nothing else is proved:
//!
//! - **A nonce** cannot be guessed. One that comes back may be quoted by a person; the second, sent at
//!   once after it, is proof.
//! - **When it speaks**, where lines and answers follow one another all the time, shows nothing: a
//!   sensor may keep the pace of what it hears, and somebody may keep that of a sensor. So the
//!   member's lines wait, in order, and are sent when the trial ends. First it settles: what answers
//!   falls silent for want of lines. Then come turns of equal length, and in one of four, by chance, a
//!   probe. It is cleared by a text in a turn without one, and by silence in a turn with one. Whoever
//!   does not see the probes keeps this up through ten of them once in a million trials (1 in 4^10),
//!   whatever it does and whatever others make it do.
//!
//! ```text
//!   begin ──▶ Settling ──▶ Turns ─▶ Turns … ──▶ proved or cleared
//!     │          │           │
//!     └──────────┴───────────┴─────▶ Open, where lines may not wait: a nonce decides alone
//! ```
//!
//! Lines do not wait in raw rooms, which send nobody its own words, so that one address alone makes no
//! loop there, nor where more come than [`MAX_LINES`] or [`MAX_BYTES`].

use std::time::Duration;

use pigeon_datagram::Instant;

use crate::core::id::MemberId;

/// The most trials at once. A further suspect waits for its next sixteen texts.
const MAX_TRIALS: usize = 64;

/// The most lines that wait for one member.
const MAX_LINES: usize = 64;

/// The most bytes that wait for one member.
const MAX_BYTES: usize = 64 * 1024;

/// How long a nonce may take to come back where lines do not wait.
const RETURN: Duration = Duration::from_secs(1);

/// The shortest and the longest turn: an answer must come within one.
const TURNS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

/// How many nonces must come back.
const NONCES: u8 = 2;

/// How many turns with a probe must be answered. The first always has one, and so proves nothing.
const ANSWERED: u8 = 1 + 10;

/// How many letters a nonce has.
pub(super) const NONCE: usize = 16;

/// What a trial asks for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Wait,
    /// A probe with this nonce, to be sent at once.
    Ask([u8; NONCE]),
    /// An end: the member answers by itself.
    Proved,
    /// An end: nothing is proved.
    Cleared,
}

/// What chance decides of a step: a nonce, and a number.
#[derive(Clone, Copy)]
pub(super) struct Chance {
    pub(super) nonce: [u8; NONCE],
    pub(super) number: u64,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Lines go to the member as ever.
    Open,
    /// From `quiet` on, what it was sent before has been answered.
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
    /// When the stage, or the turn, is over.
    due: Instant,
    turn: Duration,
    /// The last one sent.
    nonce: [u8; NONCE],
    returned: u8,
    /// Lines that wait, one behind the other, and where each ends.
    waiting: Vec<u8>,
    ends: Vec<usize>,
}

/// The trials that are going on.
#[derive(Default)]
pub(super) struct Trials(Vec<Trial>);

impl Trials {
    /// Whether one more may begin.
    pub(super) fn have_place(&self) -> bool {
        self.0.len() < MAX_TRIALS
    }

    /// Begins one with a probe. `pace` is the time that sixteen texts of the member took.
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

    /// A member on trial sent a datagram, which is a message or a command, or not.
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

    /// When the first stage or turn is over.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|trial| trial.due).min()
    }

    /// Goes on with a trial after a stage or turn.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        chance: impl FnOnce() -> Chance,
    ) -> Option<(MemberId, Step)> {
        let trial = self.0.iter_mut().find(|trial| trial.due <= now)?;
        Some((trial.member, trial.turn_over(now, chance())))
    }

    /// Keeps a line until the end of a member's trial. False if it has none, or its lines go on.
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

    /// Takes the lines that have waited for a member, where they wait no longer.
    pub(super) fn take_lines(&mut self, member: MemberId) -> Lines {
        match self.find(member) {
            Some(trial) if matches!(trial.stage, Stage::Open) => trial.lines(),
            _ => Lines::default(),
        }
    }

    /// Ends a trial. The lines that have waited are to be sent.
    pub(super) fn end(&mut self, member: MemberId) -> Lines {
        let at = self.0.iter().position(|trial| trial.member == member);
        at.map_or_else(Lines::default, |at| self.0.swap_remove(at).lines())
    }

    /// The members on trial.
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

/// Lines that have waited.
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

/// Whether a datagram holds a nonce, in any case.
fn holds(payload: &[u8], nonce: &[u8; NONCE]) -> bool {
    payload.windows(NONCE).any(|window| window.eq_ignore_ascii_case(nonce))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::Slot;

    const MEMBER: MemberId = MemberId::new(Slot::new(3), 7);

    /// Chance as a generator draws it.
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

    /// A trial in which `speaks` says, for each turn from the first with a probe on, whether the member
    /// sends a text; it sees whether it was asked. What comes of it, and the probes.
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
