//! A running program and its output.
//!
//! Two threads collect stdout and stderr, so that no program blocks on a full pipe, and tests wait
//! for conditions instead of times. When a test fails, every process it holds prints its output.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The time limit for anything that should happen at once. Only a failing test waits this long.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The interval of polling where no notification is possible.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A program that runs until it ends or is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    said: Arc<Said>,
}

/// Stdout or stderr.
#[derive(Clone, Copy)]
pub(crate) enum Voice {
    Out,
    Err,
}

#[derive(Default)]
struct Said {
    heard: Mutex<[Stream; 2]>,
    more: Condvar,
}

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    ended: bool,
}

impl Process {
    /// Starts a program with all three standard streams piped. `name` identifies it in reports.
    pub(crate) fn spawn(name: &str, command: &mut Command) -> Process {
        // Another test's member must not lend it its name.
        if !command.get_envs().any(|(name, _)| name == "PIGEON_STATE") {
            command.env("PIGEON_STATE", "");
        }
        // Tests expect English in any locale of the machine.
        if !command.get_envs().any(|(name, _)| name == "LC_ALL") {
            command.env("LC_ALL", "C.UTF-8");
        }
        let mut child = command
            // Turns off Python's output buffering.
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let said = Arc::new(Said::default());
        collect(child.stdout.take().unwrap(), Arc::clone(&said), Voice::Out);
        collect(child.stderr.take().unwrap(), Arc::clone(&said), Voice::Err);
        Process { name: name.to_string(), stdin: child.stdin.take(), child, said }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    // Input.

    /// Writes a line to the program's stdin, which stays open.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        let written = stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush());
        if let Err(error) = written {
            panic!("{} no longer listens to its stdin: {error}", self.name);
        }
    }

    /// Closes the program's stdin.
    pub(crate) fn end_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal by name: `TERM`, `KILL`.
    pub(crate) fn signal(&self, signal: &str) {
        let line = format!("kill -{signal} {}", self.id());
        let status = Command::new("sh").args(["-c", &line]).status().unwrap();
        assert!(status.success(), "{} could not be sent SIG{signal}", self.name);
    }

    // Output.

    /// The program's output so far.
    pub(crate) fn bytes(&self, voice: Voice) -> Vec<u8> {
        self.said.lock()[voice as usize].bytes.clone()
    }

    /// The program's stdout so far, including an incomplete line: some formats have no line ends.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&self.bytes(Voice::Out)).into_owned()
    }

    /// The program's complete lines so far.
    pub(crate) fn lines(&self, voice: Voice) -> Vec<String> {
        finished_lines(&self.bytes(voice))
    }

    /// Waits for a complete line of stdout that matches, and returns the first one.
    #[track_caller]
    pub(crate) fn expect_line(&self, wished: impl Fn(&str) -> bool, within: Duration) -> String {
        self.expect(Voice::Out, within, |bytes| first_line(bytes, &wished))
    }

    /// The same for stderr.
    #[track_caller]
    pub(crate) fn expect_status(&self, wished: impl Fn(&str) -> bool, within: Duration) -> String {
        self.expect(Voice::Err, within, |bytes| first_line(bytes, &wished))
    }

    /// Waits until stdout contains `text`, even in an incomplete line.
    #[track_caller]
    pub(crate) fn expect_output(&self, text: &str, within: Duration) {
        self.expect(Voice::Out, within, |bytes| {
            String::from_utf8_lossy(bytes).contains(text).then_some(())
        });
    }

    /// Waits until stdout has this many complete lines, and returns them.
    #[track_caller]
    pub(crate) fn expect_lines(&self, count: usize, within: Duration) -> Vec<String> {
        self.expect(Voice::Out, within, |bytes| {
            Some(finished_lines(bytes)).filter(|lines| lines.len() >= count)
        })
    }

    /// Waits for the program's end and for all of its output.
    #[track_caller]
    pub(crate) fn expect_end(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            thread::sleep(LOOK_AGAIN);
        };
        let mut heard = self.said.lock();
        while !heard.iter().all(|stream| stream.ended) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} ended, but something holds its output open", self.name);
            heard = self.said.wait(heard, left);
        }
        status
    }

    #[track_caller]
    fn expect<T>(&self, voice: Voice, within: Duration, find: impl Fn(&[u8]) -> Option<T>) -> T {
        let deadline = Instant::now() + within;
        let mut heard = self.said.lock();
        loop {
            let stream = &heard[voice as usize];
            if let Some(found) = find(&stream.bytes) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = stream.ended;
            if ended || left.is_zero() {
                // The report takes the lock again.
                drop(heard);
                let why = if ended { "ended without" } else { "did not come within" };
                panic!("{}: what was expected of it {why} {within:?}", self.name);
            }
            heard = self.said.wait(heard, left);
        }
    }

    fn report(&self) {
        for voice in [Voice::Out, Voice::Err] {
            let tag = ["stdout", "stderr"][voice as usize];
            let bytes = self.bytes(voice);
            for line in String::from_utf8_lossy(&bytes).lines() {
                // Escaped: a failing test about escapes must not write raw bytes to the terminal.
                let shown: String = line.chars().take(300).flat_map(shown).collect();
                eprintln!("{} {tag}: {shown}", self.name);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.report();
        }
    }
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, [Stream; 2]> {
        self.heard.lock().unwrap()
    }

    fn wait<'a>(
        &self,
        heard: MutexGuard<'a, [Stream; 2]>,
        most: Duration,
    ) -> MutexGuard<'a, [Stream; 2]> {
        self.more.wait_timeout(heard, most).unwrap().0
    }
}

/// Polls until there is a result.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(what, SOON, look)
}

/// The same with another time limit.
#[track_caller]
pub(crate) fn wait_within<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// Whether programs started here get SIGHUP. Under nohup(1) they do not.
pub(crate) fn hears_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    // A mask with a bit per signal; SIGHUP is 1 (proc_pid_status(5)).
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 0
}

fn collect(mut stream: impl Read + Send + 'static, said: Arc<Said>, voice: Voice) {
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        loop {
            let read = stream.read(&mut buffer).unwrap_or(0);
            let mut heard = said.lock();
            let into = &mut heard[voice as usize];
            into.bytes.extend_from_slice(&buffer[..read]);
            into.ended = read == 0;
            said.more.notify_all();
            if read == 0 {
                return;
            }
        }
    });
}

fn finished_lines(bytes: &[u8]) -> Vec<String> {
    let finished =
        bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    finished.map(|line| String::from_utf8_lossy(&line[..line.len() - 1]).into_owned()).collect()
}

fn first_line(bytes: &[u8], wished: &impl Fn(&str) -> bool) -> Option<String> {
    finished_lines(bytes).into_iter().find(|line| wished(line))
}

fn shown(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

/// Repeats an interrupted call: a receive with a time-out ends early when the test, or the machine,
/// was stopped and continued (signal(7)).
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
