//! Input lines.

use pigeon_client::{Event, LineError, Said, Session};
use pigeon_netsim::simulation::{Network, Peer};
use pigeon_proto::Verb;
use rand_pcg::Pcg64;

use crate::harness::{
    after, config, heard, hub_address, join, member_address, name, notices, say, session, told,
};
use crate::hub::Hub;

#[test]
fn quit_leaves_and_nothing_follows() {
    let mut network = Network::new(11);
    let hub = network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(1));
    assert_eq!(say(&mut network, member, "  "), Said::Nothing);
    assert_eq!(say(&mut network, member, "quit"), Said::Quit);
    network.run_for(after(120));
    let hub = network.machine(hub);
    assert_eq!((hub.member_count(), hub.joined), (0, 1));
    assert_eq!(told(&network, member).last(), Some(&Event::Left));
}

#[test]
fn a_line_that_cannot_be_a_message_is_refused_before_sending() {
    let mut network = Network::new(12);
    let server = network.add(hub_address(), Peer::new());
    let member = join(&mut network, 1, "dog");
    for (line, why) in [
        (vec![b'x'; 65_508], "not sent: 65508 bytes, and a datagram carries at most 65507"),
        (
            b"^hb^ gone kicked".to_vec(),
            "not sent: ^hb^ at the beginning marks a heartbeat, not a message",
        ),
    ] {
        let refused =
            network.act(member, |session, now| session.handle_line(now, &line).unwrap_err());
        assert_eq!(refused.to_string(), why);
    }
    network.run_for(after(1));
    assert_eq!(network.machine(server).texts().len(), 1);
}

#[test]
fn what_is_typed_first_is_said_under_the_name() {
    let mut network = Network::new(17);
    network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    say(&mut network, member, "typed at once");
    network.run_for(after(1));
    assert_eq!(heard(&network, member), ["dog: typed at once\n"]);

    // To a server that never answers, lines are sent anyway, even when leaving early.
    let elsewhere = "10.0.0.2:9999".parse().unwrap();
    let server = network.add(elsewhere, Peer::new());
    let mut config = config();
    (config.hub, config.nick) = (elsewhere, Some(name("dog")));
    let early = Session::new(network.now(), config, Pcg64::new(9, 0));
    let early = network.add(member_address(9), early);
    say(&mut network, early, "first");
    say(&mut network, early, "quit");
    network.run_for(after(1));
    let texts = network.machine(server).texts();
    assert_eq!(texts.iter().map(|text| text.trim()).collect::<Vec<_>>(), ["^hb^", "first", "quit"]);
}

#[test]
fn slashes_are_slashes_in_every_width() {
    let mut network = Network::new(38);
    let hub = network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(1));
    for line in ["／nick 狗哥", "//dev/null", "／／who"] {
        say(&mut network, member, line);
        network.run_for(after(1));
    }
    assert_eq!(heard(&network, member), ["狗哥: /dev/null\n", "狗哥: /who\n"]);
    assert_eq!(network.machine(hub).commands, ["nick dog", "nick 狗哥"]);
}

#[test]
fn help_is_answered_here_at_a_pigeon_hub_and_sent_to_any_other() {
    let mut network = Network::new(39);
    let hub = network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(1));
    assert_eq!(say(&mut network, member, "/help"), Said::Answered);
    assert_eq!(notices(&network, member).last().unwrap(), "help");
    network.act(hub, |hub, _| hub.send(member_address(1), b"^hb^ help"));
    network.run_for(after(1));
    assert_eq!(network.machine(hub).commands, ["nick dog"]);
    assert_eq!(notices(&network, member).iter().filter(|line| *line == "help").count(), 2);

    let elsewhere = "10.0.0.2:9999".parse().unwrap();
    let server = network.add(elsewhere, Peer::new());
    let session = session(&network, 2, |config| config.hub = elsewhere);
    let member = network.add(member_address(2), session);
    network.run_for(after(5));
    assert_eq!(say(&mut network, member, "/help"), Said::Sent);
    network.run_for(after(1));
    assert!(network.machine(server).texts().contains(&"/help".to_string()));
}

#[test]
fn a_raw_hub_is_sent_no_command() {
    let mut network = Network::new(40);
    network.add(hub_address(), Hub::raw());
    let listener = session(&network, 2, |_| {});
    let listener = network.add(member_address(2), listener);
    network.run_for(after(1));
    let member = join(&mut network, 1, "dog");
    // Entered before the format is known, and after.
    say(&mut network, member, "/who");
    say(&mut network, member, "data");
    network.run_for(after(60));
    assert!(network.machine(member).keeps_name_to_itself());
    assert!(told(&network, member).contains(&Event::NotSent(LineError::Raw(Verb::Who))));
    for line in ["/nick dog", "／join 7b", "/pass secret", "/nick"] {
        let refused = network
            .act(member, |session, now| session.handle_line(now, line.as_bytes()).unwrap_err());
        assert!(matches!(refused, LineError::Raw(_)), "{line}");
    }
    say(&mut network, member, "/dev/null is no command");
    network.run_for(after(60));
    assert_eq!(heard(&network, listener), ["data", "/dev/null is no command"]);
}

#[test]
fn answers_to_what_was_typed_are_shown_and_others_are_not() {
    let mut network = Network::new(41);
    network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(1));
    let who = pigeon_proto::Command::Who { from: 0 };
    assert!(network.act(member, |session, now| session.ask(now, &who)));
    network.run_for(after(1));
    assert_eq!(notices(&network, member), ["name dog lobby 0-word"]);
    say(&mut network, member, "/who");
    say(&mut network, member, "/msg cat psst");
    network.run_for(after(1));
    let notices = notices(&network, member);
    assert_eq!(notices[1..], ["roster lobby 2 1 0 0 dog", "refused msg nobody cat"]);
}

#[test]
fn a_path_is_no_command_where_commands_are_taken() {
    let mut network = Network::new(42);
    let hub = network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    // Entered before the hub is known, and after.
    say(&mut network, member, "/dev/null");
    network.run_for(after(1));
    assert!(told(&network, member).contains(&Event::NotSent(LineError::Path)));
    let path = "／dev/ttyUSB0 打不开".as_bytes();
    let refused = network.act(member, |session, now| session.handle_line(now, path));
    assert_eq!(refused, Err(LineError::Path));
    assert_eq!(network.machine(hub).commands, ["nick dog"]);

    // A server without commands relays it unchanged.
    let elsewhere = "10.0.0.2:9999".parse().unwrap();
    let server = network.add(elsewhere, Peer::new());
    let session = session(&network, 2, |config| config.hub = elsewhere);
    let member = network.add(member_address(2), session);
    network.run_for(after(5));
    say(&mut network, member, "/dev/null");
    network.run_for(after(1));
    assert!(network.machine(server).texts().contains(&"/dev/null".to_string()));
}

#[test]
fn an_action_is_a_message_that_no_hub_could_have_said() {
    let mut network = Network::new(43);
    network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(1));
    say(&mut network, member, "/me waves");
    network.run_for(after(1));
    assert_eq!(heard(&network, member), ["dog: *waves*\n"]);
}

#[test]
fn what_a_client_asks_of_its_own_accord_is_refused_in_silence() {
    let mut network = Network::new(44);
    network.add(hub_address(), Hub::new());
    let member = join(&mut network, 1, "dog");
    network.run_for(after(1));
    let history = pigeon_proto::Command::History { count: Some(20), before: None };
    assert!(network.act(member, |session, now| session.ask(now, &history)));
    network.run_for(after(1));
    assert_eq!(notices(&network, member), ["name dog lobby 0-word"]);
    say(&mut network, member, "/history 20");
    network.run_for(after(1));
    assert_eq!(notices(&network, member).last().unwrap(), "refused history no-history");
}

/// Payloads that are not input lines: they never act as commands, and a raw room gets every byte.
#[test]
fn bytes_go_into_the_room_as_they_are_or_not_at_all() {
    let bytes: &[&[u8]] = &[b"\0\xff\x1b[", b" /who", b"//x", b"^hb^x", b"quit now", b" \n"];
    for raw in [true, false] {
        let mut network = Network::new(41);
        let hub = network.add(hub_address(), if raw { Hub::raw() } else { Hub::new() });
        let [speaker, listener] = [1, 2].map(|n| {
            let session = session(&network, n, |_| {});
            network.add(member_address(n), session)
        });
        network.run_for(after(1));
        for payload in bytes {
            let said = network.act(speaker, |session, now| session.handle_payload(now, payload));
            assert_eq!(said, Ok(Said::Sent));
        }
        for reserved in
            [&b"quit"[..], b" QUIT\n", b"^hb^", b"^HB^ gone kicked", b"^hb^ pigeon/1 3 0"]
        {
            let said = network.act(speaker, |session, now| session.handle_payload(now, reserved));
            let is_text = reserved == b" QUIT\n";
            assert_eq!(said, if is_text { Ok(Said::Sent) } else { Err(LineError::Reserved) });
        }
        network.run_for(after(1));
        assert_eq!(network.machine(hub).commands, [""; 0]);
        let events = network.events(listener).iter();
        let received = events.filter_map(|(_, event)| match event {
            Event::Received(payload) => Some(&payload[..]),
            _ => None,
        });
        let received: Vec<&[u8]> = received.collect();
        if raw {
            assert_eq!(received, [bytes, &[b" QUIT\n"]].concat());
        } else {
            assert!(received.iter().any(|line| line.ends_with(b": /who\n")), "{received:?}");
            assert!(received.iter().any(|line| line.ends_with(b": //x\n")), "{received:?}");
        }
    }
}
