//! What the page's thread and the hub's loop tell each other about the operator's view.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::figures::{Figures, Web};
use crate::cli::hub::console::Command;

/// Number of points that are kept: an hour.
const SAMPLES: usize = 3_600;

/// Maximum number of the operator's commands that wait.
const MOST_COMMANDS: usize = 64;

/// The shared state.
#[derive(Default)]
pub(super) struct Board {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    figures: Figures,
    /// Each as a JSON object, oldest first, and how many came before them.
    samples: VecDeque<Arc<str>>,
    earlier: u64,
    /// The newest list of members, as a frame, and its number.
    members: Option<Arc<str>>,
    lists: u64,
    web: Web,
    viewers: usize,
    commands: VecDeque<(u64, Command)>,
    answers: Vec<(u64, String)>,
}

/// The hub's side.
impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn web(&self) -> Web {
        self.lock().web
    }

    /// Whether somebody looks at the operator's view.
    pub(super) fn has_viewers(&self) -> bool {
        self.lock().viewers > 0
    }

    pub(super) fn set_figures(&self, figures: Figures) {
        let mut inner = self.lock();
        let sample = figures.sample(&inner.figures);
        // The first figures have nothing before them.
        if inner.figures.is_taken() {
            if inner.samples.len() >= SAMPLES {
                inner.samples.pop_front();
                inner.earlier += 1;
            }
            inner.samples.push_back(sample.to_string().into());
        }
        inner.figures = figures;
    }

    pub(super) fn set_members(&self, frame: &Value) {
        let mut inner = self.lock();
        inner.members = Some(frame.to_string().into());
        inner.lists += 1;
    }

    pub(super) fn take_commands(&self) -> Vec<(u64, Command)> {
        self.lock().commands.drain(..).collect()
    }

    pub(super) fn answer(&self, to: u64, lines: &[String]) {
        let frame = json!({"type": "answer", "text": lines.join("\n")}).to_string();
        self.lock().answers.push((to, frame));
    }
}

/// The page's side.
impl Board {
    pub(super) fn figures(&self) -> Figures {
        self.lock().figures.clone()
    }

    pub(super) fn set_web(&self, web: Web, viewers: usize) {
        let mut inner = self.lock();
        (inner.web, inner.viewers) = (web, viewers);
    }

    /// The points from a number on, and the number of the next one.
    pub(super) fn samples_from(&self, number: u64) -> (Vec<Arc<str>>, u64) {
        let inner = self.lock();
        let skipped = number.saturating_sub(inner.earlier) as usize;
        let samples = inner.samples.iter().skip(skipped).cloned().collect();
        (samples, inner.earlier + inner.samples.len() as u64)
    }

    /// The newest list of members, if it is newer than this number.
    pub(super) fn members_after(&self, number: u64) -> Option<(Arc<str>, u64)> {
        let inner = self.lock();
        inner.members.clone().filter(|_| inner.lists > number).map(|list| (list, inner.lists))
    }

    /// Queues a command. False if too many wait.
    pub(super) fn ask(&self, from: u64, command: Command) -> bool {
        let mut inner = self.lock();
        let has_room = inner.commands.len() < MOST_COMMANDS;
        if has_room {
            inner.commands.push_back((from, command));
        }
        has_room
    }

    pub(super) fn take_answers(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.lock().answers)
    }
}
