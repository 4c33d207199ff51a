//! The server on axum, as its documentation has it: a task for each client, that waits for a message
//! of its own client or of the channel. What waits in the channel is written by one flush.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Messages that may wait for a client.
const CAPACITY: usize = 4_096;

async fn open(upgrade: WebSocketUpgrade, State(room): State<Sender<Utf8Bytes>>) -> Response {
    upgrade.protocols(["pigeon.1"]).on_upgrade(|socket| pass_on(socket, room))
}

async fn pass_on(socket: WebSocket, room: Sender<Utf8Bytes>) {
    let mut messages = room.subscribe();
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            received = stream.next() => match received {
                Some(Ok(Message::Text(text))) => drop(room.send(text)),
                Some(Ok(_)) => {}
                _ => return,
            },
            message = messages.recv() => {
                // Lost messages of a slow client are passed over.
                let Ok(text) = message else { continue };
                let first = sink.feed(Message::Text(text)).await;
                if first.is_err() || feed_rest(&mut messages, &mut sink).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Writes what else waits in the channel.
async fn feed_rest<S: SinkExt<Message> + Unpin>(
    messages: &mut Receiver<Utf8Bytes>,
    sink: &mut S,
) -> Result<(), S::Error> {
    loop {
        match messages.try_recv() {
            Ok(text) => sink.feed(Message::Text(text)).await?,
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return sink.flush().await,
        }
    }
}

pub(crate) fn serve(address: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.expect("a free port");
        println!("listening on {}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/ws", any(open)).with_state(channel(CAPACITY).0);
        // As in `pigeon-web`: a small message does not wait for the one before it.
        let listener = listener.tap_io(|tcp| drop(tcp.set_nodelay(true)));
        axum::serve(listener, router).await.expect("it serves");
    });
}
