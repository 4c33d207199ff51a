//! Power cuts. A child appends messages. A library preloaded before libc records every write and
//! sync of its files in order, together with the messages it reports durable. From the record,
//! files are rebuilt as a power cut may leave them: synced data is complete, and later writes are
//! present in any combination, even out of order and torn in sectors. Renames happen in order, as
//! in journaling file systems.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kill::{child, claims_in, examine};
use crate::support::{Random, rounds};

const SECTOR: usize = 512;

const RECORDER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;
static const char *folder;
__attribute__((constructor)) static void start(void) {
    folder = getenv("RECORD_FOLDER");
    out = syscall(SYS_openat, AT_FDCWD, getenv("RECORD_TO"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}
static int of_interest(int fd, char *name, size_t size) {
    char link[64];
    if (out < 0) return 0;
    if (fd == 1) { strcpy(name, "stdout"); return 1; }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, size - 1);
    if (n < 0) return 0;
    name[n] = 0;
    return strncmp(name, folder, strlen(folder)) == 0 && !strstr(name, "-shm");
}
static void record(char kind, long long offset, const char *name, const void *data, size_t size) {
    char head[64];
    int n = snprintf(head, sizeof head, "%c %lld %zu %zu\n", kind, offset, strlen(name), size);
    struct iovec parts[3] = {{head, n}, {(void *)name, strlen(name)}, {(void *)data, size}};
    if (syscall(SYS_writev, out, parts, 3) < 0) abort();
}
static ssize_t do_write(int fd, const void *data, size_t size, long long offset) {
    char name[4096];
    if (!of_interest(fd, name, sizeof name))
        return offset < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, offset);
    pthread_mutex_lock(&lock);
    long long at = offset < 0 && fd != 1 ? lseek(fd, 0, SEEK_CUR) : offset;
    ssize_t n = offset < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, offset);
    if (n > 0) record('W', at, name, data, n);
    pthread_mutex_unlock(&lock);
    return n;
}
ssize_t write(int fd, const void *data, size_t size) { return do_write(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return do_write(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return do_write(fd, data, size, at); }
static int do_truncate(int fd, long long size) {
    char name[4096];
    if (!of_interest(fd, name, sizeof name)) return syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&lock);
    int n = syscall(SYS_ftruncate, fd, size);
    if (n == 0) record('T', size, name, "", 0);
    pthread_mutex_unlock(&lock);
    return n;
}
int ftruncate(int fd, off_t size) { return do_truncate(fd, size); }
int ftruncate64(int fd, off64_t size) { return do_truncate(fd, size); }
static int do_sync(int fd, long call) {
    char name[4096];
    if (!of_interest(fd, name, sizeof name)) return syscall(call, fd);
    pthread_mutex_lock(&lock);
    int n = syscall(call, fd);
    if (n == 0) record('S', 0, name, "", 0);
    pthread_mutex_unlock(&lock);
    return n;
}
int fsync(int fd) { return do_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return do_sync(fd, SYS_fdatasync); }
int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int n = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (n == 0 && out >= 0) record('R', 0, from, to, strlen(to));
    pthread_mutex_unlock(&lock);
    return n;
}
int unlink(const char *name) {
    pthread_mutex_lock(&lock);
    int n = syscall(SYS_unlinkat, AT_FDCWD, name, 0);
    if (n == 0 && out >= 0) record('U', 0, name, "", 0);
    pthread_mutex_unlock(&lock);
    return n;
}
"#;

#[derive(Clone, Debug)]
enum Event {
    Write { name: String, at: usize, bytes: Vec<u8> },
    Truncate { name: String, size: usize },
    Sync { name: String },
    Rename { from: String, to: String },
    Unlink { name: String },
    Claim(Vec<(u64, u64)>),
}

/// `None` without a C compiler.
fn record(folder: &Path, messages: u64) -> Option<Vec<Event>> {
    let tools = tempfile::tempdir().unwrap();
    let (source, library) = (tools.path().join("record.c"), tools.path().join("record.so"));
    std::fs::write(&source, RECORDER).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-w", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !compiled {
        assert!(std::env::var_os("PIGEON_REQUIRE_PEERS").is_none(), "cc is missing");
        eprintln!("skipped: no C compiler");
        return None;
    }
    let trace = tools.path().join("trace");
    let output = child(folder, 1, messages)
        .env("LD_PRELOAD", &library)
        .env("RECORD_TO", &trace)
        .env("RECORD_FOLDER", folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let events = parse(&std::fs::read(&trace).unwrap(), folder);
    let claims: usize =
        events.iter().map(|e| if let Event::Claim(claims) = e { claims.len() } else { 0 }).sum();
    assert_eq!(claims as u64, messages, "every message is claimed in the record");
    Some(events)
}

fn parse(mut trace: &[u8], folder: &Path) -> Vec<Event> {
    let mut events = Vec::new();
    let short = |bytes: &[u8]| -> String {
        let path = PathBuf::from(String::from_utf8(bytes.to_vec()).unwrap());
        path.strip_prefix(folder).map_or(path.clone(), Path::to_path_buf).display().to_string()
    };
    while let Some(end) = trace.iter().position(|byte| *byte == b'\n') {
        let head = std::str::from_utf8(&trace[..end]).unwrap().to_owned();
        let words: Vec<&str> = head.split(' ').collect();
        let number = |at: usize| words[at].parse::<i64>().unwrap().max(0) as usize;
        let (at, name_end, data_end) = (number(1), number(2), number(2) + number(3));
        let body = &trace[end + 1..];
        let (name, data) = (short(&body[..name_end]), &body[name_end..data_end]);
        trace = &body[data_end..];
        events.push(match words[0] {
            "W" if name == "stdout" => Event::Claim(claims_in(&String::from_utf8_lossy(data))),
            "W" => Event::Write { name, at, bytes: data.to_vec() },
            "T" => Event::Truncate { name, size: at },
            "S" => Event::Sync { name },
            "R" => Event::Rename { from: name, to: short(data) },
            _ => Event::Unlink { name },
        });
    }
    events
}

/// A file's content on disk, and the later writes that may or may not have reached it.
#[derive(Clone, Default)]
struct Disk {
    synced: Vec<u8>,
    pending: Vec<Event>,
}

impl Disk {
    fn sync(&mut self) {
        for event in std::mem::take(&mut self.pending) {
            apply(&mut self.synced, &event);
        }
    }

    /// The file's content after a power cut.
    fn cut(&self, random: &mut Random, way: Way) -> Vec<u8> {
        let mut file = self.synced.clone();
        let prefix = random.below(self.pending.len() + 1);
        for (index, event) in self.pending.iter().enumerate() {
            match way {
                Way::Dropped => {}
                Way::Kept => apply(&mut file, event),
                Way::Prefix if index < prefix => apply(&mut file, event),
                Way::Prefix => {}
                Way::Reordered if random.chance(2) => apply(&mut file, event),
                Way::Reordered => {}
                Way::Torn => tear(&mut file, event, random),
            }
        }
        file
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Dropped,
    Kept,
    Prefix,
    Reordered,
    Torn,
}

const WAYS: [Way; 5] = [Way::Dropped, Way::Torn, Way::Reordered, Way::Prefix, Way::Kept];

fn apply(file: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write { at, bytes, .. } => {
            let end = at + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*at..end].copy_from_slice(bytes);
        }
        Event::Truncate { size, .. } => file.resize(*size, 0),
        _ => {}
    }
}

fn tear(file: &mut Vec<u8>, event: &Event, random: &mut Random) {
    let Event::Write { name, at, bytes } = event else {
        if random.chance(2) {
            apply(file, event);
        }
        return;
    };
    for (index, sector) in bytes.chunks(SECTOR).enumerate() {
        if random.chance(2) {
            let at = at + index * SECTOR;
            apply(file, &Event::Write { name: name.clone(), at, bytes: sector.to_vec() });
        }
    }
}

/// Cuts the power at random moments and examines the results. Returns the number of images
/// examined, or the first fault.
fn cut_power(events: &[Event], images: usize, seed: u64) -> Result<usize, String> {
    let mut random = Random(seed);
    let mut disks: BTreeMap<String, Disk> = BTreeMap::new();
    let mut claims = BTreeMap::new();
    let mut examined = 0;
    let made = events.iter().position(|event| matches!(event, Event::Rename { .. })).unwrap_or(0);
    let one_of = ((events.len() - made) / images).max(1);
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Write { name, .. } | Event::Truncate { name, .. } => {
                disks.entry(name.clone()).or_default().pending.push(event.clone());
            }
            Event::Sync { name } => disks.entry(name.clone()).or_default().sync(),
            Event::Rename { from, to } => {
                if let Some(disk) = disks.remove(from) {
                    disks.insert(to.clone(), disk);
                }
            }
            Event::Unlink { name } => drop(disks.remove(name)),
            Event::Claim(said) => {
                for (number, position) in said {
                    if claims.values().any(|used| used == position) {
                        return Err(format!("position {position} is used twice"));
                    }
                    claims.insert(*number, *position);
                }
            }
        }
        let last = index + 1 == events.len();
        if last || (index > made && random.chance(one_of)) {
            let way = WAYS[examined % WAYS.len()];
            let image = tempfile::tempdir().unwrap();
            for (name, disk) in disks.iter().filter(|(name, _)| name.starts_with("log.sqlite")) {
                std::fs::write(image.path().join(name), disk.cut(&mut random, way)).unwrap();
            }
            examine(image.path(), &claims)
                .map_err(|fault| format!("{way:?} after event {index}: {fault}"))?;
            examined += 1;
        }
    }
    Ok(examined)
}

/// `PIGEON_LOG_IMAGES=1000` for the long form.
#[test]
fn what_was_durable_survives_power_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let images = rounds("PIGEON_LOG_IMAGES", 120);
    let Some(events) = record(folder.path(), 1_500) else { return };
    let syncs = |wanted: &str| {
        events
            .iter()
            .filter(|event| matches!(event, Event::Sync { name } if name == wanted))
            .count()
    };
    assert!(syncs("log.sqlite-wal") > 20 && syncs("log.sqlite") > 0, "checkpoints are among it");
    let (mut examined, mut seed) = (0, 1);
    while examined < images {
        examined += cut_power(&events, images, seed).unwrap_or_else(|fault| panic!("{fault}"));
        seed += 1;
    }
    println!("{examined} images of {} events", events.len());

    // The examination detects faults inserted on purpose.
    let no_sync: Vec<Event> = events
        .iter()
        .filter(|event| !matches!(event, Event::Sync { name } if name == "log.sqlite-wal"))
        .cloned()
        .collect();
    let fault = cut_power(&no_sync, images, 1).unwrap_err();
    assert!(fault.contains("was durable") || fault.contains("damaged"), "a sync left out: {fault}");

    let mut reused = events.clone();
    let (first, last) = (reused.iter().find_map(claim), reused.iter().rev().find_map(claim));
    reused.push(Event::Claim(vec![(last.unwrap().0 + 1, first.unwrap().1)]));
    let fault = cut_power(&reused, 1, 1).unwrap_err();
    assert!(fault.contains("used twice"), "a position used twice: {fault}");
}

fn claim(event: &Event) -> Option<(u64, u64)> {
    match event {
        Event::Claim(claims) => claims.first().copied(),
        _ => None,
    }
}

/// A message and its outbox's last number must be stored together. A split transaction that loses
/// either is detected.
#[test]
fn a_transaction_split_by_hand_is_found() {
    for lost in [
        "DELETE FROM messages WHERE number = 50",
        "UPDATE outboxes SET last_number = 49",
        "UPDATE outboxes SET last_number = 51",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = child(folder.path(), 1, 50).output().unwrap();
        let claims: BTreeMap<u64, u64> =
            claims_in(&String::from_utf8_lossy(&output.stdout)).into_iter().collect();
        assert_eq!(claims.len(), 50);
        let file = rusqlite::Connection::open(folder.path().join("log.sqlite")).unwrap();
        file.execute_batch(lost).unwrap();
        drop(file);
        let fault = examine(folder.path(), &claims).unwrap_err();
        println!("{lost}: {fault}");
    }
}
