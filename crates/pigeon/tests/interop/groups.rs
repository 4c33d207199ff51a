//! Rate, source, TTL, multicast groups and broadcast.

use std::net::{SocketAddr, UdpSocket};

use serde_json::Value;

use crate::namespace::{Namespace, skipped};
use crate::peers::{address_of, installed, python};
use crate::pigeon::{address_in, listen, pigeon, send};
use crate::process::{Process, SOON, Voice, wait_until};

const GROUP: &str = "239.1.2.3";

/// The tolerance for the total time on a busy machine, in seconds.
const LATE: f64 = 1.0;

// Groups on one host.

#[test]
fn a_count_is_sent_and_no_more() {
    let Some((theirs, at)) = receiver() else { return };
    assert_eq!(ended(send(at, &["tick", "--count", "7"])).0, Some(0));
    assert_eq!(ended(send(at, &["end"])).0, Some(0));
    let texts: Vec<String> = heard(&theirs, 8).into_iter().map(|heard| heard.text).collect();
    assert_eq!(texts, ["tick", "tick", "tick", "tick", "tick", "tick", "tick", "end"]);
}

#[test]
fn datagrams_keep_the_pace_that_was_asked() {
    for pace in [["--every", "20ms"], ["--rate", "50/s"]] {
        let Some((theirs, at)) = receiver() else { return };
        let args = [&["tick", "--count", "26"], &pace[..]].concat();
        assert_eq!(ended(send(at, &args)).0, Some(0));
        let times: Vec<f64> = heard(&theirs, 26).iter().map(|heard| heard.time).collect();
        let total = times[25] - times[0];
        // 25 intervals; the first datagram may have been late and the last one on time.
        assert!((0.4..0.5 + LATE).contains(&total), "{pace:?}: {total} s");
    }
}

#[test]
fn lines_of_stdin_are_paced_and_counted_too() {
    let Some((theirs, at)) = receiver() else { return };
    let mut ours = send(at, &["--every", "50ms", "--count", "3"]);
    ours.say("one\ntwo\nthree\nfour");
    ours.end_stdin();
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    assert_eq!(ended(send(at, &["end"])).0, Some(0));
    let all = heard(&theirs, 4);
    let texts: Vec<&str> = all.iter().map(|heard| heard.text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three", "end"]);
    assert!((0.05..0.1 + LATE).contains(&(all[2].time - all[0].time)), "paced otherwise");
}

#[test]
fn the_source_is_the_one_that_was_asked() {
    let Some((theirs, at)) = receiver() else { return };
    let free = UdpSocket::bind("127.0.0.5:0").unwrap().local_addr().unwrap();
    assert_eq!(ended(send(at, &["x", "--source", &free.to_string()])).0, Some(0));
    assert_eq!(ended(send(at, &["x", "--source", "127.0.0.6:0"])).0, Some(0));
    let all = heard(&theirs, 2);
    assert_eq!(all[0].from, free);
    assert_eq!(all[1].from.ip().to_string(), "127.0.0.6");

    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let (code, ours) = ended(send(at, &["x", "--source", &taken.to_string()]));
    assert_eq!(code, Some(1));
    let note = ours.lines(Voice::Err).concat();
    assert!(note.contains(&taken.to_string()) && note.contains("in use"), "{note}");
}

#[test]
fn the_ttl_is_the_one_that_was_asked() {
    let Some((theirs, at)) = receiver() else { return };
    for ttl in ["7", "255"] {
        assert_eq!(ended(send(at, &["x", "--ttl", ttl])).0, Some(0));
    }
    assert_eq!(ended(send(at, &["x"])).0, Some(0));
    let ttls: Vec<u32> = heard(&theirs, 3).iter().map(|heard| heard.ttl).collect();
    assert_eq!(ttls[..2], [7, 255]);
    assert!(ttls[2] >= 32, "the system's own: {ttls:?}");
}

#[test]
fn what_comes_from_elsewhere_is_not_shown_and_counted() {
    let mut listener = listen(&["--from", "127.0.0.8/30", "--from", "127.0.0.20", "--count", "3"]);
    for source in ["127.0.0.7", "127.0.0.8", "127.0.0.11", "127.0.0.12", "127.0.0.20"] {
        let args = [source, "--source", &format!("{source}:0")];
        assert_eq!(ended(send(listener.address, &args)).0, Some(0));
    }
    assert_eq!(listener.expect_end(SOON).code(), Some(0));
    let shown = listener.lines(Voice::Out);
    let texts: Vec<&str> = shown.iter().filter_map(|line| line.rsplit(": ").next()).collect();
    assert_eq!(texts, ["127.0.0.8", "127.0.0.11", "127.0.0.20"]);
    let summary = listener.lines(Voice::Err).pop().unwrap();
    assert_eq!(summary, "3 datagrams, 2 from elsewhere not shown");
}

// Groups between two hosts.

#[test]
fn a_group_is_heard_on_another_host() {
    let Some([here, there]) = Namespace::pair() else { return };
    for interface in [&[][..], &["--multicast-interface", "far"]] {
        let (heard, at) = listening(&there, &[&["--join", GROUP, "--json"], interface].concat());
        let to = format!("{GROUP}:{}", at.port());
        let near = ["--multicast-interface", "near"];
        let sent = here.pigeon("pigeon send", &[&["send", &to, "你好"], &near[..]].concat());
        assert_eq!(ended(sent).0, Some(0));
        let told = json(&heard.expect_line(|_| true, SOON));
        assert_eq!(told["text"], "你好");
        assert_eq!(told["to"], to);
        assert!(told["from"].as_str().unwrap().starts_with("10.77.1.1:"), "{told}");
    }
}

#[test]
fn a_group_as_the_address_is_joined() {
    let Some([here, there]) = Namespace::pair() else { return };
    let cases = [
        ("239.1.2.3:0", &[][..], "239.1.2.3"),
        ("239.1.2.3:0", &["--multicast-interface", "far"][..], "239.1.2.3"),
        ("[ff02::5]:0", &[][..], "ff02::5%near"),
        ("[ff02::5%far]:0", &[][..], "ff02::5%near"),
    ];
    for (listen, more, group) in cases {
        let ours = there.pigeon("pigeon listen", &[&["listen", listen], more].concat());
        let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
        ours.expect_status(|line| line.starts_with("joined ") && line.contains("far"), SOON);
        let to = match group.contains(':') {
            true => format!("[{group}]:{}", at.port()),
            false => format!("{group}:{}", at.port()),
        };
        // A link-local address is not usable before duplicate address detection.
        wait_until("the group is heard", || {
            let near =
                if group.contains('%') { &[][..] } else { &["--multicast-interface", "near"] };
            ended(here.pigeon("pigeon send", &[&["send", &to, "hello"], near].concat()));
            ours.output().contains(" 5 bytes: hello").then_some(())
        });
    }
}

#[test]
fn a_group_of_ipv6_is_heard_on_another_host() {
    let Some([here, there]) = Namespace::pair() else { return };
    let ours = there.pigeon("pigeon listen", &["listen", "[::]:0", "--join", "ff15::77"]);
    let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
    let to = format!("[ff15::77]:{}", at.port());
    // A link-local address is not usable before duplicate address detection.
    wait_until("the group is heard", || {
        let args = ["send", &to, "hello", "--multicast-interface", "near"];
        ended(here.pigeon("pigeon send", &args));
        ours.output().contains(" 5 bytes: hello").then_some(())
    });
}

#[test]
fn a_group_that_was_not_joined_is_not_heard() {
    let Some([here, there]) = Namespace::pair() else { return };
    let (heard, at) = listening(&there, &["--join", GROUP]);
    for (host, text) in [("239.9.9.9", "stray"), (GROUP, "ours")] {
        let to = format!("{host}:{}", at.port());
        let args = ["send", &to, text, "--multicast-interface", "near"];
        assert_eq!(ended(here.pigeon("pigeon send", &args)).0, Some(0));
    }
    let line = heard.expect_line(|_| true, SOON);
    assert!(line.ends_with(": ours"), "{line}");
}

/// Replies come from single hosts, and each line has the sender.
#[test]
fn whoever_answers_a_group_is_shown_with_his_address() {
    if !installed("python3") {
        return;
    }
    let Some([here, there]) = Namespace::pair() else { return };
    let theirs = there.python(
        "ttl_receiver.py",
        &["--bind", "0.0.0.0", "--join", GROUP, "--interface", "10.77.1.2", "--answer"],
    );
    let to = format!("{GROUP}:{}", address_of(&theirs).port());
    for (ttl, seen) in [(&[][..], 1), (&["--ttl", "4"], 4)] {
        let args = ["send", &to, "who?", "--wait", "2s", "--multicast-interface", "10.77.1.1"];
        let (code, ours) = ended(here.pigeon("pigeon send", &[&args[..], ttl].concat()));
        assert_eq!(code, Some(0));
        let line = format!("10.77.1.2:{}: who?", address_of(&theirs).port());
        assert_eq!(ours.lines(Voice::Out), [line]);
        theirs.expect_line(|line| line.ends_with(&format!(" {seen} who?")), SOON);
    }
}

#[test]
fn broadcast_is_sent_only_where_it_is_meant() {
    let Some([here, there]) = Namespace::pair() else { return };
    let (heard, at) = listening(&there, &["--json"]);
    let to = format!("10.77.1.255:{}", at.port());
    let (code, ours) = ended(here.pigeon("pigeon send", &["send", &to, "by mistake"]));
    assert_eq!(code, Some(2));
    assert!(ours.lines(Voice::Err).concat().contains("--broadcast"));
    let meant = ["send", &to, "meant", "--broadcast"];
    assert_eq!(ended(here.pigeon("pigeon send", &meant)).0, Some(0));
    let told = json(&heard.expect_line(|_| true, SOON));
    assert_eq!(told["text"], "meant");
    assert_eq!(told["to"], to);
}

#[test]
fn a_group_on_an_interface_that_is_not_there_is_refused() {
    let args = ["listen", "127.0.0.1:0", "--join", GROUP, "--multicast-interface", "nowhere0"];
    let (code, ours) = ended(pigeon("pigeon listen", &args));
    assert_eq!(code, Some(2));
    let note = ours.lines(Voice::Err).concat();
    assert!(note.contains("nowhere0") && note.contains("lo"), "{note}");
    let (code, _) = ended(pigeon("pigeon listen", &["listen", "0", "--join", "10.1.2.3"]));
    assert_eq!(code, Some(2));
}

#[test]
fn a_listener_at_one_address_hears_its_group_and_answers_from_that_address() {
    let Some([here, there]) = Namespace::pair() else { return };
    let args = ["listen", "10.77.1.2:0", "--join", GROUP, "--json", "--reply", "heard"];
    let ours = there.pigeon("pigeon listen", &args);
    let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
    ours.expect_status(|line| line == format!("joined {GROUP} on far"), SOON);
    for (index, host) in [GROUP, "10.77.1.2"].into_iter().enumerate() {
        let to = format!("{host}:{}", at.port());
        let args = ["send", &to, "你好", "--wait", "2s", "--multicast-interface", "near"];
        let args = if host == GROUP { &args[..] } else { &args[..5] };
        let (code, asking) = ended(here.pigeon("pigeon send", args));
        assert_eq!((code, asking.lines(Voice::Out).concat().contains("heard")), (Some(0), true));
        if host == GROUP {
            assert!(asking.lines(Voice::Out).concat().contains(&at.to_string()));
        }
        let told = json(&ours.expect_lines(index + 1, SOON)[index]);
        assert_eq!((&told["text"], &told["to"]), (&"你好".into(), &to.into()));
    }
}

#[test]
fn groups_that_the_system_does_not_allow_are_told() {
    let Some(host) = Namespace::new() else { return };
    let groups: Vec<String> = (1..=21).map(|n| format!("--join=239.1.2.{n}")).collect();
    let mut args = vec!["listen", "0.0.0.0:0"];
    args.extend(groups.iter().map(String::as_str));
    let ours = host.pigeon("pigeon listen", &args);
    ours.expect_status(|line| line == "joined 239.1.2.20 on lo", SOON);
    let told = ours.expect_status(|line| line.starts_with("cannot join 239.1.2.21 on lo"), SOON);
    assert!(told.contains("net.ipv4.igmp_max_memberships"), "{told}");
}

#[test]
fn an_interface_that_comes_up_later_is_joined() {
    let Some([here, there]) = Namespace::pair() else { return };
    let every = |listen: &[&str]| there.pigeon("pigeon listen", &[&["listen"], listen].concat());
    let mut nowhere = every(&["5009", "--join", GROUP, "--multicast-interface", "later"]);
    assert_eq!(nowhere.expect_end(SOON).code(), Some(2), "it is not there yet");
    let listeners = [
        every(&["0.0.0.0:5010", "--join", GROUP]),
        every(&["5011", "--join", GROUP, "--join", "ff02::77"]),
        every(&["5012", "--join", GROUP, "--join", "ff02::77", "--share"]),
    ];
    for listener in &listeners {
        listener.expect_status(|line| line.starts_with(&format!("joined {GROUP} on ")), SOON);
    }
    let far = &there.name;
    let cable = ["link", "add", "near2", "type", "veth", "peer", "name", "later", "netns", far];
    assert!(here.ip(&cable) && here.ip(&["address", "add", "10.77.2.1/24", "dev", "near2"]));
    assert!(there.ip(&["address", "add", "10.77.2.2/24", "dev", "later"]));
    assert!(here.ip(&["link", "set", "near2", "up"]) && there.ip(&["link", "set", "later", "up"]));
    for (listener, port) in listeners.iter().zip([5010, 5011, 5012]) {
        let joined = format!("joined {GROUP} on later");
        listener.expect_status(|line| line == joined, SOON);
        let to = format!("{GROUP}:{port}");
        let args = ["send", &to, "late", "--multicast-interface", "near2"];
        assert_eq!(ended(here.pigeon("pigeon send", &args)).0, Some(0));
        listener.expect_line(|line| line.ends_with(": late"), SOON);
        if port != 5010 {
            let to = format!("[ff02::77%near2]:{port}");
            // A link-local address is not usable before duplicate address detection.
            wait_until("the group is heard", || {
                ended(here.pigeon("pigeon send", &["send", &to, "late too"]));
                listener.output().contains(": late too").then_some(())
            });
        }
    }
}

/// A program that shares its port like avahi-daemon, which only matters for groups and broadcasts.
const HOLDER: &str = r"
import socket, sys
holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for option in sys.argv[3:]:
    holder.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
holder.bind(('', 5353))
membership = socket.inet_aton(sys.argv[1]) + socket.inet_aton(sys.argv[2])
holder.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
print('ready')
while True:
    print(holder.recv(65535).decode())
";

#[test]
fn a_listener_beside_another_takes_no_datagram_from_it() {
    if !installed("python3") {
        return;
    }
    let Some([here, there]) = Namespace::pair() else { return };
    let mdns = "224.0.0.251";
    let hold = |options: &[&str]| {
        let args = [&["-c", HOLDER, mdns, "10.77.1.2"], options].concat();
        let holder = there.run("holder", "python3", &args);
        holder.expect_line(|line| line == "ready", SOON);
        holder
    };
    let holder = hold(&["SO_REUSEADDR", "SO_REUSEPORT"]);
    let args = ["listen", "5353", "--join", mdns];
    let (code, refused) = ended(there.pigeon("pigeon listen", &args));
    assert_eq!(code, Some(1));
    let note = refused.lines(Voice::Err).concat();
    assert!(note.contains("in use by python3") && note.ends_with("--share"), "{note}");

    let sharing = there.pigeon("pigeon listen", &[&args[..], &["--share", "--json"]].concat());
    let note = sharing.expect_status(|line| line.contains("listening on "), SOON);
    assert!(note.contains("groups and broadcasts only"), "{note}");
    let send = |to: &str, text: &str, more: &[&str]| {
        let to = format!("{to}:5353");
        let sent = here.pigeon("pigeon send", &[&["send", &to, text], more].concat());
        assert_eq!(ended(sent).0, Some(0), "{to}");
    };
    send("10.77.1.2", "to one", &[]);
    send(mdns, "to the group", &["--multicast-interface", "near"]);
    send("10.77.1.255", "to the network", &["--broadcast"]);
    send("255.255.255.255", "to all", &["--broadcast", "--source", "10.77.1.1:0"]);
    let texts = ["to one", "to the group", "to the network", "to all"];
    assert_eq!(holder.expect_lines(5, SOON)[1..], texts);
    let told: Vec<Value> = sharing.expect_lines(3, SOON).iter().map(|line| json(line)).collect();
    let told: Vec<_> = told.iter().map(|told| told["text"].as_str().unwrap()).collect();
    assert_eq!(told, texts[1..]);

    drop((holder, sharing));
    let _alone = hold(&[]);
    let (code, refused) = ended(there.pigeon("pigeon listen", &[&args[..], &["--share"]].concat()));
    assert_eq!(code, Some(1));
    let note = refused.lines(Voice::Err).concat();
    assert!(note.contains("python3") && note.contains("SO_REUSEADDR"), "{note}");
}

#[test]
fn a_listener_beside_avahi_hears_what_it_is_asked_and_answers() {
    if !installed("avahi-daemon") {
        return;
    }
    let Some([here, there]) = Namespace::pair() else { return };
    // The daemon uses folders that this machine's own daemon may have, and runs without D-Bus.
    let script = "mount -t tmpfs none /run && mkdir /run/avahi-daemon || { echo SKIPPED; exit; }
        printf '[server]\nhost-name=printer\nenable-dbus=no\nuse-ipv6=no\n' > /run/avahi.conf
        exec avahi-daemon --no-drop-root --no-rlimits --no-chroot -f /run/avahi.conf";
    let avahi = there.run("avahi", "unshare", &["--mount", "sh", "-c", script]);
    avahi.expect_status(|line| line.contains("Server startup complete"), SOON);
    let args = ["listen", "5353", "--join", "224.0.0.251"];
    let (code, refused) = ended(there.pigeon("pigeon listen", &args));
    assert_eq!(code, Some(1));
    let note = refused.lines(Voice::Err).concat();
    assert!(note.contains("in use by avahi-daemon") && note.ends_with("--share"), "{note}");
    let sharing = there.pigeon("pigeon listen", &[&args[..], &["--share", "--hexdump"]].concat());
    sharing.expect_status(|line| line.contains("listening on "), SOON);
    // Requests printer.local (RFC 1035 section 4.1).
    let question = "000000000001000000000000077072696e746572056c6f63616c0000010001";
    let args = ["discover", "5353", "--group", "224.0.0.251", "--hex", question];
    let (code, asking) = ended(here.pigeon("pigeon discover", &args));
    assert_eq!(code, Some(0));
    // The address is at the end of the answer, which is unicast.
    let answer = asking.lines(Voice::Out).concat();
    assert!(
        answer.starts_with("10.77.1.2:5353 on near") && answer.ends_with("0a4d0102"),
        "{answer}"
    );
    sharing.expect_line(|line| line.contains(" 10.77.1.1:") && line.ends_with(" 31 bytes:"), SOON);
    sharing.expect_line(|line| line.ends_with("  .............pri"), SOON);
}

#[test]
fn a_zone_names_the_link_where_one_binds_and_joins() {
    let Some([here, there]) = Namespace::pair() else { return };
    assert!(there.ip(&["address", "add", "fe80::2/64", "dev", "far", "nodad"]));
    assert!(here.ip(&["address", "add", "fe80::1/64", "dev", "near", "nodad"]));
    let args = ["listen", "[fe80::2%far]:5000", "--join", "ff02::77%far", "--json"];
    let ours = there.pigeon("pigeon listen", &args);
    ours.expect_status(|line| line == "joined ff02::77 on far", SOON);
    for (index, host) in ["fe80::2", "ff02::77"].into_iter().enumerate() {
        let to = format!("[{host}%near]:5000");
        assert_eq!(ended(here.pigeon("pigeon send", &["send", &to, host])).0, Some(0));
        let told = json(&ours.expect_lines(index + 1, SOON)[index]);
        assert_eq!(
            (&told["text"], told["to"].as_str()),
            (&host.into(), Some(&*format!("[{host}]:5000")))
        );
    }
    let (code, bare) = ended(there.pigeon("pigeon listen", &["listen", "[fe80::2]:5001"]));
    assert_eq!(code, Some(2));
    let note = bare.lines(Voice::Err).concat();
    assert!(note.contains("[fe80::2%eth0]:5001"), "{note}");
    for args in [["[fe80::2%nowhere0]:0", "ff02::77"], ["[::]:0", "ff02::77%nowhere0"]] {
        let args = ["listen", args[0], "--join", args[1]];
        let (code, wrong) = ended(there.pigeon("pigeon listen", &args));
        assert_eq!(code, Some(2));
        let note = wrong.lines(Voice::Err).concat();
        assert!(note.contains("nowhere0") && note.contains("interface"), "{note}");
    }
}

/// The kernel refuses a datagram forbidden by a firewall at once; it must not count as sent.
#[test]
fn replies_that_a_firewall_forbids_are_told_once_and_not_counted() {
    if !installed("nft") {
        return;
    }
    let Some([here, there]) = Namespace::pair() else { return };
    let ours = there.pigeon("pigeon listen", &["listen", "0.0.0.0:5000", "--reply", "OK"]);
    ours.expect_status(|line| line.contains("listening on "), SOON);
    let forbid = "add table ip wall; \
                  add chain ip wall out { type filter hook output priority 0; }; \
                  add rule ip wall out udp sport 5000 drop";
    if ended(there.run("nft", "nft", &[forbid])).0 != Some(0) {
        return skipped("this kernel has no nftables");
    }
    for text in ["one", "two", "three"] {
        let sent = here.pigeon("pigeon send", &["send", "10.77.1.2:5000", text]);
        assert_eq!(ended(sent).0, Some(0));
        ours.expect_line(|line| line.ends_with(&format!(": {text}")), SOON);
    }
    ours.expect_status(|line| line.starts_with("cannot reply to 10.77.1.1:"), SOON);
    ours.signal("INT");
    let mut ours = ours;
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    let told = ours.lines(Voice::Err);
    let causes: Vec<_> = told.iter().filter(|line| line.contains("cannot reply")).collect();
    assert_eq!(causes.len(), 1, "{told:?}");
    assert!(causes[0].contains("Operation not permitted"), "{told:?}");
    assert!(causes[0].contains("a firewall rule of this host"), "{told:?}");
    let summary = told.last().unwrap();
    assert!(summary.starts_with("3 datagrams, 0 replies, 3 replies not sent"), "{summary}");
}

/// A rejection by a firewall on the way is reported once.
#[test]
fn replies_that_come_back_as_undeliverable_are_told_once_and_counted() {
    if !installed("nft") {
        return;
    }
    let Some([here, there]) = Namespace::pair() else { return };
    let mut ours = there.pigeon("pigeon listen", &["listen", "0.0.0.0:5000", "--reply", "OK"]);
    ours.expect_status(|line| line.contains("listening on "), SOON);
    let reject = "add table ip wall; \
                  add chain ip wall in { type filter hook input priority 0; }; \
                  add rule ip wall in udp sport 5000 reject with icmp type admin-prohibited";
    if ended(here.run("nft", "nft", &[reject])).0 != Some(0) {
        return skipped("this kernel has no nftables");
    }
    for text in ["one", "two"] {
        let sent = here.pigeon("pigeon send", &["send", "10.77.1.2:5000", text]);
        assert_eq!(ended(sent).0, Some(0));
        ours.expect_line(|line| line.ends_with(&format!(": {text}")), SOON);
    }
    ours.expect_status(|line| line.starts_with("a reply to 10.77.1.1:"), SOON);
    ours.signal("INT");
    assert_eq!(ours.expect_end(SOON).code(), Some(0));
    let told = ours.lines(Voice::Err);
    assert_eq!(told.iter().filter(|line| line.contains("did not arrive")).count(), 1, "{told:?}");
    assert!(told.concat().contains("firewall rejects it"), "{told:?}");
    assert!(told.concat().contains("2 replies, 2 of them came back as undeliverable"), "{told:?}");
}

/// The output of `ttl_receiver.py` for a datagram.
struct TtlLine {
    time: f64,
    from: SocketAddr,
    ttl: u32,
    text: String,
}

/// The Python receiver and its address; `None` without Python.
fn receiver() -> Option<(Process, SocketAddr)> {
    installed("python3").then(|| {
        let receiver = python("ttl_receiver.py", &[]);
        let address = address_of(&receiver);
        (receiver, address)
    })
}

#[track_caller]
fn heard(receiver: &Process, count: usize) -> Vec<TtlLine> {
    let lines = receiver.expect_lines(1 + count, SOON);
    let told = lines[1..].iter().map(|line| {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap();
        TtlLine {
            time: word().parse().unwrap(),
            from: word().parse().unwrap(),
            ttl: word().parse().unwrap(),
            text: word().to_string(),
        }
    });
    told.collect()
}

/// `pigeon listen` on every IPv4 address of a host.
#[track_caller]
fn listening(host: &Namespace, args: &[&str]) -> (Process, SocketAddr) {
    let ours = host.pigeon("pigeon listen", &[&["listen", "0.0.0.0:0"], args].concat());
    let at = address_in(&ours.expect_status(|line| line.contains("listening on "), SOON));
    (ours, at)
}

#[track_caller]
fn ended(mut process: Process) -> (Option<i32>, Process) {
    let status = process.expect_end(SOON);
    (status.code(), process)
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
}
