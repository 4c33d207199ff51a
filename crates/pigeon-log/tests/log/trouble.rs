//! A full disk, a read-only folder, removed files: no message is falsely reported as stored,
//! nothing blocks, and the log recovers without help.

use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use pigeon_log::{Entry, Log, OpenError, Options, Outcome, Report, Trouble};

use crate::support::{Fixture, keyed, plain, wait_until};

fn is_unable(report: &Report) -> Option<Trouble> {
    match report {
        Report::Unable { trouble, .. } => Some(trouble.clone()),
        _ => None,
    }
}

fn is_healed(report: &Report) -> Option<u64> {
    match report {
        Report::Healed { lost } => Some(*lost),
        _ => None,
    }
}

#[test]
fn files_that_are_gone_acknowledge_nothing_and_heal_when_they_are_back() {
    let fixture = Fixture::new();
    fixture.append_one(plain(1, "before"));
    let moved = fixture.path().with_extension("moved");
    std::fs::rename(fixture.path(), &moved).unwrap();
    let tickets = [
        fixture.log().try_append(plain(2, "relayed")).unwrap(),
        fixture.log().try_append(keyed(5, 1, "reliable")).unwrap(),
        fixture.log().try_append(plain(3, "relayed")).unwrap(),
    ];
    assert_eq!(fixture.wait_for(is_unable), Trouble::Gone);
    // The refusals follow the report, and later messages are refused at once.
    assert_eq!(fixture.outcomes(&tickets), [Outcome::NotStored; 3]);
    assert_eq!(fixture.append_one(plain(4, "relayed")), Outcome::NotStored);
    assert_eq!(fixture.append_one(keyed(5, 2, "reliable")), Outcome::NotStored);
    std::fs::rename(&moved, fixture.path()).unwrap();
    assert_eq!(fixture.wait_for(is_healed), 3);
    let again = fixture.append([keyed(5, 1, "reliable"), plain(5, "after")]);
    assert!(again.iter().all(|outcome| matches!(outcome, Outcome::Stored { .. })), "{again:?}");
    assert_eq!(fixture.texts(), ["before", "gap of 3", "reliable", "after"]);
    let all = fixture.all();
    let Entry::Gap(gap) = &all[1] else { panic!() };
    assert_eq!((gap.after, gap.wall), (all[0].position(), plain(2, "").wall));
}

#[test]
fn a_folder_that_was_removed_is_not_written_into_the_void() {
    let fixture = Fixture::new();
    fixture.append_one(plain(1, "before"));
    std::fs::remove_dir_all(fixture.path()).unwrap();
    assert_eq!(fixture.append_one(plain(2, "relayed")), Outcome::NotStored);
    assert!(fixture.log().forget(pigeon_log::Forget::Speaker("狗哥".into())).wait().is_err());
    assert!(fixture.log().import(&b"{}"[..]).unwrap().bad == 1);
    let line =
        r#"{"room":"a","from":"a","unix_ms":1,"text":"b","author":"1","outbox":"2","number":3}"#;
    assert!(fixture.log().import(line.as_bytes()).is_err());
}

/// A log on its own file system of 3 MiB. `None` without the permission to mount one.
#[cfg(target_os = "linux")]
fn on_a_small_disk() -> Option<SmallDisk> {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "pigeon-log-test"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: cannot mount a file system");
        return None;
    }
    Some(SmallDisk { folder })
}

#[cfg(target_os = "linux")]
struct SmallDisk {
    folder: tempfile::TempDir,
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).output();
    }
}

#[cfg(target_os = "linux")]
fn open(folder: &std::path::Path) -> Result<(Log, Receiver<Report>), OpenError> {
    let (sender, reports) = std::sync::mpsc::channel();
    let log = Log::open(folder, Options::default(), move |report| drop(sender.send(report)))?;
    Ok((log, reports))
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_and_heals() {
    let Some(disk) = on_a_small_disk() else { return };
    let folder = disk.folder.path().join("log");
    let ballast = disk.folder.path().join("ballast");
    let (log, reports) = open(&folder).unwrap();
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let (mut stored, mut refused, mut unable) = (Vec::new(), 0, false);
    let mut number = 0;
    while refused < 10 {
        number += 1;
        log.try_append(plain(number, &format!("message {number} {}", "x".repeat(2_000)))).unwrap();
        loop {
            match reports.recv_timeout(Duration::from_secs(20)).unwrap() {
                Report::Unable { trouble, .. } => {
                    assert_eq!(trouble, Trouble::Full);
                    unable = true;
                }
                Report::Settled { outcomes, .. } if outcomes.is_empty() => {}
                Report::Settled { outcomes, .. } => {
                    match outcomes[0].1 {
                        Outcome::Stored { position } => stored.push(position),
                        Outcome::NotStored => refused += 1,
                        other => panic!("{other:?}"),
                    }
                    break;
                }
                Report::Healed { .. } => {}
                Report::Forgotten(_) => panic!(),
            }
        }
        assert!(number < 5_000, "the disk is never full");
    }
    assert!(unable && stored.len() > 10);
    std::fs::remove_file(&ballast).unwrap();
    let mut healed = false;
    wait_until("healing", || {
        healed |= reports.try_iter().any(|report| matches!(report, Report::Healed { .. }));
        healed
    });
    log.try_append(plain(9_999, "after")).unwrap();
    log.flush().wait();
    let entries = log.reader().unwrap().after(pigeon_log::Position::START, None, 9_999).unwrap();
    let held: Vec<_> = entries.iter().filter_map(Entry::message).map(|m| m.position).collect();
    assert_eq!(held[..held.len() - 1], stored, "what was acknowledged, and nothing else");
    let missing: u64 =
        entries.iter().map(|e| if let Entry::Gap(gap) = e { gap.count } else { 0 }).sum();
    assert_eq!(missing, refused);
    drop(log);
    let (log, _reports) = open(&folder).unwrap();
    let reader = log.reader().unwrap();
    assert_eq!(reader.after(pigeon_log::Position::START, None, 9_999).unwrap(), entries);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_is_refused_with_a_reason_and_opens_once_writable() {
    let Some(disk) = on_a_small_disk() else { return };
    let folder = disk.folder.path().join("log");
    let remount = |mode: &str| {
        let options = format!("remount,{mode}");
        let mut mount = Command::new("mount");
        mount.args(["-o", &options]).arg(disk.folder.path()).status().unwrap().success()
    };
    let (log, _reports) = open(&folder).unwrap();
    log.try_append(plain(1, "before")).unwrap();
    drop(log);
    assert!(remount("ro"));
    let Err(error) = open(&folder) else { panic!("opened") };
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");
    assert!(error.to_string().contains("check its owner and mode"), "{error}");
    assert!(remount("rw"));
    let (log, _reports) = open(&folder).unwrap();
    assert_eq!(log.reader().unwrap().after(pigeon_log::Position::START, None, 9).unwrap().len(), 1);
}
