//! Several figures as one.

use serde_json::{Value, json};

/// The smallest, the middle and the largest of several figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let [Some(min), Some(max)] = [sorted.first(), sorted.last()] else {
            return Spread::default();
        };
        Spread { min: *min, median: percentile(&sorted, 0.5), max: *max }
    }

    pub(crate) fn json(self) -> Value {
        json!({ "min": rounded(self.min), "median": rounded(self.median), "max": rounded(self.max) })
    }
}

impl From<f64> for Spread {
    fn from(figure: f64) -> Spread {
        Spread { min: figure, median: figure, max: figure }
    }
}

/// To three places, as a report has it.
pub(crate) fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

/// The figure below which a share of the sorted ones lies; nothing at all is zero.
pub(crate) fn percentile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((sorted.len() as f64 * share) as usize).min(last)).copied().unwrap_or_default()
}
