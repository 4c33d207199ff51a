//! HTTP/1.1 as far as a page needs it: GET and HEAD without a body, and the request for a WebSocket
//! (RFC 9110, RFC 9112).

use std::net::IpAddr;

use bytes::Bytes;

/// Maximum bytes of a request.
pub(crate) const MAX_REQUEST: usize = 16 << 10;

/// Maximum number of headers.
const MAX_HEADERS: usize = 64;

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// Whether the answer has no body.
    pub(crate) is_head: bool,
    /// The path without its query.
    pub(crate) path: Box<str>,
    pub(crate) host: Box<str>,
    pub(crate) origin: Option<Box<str>>,
    /// The `Sec-WebSocket-Key` of a request for a WebSocket.
    pub(crate) websocket: Option<Box<str>>,
    /// The offered subprotocols.
    pub(crate) protocols: Vec<Box<str>>,
    pub(crate) takes_gzip: bool,
    /// The tags of the versions that the client has.
    pub(crate) etags: Option<Box<str>>,
    /// Whether another server passed the request on.
    pub(crate) is_forwarded: bool,
    /// The client's address as the last server before this one saw it.
    pub(crate) forwarded_for: Option<IpAddr>,
    /// Whether the connection stays open after the answer.
    pub(crate) keeps_alive: bool,
}

/// A request that is not answered, as the status of its refusal. The connection ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Bad,
    TooLong,
    Method,
    Body,
    Version,
    /// A wrong `Sec-WebSocket-Version`.
    WebSocketVersion,
}

impl Request {
    /// Reads a request from the front of `bytes`. Returns its length too, or `None` until it is
    /// complete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(usize, Request)>, Refused> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let length = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length <= MAX_REQUEST => length,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_REQUEST => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Refused::TooLong),
            Err(httparse::Error::Version) => return Err(Refused::Version),
            Err(_) => return Err(Refused::Bad),
        };
        Request::of(&parsed).map(|request| Some((length, request)))
    }

    fn of(parsed: &httparse::Request<'_, '_>) -> Result<Request, Refused> {
        let target = parsed.path.ok_or(Refused::Bad)?;
        let path = target.split(['?', '#']).next().unwrap_or_default();
        if !path.starts_with('/') {
            return Err(Refused::Bad);
        }
        let is_newest = parsed.version == Some(1);
        let mut request = Request {
            is_head: parsed.method == Some("HEAD"),
            path: path.into(),
            keeps_alive: is_newest,
            ..Request::default()
        };
        let (mut host, mut key, mut version) = (None, None, None);
        let (mut is_upgrade, mut has_body) = (false, false);
        for header in parsed.headers.iter() {
            let value = std::str::from_utf8(header.value).map_err(|_| Refused::Bad)?.trim();
            let words = || value.split(',').map(str::trim);
            let has = |word: &str| words().any(|given| given.eq_ignore_ascii_case(word));
            match header.name.to_ascii_lowercase().as_str() {
                "host" if host.replace(value).is_some() => return Err(Refused::Bad),
                "origin" if request.origin.replace(value.into()).is_some() => {
                    return Err(Refused::Bad);
                }
                "content-length" => has_body |= value != "0",
                "transfer-encoding" => has_body = true,
                "connection" if has("close") => request.keeps_alive = false,
                "upgrade" => is_upgrade |= has("websocket"),
                "sec-websocket-key" => key = Some(value),
                "sec-websocket-version" => version = Some(value),
                "sec-websocket-protocol" => request.protocols.extend(words().map(Box::from)),
                "accept-encoding" => {
                    let gzip = |word: &str| {
                        let mut parts = word.split(';').map(str::trim);
                        parts.next() == Some("gzip") && parts.next() != Some("q=0")
                    };
                    request.takes_gzip |= words().any(gzip);
                }
                "if-none-match" => request.etags = Some(value.into()),
                "forwarded" | "x-real-ip" | "via" => request.is_forwarded = true,
                "x-forwarded-for" => {
                    request.is_forwarded = true;
                    request.forwarded_for = words().next_back().and_then(|last| last.parse().ok());
                }
                _ => {}
            }
        }
        if has_body {
            return Err(Refused::Body);
        }
        if !matches!(parsed.method, Some("GET" | "HEAD")) {
            return Err(Refused::Method);
        }
        request.host = host.ok_or(Refused::Bad)?.into();
        if is_upgrade {
            if version != Some("13") {
                return Err(Refused::WebSocketVersion);
            }
            let key = key.filter(|key| crate::websocket::is_key(key)).ok_or(Refused::Bad)?;
            request.websocket = Some(key.into());
        }
        Ok(request)
    }

    /// Whether the client has this version already (RFC 9110 section 13.1.2).
    pub(crate) fn has(&self, etag: &str) -> bool {
        let given = |known: &str| known.trim().trim_start_matches("W/") == etag;
        self.etags.as_deref().is_some_and(|etags| etags == "*" || etags.split(',').any(given))
    }
}

/// A GET that an application answers.
#[derive(Clone, Copy, Debug)]
pub struct Get<'a> {
    /// The path without its query.
    pub path: &'a str,
    /// Whether the client is on this machine, without a proxy between.
    pub is_local: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// Further headers, each with its newline.
    pub(crate) headers: String,
    pub(crate) body: Bytes,
}

/// The headers of every answer.
const ALWAYS: &str = "Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n";

/// A header that browsers complain of where the connection may be read by others.
const TRUSTWORTHY: &str = "Cross-Origin-Opener-Policy: same-origin\r\n";

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Form<'a> {
    /// Without its body.
    pub(crate) is_head: bool,
    /// The connection stays open.
    pub(crate) keeps_alive: bool,
    /// A `Host` that was checked, whose WebSockets scripts may open.
    pub(crate) host: Option<&'a str>,
    /// Nobody on the way can read it: https, or within this machine.
    pub(crate) is_private: bool,
}

impl Response {
    /// A text with a status.
    pub fn text(status: u16, text: impl Into<Bytes>) -> Response {
        Response::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// A body of a type, with the status 200.
    pub fn of(content_type: &'static str, body: impl Into<Bytes>) -> Response {
        Response::new(200, content_type, body.into())
    }

    pub(crate) fn new(status: u16, content_type: &'static str, body: Bytes) -> Response {
        Response { status, content_type, headers: String::new(), body }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Response {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(crate) fn refused(why: Refused) -> Response {
        let (status, text) = match why {
            Refused::Bad => (400, "This is not a valid request.\n"),
            Refused::TooLong => (431, "This request is too long.\n"),
            Refused::Method => (405, "Only GET and HEAD are answered here.\n"),
            Refused::Body => (413, "A request must not have a body.\n"),
            Refused::Version => (505, "Only HTTP/1.1 is spoken here.\n"),
            Refused::WebSocketVersion => (426, "Only version 13 of WebSocket is spoken here.\n"),
        };
        let response = Response::text(status, text);
        match why {
            Refused::Method => response.header("Allow", "GET, HEAD"),
            Refused::WebSocketVersion => response.header("Sec-WebSocket-Version", "13"),
            _ => response,
        }
    }

    /// The answer's bytes.
    pub(crate) fn write(&self, form: Form<'_>) -> Vec<u8> {
        let Response { status, content_type, headers, body } = self;
        let Form { is_head, keeps_alive, host, is_private } = form;
        let trustworthy = if is_private { TRUSTWORTHY } else { "" };
        // Older browsers do not count ws: as 'self'.
        let sockets = host.map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
        let connection = if keeps_alive { "keep-alive" } else { "close" };
        let length = match status {
            304 => String::new(),
            _ => format!("Content-Length: {}\r\nContent-Type: {content_type}\r\n", body.len()),
        };
        let head = format!(
            "HTTP/1.1 {status} {}\r\n{length}Cache-Control: no-cache\r\nConnection: {connection}\r\n\
             Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
             img-src 'self' data:; connect-src 'self'{sockets}; manifest-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'\r\n{ALWAYS}{trustworthy}{headers}\r\n",
            phrase(*status)
        );
        let body = if is_head { &[][..] } else { body };
        [head.as_bytes(), body].concat()
    }
}

/// The answer that opens a WebSocket.
pub(crate) fn switching(key: &str, protocol: Option<&str>) -> Vec<u8> {
    let accept = crate::websocket::accept(key);
    let protocol =
        protocol.map_or_else(String::new, |word| format!("Sec-WebSocket-Protocol: {word}\r\n"));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    )
    .into_bytes()
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<(usize, Request)>, Refused> {
        Request::parse(text.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn a_request_is_read_once_it_is_complete() {
        let whole = "GET /a/b?c=d HTTP/1.1\nHost: one:8080\nAccept-Encoding: br, gzip;q=0.5\n\n";
        for end in 1..whole.len() {
            assert_eq!(parse(&whole[..end]), Ok(None), "{end}");
        }
        let (length, request) = parse(whole).unwrap().unwrap();
        assert_eq!(length, whole.replace('\n', "\r\n").len());
        let expected = Request {
            path: "/a/b".into(),
            host: "one:8080".into(),
            takes_gzip: true,
            keeps_alive: true,
            ..Request::default()
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn a_websocket_is_asked_for_with_its_key_and_version() {
        let with = |version: &str, key: &str| {
            parse(&format!(
                "GET /ws HTTP/1.1\nHost: a\nUpgrade: WebSocket\nConnection: keep-alive, Upgrade\n\
                 Sec-WebSocket-Key: {key}\nSec-WebSocket-Version: {version}\n\
                 Sec-WebSocket-Protocol: x, pigeon.1\nOrigin: http://a\n\n"
            ))
        };
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let (_, request) = with("13", key).unwrap().unwrap();
        assert_eq!(request.websocket.as_deref(), Some(key));
        assert_eq!(request.protocols, [Box::from("x"), Box::from("pigeon.1")]);
        assert_eq!(request.origin.as_deref(), Some("http://a"));
        assert_eq!(with("8", key), Err(Refused::WebSocketVersion));
        assert_eq!(with("13", "short"), Err(Refused::Bad));
    }

    #[test]
    fn what_a_page_does_not_need_is_refused() {
        for (text, why) in [
            ("POST / HTTP/1.1\nHost: a\n\n", Refused::Method),
            ("GET / HTTP/1.1\nHost: a\nContent-Length: 5\n\n", Refused::Body),
            ("GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n", Refused::Body),
            ("GET / HTTP/1.1\n\n", Refused::Bad),
            ("GET / HTTP/1.1\nHost: a\nHost: b\n\n", Refused::Bad),
            ("GET / HTTP/1.1\nHost: a\nOrigin: a\nOrigin: b\n\n", Refused::Bad),
            ("GET http://a/ HTTP/1.1\nHost: a\n\n", Refused::Bad),
            ("GET / HTTP/2.0\n\n", Refused::Version),
            ("\u{0}\n\n", Refused::Bad),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
        let many = format!("GET / HTTP/1.1\nHost: a\n{}\n", "a: b\n".repeat(MAX_HEADERS));
        assert_eq!(parse(&many), Err(Refused::TooLong));
        let long = format!("GET /{} HTTP/1.1\n", "x".repeat(MAX_REQUEST));
        assert_eq!(parse(&long), Err(Refused::TooLong));
    }

    #[test]
    fn the_last_server_names_the_client() {
        let text = "GET / HTTP/1.1\nHost: a\nX-Forwarded-For: 1.1.1.1, 10.0.0.7\n\n";
        let (_, request) = parse(text).unwrap().unwrap();
        assert!(request.is_forwarded);
        assert_eq!(request.forwarded_for, Some([10, 0, 0, 7].into()));
    }

    #[test]
    fn a_client_has_a_version_by_its_tag() {
        let has = |etags: &str| Request { etags: Some(etags.into()), ..Request::default() };
        assert!(has("\"a\", W/\"b\"").has("\"b\"") && has("*").has("\"c\""));
        assert!(!has("\"a\"").has("\"b\"") && !Request::default().has("\"a\""));
    }
}
