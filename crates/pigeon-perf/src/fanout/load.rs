//! The members' messages: rounds of messages in flight together.

use std::fmt::Write;

use rand_core::Rng;
use rand_pcg::Pcg32;

/// The lengths of messages in bytes.
#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    /// All messages have this length.
    Equal(usize),
    /// Like people's: 40 to 400 bytes, short ones more often than long ones, 160 on average.
    Chat,
}

/// Messages sent at once.
pub struct Burst {
    /// The messages.
    pub texts: Vec<String>,
    /// The end of each, so that a late copy is not taken for one of these.
    pub mark: String,
}

/// Generates bursts, the same in every run.
pub struct Load {
    sizes: Sizes,
    in_flight: usize,
    made: u32,
    random: Pcg32,
}

impl Load {
    /// Bursts of `in_flight` messages each.
    pub fn new(sizes: Sizes, in_flight: usize) -> Load {
        Load { sizes, in_flight, made: 0, random: Pcg32::new(1, 1) }
    }

    /// The next burst.
    pub fn burst(&mut self) -> Burst {
        self.made += 1;
        let mark = format!("{:08x}", self.made);
        let texts = (0..self.in_flight).map(|_| self.text(&mark)).collect();
        Burst { texts, mark }
    }

    fn text(&mut self, mark: &str) -> String {
        let size = match self.sizes {
            Sizes::Equal(size) => size,
            Sizes::Chat => {
                let uniform = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
                (40.0 + 360.0 * uniform * uniform) as usize
            }
        };
        let body = size - mark.len();
        let mut text = String::with_capacity(size);
        while text.len() < body {
            let said = match self.sizes {
                Sizes::Equal(_) => "x",
                Sizes::Chat => SAID[self.random.next_u32() as usize % SAID.len()],
            };
            text.push_str(said);
        }
        while text.len() > body {
            text.pop();
        }
        // Pads if a character of several bytes did not fit.
        while text.len() < body {
            text.push('.');
        }
        let _ = write!(text, "{mark}");
        text
    }
}

/// Fragments of chat, one in four not ASCII.
const SAID: [&str; 8] = [
    "are you there? ",
    "the build is green again, ",
    "see you at ten, ",
    "你好，吃饭了吗？",
    "no idea, let me look. ",
    "that was the cable! ",
    "déjà vu 🙂 ",
    "restarting it now; ",
];
