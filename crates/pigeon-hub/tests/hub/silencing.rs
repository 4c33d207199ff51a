//! No member can silence another. Whatever one sends, and when, another's messages arrive: a member
//! loses messages only by its own rate, or because it answers automatically.
//!
//! An attacker who can forge source addresses can use up another's rate, as SECURITY.md says. Here
//! a forger stays below it, and tries to make its victim look like an automatic responder.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_hub::{Config, Dropped};
use pigeon_proto::Format;
use pigeon_proto::Format::{Chat, Classic, Raw};

use crate::harness::{FORMATS, Harness, SECOND, Sent, bytes_got, local};

const SENSOR: u16 = 5001;
const OTHER: u16 = 5002;
const LISTENER: u16 = 5003;
const MESSAGES: usize = 1_000;
const READING: &[u8] = b"{\"temp\":21.5,\"unit\":\"C\"}";

/// Reproducible pseudorandom values.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A hub with a sensor, another member, and a listener that counts the sensor's messages.
struct Scene {
    h: Harness,
    format: Format,
    said: usize,
    heard: usize,
    /// Lines that the sensor should have got, and has got.
    lines: [usize; 2],
}

impl Scene {
    fn new(format: Format) -> Scene {
        let mut h = Harness::new(Config { secret: [7; 16], ..Config::of(format) });
        h.join(&[SENSOR, OTHER, LISTENER].map(local));
        Scene { h, format, said: 0, heard: 0, lines: [0; 2] }
    }

    /// Whether a datagram contains a message of the sensor.
    fn is_reading(&self, bytes: &[u8]) -> bool {
        match self.format {
            Raw => bytes == READING,
            Chat => bytes.starts_with(b"127.0.0.1:5001: {"),
            Classic => bytes.ends_with(b". from 127.0.0.1:5001"),
        }
    }

    fn take(&mut self, sent: &[Sent]) {
        let heard = bytes_got(sent, local(LISTENER));
        self.heard += heard.into_iter().filter(|bytes| self.is_reading(bytes)).count();
        let lines = bytes_got(sent, local(SENSOR));
        self.lines[1] += lines.into_iter().filter(|bytes| !bytes.starts_with(b"^hb^ ")).count();
    }

    fn hear(&mut self, from: u16, bytes: impl AsRef<[u8]>) -> Vec<Sent> {
        let sent = self.h.from(local(from), bytes);
        self.take(&sent);
        sent
    }

    /// Sends a message of the sensor. Returns the resulting datagrams.
    fn reads(&mut self) -> Vec<Sent> {
        self.said += 1;
        self.lines[0] += usize::from(self.format != Raw);
        self.hear(SENSOR, READING)
    }

    /// Sends a message of another member to all.
    fn says(&mut self, from: u16, bytes: impl AsRef<[u8]>) -> Vec<Sent> {
        self.lines[0] += 1;
        self.hear(from, bytes)
    }

    fn wait(&mut self, time: Duration) {
        let sent = self.h.wait(time);
        self.take(&sent);
        if self.h.now.as_nanos() / 10_000_000_000
            != (self.h.now.as_nanos() - time.as_nanos() as u64) / 10_000_000_000
        {
            [SENSOR, OTHER, LISTENER]
                .iter()
                .for_each(|&port| drop(self.h.from(local(port), "^hb^")));
        }
    }

    /// Checks that no message from the sensor or to it was lost.
    fn check(&mut self, about: &str) {
        self.wait(SECOND);
        assert_eq!(self.heard, self.said, "{about}");
        assert_eq!(self.lines[0], self.lines[1], "{about}: lines to the sensor");
        let statistics = self.h.hub.statistics();
        assert_eq!((statistics.proved_to_answer, self.h.dropped(Dropped::AnswersByItself)), (0, 0));
    }
}

#[test]
fn two_sensors_with_equal_readings_lose_nothing() {
    for format in FORMATS {
        for millis in [2, 20, 100, 500, 1_000] {
            let mut scene = Scene::new(format);
            let mut other = 0;
            for _ in 0..MESSAGES {
                scene.reads();
                scene.wait(Duration::from_millis(millis / 2));
                let sent = scene.says(OTHER, READING);
                other += bytes_got(&sent, local(LISTENER)).len();
                if scene.format == Raw {
                    // Equal readings are indistinguishable.
                    scene.said += 1;
                }
                scene.wait(Duration::from_millis(millis / 2));
            }
            scene.check(&format!("{format:?} {millis}"));
            assert_eq!(other, MESSAGES, "{format:?} {millis}");
        }
    }
}

#[test]
fn two_sensors_at_random_periods_lose_nothing() {
    for format in FORMATS {
        for millis in [10, 100, 400] {
            let (mut scene, mut draw) = (Scene::new(format), Draw(1));
            while scene.said < MESSAGES {
                match draw.below(2) {
                    0 => drop(scene.reads()),
                    _ => {
                        scene.says(OTHER, READING);
                        scene.said += usize::from(format == Raw);
                    }
                }
                scene.wait(Duration::from_millis(draw.below(2 * millis)));
            }
            scene.check(&format!("{format:?} {millis}"));
        }
    }
}

#[test]
fn a_sensor_at_the_rate_of_the_lines_it_hears_loses_nothing() {
    for format in FORMATS {
        for millis in [1, 10, 50, 300, 900] {
            for lag in [0, millis / 2] {
                let mut scene = Scene::new(format);
                for n in 0..MESSAGES {
                    scene.says(OTHER, format!("line {n}"));
                    scene.wait(Duration::from_millis(lag));
                    scene.reads();
                    scene.wait(Duration::from_millis(millis - lag));
                }
                scene.check(&format!("{format:?} {millis} {lag}"));
                assert!(scene.h.hub.statistics().probes >= 1, "it was tried");
            }
        }
    }
}

#[test]
fn somebody_who_bears_the_name_of_a_quantity_silences_nobody() {
    let mut scene = Scene::new(Chat);
    scene.hear(OTHER, "/nick temperature");
    for _ in 0..MESSAGES {
        scene.says(OTHER, "21.5");
        scene.said += 1;
        scene.lines[0] += 1;
        scene.hear(SENSOR, "{kitchen temperature: 21.5");
        scene.wait(Duration::from_millis(250));
    }
    scene.lines[1] = scene.lines[0];
    scene.check("kitchen");
}

#[test]
fn saying_what_another_will_say_silences_nobody() {
    for ahead in [READING, b",\"unit\":\"C\"}", b"127.0.0.1:5001: {\"temp\":21.5,\"unit\":\"C\"}"] {
        for format in FORMATS {
            let mut scene = Scene::new(format);
            for _ in 0..MESSAGES {
                scene.says(OTHER, ahead);
                scene.said += usize::from(format == Raw && ahead == READING);
                scene.wait(Duration::from_millis(100));
                scene.reads();
                scene.wait(Duration::from_millis(150));
            }
            scene.check(&format!("{format:?}"));
        }
    }
}

/// The strongest attack without seeing the probes: lines at every pace, with stops and starts, so
/// that the sensor seems to fall silent and to send.
#[test]
fn whoever_stops_and_starts_another_s_lines_silences_nobody() {
    for format in FORMATS {
        for seed in 0..20 {
            let (mut scene, mut draw) = (Scene::new(format), Draw(seed));
            let mut lines_until = 0;
            for n in 0..MESSAGES {
                if draw.below(20) == 0 {
                    lines_until = n + draw.below(40) as usize;
                }
                if n < lines_until {
                    for _ in 0..1 + draw.below(2) {
                        scene.says(OTHER, "now!");
                    }
                }
                scene.reads();
                scene.wait(Duration::from_millis(10 + 40 * u64::from(seed % 2 == 0)));
            }
            scene.check(&format!("{format:?} {seed}"));
        }
    }
}

/// A sensor that sends rarely, in bursts or at random, and a forger who sends in its name to make
/// this look like answers.
#[test]
fn what_a_forger_says_in_anothers_name_proves_nothing() {
    for format in FORMATS {
        for seed in 0..30 {
            let (mut scene, mut draw) = (Scene::new(format), Draw(seed));
            let step = Duration::from_millis([7, 20, 40, 100][seed as usize % 4]);
            while scene.said < MESSAGES {
                // Both the sensor and the forger send from its address.
                if draw.below(2 + seed % 5) == 0 {
                    scene.says(OTHER, "line");
                    scene.reads();
                }
                scene.wait(step);
            }
            scene.check(&format!("{format:?} {seed}"));
        }
    }
}

#[test]
fn private_lines_and_floods_silence_nobody() {
    for format in [Chat, Classic] {
        let mut scene = Scene::new(format);
        for n in 0..MESSAGES {
            scene.hear(OTHER, format!("/msg 127.0.0.1:5001 psst {n}"));
            if n % 100 < 50 {
                (0..30).for_each(|_| drop(scene.says(OTHER, "flood")));
            }
            scene.reads();
            scene.wait(Duration::from_millis(50));
        }
        scene.lines[0] += MESSAGES;
        scene.check(&format!("{format:?}"));
    }
}

#[test]
fn a_person_who_asks_what_a_probe_is_loses_nothing() {
    let mut scene = Scene::new(Chat);
    let mut seen = 0;
    for _ in 0..MESSAGES {
        let sent = scene.reads();
        let probes: Vec<Vec<u8>> = bytes_got(&sent, local(SENSOR))
            .into_iter()
            .filter(|line| line.starts_with(b"^hb^ probe "))
            .map(<[u8]>::to_vec)
            .collect();
        for probe in probes {
            seen += 1;
            scene.said += 1;
            scene.lines[0] += 1;
            let question = [b"{what is this? ", &probe[..]].concat();
            // Another probe follows at once, and no person types a second request within its turn.
            scene.hear(SENSOR, question);
            scene.wait(2 * SECOND);
        }
        scene.wait(Duration::from_millis(100));
    }
    assert!(seen >= 1);
    scene.check("quoted");
}

/// Its copy is the acknowledgement, as for a short Python script that sends again after a second.
#[test]
fn a_program_that_waits_for_its_copy_loses_nothing() {
    for format in [Chat, Classic] {
        let mut scene = Scene::new(format);
        while scene.said < MESSAGES {
            let mut sent = scene.reads();
            let is_copy = |(to, bytes): &Sent| *to == local(SENSOR) && !bytes.starts_with(b"^hb^ ");
            for _ in 0..100 {
                if sent.iter().any(is_copy) {
                    break;
                }
                sent = scene.h.wait(Duration::from_millis(10));
                scene.take(&sent);
            }
            assert!(sent.iter().any(is_copy), "no copy within a second");
            scene.wait(Duration::from_millis(1));
        }
        scene.check(&format!("{format:?}"));
        assert!(scene.h.hub.statistics().probes >= 1, "it was tried");
    }
}

/// Lines to a member on trial arrive late, but they arrive.
#[test]
fn lines_wait_for_a_suspect_no_longer_than_its_trial() {
    let mut h = Harness::with_members(Chat, &[SENSOR, OTHER].map(local));
    let probed = |sent: &[Sent]| {
        bytes_got(sent, local(SENSOR)).iter().any(|line| line.starts_with(b"^hb^ probe"))
    };
    let mut n = 0;
    while !probed(&h.from(local(SENSOR), "reading")) {
        n += 1;
        assert!(n < 20);
        h.wait(Duration::from_millis(10));
    }
    assert_eq!(bytes_got(&h.from(local(OTHER), "hello"), local(SENSOR)), [b""; 0]);
    let later = h.wait(SECOND);
    let later: Vec<SocketAddr> = later.iter().map(|(to, _)| *to).collect();
    // The sensor's own message, the other member's, and a probe that it did not answer.
    assert_eq!(later, [local(SENSOR); 3]);
    assert_eq!(h.hub.statistics().probes, 2);
    for end in ["quit", "/join ops"] {
        let mut h = Harness::with_members(Chat, &[SENSOR, OTHER].map(local));
        while !probed(&h.from(local(SENSOR), "reading")) {
            h.wait(Duration::from_millis(10));
        }
        h.from(local(OTHER), "hello");
        h.hear(local(SENSOR), end);
        let mut sent: Vec<Sent> = h.drain();
        sent.extend(h.wait(SECOND));
        let hellos = |line: &&[u8]| line.ends_with(b": hello\n");
        assert_eq!(bytes_got(&sent, local(SENSOR)).into_iter().filter(hellos).count(), 1, "{end}");
    }
}
