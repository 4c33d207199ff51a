//! A `.creds` file, as `nsc` writes it: a token and the seed of a key, each between two lines that
//! begin and end with dashes.
//!
//! async-nats reads such files with a regular expression, which makes the Unicode tables of `regex`
//! a part of the program: more than a megabyte.

use std::iter::from_fn;
use std::sync::Arc;

use async_nats::{AuthError, ConnectOptions};
use nkeys::KeyPair;

use crate::connection::Error;

/// Adds the token and the key of a `.creds` file.
pub(crate) fn add(options: ConnectOptions, creds: &str) -> Result<ConnectOptions, Error> {
    let mut parts = framed(creds);
    let token = parts.next().ok_or("no token between lines of dashes in the credentials")?;
    let seed = parts.next().ok_or("no seed between lines of dashes in the credentials")?;
    let key = Arc::new(KeyPair::from_seed(seed)?);
    Ok(options.jwt(token.into(), move |nonce| {
        let key = Arc::clone(&key);
        async move { key.sign(&nonce).map_err(AuthError::new) }
    }))
}

/// The lines that stand alone between two lines of dashes.
fn framed(text: &str) -> impl Iterator<Item = &str> {
    let mut lines = text.lines().map(str::trim);
    from_fn(move || {
        loop {
            if is_frame(lines.next()?) {
                let content = lines.next()?;
                if is_frame(lines.next()?) {
                    return Some(content);
                }
            }
        }
    })
}

fn is_frame(line: &str) -> bool {
    line.starts_with("---") && line.ends_with("---")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::connection::{Sign, connect};
    use crate::settings::{Credentials, Settings};

    fn creds(token: &str, seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\r\n{token}\r\n------END NATS USER JWT------\r\n\r\n\
             ************************* IMPORTANT *************************\r\n\
             NKEY Seed printed below can be used to sign and prove identity.\r\n\r\n\
             -----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\r\n"
        )
    }

    #[test]
    fn token_and_seed_stand_between_lines_of_dashes() {
        let seed = KeyPair::new_user().seed().unwrap();
        assert_eq!(framed(&creds("a.b-c_d", &seed)).collect::<Vec<_>>(), ["a.b-c_d", &seed]);
        assert!(add(ConnectOptions::new(), &creds("a.b.c", &seed)).is_ok());
        let error = |text: &str| add(ConnectOptions::new(), text).err().unwrap().to_string();
        assert!(error("").contains("no token"));
        assert!(error("---\na\nb\n---\n").contains("no token"));
        assert!(error("---A---\na.b.c\n---A---\nSU").contains("no seed"));
        let wrong = error(&creds("a.b.c", &seed.replace(&seed[9..12], "AAA")));
        assert!(!wrong.contains(&seed[20..]), "{wrong}");
    }

    /// A token that `key` signs.
    fn token(key: &KeyPair, subject: &KeyPair, nats: Value) -> String {
        let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"typ": "JWT", "alg": "ed25519-nkey"}));
        let claims = part(json!({
            "jti": "1", "iat": 1_700_000_000, "iss": key.public_key(), "name": "test",
            "sub": subject.public_key(), "nats": nats,
        }));
        let signed = format!("{header}.{claims}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
        format!("{signed}.{signature}")
    }

    /// A broker whose operator has signed one account.
    fn broker(folder: &Path, port: u16, operator: &KeyPair, account: &KeyPair) -> Option<Child> {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1,
            "leaf": -1, "wildcards": true,
        });
        let trusted = token(operator, operator, json!({"type": "operator", "version": 2}));
        let of_account = json!({"type": "account", "version": 2, "limits": limits});
        let preload = token(operator, account, of_account);
        let name = account.public_key();
        let file = folder.join("broker.conf");
        let text = format!(
            "operator: {trusted}\nresolver: MEMORY\nresolver_preload: {{ {name}: {preload} }}\n"
        );
        fs::write(&file, text).unwrap();
        let broker = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-c"])
            .arg(&file)
            .stderr(Stdio::null())
            .spawn();
        match broker {
            Ok(broker) => Some(broker),
            Err(error) if std::env::var_os("PIGEON_REQUIRE_PEERS").is_some() => {
                panic!("nats-server is not installed: {error}")
            }
            Err(_) => {
                println!("SKIPPED: nats-server is not installed");
                None
            }
        }
    }

    #[test]
    fn a_broker_takes_the_key_of_the_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
        let Some(mut broker) = broker(folder.path(), port, &operator, &account) else { return };
        let user = KeyPair::new_user();
        let nats = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
        let token = token(&account, &user, nats);

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let first_sign = |seed: String| {
            let settings = Settings {
                servers: vec![format!("nats://127.0.0.1:{port}")],
                name: "test".into(),
                credentials: Credentials::Creds(creds(&token, &seed)),
                authority: None,
                keep: None,
                keep_size: None,
            };
            runtime.block_on(async {
                let (report, mut signs) = unbounded_channel();
                let client = connect(&settings, report).await.unwrap();
                // Until the broker listens, each attempt to connect fails with another error.
                let decided = async {
                    loop {
                        match signs.recv().await.unwrap() {
                            Sign::Trouble(text) if !text.contains("authorization") => {}
                            sign => break sign,
                        }
                    }
                };
                let sign = tokio::time::timeout(Duration::from_secs(60), decided).await.unwrap();
                drop(client);
                sign
            })
        };
        let taken = first_sign(user.seed().unwrap());
        let refused = first_sign(KeyPair::new_user().seed().unwrap());
        let _ = broker.kill();
        let _ = broker.wait();
        assert!(matches!(taken, Sign::Connected), "{taken:?}");
        assert!(matches!(refused, Sign::Trouble(_)), "{refused:?}");
    }
}
