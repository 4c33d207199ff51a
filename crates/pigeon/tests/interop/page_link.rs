//! The page's frames over a WebSocket, by a client of the test's own; what its guards refuse; the
//! operator's view and the figures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use pigeon_perf::websocket::{Came, WebSocket, frame};
use pigeon_quic::ClientKey;
use serde_json::{Value, json};

use crate::peers::{client, tools};
use crate::pigeon::{Serving, hub};
use crate::process::{Process, SOON, Voice};

/// A hub with a page, and the page's address.
pub(crate) fn hub_with_page(test: &str, args: &[&str]) -> (Serving, SocketAddr) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{test}"));
    let _ = std::fs::remove_dir_all(&folder);
    let data = ["--data", folder.to_str().unwrap(), "--page", "127.0.0.1:0"];
    let hub = hub(&[&data, args].concat());
    let page = page_of(&hub);
    (hub, page)
}

fn page_of(hub: &Process) -> SocketAddr {
    let line = hub.expect_status(|line| line.contains("page: http://127.0.0.1"), SOON);
    let address = line.split("://").nth(1).unwrap().split('/').next().unwrap();
    address.parse().unwrap_or_else(|_| panic!("no address in {line}"))
}

/// A browser's tab.
pub(crate) struct Tab<S = TcpStream> {
    pub(crate) socket: WebSocket<S>,
    key: ClientKey,
    /// Frames that came, and were not asked for yet.
    frames: Vec<Value>,
}

impl Tab {
    pub(crate) fn open(page: SocketAddr, name: &str) -> Tab {
        Tab::with(page, name, json!({}))
    }

    /// A tab that also says `more` in `prove`.
    fn with(page: SocketAddr, name: &str, more: Value) -> Tab {
        let mut tab = Tab::connect(page);
        tab.prove(name, more);
        tab
    }

    fn connect(page: SocketAddr) -> Tab {
        let mut socket =
            WebSocket::open(page, "/ws", &format!("http://{page}"), "pigeon.1").unwrap();
        socket.stream().set_read_timeout(Some(SOON)).unwrap();
        Tab::over(socket)
    }
}

impl<S: Read + Write> Tab<S> {
    fn over(socket: WebSocket<S>) -> Tab<S> {
        Tab { socket, key: ClientKey::generate().unwrap(), frames: Vec::new() }
    }

    fn prove(&mut self, name: &str, more: Value) {
        self.send(&json!({"type": "hello", "version": 1, "client": "test"}));
        let challenge = self.wait("challenge");
        let origin = challenge["fingerprint"].as_str().unwrap();
        let signed = format!("pigeon/1 {} {origin}", challenge["nonce"].as_str().unwrap());
        let mut prove = json!({
            "type": "prove",
            "key": base64(self.key.public_point()),
            "signature": base64(&self.key.sign(signed.as_bytes()).unwrap()),
            "outbox": "00000000000000aa",
            "name": name,
        });
        let more = more.as_object().unwrap().clone();
        prove.as_object_mut().unwrap().extend(more);
        self.send(&prove);
    }

    /// Sends a frame in a message of its own, without a newline.
    fn send(&mut self, frame: &Value) {
        self.socket.send(&frame.to_string()).unwrap();
    }

    /// The next frame of a type. Earlier ones of other types are kept.
    pub(crate) fn wait(&mut self, kind: &str) -> Value {
        self.wait_for(kind, |_| true)
    }

    fn wait_for(&mut self, kind: &str, wished: impl Fn(&Value) -> bool) -> Value {
        let is_it = |frame: &Value| frame["type"] == kind && wished(frame);
        loop {
            if let Some(at) = self.frames.iter().position(is_it) {
                return self.frames.remove(at);
            }
            match self.socket.receive() {
                Ok(Came::Message(message)) => self.frames.extend(frames_of(&message)),
                other => panic!("no {kind}: {other:?}, after {:?}", self.frames),
            }
        }
    }

    /// The end of the connection: the reason in `bye`, and the code.
    fn end(mut self) -> (Option<String>, u16) {
        loop {
            match self.socket.receive() {
                Ok(Came::Message(message)) => self.frames.extend(frames_of(&message)),
                Ok(Came::Closed(code)) => {
                    let bye = self.frames.iter().rfind(|frame| frame["type"] == "bye");
                    let reason = bye.and_then(|bye| bye["reason"].as_str().map(str::to_owned));
                    return (reason, code);
                }
                Err(error) => panic!("lost without a close: {error}"),
            }
        }
    }
}

fn frames_of(message: &[u8]) -> Vec<Value> {
    let lines = message.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// RFC 4648 section 5, without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

/// What comes back to a request, until the server ends the connection.
pub(crate) fn ask(page: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(page).unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_page_and_join_and_netcat_are_in_one_room() {
    let (hub, page) = hub_with_page("room", &[]);
    let member = crate::pigeon::join(hub.address, "小红");
    let mut tab = Tab::open(page, "狗哥");
    tab.send(&json!({"type": "follow", "room": "lobby"}));
    let welcome = tab.wait("welcome");
    assert_eq!((&welcome["name"], &welcome["room"]), (&json!("狗哥"), &json!("lobby")));
    assert_eq!(tab.wait("expect")["number"], 1);
    tab.wait("live");
    tab.send(&json!({"type": "say", "number": 1, "room": "lobby", "text": "从网页\n来"}));
    assert_eq!(tab.wait("stored")["number"], 1);
    let own = tab.wait("message");
    assert_eq!((&own["link"], &own["author"]), (&json!("page"), &welcome["author"]));
    member.expect_line(|line| line.contains("狗哥") && line.contains("从网页"), SOON);

    let Some(tool) = tools().first().copied() else { return };
    let mut netcat = client(tool, hub.address);
    netcat.say("/nick 老王");
    netcat.expect_line(|line| line.contains("you are 老王"), SOON);
    netcat.say("来自 nc");
    let heard = tab.wait("message");
    assert_eq!((&heard["name"], &heard["text"]), (&json!("老王"), &json!("来自 nc")));
    assert_eq!(heard["link"], "plain");

    // Many frames in one message, the last without its newline.
    let lines: Vec<String> = (2..=50)
        .map(|n| json!({"type": "say", "number": n, "room": "lobby", "text": n.to_string()}))
        .map(|frame| frame.to_string())
        .collect();
    tab.socket.send(&lines.join("\n")).unwrap();
    tab.wait_for("stored", |frame| frame["number"] == 50);
    for n in 2..=50 {
        assert_eq!(tab.wait("message")["number"], n);
    }
    // Others see how it is connected, and that its words may be read by others on the way.
    netcat.say("/who");
    netcat.expect_line(|line| line.contains("狗哥 (page, http)"), SOON);
}

#[test]
fn a_reload_goes_on_where_the_tab_was_and_is_the_same_member() {
    let (_hub, page) = hub_with_page("reload", &[]);
    let mut tab = Tab::open(page, "狗哥");
    tab.send(&json!({"type": "follow", "room": "lobby"}));
    let author = tab.wait("welcome")["author"].clone();
    tab.send(&json!({"type": "say", "number": 1, "room": "lobby", "text": "one"}));
    tab.wait("stored");
    let seen = tab.wait("message");
    let mut other = Tab::open(page, "小红");
    other.send(&json!({"type": "say", "number": 1, "room": "lobby", "text": "meanwhile"}));
    let key = ClientKey::from_pkcs8(tab.key.to_pkcs8()).unwrap();
    drop(tab);
    other.wait("stored");

    let mut tab = Tab::connect(page);
    tab.key = key;
    tab.prove("狗哥", json!({}));
    let after = ["position", "author", "outbox", "number"]
        .map(|field| (field.to_owned(), seen[field].clone()));
    let after: serde_json::Map<_, _> = after.into_iter().collect();
    tab.send(&json!({"type": "follow", "room": "lobby", "after": after}));
    let welcome = tab.wait("welcome");
    assert_eq!((&welcome["author"], &welcome["name"]), (&author, &json!("狗哥")));
    assert_eq!(tab.wait("expect")["number"], 2);
    assert_eq!(tab.wait("message")["text"], "meanwhile");
    // A message whose acknowledgement was lost is acknowledged again, and stored once.
    tab.send(&json!({"type": "say", "number": 1, "room": "lobby", "text": "one"}));
    tab.send(&json!({"type": "say", "number": 2, "room": "lobby", "text": "two"}));
    tab.wait_for("stored", |frame| frame["number"] == 2);
    assert_eq!(tab.wait("message")["text"], "two");
}

#[test]
fn earlier_messages_are_read_and_searched_in_pages() {
    let (_hub, page) = hub_with_page("earlier", &[]);
    let mut tab = Tab::open(page, "狗哥");
    tab.wait("expect");
    for n in 1..=120 {
        let text = format!("消息 {n} {}", if n % 10 == 0 { "苹果 Apple" } else { "" });
        tab.send(&json!({"type": "say", "number": n, "room": "lobby", "text": text}));
    }
    tab.wait_for("stored", |frame| frame["number"] == 120);
    let mut numbers = Vec::new();
    let mut request = json!({"type": "read", "id": 7, "room": "lobby", "limit": 50});
    loop {
        tab.send(&request);
        let entries = tab.wait("entries");
        assert_eq!((&entries["id"], &entries["room"]), (&json!(7), &json!("lobby")));
        let page: Vec<u64> = entries["entries"].as_array().unwrap().iter().map(number).collect();
        numbers.splice(0..0, page);
        match &entries["more"] {
            Value::Null => break,
            more => request["before"] = more.clone(),
        }
    }
    assert_eq!(numbers, (1..=120).collect::<Vec<_>>());

    let search =
        json!({"type": "search", "id": 8, "room": "lobby", "words": "苹果 APPLE", "limit": 5});
    tab.send(&search);
    let found = tab.wait("entries");
    let hits: Vec<u64> = found["entries"].as_array().unwrap().iter().map(number).collect();
    assert_eq!(hits, [80, 90, 100, 110, 120]);
    let mut next = search.clone();
    next["before"] = found["more"].clone();
    tab.send(&next);
    let found = tab.wait("entries");
    let hits: Vec<u64> = found["entries"].as_array().unwrap().iter().map(number).collect();
    assert_eq!(hits, [30, 40, 50, 60, 70]);

    tab.send(&json!({"type": "read", "id": 9, "room": "lobby", "limit": 0}));
    assert_eq!(tab.wait("entries")["entries"], json!([]));
    tab.send(&json!({"type": "read", "id": 10, "room": "nowhere"}));
    assert_eq!(tab.wait("entries")["entries"], json!([]));
}

fn number(entry: &Value) -> u64 {
    assert_eq!(entry["type"], "message");
    entry["number"].as_u64().unwrap()
}

#[test]
fn who_is_here_comes_at_once_and_after_changes() {
    let (hub, page) = hub_with_page("here", &[]);
    let mut tab = Tab::open(page, "狗哥");
    tab.send(&json!({"type": "watch", "room": "lobby"}));
    let here = tab.wait("here");
    assert_eq!(here["members"], json!([{"name": "狗哥", "link": "page-http"}]));
    assert_eq!(here["rooms"], json!([{"room": "lobby", "members": 1}]));
    let Some(tool) = tools().first().copied() else { return };
    let mut netcat = client(tool, hub.address);
    netcat.say("/nick 老王");
    let named = |here: &Value| here["members"].to_string().contains("老王");
    let here = tab.wait_for("here", named);
    assert_eq!((&here["people"], &here["senders"]), (&json!(2), &json!(0)));
    netcat.say("/join ops");
    tab.wait_for("here", |here| here["rooms"].to_string().contains("ops") && !named(here));
    tab.send(&json!({"type": "watch", "room": "ops"}));
    assert!(named(&tab.wait_for("here", |here| here["room"] == "ops")));
}

#[test]
fn the_password_is_asked_here_too() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page-password.txt");
    std::fs::write(&file, "开门\n").unwrap();
    let (_hub, page) = hub_with_page("password", &["--password-file", file.to_str().unwrap()]);
    let tab = Tab::open(page, "狗哥");
    assert_eq!(tab.end(), (Some("password".into()), 1000));
    let tab = Tab::with(page, "狗哥", json!({"password": "wrong"}));
    assert_eq!(tab.end().0.as_deref(), Some("password"));
    let mut tab = Tab::with(page, "狗哥", json!({"password": "开门"}));
    assert_eq!(tab.wait("welcome")["name"], "狗哥");
}

#[test]
fn the_same_key_is_another_member_over_quic() {
    let (_hub, page) = hub_with_page("authors", &[]);
    let mut tab = Tab::open(page, "狗哥");
    let author = tab.wait("welcome")["author"].as_str().unwrap().to_owned();
    let point = tab.key.public_point();
    let of = |prefix: &[u8]| format!("{:032x}", pigeon_quic::author_with(prefix, point));
    assert_eq!(author, of(b"page http "));
    assert!(of(b"page https ") != author && of(b"") != author);
}

#[test]
fn other_sites_and_names_are_refused() {
    let (_hub, page) = hub_with_page("sites", &["--page-name", "chat.example.org"]);
    let port = page.port();
    let get =
        |host: &str| ask(page, &format!("GET / HTTP/1.1\nHost: {host}\nConnection: close\n\n"));
    for host in ["127.0.0.1", "localhost", "chat.example.org", "[::1]"] {
        let answer = get(&format!("{host}:{port}"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
        let policy = answer.lines().find(|line| line.starts_with("Content-Security-Policy:"));
        assert!(policy.unwrap().contains("default-src 'none'"), "{answer}");
        assert!(answer.contains("Referrer-Policy: no-referrer\r\n"), "{answer}");
        assert!(!answer.contains("Set-Cookie"), "{answer}");
    }
    // A name of an attacker's that resolves to this address.
    for host in ["rebind.example", "chat.example.org.evil.example"] {
        let answer = get(&format!("{host}:{port}"));
        assert!(answer.starts_with("HTTP/1.1 421 "), "{host}: {answer}");
        let origin = format!("Host: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n");
        let refused = WebSocket::open_with(page, "/ws", &origin, "pigeon.1").err().unwrap();
        assert!(refused.to_string().starts_with("HTTP/1.1 421 "), "{refused}");
    }
    let host = format!("127.0.0.1:{port}");
    for origin in [
        "null",
        "http://evil.example",
        "https://127.0.0.1",
        &format!("http://127.0.0.1:{}", port ^ 1),
        &format!("https://{host}"),
        &format!("http://evil.example@{host}"),
    ] {
        let headers = format!("Host: {host}\r\nOrigin: {origin}\r\n");
        let refused = WebSocket::open_with(page, "/ws", &headers, "pigeon.1").err().unwrap();
        assert!(refused.to_string().starts_with("HTTP/1.1 403 "), "{origin}: {refused}");
    }
    let without = WebSocket::open_with(page, "/ws", &format!("Host: {host}\r\n"), "pigeon.1");
    assert!(without.err().unwrap().to_string().starts_with("HTTP/1.1 403 "));
    let other = WebSocket::open(page, "/ws", &format!("http://{host}"), "chat");
    assert!(other.err().unwrap().to_string().starts_with("HTTP/1.1 400 "));
}

#[test]
fn frames_that_break_a_rule_end_their_connection_alone() {
    let (_hub, page) = hub_with_page("rules", &[]);
    let mut witness = Tab::open(page, "狗哥");
    witness.send(&json!({"type": "follow", "room": "lobby"}));
    witness.wait("live");
    let raw = |bytes: &[u8]| {
        let mut tab = Tab::open(page, "bad");
        tab.wait("expect");
        tab.socket.stream().write_all(bytes).unwrap();
        tab.end()
    };
    let error = Some("error".to_owned());
    // Not masked; binary; a length of 100 MB; a long message in fragments.
    assert_eq!(raw(&[0x81, 1, b'x']), (None, 1002));
    assert_eq!(raw(&frame(0x82, b"x")), (None, 1003));
    assert_eq!(raw(&[0x81, 0xff, 0, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4]), (None, 1009));
    let part = vec![b'x'; 100_000];
    let (first, second) = (frame(0x01, &part), frame(0x80, &part));
    assert_eq!(raw(&[first, second].concat()).1, 1009);
    // No UTF-8; no JSON; out of order.
    assert_eq!(
        raw(&frame(0x81, b"{\"type\":\"command\",\"line\":\"\xff\"}")),
        (error.clone(), 1000)
    );
    assert_eq!(raw(&frame(0x81, b"hello?")), (error.clone(), 1000));
    assert_eq!(raw(&frame(0x81, b"{\"type\":\"hello\",\"version\":1}")), (error.clone(), 1000));
    let mut early = Tab::connect(page);
    early.send(&json!({"type": "say", "number": 1, "room": "lobby", "text": "x"}));
    assert_eq!(early.end(), (error.clone(), 1000));
    let mut forged = Tab::connect(page);
    forged.key = ClientKey::generate().unwrap();
    forged.send(&json!({"type": "hello", "version": 1, "client": ""}));
    forged.wait("challenge");
    let other = forged.key.sign(b"pigeon/1 0 http://elsewhere").unwrap();
    let key = base64(forged.key.public_point());
    forged.send(&json!({
        "type": "prove", "key": key, "signature": base64(&other), "outbox": "00000000000000aa"
    }));
    assert_eq!(forged.end(), (error, 1000));
    witness.send(&json!({"type": "say", "number": 1, "room": "lobby", "text": "still here"}));
    assert_eq!(witness.wait("message")["text"], "still here");
}

#[test]
fn a_kicked_tab_hears_why_and_a_hub_that_stops_says_goodbye() {
    let (mut hub, page) = hub_with_page("kick", &[]);
    let mut tab = Tab::open(page, "狗哥");
    tab.wait("welcome");
    hub.say("kick 狗哥");
    assert_eq!(tab.end(), (Some("kicked".into()), 1000));
    let mut tab = Tab::open(page, "小红");
    tab.wait("welcome");
    hub.signal("TERM");
    assert_eq!(tab.end(), (Some("stopped".into()), 1000));
    assert!(hub.expect_end(SOON).success());
}

/// A browser's connection by TLS that trusts this certificate alone.
fn tls(
    page: SocketAddr,
    certificate: &[u8],
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = "pigeon".try_into().unwrap();
    let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let tcp = TcpStream::connect(page).unwrap();
    tcp.set_read_timeout(Some(SOON)).unwrap();
    rustls::StreamOwned::new(tls, tcp)
}

#[test]
fn https_has_an_identity_of_its_own() {
    let certificate = pigeon_quic::Certificate::generate().unwrap();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page-https.pem");
    std::fs::write(&file, certificate.to_pem()).unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page-https");
    let _ = std::fs::remove_dir_all(&folder);
    let args = [
        "--data",
        folder.to_str().unwrap(),
        "--page",
        "127.0.0.1:0",
        "--page-certificate",
        file.to_str().unwrap(),
        "--page-name",
        "pigeon",
    ];
    let hub = hub(&args);
    let line = hub.expect_status(|line| line.contains("page: https://127.0.0.1"), SOON);
    let page: SocketAddr = line.split("://").nth(1).unwrap().trim_end_matches('/').parse().unwrap();

    let mut get = tls(page, certificate.der());
    let request =
        format!("GET / HTTP/1.1\r\nHost: pigeon:{}\r\nConnection: close\r\n\r\n", page.port());
    get.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = get.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let origin = format!("https://pigeon:{}", page.port());
    let headers = format!("Host: pigeon:{}\r\nOrigin: {origin}\r\n", page.port());
    let socket =
        WebSocket::over(tls(page, certificate.der()), "/ws", &headers, "pigeon.1").unwrap();
    let mut tab = Tab::over(socket);
    tab.prove("狗哥", json!({}));
    let author =
        format!("{:032x}", pigeon_quic::author_with(b"page https ", tab.key.public_point()));
    assert_eq!(tab.wait("welcome")["author"], author);
    // Texts of many TLS records, both ways.
    tab.send(&json!({"type": "follow", "room": "lobby"}));
    tab.wait("live");
    let text = "长".repeat(2_700);
    for number in 1..=40 {
        tab.send(&json!({"type": "say", "number": number, "room": "lobby", "text": text}));
    }
    for number in 1..=40 {
        let message = tab.wait("message");
        assert_eq!((&message["number"], &message["text"]), (&json!(number), &json!(text)));
    }
    tab.send(&json!({"type": "watch", "room": "lobby"}));
    assert_eq!(tab.wait("here")["members"], json!([{"name": "狗哥", "link": "page"}]));
    // Neither http nor a page that came by http.
    assert!(!ask(page, "GET / HTTP/1.1\nHost: localhost\n\n").contains("HTTP"));
    let headers = headers.replace("https", "http");
    let refused = WebSocket::over(tls(page, certificate.der()), "/ws", &headers, "pigeon.1");
    assert!(refused.err().unwrap().to_string().starts_with("HTTP/1.1 403 "));
}

/// The operator's view of a hub.
struct View(WebSocket);

/// A connection from another address of this machine.
pub(crate) fn connect_from(ip: [u8; 4], page: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((ip, 0)).into())?;
    socket.connect(&page.into())?;
    Ok(socket.into())
}

impl View {
    fn open(page: SocketAddr, token: &str) -> View {
        View::open_from([127, 0, 0, 1], page, token)
    }

    fn open_from(ip: [u8; 4], page: SocketAddr, token: &str) -> View {
        let mut socket = silent_view(ip, page);
        socket.send(&json!({"type": "token", "token": token}).to_string()).unwrap();
        View(socket)
    }

    fn wait(&mut self, kind: &str) -> Value {
        loop {
            match self.0.receive().unwrap() {
                Came::Message(message) => {
                    let found = frames_of(&message).into_iter().find(|it| it["type"] == kind);
                    if let Some(frame) = found {
                        return frame;
                    }
                }
                Came::Closed(code) => panic!("closed with {code} before {kind}"),
            }
        }
    }
}

/// A view that says nothing.
fn silent_view(ip: [u8; 4], page: SocketAddr) -> WebSocket {
    let headers = format!("Host: {page}\r\nOrigin: http://{page}\r\n");
    let stream = connect_from(ip, page).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    WebSocket::over(stream, "/operator/ws", &headers, "").unwrap()
}

/// The token that a hub has written for its operator.
fn token(hub: &Process, test: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{test}"));
    let file = folder.join("operator");
    hub.expect_status(|line| line.contains(file.to_str().unwrap()), SOON);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let url = std::fs::read_to_string(file).unwrap();
    url.trim().split("operator#").nth(1).unwrap().to_owned()
}

#[test]
fn the_operator_sees_and_removes_members_with_the_token_alone() {
    let (mut hub, page) = hub_with_page("operator", &[]);
    let token = token(&hub, "operator");
    assert_eq!(token.len(), 26);
    hub.say("page");
    hub.expect_line(|line| line.contains(&format!("/operator#{token}")), SOON);
    assert!(!hub.lines(Voice::Err).concat().contains(&token), "in the log");

    for wrong in ["", "a", &token[1..], &token.to_uppercase()] {
        let mut view = View::open(page, wrong);
        view.wait("denied");
        assert_eq!(view.0.receive().unwrap(), Came::Closed(1000));
    }
    let origin = format!("http://{page}");
    let mut silent = WebSocket::open(page, "/operator/ws", &origin, "").unwrap();
    silent.send(&json!({"type": "kick", "name": "狗哥"}).to_string()).unwrap();
    let Came::Message(denied) = silent.receive().unwrap() else { panic!("no reason") };
    assert_eq!(frames_of(&denied)[0]["type"], "denied");
    let evil = format!("Host: {page}\r\nOrigin: http://evil.example\r\n");
    assert!(WebSocket::open_with(page, "/operator/ws", &evil, "").is_err());
    let proxied = format!("Host: {page}\r\nOrigin: {origin}\r\nX-Forwarded-For: 10.0.0.9\r\n");
    assert!(WebSocket::open_with(page, "/operator/ws", &proxied, "").is_err());

    let mut tab = Tab::open(page, "狗哥");
    tab.wait("welcome");
    let mut view = View::open(page, &token);
    assert_eq!(view.wait("hub")["name"], "hub");
    let members = view.wait("members");
    let member = &members["members"][0];
    assert_eq!((&member["name"], &member["link"]), (&json!("狗哥"), &json!("page-http")));
    assert_eq!((&member["room"], &member["address"]), (&json!("lobby"), &json!("127.0.0.1")));
    let sample = view.wait("sample");
    assert_eq!((&sample["members"], &sample["by_link"]["page-http"]), (&json!(1), &json!(1)));
    view.0.send(&json!({"type": "kick", "name": "狗哥"}).to_string()).unwrap();
    assert!(view.wait("answer")["text"].as_str().unwrap().contains("狗哥"));
    assert_eq!(tab.end(), (Some("kicked".into()), 1000));
}

#[test]
fn nobody_keeps_the_operator_out_by_wrong_tokens_or_by_open_views() {
    let (mut hub, page) = hub_with_page("guesses", &[]);
    let token = token(&hub, "guesses");
    let other = [127, 0, 0, 2];
    for _ in 0..30 {
        View::open_from(other, page, "wrong").wait("denied");
    }
    View::open(page, &token).wait("hub");
    let refused = View::open_from(other, page, &token).wait("denied");
    assert!(refused["text"].as_str().unwrap().contains("too many"), "{refused}");
    // More than there is room for.
    let _open: Vec<WebSocket> = (0..40).map(|_| silent_view(other, page)).collect();
    View::open(page, &token).wait("hub");
    let counted = stat(&mut hub, "wrong tokens for the operator's view", |count| count > 0);
    assert!((5..30).contains(&counted), "{counted}");
    stat(&mut hub, "tokens not looked at after wrong ones", |count| count + counted == 31);
}

/// A figure of the console's `stats`, below the page's, once it is as wished. The web server reports
/// once a second.
fn stat(hub: &mut Process, name: &str, wished: impl Fn(u64) -> bool) -> u64 {
    crate::process::wait_until(name, || {
        let before = hub.lines(Voice::Out).len();
        hub.say("stats");
        hub.say("bans");
        let is_done = |lines: &[String]| lines[before..].iter().any(|line| line.contains("banned"));
        crate::process::wait_until("the answer", || is_done(&hub.lines(Voice::Out)).then_some(()));
        let lines = hub.lines(Voice::Out);
        let lines = lines[before..].iter().map(|line| line.trim());
        let mut lines = lines.skip_while(|line| !line.starts_with("members on the page"));
        let figure = lines.find_map(|line| line.strip_prefix(name))?;
        figure.trim().parse().ok().filter(|count| wished(*count))
    })
}

#[test]
fn the_console_counts_what_the_page_does() {
    let (mut hub, page) = hub_with_page("stats", &[]);
    let mut tab = Tab::open(page, "狗哥");
    tab.wait("expect");
    tab.send(&json!({"type": "follow", "room": "lobby"}));
    tab.send(&json!({"type": "say", "number": 1, "room": "lobby", "text": "hello"}));
    tab.wait("message");
    ask(page, "GET / HTTP/1.1\nHost: evil.example\nConnection: close\n\n");
    stat(&mut hub, "refused: a Host that is not allowed", |count| count == 1);
    for name in ["members on the page", "WebSockets", "messages said", "messages delivered"] {
        stat(&mut hub, name, |count| count == 1);
    }
    stat(&mut hub, "bytes written", |count| count > 300);
}

#[test]
fn figures_are_for_prometheus_and_for_this_machine() {
    let (_hub, page) = hub_with_page("metrics", &[]);
    let get = |path: &str, more: &str| {
        ask(page, &format!("GET {path} HTTP/1.1\nHost: {page}\nConnection: close\n{more}\n"))
    };
    assert!(get("/healthz", "").ends_with("\r\n\r\nok\n"));
    let mut tab = Tab::open(page, "狗哥");
    tab.wait("expect");
    let figures = crate::process::wait_until("the member is counted", || {
        let answer = get("/metrics", "");
        answer.contains("pigeon_members{link=\"page-http\"} 1").then_some(answer)
    });
    assert!(!figures.contains("狗哥"), "a name is a label");
    let body = figures.split("\r\n\r\n").nth(1).unwrap();
    assert!(body.lines().count() < 300, "{body}");
    // Grafana's dashboard asks for figures that there are.
    let dashboard: Value =
        serde_json::from_str(include_str!("../../../../docs/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let exprs = targets.map(|target| target["expr"].as_str().unwrap());
    let words = exprs.flat_map(|expr| expr.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()));
    let known = |word: &&str| word.starts_with("pigeon_");
    // Nobody has been asked for a round trip yet.
    let early = "pigeon_page_round_trip_seconds";
    for word in words.filter(known).filter(|word| *word != early) {
        assert!(body.contains(&format!("# TYPE {word} ")), "{word}");
    }
    let proxied = get("/metrics", "X-Forwarded-For: 10.0.0.9\n");
    assert!(proxied.starts_with("HTTP/1.1 403 "), "{proxied}");
    if !crate::peers::installed("promtool") {
        return crate::peers::skipped("promtool");
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
