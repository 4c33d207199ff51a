//! Realistic messages: Chinese words distributed by Zipf's law, mixed with Latin words and numbers.

/// Lines that repeat in turn.
pub(crate) struct Text {
    lines: Vec<String>,
    vocabulary: Vec<String>,
}

/// Words of other scripts.
const LATIN: [&str; 8] = ["sensor", "room", "hub", "ok", "release", "21.5", "udp", "lunch"];

const LINES: usize = 200_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.share() * bound as f64) as usize
    }
}

impl Text {
    /// One line of `bytes` bytes.
    pub(crate) fn latin(bytes: usize) -> Text {
        let line = "a message of a usual length, ".chars().cycle().take(bytes).collect();
        Text { lines: vec![line], vocabulary: Vec::new() }
    }

    /// Lines of about 60 characters.
    pub(crate) fn mixed() -> Text {
        let vocabulary = vocabulary();
        let mut random = Random(7);
        let lines = (0..LINES).map(|n| line(&vocabulary, &mut random, n)).collect();
        Text { lines, vocabulary }
    }

    pub(crate) fn line(&self, n: usize) -> &str {
        &self.lines[n % self.lines.len()]
    }

    /// Queries of several kinds.
    pub(crate) fn queries(&self, count: usize) -> Vec<(&'static str, Vec<String>)> {
        let mut random = Random(99);
        let each = count / 5;
        let cut = |random: &mut Random, length: usize| {
            let line: Vec<char> = self.lines[random.below(self.lines.len())].chars().collect();
            let start = random.below(line.len().saturating_sub(length) + 1);
            line[start..(start + length).min(line.len())].iter().collect::<String>()
        };
        let mut of = |make: &mut dyn FnMut(&mut Random) -> String| {
            (0..each).map(|_| make(&mut random)).collect::<Vec<String>>()
        };
        vec![
            ("two characters of a message", of(&mut |random| cut(random, 2))),
            ("four characters of a message", of(&mut |random| cut(random, 4))),
            (
                "a word of the vocabulary",
                of(&mut |random| self.vocabulary[random.below(self.vocabulary.len())].clone()),
            ),
            (
                "a Latin word and two characters",
                of(&mut |random| {
                    format!("{} {}", LATIN[random.below(LATIN.len())], cut(random, 2))
                }),
            ),
            (
                "what nobody said",
                of(&mut |random| {
                    format!("{}{}", LATIN[random.below(LATIN.len())], random.below(1_000_000))
                }),
            ),
        ]
    }
}

fn vocabulary() -> Vec<String> {
    let mut random = Random(42);
    let character = |random: &mut Random| {
        let rank = (random.share().powf(2.5) * 3_000.0) as u32;
        char::from_u32(0x4e00 + rank * 6 % 20_000).expect("a Chinese character")
    };
    let mut words = vec!["温度".to_owned(), "传感器".into(), "吃饭".into()];
    while words.len() < 20_000 {
        let length = 1 + usize::from(random.next() % 10 < 8) + usize::from(random.next() % 10 < 2);
        words.push((0..length).map(|_| character(&mut random)).collect());
    }
    words
}

fn line(vocabulary: &[String], random: &mut Random, n: usize) -> String {
    let mut line = String::new();
    for _ in 0..4 + random.next() % 16 {
        if random.next().is_multiple_of(12) {
            line.push(' ');
            line.push_str(LATIN[random.below(LATIN.len())]);
            line.push(' ');
        } else {
            let rank = (random.share().powf(3.0) * vocabulary.len() as f64) as usize;
            line.push_str(&vocabulary[rank]);
        }
    }
    if n % 50_000 == 7 {
        line.push_str("独角兽飞行器");
    }
    line
}
