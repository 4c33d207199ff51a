//! A bot that answers `echo WORDS` with the words, exactly once, including messages sent while it
//! was not running.
//!
//! ```sh
//! cargo run -p pigeon-member --example bot -- 127.0.0.1:10000 /tmp/bot
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::reliable::{Event as SessionEvent, From};
use pigeon_member::{Event, Hub, Options};
use pigeon_proto::RoomName;

const PATIENCE: Duration = Duration::from_secs(3600);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bot ADDRESS FOLDER".into());
    };
    let address: SocketAddr = address.parse()?;
    let mut options = Options::new(address, folder);
    options.session.name = Some("echo".into());
    let mut hub = Hub::connect(options)?;
    eprintln!("hub {}", hub.fingerprint());
    let room = RoomName::lobby();
    hub.follow(&room, From::LeftOff { last: 0 })?;
    while let Some(event) = hub.next(PATIENCE) {
        let Event::Session(SessionEvent::Message(message)) = event else { continue };
        let text = String::from_utf8_lossy(&message.text);
        if let Some(words) = text.strip_prefix("echo ") {
            // The answer must be on the hub's disk before the request counts as processed.
            hub.say(&room, words)?.wait(PATIENCE)?;
        }
        hub.processed(&message)?;
    }
    Ok(())
}
