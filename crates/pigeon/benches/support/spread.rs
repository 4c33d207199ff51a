//! The smallest, the middle and the largest of several figures.
#![allow(dead_code, reason = "each benchmark uses its part")]

use serde_json::{Value, json};

/// The smallest, the middle and the largest of several figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Spread { min: sorted[0], median: sorted[sorted.len() / 2], max: sorted[sorted.len() - 1] }
    }

    /// For a report, to three places.
    pub(crate) fn json(self) -> Value {
        let round = |figure: f64| (figure * 1000.0).round() / 1000.0;
        json!({ "min": round(self.min), "median": round(self.median), "max": round(self.max) })
    }
}
