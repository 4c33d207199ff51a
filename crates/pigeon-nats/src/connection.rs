//! What is asked of the brokers.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Config as ConsumerConfig, Stream as Messages};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind, PublishError,
    PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ClientError, ConnectOptions, ServerAddr};
use bytes::Bytes;
use futures_util::future::ready;
use pigeon_cluster::{RECORD, Record, hash};
use tokio::sync::mpsc::UnboundedSender;

use crate::credentials;
use crate::settings::{Credentials, Settings, differences};

/// Time limit for a question to the brokers.
const ANSWER: Duration = Duration::from_secs(3);

/// Longest time between attempts to connect.
const RECONNECT: Duration = Duration::from_secs(1);

/// How often a broker is asked whether it lives. The third time without an answer ends the
/// connection.
const PING: Duration = Duration::from_secs(2);

/// How often a consumer gives a sign. It is made anew if two are missing.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Maximum records that a broker sends unasked, so that much memory at 1 MiB each.
const AHEAD: usize = 128;

/// The client's words for a host without an address, which is no server of its list.
const UNKNOWN: &str = "DNS error";

/// Why something failed, in the client's words.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// A sign of the client.
#[derive(Debug)]
pub(crate) enum Sign {
    Connected,
    Disconnected,
    Trouble(String),
}

/// Connects in the background, for ever.
pub(crate) async fn connect(
    settings: &Settings,
    signs: UnboundedSender<Sign>,
) -> Result<Client, Error> {
    let troubles = signs.clone();
    let mut options = ConnectOptions::new()
        .name("pigeon hub")
        .retry_on_initial_connect()
        .connection_timeout(ANSWER)
        .request_timeout(Some(ANSWER))
        .ping_interval(PING)
        .reconnect_delay_callback(|attempt| {
            let delay = 100_u64.saturating_mul(1 << attempt.min(6));
            Duration::from_millis(delay).min(RECONNECT)
        })
        .event_callback(move |event| {
            let sign = match event {
                async_nats::Event::Connected => Sign::Connected,
                async_nats::Event::Disconnected | async_nats::Event::Closed => Sign::Disconnected,
                // Without its cause, which the servers' list below has.
                async_nats::Event::ClientError(ClientError::Other(kind)) if kind != UNKNOWN => {
                    return ready(());
                }
                other => Sign::Trouble(other.to_string()),
            };
            let _ = signs.send(sign);
            ready(())
        })
        .reconnect_to_server_callback(move |servers, _| {
            let why = servers.into_iter().filter_map(|server| server.last_error).next_back();
            if let Some(why) = why {
                let _ = troubles.send(Sign::Trouble(why));
            }
            // The client chooses the server.
            ready(None)
        });
    options = match &settings.credentials {
        Credentials::None => options,
        Credentials::Password { user, password } => {
            options.user_and_password(user.clone(), password.clone())
        }
        Credentials::Creds(text) => credentials::add(options, text)?,
    };
    if let Some(authority) = &settings.authority {
        options = options.add_root_certificates(authority.clone());
    }
    let servers: Result<Vec<ServerAddr>, _> =
        settings.servers.iter().map(|it| it.parse()).collect();
    Ok(options.connect(servers?).await?)
}

/// The stream, made if it does not exist, and how it differs from what it should be.
pub(crate) async fn open(
    client: &Client,
    settings: &Settings,
) -> Result<(Stream, Vec<String>), Error> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(ANSWER);
    let servers = client.server_info().connect_urls.len();
    let wanted = settings.config(servers);
    let stream = match context.get_stream(settings.stream()).await {
        Ok(stream) => stream,
        // Anything else is no answer: creating the stream would wait as long, for nothing.
        Err(error) if !is_unknown(&error) => return Err(error.into()),
        Err(_) => match context.get_or_create_stream(wanted.clone()).await {
            Ok(stream) => stream,
            // A cluster whose servers are not all there yet: the stream can get more replicas.
            Err(error) if wanted.num_replicas > 1 && is_refused(&error) => {
                context.get_or_create_stream(settings.config(1)).await?
            }
            Err(error) => return Err(error.into()),
        },
    };
    let mut found = stream.get_info().await?.config;
    if found.num_replicas < wanted.num_replicas {
        // It was made while servers were missing.
        let raised = Config { num_replicas: wanted.num_replicas, ..found.clone() };
        if let Ok(info) = context.update_stream(raised).await {
            found = info.config;
        }
    }
    Ok((stream, differences(&found, &wanted)))
}

/// Where a hub is in the stream.
pub(crate) async fn describe(
    client: &Client,
    stream: &Stream,
    settings: &Settings,
    cursor: u64,
) -> Result<pigeon_cluster::Stream, Error> {
    let jetstream::stream::Info { state, config, .. } = stream.get_info().await?;
    // A limit of 0 or less is none.
    let of_stream = usize::try_from(config.max_message_size).ok().filter(|most| *most > 0);
    let record = client.max_payload().min(of_stream.unwrap_or(RECORD)).min(RECORD);
    let at_cursor = record_at(stream, cursor).await?;
    let register = match stream.get_last_raw_message_by_subject(&settings.epoch()).await {
        Ok(message) => match Record::parse(&message.payload) {
            Some(Record::Epoch { epoch, .. }) => Some((message.sequence, epoch)),
            _ => Some((message.sequence, 0)),
        },
        Err(error) if is_missing(&error) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(pigeon_cluster::Stream {
        first: state.first_sequence,
        last: state.last_sequence,
        at_cursor,
        register,
        record,
    })
}

/// The hash of a record, if the stream holds it.
async fn record_at(stream: &Stream, sequence: u64) -> Result<Option<u64>, Error> {
    if sequence == 0 {
        return Ok(None);
    }
    match stream.get_raw_message(sequence).await {
        Ok(message) => Ok(Some(hash(&message.payload))),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the brokers know no such stream.
fn is_unknown(error: &GetStreamError) -> bool {
    match error.kind() {
        GetStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NOT_FOUND,
        _ => false,
    }
}

/// Whether the brokers have answered that they cannot make a stream.
fn is_refused(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(_))
}

fn is_missing(error: &async_nats::jetstream::stream::RawMessageError) -> bool {
    use async_nats::jetstream::stream::RawMessageErrorKind as Kind;
    matches!(error.kind(), Kind::NoMessageFound)
}

/// The record at a place, and the last sequence.
pub(crate) async fn look(stream: &Stream, cursor: u64) -> Result<(Option<u64>, u64), Error> {
    let last = stream.get_info().await?.state.last_sequence;
    Ok((record_at(stream, cursor).await?, last))
}

/// Records after a sequence, as they come.
pub(crate) async fn read(stream: &Stream, after: u64) -> Result<Messages, Error> {
    let consumer = stream
        .create_consumer(ConsumerConfig {
            deliver_policy: match after {
                0 => DeliverPolicy::All,
                after => DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
            },
            ack_policy: AckPolicy::None,
            inactive_threshold: Duration::from_secs(30),
            memory_storage: true,
            num_replicas: 1,
            ..ConsumerConfig::default()
        })
        .await?;
    let messages = consumer
        .stream()
        .max_messages_per_batch(AHEAD)
        .heartbeat(HEARTBEAT)
        .expires(HEARTBEAT * 6)
        .messages()
        .await?;
    Ok(messages)
}

/// Why a record was not published.
pub(crate) enum Unpublished {
    /// It has more bytes than the brokers accept.
    TooLarge,
    /// Another hub's opening was first.
    Late,
    /// The brokers refuse it, and say why.
    Refused(String),
    /// No answer came, or none that concerns the record.
    Unanswered(String),
}

impl From<PublishError> for Unpublished {
    fn from(error: PublishError) -> Unpublished {
        let source = std::error::Error::source(&error);
        let refusal = source.and_then(|it| it.downcast_ref::<jetstream::Error>());
        match (error.kind(), refusal.map(jetstream::Error::error_code)) {
            (PublishErrorKind::MaxPayloadExceeded, _)
            | (_, Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)) => Unpublished::TooLarge,
            // The second while another opening is still being agreed on by several brokers.
            (PublishErrorKind::WrongLastSequence, _)
            | (_, Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)) => Unpublished::Late,
            (_, Some(_)) => Unpublished::Refused(error.to_string()),
            (_, None) => Unpublished::Unanswered(error.to_string()),
        }
    }
}

impl From<tokio::time::error::Elapsed> for Unpublished {
    fn from(_: tokio::time::error::Elapsed) -> Unpublished {
        Unpublished::Unanswered("timed out".into())
    }
}

/// Publishes a record. The future is the broker's answer: its sequence.
pub(crate) async fn publish(
    context: &Context,
    subject: String,
    payload: Bytes,
    expect: Option<u64>,
) -> Result<impl Future<Output = Result<u64, Unpublished>> + Send + 'static, Unpublished> {
    let mut message = PublishMessage::build().payload(payload);
    if let Some(expect) = expect {
        message = message.expected_last_subject_sequence(expect);
    }
    let sending = context.send_publish(subject, message);
    let answer = tokio::time::timeout(Duration::from_secs(1), sending).await??;
    Ok(async move {
        let answer = tokio::time::timeout(ANSWER, answer.into_future()).await??;
        Ok(answer.sequence)
    })
}
