//! Starts, watches and ends the programs of a benchmark: those measured, and those that measure.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cargo::cargo;
use crate::cpu::{own_seconds, spawn_on};
use crate::drops;

/// How long to wait for an expected line.
const SOON: Duration = Duration::from_secs(10);

/// The `pigeon` that Cargo built with this benchmark, in English in every locale, because benchmarks
/// wait for its words. Arguments must not contain spaces.
pub fn pigeon(args: &str) -> Command {
    let mut command = Command::new(cargo().pigeon);
    command.env("LC_ALL", "C.UTF-8");
    words(command, args)
}

/// This program again, as one of its floors. Arguments must not contain spaces.
pub fn ourselves(args: &str) -> Command {
    words(Command::new(std::env::current_exe().expect("a program has a path")), args)
}

/// Another program with its arguments, which must not contain spaces.
pub fn program(name: &str, args: &str) -> Command {
    words(Command::new(name), args)
}

fn words(mut command: Command, args: &str) -> Command {
    command.args(args.split_whitespace());
    command
}

/// Python with a script in the package's `benches` folder.
pub fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(cargo().package).join("benches").join(script));
    command
}

/// The path of an installed program, searched in `PATH` and in the folders where Debian puts
/// servers.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A running program. Dropping it kills the program.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Starts a program on these CPUs, or on any if the list is empty. Keeps the lines of its
    /// stdout and stderr for later calls.
    pub fn start(cpus: &[usize], command: Command) -> Process {
        Process::start_with(cpus, command, Stdio::piped())
    }

    /// Like `start`, with another stdout; its lines are not kept.
    pub fn start_with(cpus: &[usize], mut command: Command, stdout: Stdio) -> Process {
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let child = spawn_on(cpus, &mut command);
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // Unbounded: a full pipe would stop the program.
        let (says, lines) = channel();
        let stdout = child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let stderr = child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        for stream in stdout.into_iter().chain(stderr) {
            let says = says.clone();
            std::thread::spawn(move || {
                // The receiver is gone once the caller has dropped the process.
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                lines.for_each(|line| drop(says.send(line)));
            });
        }
        Process { child, lines }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to the program's stdin.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}").expect("it reads");
    }

    /// The next line that the process prints, waiting for up to 10 s.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("a program says nothing"))
    }

    /// The rest of the next line that holds `words`, waiting for up to 10 s for each line.
    pub fn wait_for(&self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(SOON);
            let line = line.unwrap_or_else(|_| panic!("a program never said: {words}"));
            if let Some((_, rest)) = line.split_once(words) {
                return rest.to_string();
            }
        }
    }

    /// Interrupts the program, as Ctrl-C does.
    pub fn interrupt(&self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid"));
        kill(pid, Signal::SIGINT).expect("it runs");
    }

    /// Interrupts the program and waits for its end. Returns the lines that no call has taken.
    pub fn finish(mut self) -> Vec<String> {
        self.interrupt();
        self.child.wait().expect("it ends");
        std::iter::from_fn(|| self.lines.recv_timeout(SOON).ok()).collect()
    }

    /// The CPU seconds that the process has used, all its threads together.
    pub fn own_seconds(&self) -> f64 {
        own_seconds(self.pid())
    }

    /// Datagrams that the kernel has dropped at its sockets.
    pub fn kernel_drops(&self) -> u64 {
        drops::of_process(self.pid())
    }

    /// The program's resident memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        resident_bytes(self.pid())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if the program has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process's resident memory, in bytes (proc_pid_status(5)).
pub fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.expect("VmRSS in KiB") * 1024
}

/// Runs a program to its end. Returns its stdout, and the CPU seconds that it used.
pub fn run(mut command: Command) -> (String, f64) {
    let before = seconds_of_children();
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", output.status);
    (String::from_utf8_lossy(&output.stdout).into_owned(), seconds_of_children() - before)
}

/// The CPU seconds of all children that have ended.
fn seconds_of_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is known");
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// A port that is free now, in TCP and UDP: for programs that cannot report a port chosen by the
/// system.
pub fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = tcp.local_addr().expect("it is bound").port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
