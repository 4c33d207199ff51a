//! The link's side: drives the sessions for the loop of any transport.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock, PoisonError};

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_guard::SourceRules;
use pigeon_hub::Source;
use pigeon_hub::reliable::{Answer, Config, ConnId, Output, Read, Sessions};
use pigeon_log::Forget;
use pigeon_net::Waker;

use super::queue::{FromLink, MOST, Queues, ToLink};
use super::reading::Reading;
use crate::cli::hub::room_log::{All, Newest};

/// What sessions need of a transport.
pub(in crate::cli::hub) trait Transport {
    /// Sends bytes in order, and buffers what the connection does not accept yet.
    fn send(&mut self, now: Instant, conn: ConnId, bytes: Bytes);

    /// Resumes reading from a paused connection.
    fn resume(&mut self, conn: ConnId);

    /// Asks for a sign, and reports the connection as closed if none comes.
    fn probe(&mut self, now: Instant, conn: ConnId);

    /// Closes a connection after everything queued has been sent.
    fn close(&mut self, now: Instant, conn: ConnId);
}

/// The sessions of a link, with the queues to the hub and the log.
pub(in crate::cli::hub) struct Carrier {
    sessions: Sessions,
    queues: Arc<Queues>,
    hub: Arc<OnceLock<Waker>>,
    log: Newest,
    /// Reads for followers, and for requests for earlier entries, which may take longer.
    reading: [Reading; 2],
    sources: SourceRules,
    /// Whether the hub has stopped; the loop ends with the next turn.
    is_over: bool,
}

impl Carrier {
    pub(in crate::cli::hub) fn new(
        config: Config,
        queues: Arc<Queues>,
        hub: Arc<OnceLock<Waker>>,
        log: Newest,
        readers: [All; 2],
        waker: Waker,
        sources: SourceRules,
    ) -> anyhow::Result<Carrier> {
        let [followers, requests] = readers;
        let reading = [
            Reading::start("follow", followers, waker.clone())?,
            Reading::start("earlier", requests, waker)?,
        ];
        let sessions = Sessions::new(config);
        Ok(Carrier { sessions, queues, hub, log, reading, sources, is_over: false })
    }

    /// A connection was opened. `None` if there are too many.
    pub(in crate::cli::hub) fn opened(&mut self, now: Instant, peer: SocketAddr) -> Option<ConnId> {
        self.opened_from(now, peer.ip(), None)
    }

    /// A connection of a page with this origin was opened. `None` if there are too many.
    pub(in crate::cli::hub) fn opened_from(
        &mut self,
        now: Instant,
        ip: IpAddr,
        origin: Option<Box<str>>,
    ) -> Option<ConnId> {
        let ip = ip.to_canonical();
        let source = Source { ip, origin: self.sources.origin(ip) };
        self.sessions.opened_from(now, source, origin)
    }

    pub(in crate::cli::hub) fn received(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        self.sessions.received(now, conn, bytes);
    }

    /// Whether to read more from a connection.
    pub(in crate::cli::hub) fn wants(&self, conn: ConnId) -> bool {
        self.queues.from_link.len() < MOST && self.sessions.wants(conn)
    }

    /// The connection accepted this many bytes.
    pub(in crate::cli::hub) fn sent(&mut self, conn: ConnId, bytes: usize) {
        self.sessions.sent(conn, bytes);
    }

    pub(in crate::cli::hub) fn closed(&mut self, now: Instant, conn: ConnId) {
        self.sessions.closed(now, conn);
    }

    pub(in crate::cli::hub) fn is_over(&self) -> bool {
        self.is_over
    }

    /// When [`turn`](Carrier::turn) is due.
    pub(in crate::cli::hub) fn deadline(&self) -> Option<Instant> {
        self.sessions.poll_timeout()
    }

    /// Handles results of the hub and the log, and the sessions' outputs.
    pub(in crate::cli::hub) fn turn(&mut self, now: Instant, transport: &mut impl Transport) {
        for item in self.queues.to_link.take(usize::MAX).0 {
            match item {
                ToLink::Joined { author, joined } => self.sessions.joined(now, author, joined),
                ToLink::Settled { id, outcome } => self.sessions.settled(id, outcome),
                ToLink::Notice { author, notice } => self.sessions.notice(author, &notice),
                ToLink::Left { author, why } => self.sessions.left(author, why),
                ToLink::Elsewhere { author } => self.sessions.elsewhere(now, author),
                ToLink::Forgot(Forget::Room(room)) => self.sessions.forgot(Some(&room), None),
                ToLink::Forgot(Forget::Speaker(name)) => self.sessions.forgot(None, Some(&name)),
                ToLink::Rewound(to, up_to) => self.sessions.rewound(to, up_to),
                ToLink::Hubs(hubs) => self.sessions.hubs(hubs),
                ToLink::Here(here) => self.sessions.here(now, &here),
                ToLink::Stop => {
                    self.sessions.stop();
                    self.is_over = true;
                }
            }
        }
        let answers = self.reading.iter().flat_map(Reading::answers);
        for (id, answer) in answers.collect::<Vec<_>>() {
            self.sessions.answered(now, id, answer);
        }
        if self.sessions.poll_timeout().is_some_and(|due| due <= now) {
            self.sessions.handle_timeout(now);
        }
        self.sessions.pump(now, &self.log);
        let mut to_hub = Vec::new();
        while let Some(output) = self.sessions.poll_output() {
            let item = match output {
                Output::Send { conn, bytes } => {
                    transport.send(now, conn, bytes);
                    continue;
                }
                Output::Resume { conn } => {
                    transport.resume(conn);
                    continue;
                }
                Output::Probe { conn } => {
                    transport.probe(now, conn);
                    continue;
                }
                Output::Close { conn } => {
                    transport.close(now, conn);
                    continue;
                }
                Output::Read { id, read } => {
                    let [followers, requests] = &self.reading;
                    let reading = match read {
                        Read::Earlier(_) => requests,
                        _ => followers,
                    };
                    if !reading.ask(id, read) {
                        self.sessions.answered(now, id, Answer::Failed);
                    }
                    continue;
                }
                Output::Join(join) => FromLink::Join(join),
                Output::Say(say) => FromLink::Say(say),
                Output::Command { author, line } => FromLink::Command { author, line },
                Output::Leave { author } => FromLink::Leave { author },
                Output::Watch { room } => FromLink::Watch { room },
                Output::Unwatch { room } => FromLink::Unwatch { room },
            };
            to_hub.push(item);
        }
        let statistics = self.queues.statistics.lock();
        statistics.unwrap_or_else(PoisonError::into_inner).clone_from(self.sessions.statistics());
        if !to_hub.is_empty() {
            self.queues.from_link.extend(to_hub);
            self.hub.get().into_iter().for_each(Waker::wake);
        }
    }
}
