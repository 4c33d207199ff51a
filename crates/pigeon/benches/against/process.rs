//! Programs that are measured: started, ended, and how much CPU time they took.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// The unit of the kernel's counters: `sysconf(_SC_CLK_TCK)`, which is 100 on every architecture that
/// Rust's standard library knows.
const TICKS_A_SECOND: f64 = 100.0;

/// How long a server may take to say what is waited for.
const SOON: Duration = Duration::from_secs(10);

/// Whether a program is installed; says so if it is to be left out.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        println!("  {program}: not installed, skipped");
    }
    found
}

/// What a client printed on stdout, and the CPU seconds that it took.
pub(crate) fn run(program: &str, args: &str) -> (String, f64) {
    let before = of_children();
    let mut command = Command::new(program);
    command.args(args.split_whitespace()).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args}: {}", output.status);
    (String::from_utf8_lossy(&output.stdout).into_owned(), of_children() - before)
}

/// The CPU seconds of all children that have ended.
fn of_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is known");
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// A server; it ends with this value.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
}

impl Server {
    /// Starts one and waits until it says `ready` on stdout or stderr.
    pub(crate) fn start(program: &str, args: &str, ready: &str) -> Server {
        let mut command = Command::new(program);
        command.args(args.split_whitespace()).stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let (says, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let says = says.clone();
            std::thread::spawn(move || {
                // The other end is gone when nobody wants to know any more.
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                lines.for_each(|line| drop(says.send(line)));
            });
        }
        let server = Server { child, lines };
        if !ready.is_empty() {
            server.wait_for(ready);
        }
        server
    }

    /// What it says behind `words`.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(SOON);
            let line = line.unwrap_or_else(|_| panic!("a server never said: {words}"));
            if let Some((_, rest)) = line.split_once(words) {
                return rest.to_string();
            }
        }
    }

    /// Asks it to end, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// The CPU seconds that it has taken, all its threads together (proc_pid_stat(5)).
    pub(crate) fn seconds(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        // The name in parentheses may hold anything, spaces too.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |n: usize| fields.get(n).and_then(|word| word.parse().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / TICKS_A_SECOND
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has at this moment, for programs that cannot say which one the system gave
/// them.
pub(crate) fn free_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("it is bound").port()
}
