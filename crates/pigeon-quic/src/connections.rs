//! The connections of one endpoint, used by servers and clients.
//!
//! A changed connection is *dirty*. A drain takes events, datagrams and the next deadline from each
//! dirty connection in turn, so a message to many members is many writes and one pass.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use bytes::{Bytes, BytesMut};
use hashbrown::HashMap;
use pigeon_datagram::{
    Instant, MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, Outbox, Received, SocketId, Transmit,
};
use pigeon_guard::SourceRules;
use quinn_proto::{
    Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointEvent,
    Incoming, ReadError, StreamEvent, StreamId, TransportErrorCode, VarInt, WriteError,
};

use crate::config::{End, Limits, derive};
use crate::event::{ConnId, Event, Why};
use crate::pin::Shown;
use crate::statistics::Statistics;
use crate::time::{Base, TokenTime};

/// Bytes that one drain puts into the outbox. Each lives until the drain is over, so the dirty
/// connections that are left wait for the next one, which is due at once. No more than the outbox
/// keeps of its memory: to take fresh pages for each burst cost a tenth of it.
const DRAIN_BYTES: usize = 512 << 10;

/// A datagram to an open connection that is shorter than this has room left, so nothing more was
/// waiting. Asking again costs a tenth of sending a short message. quinn-proto fills datagrams up to
/// 1,200 bytes or more; only probes for a larger MTU wait for another turn.
const NOT_FULL: usize = 1_100;

/// The smallest send window, however many connections share the total.
const LEAST_WINDOW: u64 = 16 << 10;

/// How long an ended connection keeps its place at the most. quinn-proto keeps it for three probe
/// timeouts (RFC 9000 section 10.2), which a peer that acknowledges late makes minutes long. A packet that
/// arrives later gets a stateless reset.
const GONE_PATIENCE: Duration = Duration::from_secs(10);

/// Time limit for delivering the last bytes of a connection.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// Error code for a peer that misused its streams.
const BAD_STREAM: VarInt = VarInt::from_u32(1);

pub struct Connections {
    end: End,
    pub(crate) endpoint: Endpoint,
    pub(crate) limits: Limits,
    pub(crate) sources: SourceRules,
    pub(crate) statistics: Statistics,
    base: Base,
    token_time: TokenTime,
    now: Instant,
    /// Connections by quinn-proto's handles, which are slab indexes.
    table: Vec<Slot>,
    by_address: HashMap<IpAddr, usize, RandomState>,
    dirty: VecDeque<u32>,
    deadlines: crate::deadlines::Deadlines,
    /// Slots to free on the driver's next call, because an event may still need them.
    leaving: Vec<u32>,
    events: VecDeque<Event>,
    outbox: Outbox,
    /// quinn-proto writes to the start of this buffer.
    scratch: Vec<u8>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    live: Option<Box<Live>>,
}

struct Live {
    connection: Connection,
    phase: Phase,
    stream: Option<StreamId>,
    peer: SocketAddr,
    /// The socket that sends: a client may have one for each server.
    socket: SocketId,
    /// The address that the connection counts for.
    counted: IpAddr,
    /// Deadline of the handshake, of an answer, or of closing.
    until: Option<Instant>,
    /// Frames sent so far that the peer must acknowledge, of a client's connection.
    asked: u64,
    shown: Option<Arc<Shown>>,
    is_dirty: bool,
    /// A write was not accepted completely.
    is_blocked: bool,
    queued: Queued,
    /// Whether quinn-proto has finished with the connection.
    is_drained: bool,
    /// Nothing is left to report.
    is_reported: bool,
    is_leaving: bool,
}

/// The events of a connection that are due.
#[derive(Default)]
struct Queued {
    readable: bool,
    writable: bool,
    moved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    Open,
    /// Closed by this end; its last bytes are being sent.
    Ending,
    Gone,
}

impl Connections {
    pub(crate) fn new(
        end: End,
        endpoint: Endpoint,
        limits: Limits,
        sources: SourceRules,
        base: Base,
        token_time: TokenTime,
        seed: &[u8; 32],
    ) -> Connections {
        let key = derive(seed, b"addresses");
        let word =
            |place: usize| u64::from_le_bytes(std::array::from_fn(|byte| key[8 * place + byte]));
        let hasher = RandomState::with_seeds(word(0), word(1), word(2), word(3));
        Connections {
            end,
            endpoint,
            limits,
            sources,
            statistics: Statistics::default(),
            base,
            token_time,
            now: Instant::ORIGIN,
            table: Vec::new(),
            by_address: HashMap::with_hasher(hasher),
            dirty: VecDeque::new(),
            deadlines: Default::default(),
            leaving: Vec::new(),
            events: VecDeque::new(),
            outbox: Outbox::new(),
            scratch: Vec::new(),
        }
    }

    // The methods of `Machine`.

    /// Handles a datagram, and returns it if it starts a new connection.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &Received<'_>,
    ) -> Option<Incoming> {
        self.begin_driven(now);
        if datagram.is_truncated() {
            self.statistics.dropped_truncated += 1;
            return None;
        }
        if self.sources.check(datagram.from).is_err() {
            self.statistics.dropped_sources += 1;
            return None;
        }
        self.scratch.clear();
        let silence = self.longest_silence();
        let now = self.base.to_std(now);
        let (from, local) = (datagram.from, datagram.local);
        let bytes = BytesMut::from(datagram.payload);
        match self.endpoint.handle(now, from, local, None, bytes, &mut self.scratch) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let number = handle.0 as u32;
                if let Some(live) = self.live_at(number) {
                    live.connection.handle_event(event);
                    if live.phase == Phase::Open {
                        live.until = silence;
                    }
                    self.mark(number);
                }
                None
            }
            Some(DatagramEvent::NewConnection(incoming)) => Some(incoming),
            Some(DatagramEvent::Response(transmit)) => {
                self.statistics.answers += 1;
                self.send(datagram.socket, &transmit);
                None
            }
            None => {
                self.statistics.dropped_unknown += 1;
                None
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.begin_driven(now);
        while let Some(number) = self.deadlines.pop(now) {
            let at = self.base.to_std(now);
            let Some(live) = self.live_at(number) else { continue };
            let is_late = live.until.is_some_and(|until| until <= now);
            live.connection.handle_timeout(at);
            match live.phase {
                Phase::Handshake if is_late => {
                    self.statistics.slow += 1;
                    self.shut(number, VarInt::from_u32(0), Bytes::new());
                    self.gone(number, Why::TimedOut);
                }
                Phase::Open if is_late => {
                    self.shut(number, VarInt::from_u32(0), Bytes::new());
                    self.gone(number, Why::TimedOut);
                }
                Phase::Ending if is_late => self.part(number),
                Phase::Gone if is_late => {
                    (live.until, live.is_drained) = (None, true);
                }
                _ => {}
            }
            self.mark(number);
        }
    }

    pub(crate) fn handle_unsent(&mut self, datagrams: u64) {
        self.statistics.unsent += datagrams;
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        loop {
            if let Some(transmit) = self.outbox.poll() {
                return Some(transmit);
            }
            if self.outbox.bytes().len() >= DRAIN_BYTES {
                return None;
            }
            let number = self.dirty.pop_front()?;
            self.settle(number);
        }
    }

    pub(crate) fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        loop {
            let event = self.events.pop_front()?;
            let Some(live) = self.live(event.conn()) else { continue };
            match &event {
                Event::Opened { .. } => {}
                Event::Readable { .. } => live.queued.readable = false,
                Event::Writable { .. } => live.queued.writable = false,
                Event::Moved { .. } => live.queued.moved = false,
                Event::Closed { .. } => {
                    live.is_reported = true;
                    self.leave_if_done(event.conn().slot);
                    return Some(event);
                }
            }
            // Closed by this end meanwhile.
            if !live.is_reported {
                return Some(event);
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let is_settled = self.dirty.is_empty() && self.leaving.is_empty();
        if is_settled { self.deadlines.next() } else { Some(self.now) }
    }

    // Methods for the layers above.

    pub(crate) fn write(&mut self, now: Instant, conn: ConnId, chunks: &mut [Bytes]) -> usize {
        self.begin(now);
        let share = self.limits.send_total / self.statistics.connections.max(1);
        let window = self.limits.send_window.min(share.max(LEAST_WINDOW));
        let Some(live) = self.live(conn).filter(|live| live.phase == Phase::Open) else { return 0 };
        let Some(id) = live.stream else { return 0 };
        live.connection.set_send_window(window);
        let mut taken = 0;
        let result = loop {
            // `write_chunks` empties the chunks that it accepts.
            let Some(first) = chunks.iter().position(|chunk| !chunk.is_empty()) else {
                break Ok(());
            };
            // quinn-proto reports writability only after a refused write, so a partial write must
            // be continued.
            match live.connection.send_stream(id).write_chunks(&mut chunks[first..]) {
                Ok(written) => taken += written.bytes,
                Err(WriteError::Blocked) => {
                    live.is_blocked = true;
                    break Ok(());
                }
                Err(WriteError::Stopped(code)) => break Err(code),
                Err(WriteError::ClosedStream) => break Err(VarInt::from_u32(0)),
            }
        };
        self.statistics.written += taken as u64;
        if let Err(code) = result {
            self.shut(conn.slot, BAD_STREAM, Bytes::new());
            let (code, reason) = (code.into_inner(), Bytes::from_static(b"stopped reading"));
            self.gone(conn.slot, Why::ByPeer { code, reason });
        }
        self.mark(conn.slot);
        taken
    }

    pub(crate) fn ping(&mut self, now: Instant, conn: ConnId) {
        self.begin(now);
        if let Some(live) = self.live(conn).filter(|live| live.phase == Phase::Open) {
            live.connection.ping();
            self.mark(conn.slot);
        }
    }

    pub(crate) fn probe(&mut self, now: Instant, conn: ConnId) {
        self.ping(now, conn);
        let patience = self.limits.answer_time;
        if let Some(live) = self.live(conn).filter(|live| live.phase == Phase::Open) {
            let late = now + patience.max(12 * live.connection.rtt());
            live.until = Some(live.until.map_or(late, |until| until.min(late)));
        }
    }

    pub(crate) fn read(&mut self, now: Instant, conn: ConnId, limit: usize) -> Option<Bytes> {
        self.begin(now);
        let live = self.live(conn).filter(|live| live.phase != Phase::Ending)?;
        let id = live.stream?;
        let mut stream = live.connection.recv_stream(id);
        let mut chunks = stream.read(true).ok()?;
        let next = chunks.next(limit);
        let is_credit = chunks.finalize().should_transmit();
        let is_open = live.phase == Phase::Open;
        let why = match next {
            Ok(Some(chunk)) => {
                self.statistics.read += chunk.bytes.len() as u64;
                if is_credit {
                    self.mark(conn.slot);
                }
                return Some(chunk.bytes);
            }
            Ok(None) => Why::Ended,
            Err(ReadError::Blocked) => return None,
            Err(ReadError::Reset(code)) => {
                Why::ByPeer { code: code.into_inner(), reason: Bytes::new() }
            }
        };
        if is_open {
            self.shut(conn.slot, VarInt::from_u32(0), Bytes::new());
            self.gone(conn.slot, why);
            self.mark(conn.slot);
        }
        None
    }

    pub(crate) fn end(&mut self, now: Instant, conn: ConnId) {
        self.begin(now);
        let Some(live) = self.live(conn).filter(|live| live.phase == Phase::Open) else {
            return self.close(now, conn, 0, Bytes::new());
        };
        live.phase = Phase::Ending;
        live.until = Some(now + END_PATIENCE);
        live.is_reported = true;
        let finished = live.stream.map(|id| live.connection.send_stream(id).finish());
        if !matches!(finished, Some(Ok(()))) {
            self.part(conn.slot);
        }
        self.mark(conn.slot);
    }

    pub(crate) fn close(&mut self, now: Instant, conn: ConnId, code: u32, reason: Bytes) {
        self.begin(now);
        let Some(live) = self.live(conn) else { return };
        live.is_reported = true;
        self.shut(conn.slot, code.into(), reason);
        self.gone(conn.slot, Why::Ended);
        self.mark(conn.slot);
    }

    /// Handles a change of the client's own address.
    pub(crate) fn rebind(&mut self, now: Instant) {
        self.begin(now);
        for number in 0..self.table.len() as u32 {
            if let Some(live) = self.live_at(number).filter(|live| live.phase == Phase::Open) {
                live.connection.local_address_changed();
                self.mark(number);
            }
        }
    }

    /// ICMP reports that `peer`, or the only peer of `socket`, has closed the port. It may be forged,
    /// so it counts only before anything was received from there.
    pub(crate) fn refused(&mut self, now: Instant, socket: SocketId, peer: Option<SocketAddr>) {
        self.begin_driven(now);
        for number in 0..self.table.len() as u32 {
            let is_refused = |live: &&mut Live| {
                live.phase == Phase::Handshake
                    && socket == live.socket
                    && peer.is_none_or(|peer| peer == live.peer)
                    && live.connection.stats().udp_rx.datagrams == 0
            };
            if self.live_at(number).filter(is_refused).is_some() {
                self.shut(number, VarInt::from_u32(0), Bytes::new());
                self.gone(number, Why::Unreachable);
                self.mark(number);
            }
        }
    }

    pub(crate) fn peer(&self, conn: ConnId) -> Option<SocketAddr> {
        Some(self.look(conn)?.peer)
    }

    pub(crate) fn round_trip(&self, conn: ConnId) -> Option<Duration> {
        Some(self.look(conn)?.connection.rtt())
    }

    pub(crate) fn shown(&self, conn: ConnId) -> Option<&Shown> {
        self.look(conn)?.shown.as_deref()
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = ConnId> {
        self.table.iter().enumerate().filter_map(|(place, slot)| {
            let is_open = slot.live.as_ref().is_some_and(|live| live.phase == Phase::Open);
            is_open.then_some(ConnId { slot: place as u32, generation: slot.generation })
        })
    }

    // Methods for the server and the client.

    /// Starts a call of the driver: drops what the last drain sent, and connections with handled
    /// ends. The layers' methods keep both, because they may be called during a drain, while an
    /// event is handled.
    fn begin_driven(&mut self, now: Instant) {
        self.begin(now);
        self.outbox.reset_if_drained();
        self.release();
    }

    /// Starts a change at `now`.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.token_time.set(self.now);
    }

    /// The time for quinn-proto.
    pub(crate) fn std_now(&self) -> std::time::Instant {
        self.base.to_std(self.now)
    }

    /// The endpoint, and the buffer for its output.
    pub(crate) fn endpoint_and_buffer(&mut self) -> (&mut Endpoint, &mut Vec<u8>) {
        self.scratch.clear();
        (&mut self.endpoint, &mut self.scratch)
    }

    /// Queues quinn-proto's output in the buffer.
    pub(crate) fn send(&mut self, socket: SocketId, transmit: &quinn_proto::Transmit) {
        let Connections { outbox, scratch, .. } = self;
        let bytes = scratch.get(..transmit.size).unwrap_or_default();
        let range = outbox.append(|all| all.extend_from_slice(bytes));
        let segment = transmit.segment_size.filter(|&segment| segment < transmit.size);
        let segment = segment.and_then(|size| NonZeroU16::new(u16::try_from(size).ok()?));
        let (to, from) = (transmit.destination, transmit.src_ip);
        outbox.push(Transmit { socket, to, from, range, segment });
    }

    /// Number of connections of an address.
    pub(crate) fn of_address(&self, counted: IpAddr) -> usize {
        self.by_address.get(&counted).copied().unwrap_or(0)
    }

    /// Adds a connection that starts its handshake.
    pub(crate) fn insert(
        &mut self,
        handle: ConnectionHandle,
        connection: Connection,
        socket: SocketId,
        shown: Option<Arc<Shown>>,
    ) -> ConnId {
        let number = handle.0 as u32;
        if handle.0 >= self.table.len() {
            self.table.resize_with(handle.0 + 1, Slot::default);
        }
        self.statistics.connections += 1;
        self.statistics.handshakes += 1;
        let peer = connection.remote_address();
        let counted = self.sources.counted_as(peer.ip());
        *self.by_address.entry(counted).or_default() += 1;
        let slot = &mut self.table[handle.0];
        slot.live = Some(Box::new(Live {
            connection,
            phase: Phase::Handshake,
            stream: None,
            peer,
            socket,
            counted,
            until: Some(self.now + self.limits.handshake_time),
            asked: 0,
            shown,
            is_dirty: false,
            is_blocked: false,
            queued: Queued::default(),
            is_drained: false,
            is_reported: self.end == End::Server,
            is_leaving: false,
        }));
        let conn = ConnId { slot: number, generation: slot.generation };
        self.mark(number);
        conn
    }

    fn look(&self, conn: ConnId) -> Option<&Live> {
        let slot = self.table.get(conn.slot as usize)?;
        slot.live.as_deref().filter(|_| slot.generation == conn.generation)
    }

    fn live(&mut self, conn: ConnId) -> Option<&mut Live> {
        let slot = self.table.get_mut(conn.slot as usize)?;
        slot.live.as_deref_mut().filter(|_| slot.generation == conn.generation)
    }

    fn live_at(&mut self, number: u32) -> Option<&mut Live> {
        self.table.get_mut(number as usize)?.live.as_deref_mut()
    }

    fn id(&self, number: u32) -> ConnId {
        let generation = self.table.get(number as usize).map_or(0, |slot| slot.generation);
        ConnId { slot: number, generation }
    }

    /// Marks a connection as dirty for the next drain.
    fn mark(&mut self, number: u32) {
        if let Some(live) = self.live_at(number)
            && !std::mem::replace(&mut live.is_dirty, true)
        {
            self.dirty.push_back(number);
        }
    }

    /// Takes everything a connection has to report or send.
    fn settle(&mut self, number: u32) {
        let Some(live) = self.live_at(number) else { return };
        live.is_dirty = false;
        self.take_events(number);
        let now = self.base.to_std(self.now);
        let Some(live) = self.table[number as usize].live.as_deref_mut() else { return };
        let segment = usize::from(live.connection.current_mtu()).max(1);
        let segments = (MAX_PAYLOAD_V4 / segment).clamp(1, MAX_TRAIN_SEGMENTS);
        loop {
            let Some(live) = self.table[number as usize].live.as_deref_mut() else { return };
            self.scratch.clear();
            let Some(transmit) = live.connection.poll_transmit(now, segments, &mut self.scratch)
            else {
                break;
            };
            let is_last = transmit.size < NOT_FULL
                && transmit.destination == live.peer
                && live.phase == Phase::Open;
            let socket = live.socket;
            self.send(socket, &transmit);
            if is_last {
                break;
            }
        }
        if self.end == End::Client {
            self.await_answer(number);
        }
        let base = self.base;
        let Some(live) = self.live_at(number) else { return };
        let timer = live.connection.poll_timeout().map(|at| base.to_instant(at));
        let deadline = [timer, live.until].into_iter().flatten().min();
        self.deadlines.set(number, deadline.map(whole));
        self.leave_if_done(number);
    }

    /// When a connection of a server from which nothing more arrives ends at the latest. quinn-proto's
    /// idle timeout is three probe timeouts if these take longer (RFC 9000 section 10.1), so a peer that
    /// acknowledges late would keep its place for minutes after its end. A client asks, and waits for answers.
    fn longest_silence(&self) -> Option<Instant> {
        (self.end == End::Server).then_some(self.now + 2 * self.limits.idle)
    }

    /// Begins to wait for an answer, if the last packets ask for one and no answer is awaited yet.
    fn await_answer(&mut self, number: u32) {
        let (now, patience, most) = (self.now, self.limits.answer_time, 2 * self.limits.idle);
        let Some(live) = self.live_at(number).filter(|live| live.phase == Phase::Open) else {
            return;
        };
        let frames = live.connection.stats().frame_tx;
        // The others come with these, or in answer to something.
        let asked = frames.ping + frames.stream + frames.max_data + frames.max_stream_data;
        if std::mem::replace(&mut live.asked, asked) < asked && live.until.is_none() {
            live.until = Some(now + patience.max(12 * live.connection.rtt()).min(most));
        }
    }

    /// Passes a connection's endpoint events on, and handles its application events.
    fn take_events(&mut self, number: u32) {
        let handle = ConnectionHandle(number as usize);
        while let Some(live) = self.table[number as usize].live.as_deref_mut() {
            let mut is_idle = true;
            while let Some(event) = live.connection.poll_endpoint_events() {
                is_idle = false;
                if event.is_drained() {
                    // The endpoint is informed when nothing is left to report.
                    live.is_drained = true;
                } else if let Some(event) = self.endpoint.handle_event(handle, event) {
                    live.connection.handle_event(event);
                }
            }
            if let Some(event) = live.connection.poll() {
                is_idle = false;
                self.take_event(number, event);
            }
            if is_idle {
                break;
            }
        }
        self.follow_peer(number);
    }

    fn take_event(&mut self, number: u32, event: quinn_proto::Event) {
        let conn = self.id(number);
        let end = self.end;
        let Some(live) = self.live_at(number) else { return };
        match event {
            quinn_proto::Event::Connected if end == End::Client => {
                match live.connection.streams().open(Dir::Bi) {
                    Some(stream) => self.opened(number, stream),
                    None => {
                        self.shut(number, BAD_STREAM, Bytes::new());
                        self.gone(number, Why::Protocol("the server allows no stream".to_owned()));
                    }
                }
            }
            quinn_proto::Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {
                let stream = live.connection.streams().accept(Dir::Bi);
                match (live.stream, stream) {
                    (None, Some(stream)) => {
                        self.opened(number, stream);
                        // quinn-proto reports a new stream once, not the bytes in it.
                        self.readable(number);
                    }
                    (_, None) => {}
                    (Some(_), Some(_)) => {
                        self.shut(number, BAD_STREAM, Bytes::from_static(b"one stream"));
                        self.gone(number, Why::Protocol("opened a second stream".to_owned()));
                    }
                }
            }
            quinn_proto::Event::Stream(StreamEvent::Readable { .. }) => self.readable(number),
            quinn_proto::Event::Stream(StreamEvent::Writable { .. }) => {
                let is_wanted = std::mem::replace(&mut live.is_blocked, false);
                if is_wanted && !std::mem::replace(&mut live.queued.writable, true) {
                    self.events.push_back(Event::Writable { conn });
                }
            }
            quinn_proto::Event::Stream(StreamEvent::Finished { .. }) => self.part(number),
            quinn_proto::Event::Stream(StreamEvent::Stopped { error_code, .. }) => {
                self.shut(number, BAD_STREAM, Bytes::new());
                let (code, reason) = (error_code.into_inner(), Bytes::new());
                self.gone(number, Why::ByPeer { code, reason });
            }
            quinn_proto::Event::ConnectionLost { reason } => {
                let why = why(reason, live.shown.as_deref());
                self.gone(number, why);
            }
            _ => {}
        }
    }

    fn opened(&mut self, number: u32, stream: StreamId) {
        let (conn, silence) = (self.id(number), self.longest_silence());
        let Some(live) = self.live_at(number).filter(|live| live.phase == Phase::Handshake) else {
            return;
        };
        live.stream = Some(stream);
        live.phase = Phase::Open;
        live.until = silence;
        live.is_reported = false;
        let peer = live.peer;
        self.statistics.handshakes -= 1;
        self.statistics.opened += 1;
        self.events.push_back(Event::Opened { conn, peer });
    }

    fn readable(&mut self, number: u32) {
        let conn = self.id(number);
        if let Some(live) = self.live_at(number).filter(|live| live.phase == Phase::Open)
            && !std::mem::replace(&mut live.queued.readable, true)
        {
            self.events.push_back(Event::Readable { conn });
        }
    }

    /// Records a peer's new address.
    fn follow_peer(&mut self, number: u32) {
        let conn = self.id(number);
        let Some(live) = self.live_at(number) else { return };
        let peer = live.connection.remote_address();
        if peer == live.peer {
            return;
        }
        live.peer = peer;
        let was_counted = live.counted;
        if live.phase == Phase::Open && !std::mem::replace(&mut live.queued.moved, true) {
            self.events.push_back(Event::Moved { conn, peer });
        }
        self.statistics.moved += 1;
        let counted = self.sources.counted_as(peer.ip());
        self.uncount(was_counted);
        *self.by_address.entry(counted).or_default() += 1;
        if let Some(live) = self.live_at(number) {
            live.counted = counted;
        }
    }

    /// Closes a connection on the wire.
    fn shut(&mut self, number: u32, code: VarInt, reason: Bytes) {
        let now = self.base.to_std(self.now);
        if let Some(live) = self.live_at(number) {
            live.connection.close(now, code, reason);
        }
    }

    /// Closes a connection after its last bytes were delivered or given up.
    fn part(&mut self, number: u32) {
        if self.live_at(number).is_some_and(|live| live.phase == Phase::Ending) {
            self.shut(number, VarInt::from_u32(0), Bytes::new());
            self.gone(number, Why::Ended);
        }
    }

    /// Ends a connection, and reports it unless the application closed it.
    fn gone(&mut self, number: u32, why: Why) {
        let (conn, now) = (self.id(number), self.now);
        let Some(live) = self.live_at(number) else { return };
        let was = std::mem::replace(&mut live.phase, Phase::Gone);
        let is_reported = live.is_reported;
        if was != Phase::Gone {
            live.until = Some(now + GONE_PATIENCE);
        }
        match was {
            Phase::Gone => return,
            Phase::Handshake => {
                self.statistics.handshakes -= 1;
                // Before the end of a handshake a peer cannot close with a code of its own (RFC 9000
                // section 10.2.3).
                match why {
                    Why::ByPeer { .. } => self.statistics.met += 1,
                    _ => self.statistics.failed += 1,
                }
            }
            Phase::Open | Phase::Ending => {
                self.statistics.closed += 1;
                self.statistics.silent += u64::from(why == Why::TimedOut);
            }
        }
        if !is_reported {
            self.events.push_back(Event::Closed { conn, why });
        }
    }

    fn leave_if_done(&mut self, number: u32) {
        if let Some(live) = self.live_at(number)
            && live.is_drained
            && live.is_reported
            && !std::mem::replace(&mut live.is_leaving, true)
        {
            self.leaving.push(number);
        }
    }

    /// Frees the slots of ended and reported connections.
    fn release(&mut self) {
        while let Some(number) = self.leaving.pop() {
            let slot = &mut self.table[number as usize];
            let Some(live) = slot.live.take() else { continue };
            slot.generation = slot.generation.wrapping_add(1);
            self.deadlines.set(number, None);
            self.uncount(live.counted);
            self.statistics.connections -= 1;
            let handle = ConnectionHandle(number as usize);
            self.endpoint.handle_event(handle, EndpointEvent::drained());
        }
    }

    fn uncount(&mut self, counted: IpAddr) {
        if let Some(count) = self.by_address.get_mut(&counted) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&counted);
            }
        }
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").field("statistics", &self.statistics).finish_non_exhaustive()
    }
}

/// Rounds a deadline up to a millisecond, the granularity of QUIC's timers (RFC 9002 section 6.1.2), so
/// that those of many connections end one sleep and not one each.
fn whole(deadline: Instant) -> Instant {
    const MILLISECOND: u64 = 1_000_000;
    Instant::from_nanos(deadline.as_nanos().div_ceil(MILLISECOND).saturating_mul(MILLISECOND))
}

fn why(error: ConnectionError, shown: Option<&Shown>) -> Why {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            Why::ByPeer { code: close.error_code.into_inner(), reason: close.reason }
        }
        ConnectionError::TimedOut => Why::TimedOut,
        ConnectionError::Reset => Why::Forgotten,
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            Why::Refused
        }
        ConnectionError::TransportError(error) => {
            if let Some((expected, found)) = shown.and_then(Shown::mismatch) {
                Why::WrongCertificate { expected, found }
            } else if let Some(found) =
                shown.filter(|shown| shown.is_stolen()).and_then(Shown::found)
            {
                Why::NotItsCertificate { found }
            } else {
                Why::Protocol(error.to_string())
            }
        }
        other => Why::Protocol(other.to_string()),
    }
}
