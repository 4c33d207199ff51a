//! Random lines of an export: each is stored, known, conflicting or invalid, and a second import of
//! the result changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pigeon_fuzz::logs::{export, folder, options};
use pigeon_log::Log;

fuzz_target!(|lines: &[u8]| {
    let folder = folder();
    let log = Log::open(folder.path(), options(), |_| ()).expect("an empty folder");
    let first = log.import(lines).expect("memory can be read and the log written");
    let expected = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let total = first.stored + first.known + first.conflicts + first.bad;
    assert_eq!(total, expected.count() as u64);
    assert!(first.bad_lines.len() as u64 <= first.bad);
    let exported = export(&log);
    let written = exported.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(written as u64, first.stored);

    let again = log.import(lines).expect("the same lines");
    assert_eq!((again.stored, again.conflicts, again.bad), (0, first.conflicts, first.bad));
    let own = log.import(&*exported).expect("its own lines");
    assert_eq!((own.stored, own.known), (0, first.stored), "{own:?}");

    // An empty log ends up with the same entries, except for positions, without gaps there either.
    let other = pigeon_fuzz::logs::folder();
    let copy = Log::open(other.path(), options(), |_| ()).expect("an empty folder");
    let copied = copy.import(&*exported).expect("an export");
    assert_eq!((copied.stored, copied.bad), (first.stored, 0), "{copied:?}");
    assert_eq!(export(&copy), exported);
});
