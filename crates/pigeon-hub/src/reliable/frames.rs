//! Frames from clients: one line after the other, and what each asks for.

use pigeon_proto::frame::{ByeReason, ClientFrame, HubFrame, MAX_LAST, USUAL_LAST, VERSION};
use pigeon_proto::{Notice, Reason, Refusal, Subject};

use super::Sessions;
use super::connection::{Phase, Place};
use super::output::{ConnId, Output};

/// Maximum commands of a connection per second.
const COMMANDS: u64 = 20;

impl Sessions {
    /// Handles complete lines of a connection while that is allowed.
    pub(super) fn handle_lines(&mut self, conn: ConnId) {
        loop {
            let window = self.window();
            let Some(connection) = self.get_mut(conn) else { return };
            if !connection.handles(window) {
                connection.is_blocked = true;
                return;
            }
            let most = connection.most_line();
            let frame = match connection.lines.next_line(most) {
                Ok(None) => {
                    if std::mem::take(&mut connection.is_blocked) {
                        self.outputs.push_back(Output::Resume { conn });
                    }
                    return;
                }
                Ok(Some(line)) => ClientFrame::parse(line).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let handled = frame.and_then(|frame| self.handle_frame(conn, frame));
            if let Err(mut why) = handled {
                if self.get(conn).is_some_and(|it| it.phase == Phase::Greeting) {
                    why = format!("{why}; begin with hello, version {VERSION}");
                }
                self.statistics.broken += 1;
                return self.bye(conn, ByeReason::Error, &why);
            }
        }
    }

    /// Fails if the client violates the protocol.
    fn handle_frame(&mut self, conn: ConnId, frame: ClientFrame) -> Result<(), String> {
        let Some(connection) = self.get_mut(conn) else { return Ok(()) };
        match (connection.phase, frame) {
            (_, ClientFrame::Unknown) => {}
            (Phase::Greeting, ClientFrame::Hello { version, .. }) if version != VERSION => {
                return Err(format!("this hub does not speak version {version}"));
            }
            (Phase::Greeting, ClientFrame::Hello { .. }) => {
                connection.phase = Phase::Challenged;
                let (nonce, origin) = (connection.nonce.clone(), connection.origin.clone());
                let fingerprint = origin.unwrap_or_else(|| self.config.fingerprint.clone());
                let hub = self.config.hub.clone();
                let challenge = HubFrame::Challenge { version: VERSION, nonce, hub, fingerprint };
                self.frame(conn, &challenge);
            }
            (Phase::Greeting, _) => return Err("the first frame is not hello".into()),
            (Phase::Challenged, ClientFrame::Prove(prove)) => self.prove(conn, *prove)?,
            (Phase::Challenged, _) => return Err("the second frame is prove".into()),
            (Phase::Joining(_), _) => {}
            (Phase::Member(_), ClientFrame::Hello { .. } | ClientFrame::Prove(_)) => {
                return Err("hello and prove come once".into());
            }
            (Phase::Member(author), ClientFrame::Outbox { outbox }) => {
                self.claim(author, conn, outbox);
                self.begin_outbox(conn, author, outbox);
            }
            (Phase::Member(author), ClientFrame::Say(say)) => self.say(conn, author, say),
            (Phase::Member(author), ClientFrame::Command { line }) => {
                self.command(conn, author, line);
            }
            (Phase::Member(_), ClientFrame::Follow { room, after, last, deletion }) => {
                let place = match after {
                    Some(seen) => Place::Seen(seen, deletion),
                    None => Place::Last(last.unwrap_or(USUAL_LAST).min(MAX_LAST)),
                };
                self.follow(conn, room, place)?;
            }
            (Phase::Member(_), ClientFrame::Unfollow { room }) => {
                self.unfollow(conn, &room.folded());
            }
            (Phase::Member(_), ClientFrame::Read { id, room, before, limit }) => {
                self.request(conn, id, room, None, before, limit)?;
            }
            (Phase::Member(_), ClientFrame::Search { id, room, words, before, limit }) => {
                self.request(conn, id, room, Some(words), before, limit)?;
            }
            (Phase::Member(_), ClientFrame::Watch { room }) => self.watch(conn, &room),
            (Phase::Member(author), ClientFrame::Quit {}) => {
                self.outputs.push_back(Output::Close { conn });
                self.remove(conn);
                let is_gone =
                    self.members.get(author).is_some_and(|member| member.conns.is_empty());
                if is_gone {
                    self.members.remove(author);
                    self.outputs.push_back(Output::Leave { author });
                }
            }
        }
        Ok(())
    }

    fn command(&mut self, conn: ConnId, author: u128, line: Box<str>) {
        let now = self.now;
        let Some(connection) = self.get_mut(conn) else { return };
        if connection.may_command(now, COMMANDS) {
            self.outputs.push_back(Output::Command { author, line });
            return;
        }
        self.statistics.commands_dropped += 1;
        let why = Reason::Rate { messages: Some(COMMANDS), bytes: None };
        self.tell(conn, &Notice::Refused(Refusal::new(Subject::Unknown, why)));
    }
}
