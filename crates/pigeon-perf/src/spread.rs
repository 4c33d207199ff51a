//! Several measurements of one figure, and percentiles.

use serde_json::{Value, json};

/// The smallest, the middle and the largest of several figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of these figures; zeros if there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let [Some(min), Some(max)] = [sorted.first(), sorted.last()] else {
            return Spread::default();
        };
        Spread { min: *min, median: percentile(&sorted, 0.5), max: *max }
    }

    /// The spread for the report's file, to three digits.
    pub fn json(self) -> Value {
        json!({ "min": rounded(self.min), "median": rounded(self.median), "max": rounded(self.max) })
    }
}

impl From<f64> for Spread {
    fn from(figure: f64) -> Spread {
        Spread { min: figure, median: figure, max: figure }
    }
}

/// A figure rounded to three digits, as in a report.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

/// The figure below which a `share` (0 to 1) of the sorted figures lies; the default if there are none.
pub fn percentile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((sorted.len() as f64 * share) as usize).min(last)).copied().unwrap_or_default()
}
