//! Damaged logs: either opening fails and the files stay unchanged, or it succeeds, reading ends,
//! and writing never panics.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_fuzz::logs::{folder, options, read};
use pigeon_log::{Append, Fact, Forget, Identity, Log, Numbering, Reader};
use pigeon_proto::{LinkKind, Name, RoomName};

#[derive(Arbitrary, Debug)]
struct Damage {
    /// Whether the files include a write-ahead log, as after a crash, instead of a clean shutdown.
    crashed: bool,
    harms: Vec<Harm>,
}

#[derive(Arbitrary, Debug)]
enum Harm {
    /// Overwrites bytes at a place of a page.
    Write { in_wal: bool, page: u8, at: u16, bytes: Vec<u8> },
    /// Overwrites one page with another.
    Move { in_wal: bool, from: u8, to: u8 },
    /// Cuts off the end.
    Cut { in_wal: bool, pages: u8, bytes: u16 },
}

const NAMES: [&str; 2] = ["log.sqlite", "log.sqlite-wal"];
const PAGE: usize = 8_192;

/// Both files after a crash, and one after a clean shutdown.
static WHOLE: LazyLock<[[Vec<u8>; 2]; 2]> = LazyLock::new(|| {
    let folder = folder();
    let files = || NAMES.map(|name| std::fs::read(folder.path().join(name)).unwrap_or_default());
    let log = Log::open(folder.path(), options(), |_| ()).expect("an empty folder");
    for number in 1..=200 {
        log.try_append(message(number)).expect("room in the queue");
    }
    let name = Name::parse(b"ada").expect("a name");
    log.try_set(&Fact::Mute { name }).expect("room in the queue");
    log.flush().wait();
    log.forget(Forget::Speaker("nobody".into())).wait().expect("it can be written");
    while log.indexed() < log.durable() {
        std::thread::sleep(Duration::from_millis(1));
    }
    log.try_append(message(201)).expect("room in the queue");
    log.flush().wait();
    let crashed = files();
    drop(log);
    [crashed, files()]
});

fn message(number: u64) -> Append {
    Append {
        room: RoomName::parse(if number.is_multiple_of(3) { b"lobby" } else { b"lab" })
            .expect("a name"),
        speaker: format!("speaker{}", number % 5).into(),
        link: LinkKind::Plain,
        wall: Duration::from_secs(number),
        text: format!("温度 message {number}").into_bytes().into(),
        identity: Identity { author: 1, outbox: number % 2, number },
        numbering: Numbering::ByHub,
    }
}

fuzz_target!(|damage: Damage| {
    let mut files = WHOLE[usize::from(!damage.crashed)].clone();
    damage.harms.iter().for_each(|harm| apply(&mut files, harm));
    if files[0].is_empty() {
        // A folder without a log starts a new one.
        return;
    }
    let folder = folder();
    for (name, bytes) in NAMES.iter().zip(&files) {
        if !bytes.is_empty() {
            std::fs::write(folder.path().join(name), bytes).expect("a file of its own");
        }
    }
    if let Ok(reader) = Reader::open(folder.path()) {
        read(&reader);
    }
    let is_whole = pigeon_log::check(folder.path()).is_ok();
    match Log::open(folder.path(), options(), |_| ()) {
        Ok(log) => {
            assert!(is_whole, "a check finds what opening finds");
            read(&log.reader().expect("it is open"));
            let _ = log.try_append(message(1_000));
            log.flush().wait();
            let _ = log.forget(Forget::Speaker("speaker3".into())).poll();
        }
        Err(error) => {
            assert!(error.to_string().contains("log"), "{error}");
            for (name, bytes) in NAMES.iter().zip(&files) {
                assert!(same(&folder.path().join(name), bytes), "{name} was changed: {error}");
            }
        }
    }
});

fn apply(files: &mut [Vec<u8>; 2], harm: &Harm) {
    match harm {
        Harm::Write { in_wal, page, at, bytes } => {
            let file = &mut files[usize::from(*in_wal)];
            let start = usize::from(*page) * PAGE + usize::from(*at) % PAGE;
            let places = file.get_mut(start..).unwrap_or_default();
            places.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        }
        Harm::Move { in_wal, from, to } => {
            let file = &mut files[usize::from(*in_wal)];
            let pages = file.len() / PAGE;
            if pages > 0 {
                let (from, to) = (usize::from(*from) % pages, usize::from(*to) % pages);
                file.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
            }
        }
        Harm::Cut { in_wal, pages, bytes } => {
            let file = &mut files[usize::from(*in_wal)];
            file.truncate(usize::from(*pages) * PAGE + usize::from(*bytes) % PAGE);
        }
    }
}

/// Whether the file has these bytes. An empty file may be missing.
fn same(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).unwrap_or_default() == bytes
}
