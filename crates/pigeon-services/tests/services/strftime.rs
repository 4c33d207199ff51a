//! Compares thousands of formats and moments with glibc's `strftime` in the C locale, through
//! Python's `time.strftime`.
//!
//! Formats: every conversion with every flag, every pair of flags and every modifier. Moments:
//! among them leap days, both ends of daylight saving time, and the days around each new year,
//! where week numbers differ. Zones: east and west of UTC, some with half hours.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::harness::{Dice, ZONE};

/// Reads lines of a time and a format in hexadecimal, and writes the results in hexadecimal.
const PROGRAM: &str = "
import sys, time
for line in sys.stdin:
    unix, text = line.split(' ')
    text = bytes.fromhex(text).decode()
    print(time.strftime(text, time.localtime(int(unix))).encode().hex())
";

const CONVERSIONS: &str = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";

/// The conversions that each modifier allows.
const MODIFIED: [(char, &str); 2] = [('E', "cCxXyY"), ('O', "bBdehHImMSuUVwWy")];

const ZONES: [&str; 5] =
    [ZONE, "UTC0", "<-0330>3:30", "<+0545>-5:45", "NZST-12NZDT,M9.5.0,M4.1.0/3"];

/// No flag, each one, and each pair.
fn flags() -> Vec<String> {
    let one = ["", "_", "-", "0", "^", "#"];
    let pairs =
        one.iter().flat_map(|first| one.iter().map(move |second| format!("{first}{second}")));
    let mut all: Vec<String> = pairs.collect();
    all.sort();
    all.dedup();
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Python's result for each; `None` without Python on glibc.
fn python(zone: &str, all: &[(u64, String)]) -> Option<Vec<String>> {
    let glibc = "import platform; print(platform.libc_ver()[0])";
    let libc = Command::new("python3").args(["-c", glibc]).output().ok()?;
    if !libc.stdout.starts_with(b"glibc") {
        return None;
    }
    let mut child = Command::new("python3")
        .args(["-c", PROGRAM])
        .env("TZ", zone)
        .env("LC_ALL", "C")
        .env("PYTHONUTF8", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = String::new();
    for (unix, format) in all {
        writeln!(input, "{unix} {}", hex(format.as_bytes())).unwrap();
    }
    let mut stdin = child.stdin.take().unwrap();
    let writer = move || stdin.write_all(input.as_bytes()).unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(writer);
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

fn compare(zone: &str, all: &[(u64, String)]) {
    let Some(expected) = python(zone, all) else {
        let required = std::env::var_os("PIGEON_REQUIRE_PEERS").is_some();
        assert!(!required, "no python3 on glibc, and PIGEON_REQUIRE_PEERS is set");
        // Not `eprintln!`: the test harness hides its output when a test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no python3 on glibc to compare with");
        return;
    };
    assert_eq!(expected.len(), all.len());
    let time_zone = TimeZone::posix(zone).unwrap();
    for ((unix, format), expected) in all.iter().zip(expected) {
        let mut out = Vec::new();
        let result = pigeon_services::strftime::format(
            format.as_bytes(),
            Duration::from_secs(*unix),
            &time_zone,
            &mut out,
        );
        assert_eq!(result, Ok(()), "{format:?}");
        assert_eq!(hex(&out), expected, "{format:?} at {unix} in {zone}: {}", out.escape_ascii());
    }
}

#[test]
fn every_conversion_is_the_c_librarys() {
    let mut formats = Vec::new();
    for flags in flags() {
        let plain = CONVERSIONS.chars().map(|letter| format!("<%{flags}{letter}>"));
        formats.extend(plain);
        for (modifier, letters) in MODIFIED {
            formats.extend(letters.chars().map(|letter| format!("<%{flags}{modifier}{letter}>")));
        }
    }
    let sentences = ["%Y-%m-%d %X", "%A, %d. %B %Y, %H:%M:%S %Z", "狗哥 %c", "%-I:%M %p", "%s.0"];
    formats.extend(sentences.map(str::to_owned));
    let moments = [0, 951_782_400, 1_767_225_600, 1_774_746_000, 1_795_208_645, 4_102_444_799];
    let all: Vec<_> = moments
        .iter()
        .flat_map(|unix| formats.iter().map(|format| (*unix, format.clone())))
        .collect();
    for zone in ZONES {
        compare(zone, &all);
    }
}

/// Conversions that depend on the day, the hour or the zone.
const ALL_AT_ONCE: &str = "%F %T %a %j %U %W %V %G %g %u %w %C %y %e %I %l %k %p %Z %z %s %c";

#[test]
fn days_around_a_new_year_are_the_c_librarys() {
    let mut all = Vec::new();
    // Until 2037: after it some C libraries know no daylight saving time.
    for year in 1971..2038 {
        let new_year = jiff::civil::date(year, 1, 1).to_zoned(TimeZone::UTC).unwrap();
        let new_year = u64::try_from(new_year.timestamp().as_second()).unwrap();
        for day in 0..14 {
            let midnight = new_year + day * 86_400 - 7 * 86_400;
            all.extend([midnight - 1, midnight].map(|unix| (unix, ALL_AT_ONCE.to_owned())));
        }
    }
    for zone in ZONES {
        compare(zone, &all);
    }
}

#[test]
fn weeks_years_and_hours_are_the_c_librarys_on_any_day() {
    let mut dice = Dice(2);
    // Until 2037: after it some C libraries know no daylight saving time.
    let moment = |_| (dice.next() % 2_145_000_000, ALL_AT_ONCE.to_owned());
    let all: Vec<_> = (0..5_000).map(moment).collect();
    compare(ZONE, &all);
}
