//! Formats and moments by the thousand, compared with what the C library makes of them, through
//! Python's `time.strftime`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::harness::{Dice, ZONE};

/// Reads lines of a time and a format in hexadecimal, and writes the results, so too.
const PROGRAM: &str = "
import sys, time
for line in sys.stdin:
    unix, text = line.split(' ')
    text = bytes.fromhex(text).decode()
    print(time.strftime(text, time.localtime(int(unix))).encode().hex())
";

const CONVERSIONS: &str = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What Python makes of each; `None` where there is no Python, or no glibc under it.
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
        eprintln!("SKIPPED: no python3 on glibc to compare with");
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
    let mut all = Vec::new();
    let moments = [0, 951_782_400, 1_767_225_600, 1_774_746_000, 1_795_208_645, 4_102_444_799];
    for unix in moments {
        for letter in CONVERSIONS.chars() {
            for flags in ["", "_", "-", "0", "^", "#", "^#", "_^", "-_", "#-"] {
                all.push((unix, format!("<%{flags}{letter}>")));
            }
        }
        for format in ["%Y-%m-%d %X", "%A, %d. %B %Y, %H:%M:%S %Z", "狗哥 %c", "%-I:%M %p", "%s.0"]
        {
            all.push((unix, format.to_owned()));
        }
        for modified in
            "%Ec %EC %Ex %EX %Ey %EY %Od %Oe %OH %OI %Om %OM %OS %Ou %OU %OV %Ow %OW %Oy %OB"
                .split(' ')
        {
            all.push((unix, modified.to_owned()));
        }
    }
    for zone in [ZONE, "UTC0", "<-0330>3:30", "<+0545>-5:45", "NZST-12NZDT,M9.5.0,M4.1.0/3"] {
        compare(zone, &all);
    }
}

#[test]
fn weeks_years_and_hours_are_the_c_librarys_on_any_day() {
    let mut dice = Dice(2);
    let format = "%F %T %a %j %U %W %V %G %g %u %w %C %y %e %I %l %k %p %Z %z %s %c";
    // Until 2037: beyond it some C libraries know no daylight saving time.
    let moment = |_| (dice.next() % 2_145_000_000, format.to_owned());
    let all: Vec<_> = (0..5_000).map(moment).collect();
    compare(ZONE, &all);
}
