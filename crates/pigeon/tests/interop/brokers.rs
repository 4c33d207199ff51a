//! A hub and nats-server with TLS of a private authority, with users, and with credentials as `nsc`
//! makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::peers;
use crate::ports::lasting;
use crate::process::{Process, Voice};

const PATIENCE: Duration = Duration::from_secs(30);

/// nats-server with JetStream and a configuration.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start(folder: &Path, config: &str) -> Broker {
        let [port] = lasting();
        let file = folder.join("broker.conf");
        let store = folder.join("broker").display().to_string();
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{store}\" }}\n{config}\n"
        );
        fs::write(&file, text).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let child = Command::new("nats-server")
            .arg("-c")
            .arg(&file)
            .env("PATH", path)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("broker.log")).unwrap())
            .spawn()
            .unwrap();
        Broker { child, port }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An empty folder, or `None` where a program is missing.
fn folder(test: &str) -> Option<PathBuf> {
    if !peers::installed("nats-server") || !peers::installed("openssl") {
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("brokers-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

fn hub(folder: &Path, broker: &str, args: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command
        .args(["hub", "127.0.0.1:0", "--data"])
        .arg(folder.join("hub"))
        .args(["--secure", "off", "--console", "off", "--language", "en", "--cluster", broker])
        .args(args)
        .env("PIGEON_STATE", folder.join("state"));
    Process::spawn("hub", &mut command)
}

fn is_in_order(hub: &Process) {
    hub.expect_status(|line| line.contains("cluster: in order"), PATIENCE);
}

/// What the hub says of the servers it cannot use: one line that has this, and no other.
#[track_caller]
fn says_once(hub: &Process, why: &str) {
    let is_about = |line: &str| line.contains("cannot use the NATS servers");
    let line = hub.expect_status(is_about, PATIENCE);
    assert!(line.contains(why), "{line}");
    // Several more attempts.
    std::thread::sleep(Duration::from_secs(2));
    let lines: Vec<String> = hub.lines(Voice::Err);
    assert_eq!(lines.iter().filter(|line| is_about(line)).count(), 1, "{lines:#?}");
}

/// Makes an authority, `NAME.pem`, and a certificate of its own for loopback, `NAME-server.pem`.
fn authority(folder: &Path, name: &str) {
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl").args(args).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let file = |suffix: &str| format!("{name}{suffix}");
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let subject = format!("/CN={name}");
    let (ca, ca_key) = (file(".pem"), file(".key"));
    let own = ["req", "-x509", "-days", "30", "-subj", &subject, "-out", &ca, "-keyout", &ca_key];
    openssl(&[&own[..], &key].concat());
    let (request, server_key) = (file(".csr"), file("-server.key"));
    let asks = ["req", "-new", "-subj", "/CN=broker", "-out", &request, "-keyout", &server_key];
    openssl(&[&asks[..], &key].concat());
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    let certificate = file("-server.pem");
    openssl(&[
        "x509",
        "-req",
        "-days",
        "30",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-extfile",
        "names",
        "-out",
        &certificate,
    ]);
}

fn tls(folder: &Path, name: &str) -> String {
    let file = |suffix: &str| folder.join(format!("{name}-server{suffix}")).display().to_string();
    format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", file(".pem"), file(".key"))
}

#[test]
fn a_broker_with_tls_of_a_private_authority_is_used_and_another_one_is_named() {
    let Some(folder) = folder("tls") else { return };
    authority(&folder, "ours");
    authority(&folder, "theirs");
    let file = |name: &str| folder.join(name).display().to_string();
    let (ours, theirs) = (file("ours.pem"), file("theirs.pem"));
    let users = "authorization { user: hub, password: \"se cret\" }";
    let broker = Broker::start(&folder, &format!("{}\n{users}", tls(&folder, "ours")));
    let secret = ["--cluster-user", "hub", "--cluster-password", "se cret"];
    // A server that wants TLS gets it under nats:// too.
    for host in ["tls://127.0.0.1", "tls://localhost", "nats://127.0.0.1"] {
        let address = format!("{host}:{}", broker.port);
        let args = [&secret[..], &["--cluster-authority", &ours]].concat();
        is_in_order(&hub(&folder, &address, &args));
    }
    let address = format!("tls://127.0.0.1:{}", broker.port);
    let wrong = hub(&folder, &address, &[&secret[..], &["--cluster-authority", &theirs]].concat());
    says_once(&wrong, "UnknownIssuer");
    drop(wrong);
    // Without a private authority the system's are asked.
    says_once(&hub(&folder, &address, &secret), "check tls:// and --cluster-authority");
    let wrong = ["--cluster-user", "hub", "--cluster-password", "guessed"];
    let args = [&wrong[..], &["--cluster-authority", &ours]].concat();
    says_once(&hub(&folder, &address, &args), "they refuse this user or password");
}

#[test]
fn a_broker_without_tls_is_named_where_it_is_asked_for() {
    let Some(folder) = folder("plain") else { return };
    authority(&folder, "ours");
    let broker = Broker::start(&folder, "");
    let ours = folder.join("ours.pem").display().to_string();
    let address = format!("tls://127.0.0.1:{}", broker.port);
    says_once(&hub(&folder, &address, &["--cluster-authority", &ours]), "no encrypted connection");
}

#[test]
fn a_broker_that_is_too_small_for_the_largest_message_is_named() {
    let Some(folder) = folder("small") else { return };
    let broker = Broker::start(&folder, "max_payload: 32768");
    let address = format!("nats://127.0.0.1:{}", broker.port);
    let small = hub(&folder, &address, &[]);
    let says = "at most 32768 bytes go through the cluster at once";
    small.expect_status(|line| line.contains(says) && line.contains("max_payload"), PATIENCE);
    is_in_order(&small);
    drop(small);
    let fits = hub(&folder, &address, &["--max-text", "4KiB"]);
    is_in_order(&fits);
    assert!(!fits.lines(Voice::Err).iter().any(|line| line.contains(says)));
}

/// A JSON web token as nats-server reads it, signed with a key.
fn token(issuer: &KeyPair, subject: &KeyPair, name: &str, claims: Value) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "typ": "JWT", "alg": "ed25519-nkey" }));
    let body = part(json!({
        "jti": name, "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(),
        "name": name, "nats": claims,
    }));
    let signed = format!("{header}.{body}");
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

#[test]
fn a_broker_that_wants_credentials_gets_them_from_a_file() {
    let Some(folder) = folder("credentials") else { return };
    let (operator, account, system) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    // The system's account may have no JetStream.
    let of_system =
        json!({ "type": "account", "version": 2, "limits": { "conn": -1, "subs": -1 } });
    let of_account = json!({ "type": "account", "version": 2, "limits": limits });
    let accounts = [(&account, of_account), (&system, of_system)].map(|(it, claims)| {
        format!("{}: {}", it.public_key(), token(&operator, it, "account", claims))
    });
    let own = token(&operator, &operator, "operator", json!({ "type": "operator", "version": 2 }));
    let broker = Broker::start(
        &folder,
        &format!(
            "operator: {own}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n{}\n}}",
            system.public_key(),
            accounts.join("\n")
        ),
    );
    let creds = |file: &str, issuer: &KeyPair| {
        let user = KeyPair::new_user();
        let claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            token(issuer, &user, "user", claims),
            user.seed().unwrap()
        );
        let file = folder.join(file);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let address = format!("nats://127.0.0.1:{}", broker.port);
    let good = creds("hub.creds", &account);
    is_in_order(&hub(&folder, &address, &["--cluster-credentials", &good]));
    let foreign = creds("foreign.creds", &KeyPair::new_account());
    says_once(
        &hub(&folder, &address, &["--cluster-credentials", &foreign]),
        "they refuse this user",
    );
}

#[test]
fn files_that_hold_something_else_are_refused_at_the_start() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("brokers-files");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("file").display().to_string();
    fs::write(&file, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    for (flag, why) in [
        ("--cluster-credentials", "is not a credentials file"),
        ("--cluster-authority", "holds no certificate"),
    ] {
        let mut hub = hub(&folder, "nats://127.0.0.1:9", &[flag, &file]);
        assert_eq!(hub.expect_end(PATIENCE).code(), Some(2), "{flag}");
        let said = hub.lines(Voice::Err).join("\n");
        assert!(said.contains(why) && said.contains(&file), "{said}");
    }
}
