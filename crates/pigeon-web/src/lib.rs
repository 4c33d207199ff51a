//! The hub's web server: a page, WebSockets, and answers to GET, over http or https.
//!
//! ```text
//!   TCP ─ accept ─▶ Server ─ bytes ─▶ stream (TLS) ─▶ http: a request ─▶ guard ─▶ assets, Application::get
//!                      │                          └─▶ websocket: text ──────────▶ Application::received
//!                      └◀── Io::send, Io::close ◀─────────────────────────────── Application::turn
//! ```
//!
//! - [`Server`]: the loop, in a thread of the caller's. It knows connections and bytes; an
//!   [`Application`] knows what they mean.
//! - [`Guard`]: which `Host` and `Origin` are allowed.
//! - [`Response`], [`Get`]: HTTP. [`Snapshot`]: what `/metrics` shows. [`Token`]: the secret of the
//!   operator's view.
//!
//! **Why not a framework:** a WebSocket frame from a server is not masked, so all followers of a room
//! can share its bytes, and the loop writes them to each socket by one system call. With a task for
//! each connection, as in axum, every delivery costs a wake-up and a copy. `cargo bench -p pigeon
//! --bench page` measured it on 2026-11-28, with 2,000 WebSockets, by the CPU seconds of the server's
//! process: this loop alone makes 2.0 times as many deliveries a second as axum with one message at a
//! time, and as many (0.97) with 64 in flight, each a frame of its own. The hub, which stores them too,
//! puts what waits into one frame and makes 1.7 times as many as axum then. What is left of HTTP is GET
//! without a body.
//!
//! # Limits
//!
//! | what | limit |
//! | --- | --- |
//! | connections | [`Limits::connections`], [`Limits::per_address`]; the oldest without a WebSocket gives way |
//! | a request | 16 KiB and 64 headers, 10 s; no body |
//! | an idle connection without a WebSocket | 15 s |
//! | a message from a client | 131,072 bytes, in fragments too |
//! | a silent WebSocket | 45 s |
//! | a peer that takes nothing of what waits for it | 30 s |
//! | what waits to be sent | the application's: it is told what was accepted |
#![forbid(unsafe_code)]

mod assets;
mod connection;
mod guard;
mod http;
mod io;
mod metrics;
mod operator;
mod server;
mod statistics;
mod stream;
mod websocket;

pub use assets::Assets;
pub use guard::{Guard, GuardError, Site};
pub use http::{Get, Response};
pub use io::{Io, SocketId};
pub use metrics::{Counted, Snapshot};
pub use operator::Token;
pub use server::{Application, Limits, Opening, Server, ServerError, Target};
pub use statistics::Statistics;
pub use stream::{Certificate, CertificateError};
#[doc(hidden)]
pub use websocket::fuzzing;
