//! Binary data through a room: `join --raw` and `join --forward`, with ffmpeg at both ends, and
//! forwarding loops.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::peers::installed;
use crate::pigeon::{HEARTBEAT, Serving, address_in, hub, pigeon};
use crate::process::{Process, SOON, Voice, wait_until};
use crate::pty::Terminal;

/// A hub with a chat socket and two raw sockets for one room.
struct Rooms {
    hub: Serving,
    raw: [SocketAddr; 2],
}

impl Rooms {
    fn new() -> Rooms {
        let doors = ["--listen", "raw@127.0.0.1:0=video", "--listen", "raw@127.0.0.1:0=video"];
        let hub = hub(&doors);
        let lines = wait_until("the hub names its doors", || {
            let lines = hub.lines(Voice::Err);
            let lines: Vec<String> =
                lines.into_iter().filter(|line| line.contains("listening on ")).collect();
            (lines.len() == 3).then_some(lines)
        });
        let raw = [address_in(&lines[1]), address_in(&lines[2])];
        Rooms { hub, raw }
    }
}

/// A member of a raw room that only receives.
struct Receiver(UdpSocket);

impl Receiver {
    fn new() -> Receiver {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Receiver(socket)
    }

    fn member(hub: SocketAddr) -> Receiver {
        let receiver = Receiver::new();
        receiver.0.connect(hub).unwrap();
        receiver.0.send(b"^hb^").unwrap();
        receiver
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn next(&self) -> Vec<u8> {
        let mut buffer = [0; 65_535];
        let length = self.0.recv(&mut buffer).expect("a datagram comes");
        buffer[..length].to_vec()
    }

    /// Counts datagrams until none has arrived for a while.
    fn count(&self) -> usize {
        self.0.set_read_timeout(Some(Duration::from_millis(1_500))).unwrap();
        let count = std::iter::from_fn(|| self.0.recv(&mut [0; 65_535]).ok()).count();
        self.0.set_read_timeout(Some(SOON)).unwrap();
        count
    }
}

fn member(hub: SocketAddr, args: &[&str]) -> Process {
    let at = hub.to_string();
    let member = pigeon("join", &[&["join", &at, "--heartbeat", HEARTBEAT], args].concat());
    match args.contains(&"--json") {
        true => member.expect_line(|line| line.contains(r#""kind":"joined""#), SOON),
        false => member.expect_status(|line| line.starts_with(&format!("joined {at}: ")), SOON),
    };
    member
}

fn forwarder(hub: SocketAddr, to: SocketAddr, args: &[&str]) -> Process {
    member(hub, &[&["--forward", &to.to_string()], args].concat())
}

#[test]
fn ten_seconds_of_video_arrive_byte_for_byte() {
    if !installed("ffmpeg") || !installed("ffprobe") {
        return;
    }
    let rooms = Rooms::new();
    let room = rooms.raw[0];
    let player = Receiver::new();
    let raw = member(room, &["--raw"]);
    let forward = forwarder(room, player.address(), &["--json"]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (kept, seen) = (folder.join("video-sent.ts"), folder.join("video-seen.ts"));
    // Faster than real time, to keep the test short.
    let video = "-v error -y -readrate 5 -f lavfi -i testsrc=duration=10:size=320x240:rate=25 \
                 -c:v mpeg2video -b:v 1M -map 0 -f tee";
    let outputs = format!("[f=mpegts]{}|[f=mpegts]udp://{room}?pkt_size=1316", kept.display());
    let mut ffmpeg = Command::new("ffmpeg");
    let mut ffmpeg = Process::spawn("ffmpeg", ffmpeg.args(video.split(' ')).arg(outputs));
    let forwarded = std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let mut bytes = Vec::new();
            player.0.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
            let mut buffer = [0; 65_535];
            while let Ok(length) = player.0.recv(&mut buffer) {
                bytes.extend_from_slice(&buffer[..length]);
            }
            bytes
        });
        assert!(ffmpeg.expect_end(Duration::from_secs(60)).success());
        taking.join().unwrap()
    });
    let sent = fs::read(&kept).unwrap();
    assert!(sent.len() > 100_000, "{} bytes of video", sent.len());
    assert!(forwarded == sent, "forwarded {} bytes of {}", forwarded.len(), sent.len());
    wait_until("all bytes are on stdout", || {
        (raw.bytes(Voice::Out).len() >= sent.len()).then_some(())
    });
    assert!(raw.bytes(Voice::Out) == sent, "not the same bytes on stdout");
    assert!(forward.lines(Voice::Out).iter().any(|line| line.contains(r#""base64":""#)));
    // The received stream is still a valid video with every frame.
    fs::write(&seen, &forwarded).unwrap();
    let count = "-v error -count_frames -select_streams v -show_entries stream=nb_read_frames \
                 -of default=nokey=1:noprint_wrappers=1";
    let frames = Command::new("ffprobe").args(count.split(' ')).arg(&seen).output().unwrap();
    let frames = String::from_utf8_lossy(&frames.stdout);
    // ffprobe may list the stream under a programme, too.
    assert_eq!(frames.lines().next(), Some("250"));
}

/// A player that starts in the middle, like ffplay or VLC.
#[test]
fn a_player_shows_a_room() {
    if !installed("ffmpeg") {
        return;
    }
    let rooms = Rooms::new();
    let room = rooms.raw[0];
    // Frees the port for the player.
    let port = Receiver::new().address().port();
    let _forward = forwarder(room, SocketAddr::from(([127, 0, 0, 1], port)), &[]);
    let url = format!("udp://127.0.0.1:{port}");
    let play = ["-v", "error", "-i", &url, "-map", "0:v", "-frames:v", "25", "-f", "framecrc", "-"];
    let mut player = Process::spawn("player", Command::new("ffmpeg").args(play));
    let video = format!(
        "-v error -re -f lavfi -i testsrc=size=320x240:rate=25 -c:v mpeg2video -b:v 1M -g 12 -f mpegts \
         udp://{room}?pkt_size=1316"
    );
    let _sender = Process::spawn("sender", Command::new("ffmpeg").args(video.split(' ')));
    let is_frame = |line: &&String| line.starts_with("0,");
    assert!(player.expect_end(Duration::from_secs(60)).success());
    assert_eq!(player.lines(Voice::Out).iter().filter(is_frame).count(), 25);
}

#[test]
fn every_byte_passes_both_ways_and_nothing_else_is_on_stdout() {
    let rooms = Rooms::new();
    let room = rooms.raw[0];
    let listener = member(room, &["--raw"]);
    let peer = Receiver::member(room);
    rooms.hub.expect_members(2);
    let bytes: Vec<u8> = (0..=255).collect();
    peer.0.send(&bytes).unwrap();
    wait_until("the bytes are on stdout", || (listener.bytes(Voice::Out) == bytes).then_some(()));

    // The pipe carries 4 KiB with every byte value, and no added line ends.
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bytes-of-a-room");
    let stream: Vec<u8> = (0..16).flat_map(|_| 0..=255).collect();
    fs::write(&source, &stream).unwrap();
    let script = format!(
        "exec '{}' join {room} --raw --wait 200ms < '{}'",
        env!("CARGO_BIN_EXE_pigeon"),
        source.display()
    );
    let mut speaker = Process::spawn("speaker", Command::new("sh").args(["-c", &script]));
    assert_eq!(speaker.expect_end(SOON).code(), Some(0));
    let datagrams: Vec<Vec<u8>> = (0..4).map(|_| peer.next()).collect();
    assert_eq!(datagrams.concat(), stream);
    assert_eq!(datagrams.iter().map(Vec::len).max(), Some(1_316));
    wait_until("the stream is on stdout", || {
        (listener.bytes(Voice::Out).len() == bytes.len() + stream.len()).then_some(())
    });
}

#[test]
fn what_a_hub_takes_for_something_else_is_refused_and_the_rest_goes_on() {
    let rooms = Rooms::new();
    let room = rooms.raw[0];
    let peer = Receiver::member(room);
    let mut speaker = member(room, &["--raw", "--wait", "100ms"]);
    speaker.say("quit");
    speaker.expect_status(|line| line.starts_with("not sent: a hub takes these bytes"), SOON);
    speaker.say("/who is no command here");
    assert_eq!(peer.next(), b"/who is no command here\n");
    speaker.end_stdin();
    assert_eq!(speaker.expect_end(SOON).code(), Some(1));
}

/// At a chat socket the payloads are lines, and notices go to stderr.
#[test]
fn a_chat_room_in_bytes_is_what_people_say() {
    let rooms = Rooms::new();
    let lobby = rooms.hub.address;
    let mut bot = member(lobby, &["--raw", "--nick", "bot"]);
    bot.expect_status(|line| line == "* you are bot, in lobby", SOON);
    let mut red = crate::pigeon::join(lobby, "red");
    red.say("你好");
    wait_until("what she says is on stdout", || (bot.output() == "red: 你好\n").then_some(()));
    bot.say("/who is that?");
    red.expect_line(|line| line == "bot: /who is that?", SOON);
    bot.expect_status(|line| line == "* red joined", SOON);
    assert!(!bot.output().contains('*') && !bot.output().contains("^hb^"));
}

#[test]
fn who_only_listens_stays_without_a_stdin_and_leaves_with_its_reader() {
    let rooms = Rooms::new();
    let room = rooms.raw[0];
    let peer = Receiver::member(room);
    let pigeon = env!("CARGO_BIN_EXE_pigeon");
    let script =
        format!("'{pigeon}' join {room} --raw --wait 0s < /dev/null | head -c 2; echo ended");
    let listener = Process::spawn("listener", Command::new("sh").args(["-c", &script]));
    rooms.hub.expect_members(2);
    peer.0.send(b"ab").unwrap();
    // The next write finds that head(1) has ended.
    wait_until("it ends", || {
        peer.0.send(b"c").unwrap();
        listener.output().contains("abended").then_some(())
    });
    rooms.hub.expect_members(1);
}

#[test]
fn bytes_do_not_go_to_a_terminal() {
    let terminal = Terminal::start("raw", (200, 5), &["join", "127.0.0.1:9", "--raw"]);
    terminal.expect_text("stdout is a terminal");
}

#[test]
fn a_player_that_starts_late_is_waited_for() {
    let rooms = Rooms::new();
    let peer = Receiver::member(rooms.raw[0]);
    let late = Receiver::new().address();
    let forward = forwarder(rooms.raw[0], late, &[]);
    let mut program = forwarder(rooms.raw[0], late, &["--json"]);
    rooms.hub.expect_members(3);
    let refused = format!("no program listens at {late} yet");
    let told =
        || forward.lines(Voice::Err).iter().filter(|line| line.starts_with(&refused)).count();
    wait_until("it is told that nobody listens", || {
        peer.0.send(b"too early").unwrap();
        (told() > 0).then_some(())
    });
    let json = format!(r#""kind":"forward","to":"{late}","reason":"refused"}}"#);
    program.expect_line(|line| line.ends_with(&json), SOON);
    let player = UdpSocket::bind(late).unwrap();
    player.set_read_timeout(Some(SOON)).unwrap();
    wait_until("it hears the room", || {
        peer.0.send(b"now").unwrap();
        let mut buffer = [0; 16];
        let length = player.recv(&mut buffer).ok()?;
        (&buffer[..length] == b"now").then_some(())
    });
    assert_eq!(told(), 1);
    program.end_stdin();
}

/// A stream's padding, or a sensor with equal readings, is not a loop, although nothing else is
/// sent.
#[test]
fn a_stream_that_repeats_itself_is_forwarded_whole() {
    let rooms = Rooms::new();
    let peer = Receiver::member(rooms.raw[0]);
    let player = Receiver::new();
    let _forward = forwarder(rooms.raw[0], player.address(), &[]);
    rooms.hub.expect_members(2);
    for _ in 0..400 {
        peer.0.send(&[0x47; 1_316]).unwrap();
        assert_eq!(player.next(), [0x47; 1_316]);
    }
}

#[test]
fn a_forwarder_is_not_aimed_at_its_own_hub() {
    let rooms = Rooms::new();
    let hub = rooms.raw[0];
    let port = hub.port();
    let addresses =
        ["127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]", "localhost", "127.0.0.2"];
    for address in addresses {
        let target = format!("{address}:{port}");
        let args = ["join", &hub.to_string(), "--forward", &target];
        let mut forward = pigeon("forward", &args);
        assert_eq!(forward.expect_end(SOON).code(), Some(2), "{target}");
        let said = forward.lines(Voice::Err);
        assert!(said[0].contains("is the hub itself"), "{said:?}");
    }
    rooms.hub.expect_members(0);
}

/// One message, and a forwarder that leads back into its room at another socket: the number of
/// datagrams per member.
#[test]
fn a_loop_through_another_door_ends() {
    let rooms = Rooms::new();
    let (listener, speaker) = (member(rooms.raw[0], &["--raw"]), Receiver::member(rooms.raw[0]));
    let mut forward = forwarder(rooms.raw[0], rooms.raw[1], &[]);
    rooms.hub.expect_members(3);
    speaker.0.send(b"hello").unwrap();
    assert_eq!(forward.expect_end(SOON).code(), Some(1));
    let said = forward.lines(Voice::Err).join("\n");
    assert!(said.contains("leads back into the room"), "{said}");
    // The first copy, a few before suspicion, and a few during the test.
    let count = copies(&listener, &speaker);
    assert!((500..1_500).contains(&count), "{count}");
}

/// In chat, lines have a speaker: the forwarder recognises its own.
#[test]
fn a_loop_in_a_chat_room_ends_with_the_first_copy() {
    for format in ["chat", "classic"] {
        let hub = hub(&["--format", format, "--listen", &format!("{format}@127.0.0.1:0")]);
        let second = wait_until("the hub names its second door", || {
            let lines = hub.lines(Voice::Err);
            lines.iter().filter(|line| line.contains("listening on ")).nth(1).map(|l| address_in(l))
        });
        let listener = Receiver::member(hub.address);
        let mut forward = forwarder(hub.address, second, &[]);
        hub.expect_members(2);
        listener.0.send(b"hello").unwrap();
        assert_eq!(forward.expect_end(SOON).code(), Some(1), "{format}");
        let count = listener.count();
        // The message, its one copy by the forwarder, and notices of joins and leaves.
        assert!((2..=8).contains(&count), "{format}: {count}");
    }
}

/// How often a member has received `hello` once that has stopped: a later message arrives once.
fn copies(listener: &Process, speaker: &Receiver) -> usize {
    speaker.0.send(b"that is all").unwrap();
    let output = wait_until("the last word is heard", || {
        Some(listener.output()).filter(|output| output.ends_with("that is all"))
    });
    let copies = output.matches("hello").count();
    assert_eq!(output, "hello".repeat(copies) + "that is all");
    copies
}

/// Two hubs that forward their rooms to each other.
#[test]
fn a_ring_of_two_hubs_ends() {
    let (one, two) = (Rooms::new(), Rooms::new());
    let (listener, speaker) = (member(one.raw[0], &["--raw"]), Receiver::member(one.raw[0]));
    let mut forwarders =
        [forwarder(one.raw[0], two.raw[1], &[]), forwarder(two.raw[0], one.raw[1], &[])];
    one.hub.expect_members(3);
    two.hub.expect_members(1);
    speaker.0.send(b"hello").unwrap();
    let ended = wait_until("a forwarder finds the ring", || {
        let is_over = |forward: &Process| {
            let said = forward.lines(Voice::Err);
            said.iter().any(|line| line.contains("leads back into the room"))
        };
        forwarders.iter().position(is_over)
    });
    assert_eq!(forwarders[ended].expect_end(SOON).code(), Some(1));
    let count = copies(&listener, &speaker);
    assert!((500..1_500).contains(&count), "{count}");
}

/// Another hub's room, or a member of it, is a valid target: each message goes there once.
#[test]
fn another_hub_and_its_member_get_each_message_once() {
    let (here, there) = (Rooms::new(), Rooms::new());
    let speaker = Receiver::member(here.raw[0]);
    let (listener, target) =
        (Receiver::member(there.raw[0]), UdpSocket::bind("127.0.0.1:0").unwrap());
    target.set_read_timeout(Some(SOON)).unwrap();
    target.send_to(b"^hb^", there.raw[0]).unwrap();
    let at = target.local_addr().unwrap().to_string();
    let _forward = forwarder(here.raw[0], there.raw[1], &["--forward", &at]);
    here.hub.expect_members(2);
    there.hub.expect_members(2);
    speaker.0.send(b"hello").unwrap();
    let mut buffer = [0; 16];
    assert_eq!((listener.next(), listener.count()), (b"hello".to_vec(), 0));
    // Once as a member, from its hub, and once from the forwarder.
    assert_eq!([0, 1].map(|_| target.recv(&mut buffer).unwrap()), [5, 5]);
    target.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(target.recv(&mut buffer).is_err());
}
