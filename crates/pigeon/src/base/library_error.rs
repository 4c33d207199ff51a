//! The errors of pigeon's libraries in the process's language. A library's own `Display` is English,
//! for programs and logs.

use std::error::Error;
use std::path::Path;

use pigeon_log::{BackupError, BadLine, ExportError, ForgetError, ImportError, ReadError, Trouble};
use pigeon_net::{DriveError, Operation};
use pigeon_netsim::path::{BurstsError, ConditionsError, ProbabilityError};
use pigeon_proto::{Language, sentence};
use pigeon_services::sntp::WhyNot;
use pigeon_text::escape;

use super::system_error;
use crate::words::{key, say_in};

/// A library's error in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Its causes follow.
    Beginning(String),
    /// With its causes.
    Whole(String),
}

use Said::{Beginning, Whole};

/// The words of an error. `None`: it is not of a library, or its own words are for people.
pub(crate) fn said_in(language: Language, error: &(dyn Error + 'static)) -> Option<Said> {
    let kinds = [of_net, of_log, of_reading, of_tools, of_keys, of_member, of_page];
    kinds.iter().find_map(|said| said(language, error))
}

fn of_net(language: Language, error: &(dyn Error + 'static)) -> Option<Said> {
    if let Some(pigeon_net::OpenError { operation, address, .. }) = error.downcast_ref() {
        return Some(Beginning(match operation {
            Operation::Create => say_in!(language, "errors-socket-create", address = address),
            Operation::Configure(option) => {
                say_in!(language, "errors-socket-configure", option = *option, address = address)
            }
            Operation::Bind => say_in!(language, "errors-socket-bind", address = address),
            Operation::Connect => say_in!(language, "errors-socket-connect", address = address),
        }));
    }
    Some(Beginning(match error.downcast_ref()? {
        DriveError::Receive { local, .. } => {
            say_in!(language, "errors-drive-receive", address = local)
        }
        DriveError::Wait { .. } => say_in!(language, "errors-drive-wait"),
    }))
}

/// Errors of a log's owner.
fn of_log(language: Language, error: &(dyn Error + 'static)) -> Option<Said> {
    use pigeon_log::OpenError;
    Some(Whole(match error.downcast_ref()? {
        OpenError::InUse { folder, by: Some(by) } => {
            say_in!(language, "errors-log-in-use-by", folder = shown(folder), pid = by)
        }
        OpenError::InUse { folder, by: None } => {
            say_in!(language, "errors-log-in-use", folder = shown(folder))
        }
        OpenError::Folder { doing, path, source } => say_in!(
            language,
            "errors-log-folder",
            doing = verb(doing),
            path = shown(path),
            error = system_error::said_in(language, source),
        ),
        OpenError::Missing { folder } => {
            say_in!(language, "errors-log-missing", folder = shown(folder))
        }
        OpenError::Foreign { file } => say_in!(language, "errors-log-foreign", file = shown(file)),
        OpenError::Damaged { file, what } => {
            say_in!(language, "errors-log-damaged", file = shown(file), what = &escape(what))
        }
        OpenError::Newer { file, found } => {
            say_in!(language, "errors-log-newer", file = shown(file), found = found)
        }
        OpenError::Older { file, found } => {
            say_in!(language, "errors-log-older", file = shown(file), found = found)
        }
        OpenError::Sqlite { doing, file, source } => {
            let why = because(language, &Trouble::of(source), &pigeon_log::in_a_line(source));
            say_in!(
                language,
                "errors-log-unread",
                doing = verb(doing),
                file = shown(file),
                why = why
            )
        }
    }))
}

/// Errors of a log's readers.
fn of_reading(language: Language, error: &(dyn Error + 'static)) -> Option<Said> {
    if let Some(error) = error.downcast_ref::<ReadError>() {
        return Some(Whole(match error {
            ReadError::Damaged { doing, file, what } => say_in!(
                language,
                "errors-log-damaged-part",
                doing = verb(doing),
                file = shown(file),
                what = &escape(what),
            ),
            ReadError::Sqlite { doing, file, source } => {
                let why = because(language, &Trouble::of(source), &pigeon_log::in_a_line(source));
                let file = shown(file);
                say_in!(language, "errors-log-unread", doing = verb(doing), file = file, why = why)
            }
        }));
    }
    if let Some(error) = error.downcast_ref::<ForgetError>() {
        return Some(Whole(match error {
            ForgetError::Closed => say_in!(language, "errors-log-forget-closed"),
            ForgetError::Unable(why) => {
                say_in!(language, "errors-log-forget-unable", why = trouble_in(language, why))
            }
        }));
    }
    if let Some(error) = error.downcast_ref::<ExportError>() {
        return match error {
            ExportError::Read(error) => of_reading(language, error),
            ExportError::Write(error) => {
                let why = system_error::said_in(language, error);
                Some(Whole(say_in!(language, "errors-log-export", why = why)))
            }
        };
    }
    if let Some(error) = error.downcast_ref::<BackupError>() {
        return Some(Whole(match error {
            BackupError::Exists { file } => {
                say_in!(language, "errors-log-backup-exists", file = shown(file))
            }
            BackupError::Write { file, source } => {
                let why = system_error::said_in(language, source);
                say_in!(language, "errors-log-backup", file = shown(file), why = why)
            }
            BackupError::Sqlite { file, source } => {
                let why = because(language, &Trouble::of(source), &pigeon_log::in_a_line(source));
                say_in!(language, "errors-log-backup", file = shown(file), why = why)
            }
        }));
    }
    if let Some(error) = error.downcast_ref::<BadLine>() {
        return Some(Whole(match error {
            BadLine::TooLong(most) => say_in!(language, "errors-line-too-long", most = most),
            BadLine::NotJson(why) => say_in!(language, "errors-line-json", why = &escape(why)),
            BadLine::NotText(name) => say_in!(language, "errors-line-text", name = *name),
            BadLine::NotNumber(name) => say_in!(language, "errors-line-number", name = *name),
            BadLine::NotHex(name) => say_in!(language, "errors-line-hex", name = *name),
            BadLine::OutOfRange(name) => say_in!(language, "errors-line-range", name = *name),
            BadLine::Room(why) => {
                let why = sentence::name_error(*why, language);
                say_in!(language, "errors-line-room", why = why)
            }
            BadLine::NotBase64(why) => say_in!(language, "errors-line-base64", why = &escape(why)),
        }));
    }
    Some(Whole(match error.downcast_ref()? {
        ImportError::Read { line, source } => {
            let why = system_error::said_in(language, source);
            say_in!(language, "errors-log-import-read", line = line, why = why)
        }
        ImportError::Unable { line, trouble } => {
            let why = trouble_in(language, trouble);
            say_in!(language, "errors-log-import-unable", line = line, why = why)
        }
        ImportError::Closed { line } => say_in!(language, "errors-log-import-closed", line = line),
    }))
}

/// Why the log does not store, in words.
pub(crate) fn trouble_in(language: Language, trouble: &Trouble) -> String {
    let key = match trouble {
        Trouble::Full => key!("errors-trouble-full"),
        Trouble::ReadOnly => key!("errors-trouble-read-only"),
        Trouble::Io => key!("errors-trouble-io"),
        Trouble::Gone => key!("errors-trouble-gone"),
        Trouble::Busy => key!("errors-trouble-busy"),
        Trouble::Damaged => key!("errors-trouble-damaged"),
        Trouble::NoPositions => key!("errors-trouble-no-positions"),
        Trouble::Other => key!("errors-trouble-other"),
    };
    say_in!(language, key)
}

/// A failure of SQLite, whose own words, always English, are kept for a search engine.
fn because(language: Language, trouble: &Trouble, sqlite: &str) -> String {
    let (why, sqlite) = (trouble_in(language, trouble), escape(sqlite));
    match language {
        Language::English => format!("{why} ({sqlite})"),
        Language::Chinese => format!("{why}（{sqlite}）"),
    }
}

/// Errors of `relay` and `time`.
fn of_tools(language: Language, error: &(dyn Error + 'static)) -> Option<Said> {
    if let Some(error) = error.downcast_ref::<ProbabilityError>() {
        return Some(Whole(match error {
            ProbabilityError::NotANumber(text) => {
                say_in!(language, "errors-share-not-a-number", text = &escape(text))
            }
            ProbabilityError::OutOfRange(text) => {
                say_in!(language, "errors-share-out-of-range", text = &escape(text))
            }
            ProbabilityError::NoPercentSign(text) => {
                say_in!(language, "errors-share-no-percent-sign", text = &escape(text))
            }
        }));
    }
    if let Some(error) = error.downcast_ref::<BurstsError>() {
        return Some(Whole(match error {
            BurstsError::BurstTooShort(burst) => {
                say_in!(language, "errors-burst-too-short", burst = burst)
            }
            BurstsError::LossTooHigh { loss, burst } => {
                say_in!(language, "errors-burst-loss", loss = loss, burst = burst)
            }
        }));
    }
    if let Some(error) = error.downcast_ref::<ConditionsError>() {
        return Some(Whole(match error {
            ConditionsError::JitterExceedsDelay { jitter, delay } => say_in!(
                language,
                "errors-jitter-exceeds-delay",
                jitter = span(*jitter),
                delay = span(*delay),
            ),
            ConditionsError::HeldBackForNothing => {
                say_in!(language, "errors-held-back-for-nothing")
            }
            ConditionsError::RateZero => say_in!(language, "errors-rate-zero"),
            ConditionsError::MtuZero => say_in!(language, "errors-mtu-zero"),
        }));
    }
    Some(Whole(match error.downcast_ref()? {
        WhyNot::TooShort { length } => say_in!(language, "errors-ntp-short", length = *length),
        WhyNot::Mode { mode } => say_in!(language, "errors-ntp-mode", mode = *mode),
        WhyNot::Originate => say_in!(language, "errors-ntp-other-request"),
        WhyNot::Version { version } => say_in!(language, "errors-ntp-version", version = *version),
        WhyNot::KissOfDeath { code } => {
            let end = code.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            let code = code.get(..end).unwrap_or_default().escape_ascii();
            say_in!(language, "errors-ntp-refuses", code = &code)
        }
        WhyNot::Unsynchronised => say_in!(language, "errors-ntp-unsynchronised"),
        WhyNot::Times => say_in!(language, "errors-ntp-times"),
        WhyNot::TooFar { distance } => {
            say_in!(language, "errors-ntp-too-far", distance = format!("{distance:?}"))
        }
    }))
}

/// A duration as one would write it.
fn span(duration: std::time::Duration) -> String {
    match duration.is_zero() {
        true => "0".into(),
        false => format!("{duration:?}"),
    }
}

/// Errors of keys and certificates.
#[cfg(any(feature = "quic", feature = "page"))]
fn of_keys(language: Language, error: &(dyn Error + 'static)) -> Option<Said> {
    use pigeon_quic::{BadKey, CertificateError, ConfigError, ConnectError};

    if let Some(error) = error.downcast_ref::<BadKey>() {
        return Some(Whole(match error {
            BadKey::NoRandomness => say_in!(language, "errors-no-randomness"),
            BadKey::NotPkcs8 => say_in!(language, "errors-key-form"),
        }));
    }
    if let Some(error) = error.downcast_ref::<CertificateError>() {
        return Some(Whole(match error {
            CertificateError::Make(why) => {
                say_in!(language, "errors-certificate-unmade", why = &escape(&why.to_string()))
            }
            CertificateError::NoCertificate => say_in!(language, "errors-certificate-missing"),
            CertificateError::NoKey => say_in!(language, "errors-certificate-no-key"),
            CertificateError::Unusable(why) => {
                say_in!(language, "errors-certificate-unusable", why = &escape(&why.to_string()))
            }
            CertificateError::Mismatch => say_in!(language, "errors-certificate-mismatch"),
        }));
    }
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return Some(Whole(match error {
            ConfigError::Tls(why) => {
                say_in!(language, "errors-certificate-unusable", why = &escape(&why.to_string()))
            }
            ConfigError::Idle => say_in!(language, "errors-idle-too-long"),
        }));
    }
    Some(Whole(match error.downcast_ref()? {
        ConnectError::Address(to) => say_in!(language, "errors-socket-connect", address = to),
        ConnectError::Tls(why) => {
            say_in!(language, "errors-no-handshake", why = &escape(&why.to_string()))
        }
    }))
}

#[cfg(not(any(feature = "quic", feature = "page")))]
fn of_keys(_: Language, _: &(dyn Error + 'static)) -> Option<Said> {
    None
}

/// Errors of members with a key.
#[cfg(feature = "quic")]
fn of_member(language: Language, error: &(dyn Error + 'static)) -> Option<Said> {
    use pigeon_member::{FolderError, NotSaid, OpenMemberError};

    if let Some(error) = error.downcast_ref::<FolderError>() {
        return Some(match error {
            FolderError::Io { doing, path, .. } => Beginning(say_in!(
                language,
                "errors-member-file",
                doing = verb(doing),
                file = shown(path)
            )),
            FolderError::TooMany(folder) => {
                Whole(say_in!(language, "errors-member-too-many", folder = shown(folder)))
            }
        });
    }
    if let Some(error) = error.downcast_ref::<NotSaid>() {
        return Some(Whole(match error {
            NotSaid::Refused(why) => say_in!(language, "errors-not-said", why = &escape(&**why)),
            NotSaid::Waiting => say_in!(language, "errors-not-said-yet"),
            NotSaid::TooLong(most) => say_in!(language, "errors-not-said-long", most = most),
            NotSaid::Full => say_in!(language, "errors-not-said-full"),
            NotSaid::Left => say_in!(language, "errors-member-left"),
        }));
    }
    Some(match error.downcast_ref()? {
        OpenMemberError::Folder(error) => return of_member(language, error),
        OpenMemberError::Key { folder, .. } => {
            Beginning(say_in!(language, "errors-member-key", folder = shown(folder)))
        }
        OpenMemberError::Socket { hub, .. } => {
            Beginning(say_in!(language, "errors-member-socket", hub = hub))
        }
        OpenMemberError::Drive(error) => return of_net(language, error),
        OpenMemberError::Quic(error) => return of_keys(language, error),
        OpenMemberError::Connect(error) => return of_keys(language, error),
        OpenMemberError::NoHub { hub, why } => {
            let why = why_in(language, why.why());
            Whole(say_in!(language, "errors-member-no-hub", hub = hub, why = why))
        }
        OpenMemberError::Another { name, known, invited } => Whole(say_in!(
            language,
            "errors-member-another",
            name = &escape(name),
            known = &escape(known),
            invited = invited,
        )),
        OpenMemberError::Thread { .. } => Beginning(say_in!(language, "errors-no-thread")),
        OpenMemberError::Random(_) => Whole(say_in!(language, "errors-no-randomness")),
    })
}

#[cfg(not(feature = "quic"))]
fn of_member(_: Language, _: &(dyn Error + 'static)) -> Option<Said> {
    None
}

/// Why there is no connection to a hub, in words.
#[cfg(feature = "quic")]
pub(crate) fn why_in(language: Language, why: &pigeon_quic::Why) -> String {
    use pigeon_quic::Why;
    match why {
        Why::Ended => say_in!(language, "errors-why-ended"),
        Why::ByPeer { reason, .. } if reason.is_empty() => say_in!(language, "errors-why-ended"),
        Why::ByPeer { reason, .. } => {
            say_in!(language, "errors-why-closed", reason = &escape(&**reason))
        }
        Why::TimedOut => say_in!(language, "errors-why-silent"),
        Why::Forgotten => say_in!(language, "errors-why-restarted"),
        Why::Refused => say_in!(language, "errors-why-full"),
        Why::Unreachable => say_in!(language, "errors-why-nobody"),
        Why::WrongCertificate { expected, found } => {
            say_in!(language, "errors-why-other-key", expected = expected, found = found)
        }
        Why::NotItsCertificate { found } => {
            say_in!(language, "errors-why-stolen-key", found = found)
        }
        Why::Protocol(what) => say_in!(language, "errors-why-protocol", what = &escape(what)),
    }
}

/// Errors of the page.
#[cfg(feature = "page")]
fn of_page(language: Language, error: &(dyn Error + 'static)) -> Option<Said> {
    use pigeon_web::{CertificateError, ServerError};

    if let Some(error) = error.downcast_ref::<CertificateError>() {
        return Some(Whole(match error {
            CertificateError::NoCertificate => say_in!(language, "errors-certificate-missing"),
            CertificateError::NoKey => say_in!(language, "errors-certificate-no-key"),
            CertificateError::Unusable(why) => {
                say_in!(language, "errors-certificate-unusable", why = &escape(&why.to_string()))
            }
        }));
    }
    Some(Beginning(match error.downcast_ref()? {
        ServerError::Listen { address, .. } => {
            say_in!(language, "errors-web-listen", address = address)
        }
        ServerError::Wait { .. } => say_in!(language, "errors-web-wait"),
    }))
}

#[cfg(not(feature = "page"))]
fn of_page(_: Language, _: &(dyn Error + 'static)) -> Option<Said> {
    None
}

/// The verb of an attempted operation, such as `create the folder`.
fn verb(doing: &str) -> &str {
    doing.split(' ').next().unwrap_or(doing)
}

fn shown(path: &Path) -> String {
    escape(&*path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;

    fn full() -> io::Error {
        io::Error::from_raw_os_error(28)
    }

    /// One error of each kind, and some of each crate's rarer ones.
    fn samples() -> Vec<Box<dyn Error + 'static>> {
        let (file, doing) = (PathBuf::from("/x/log"), "read");
        let address = "127.0.0.1:9".parse().unwrap();
        let mut all: Vec<Box<dyn Error + 'static>> = vec![
            Box::new(pigeon_net::OpenError {
                operation: Operation::Configure("SO_RCVBUF"),
                address,
                source: full(),
            }),
            Box::new(DriveError::Receive { local: address, source: full() }),
            Box::new(pigeon_log::OpenError::Missing { folder: file.clone() }),
            Box::new(pigeon_log::OpenError::Folder {
                doing: "create",
                path: file.clone(),
                source: full(),
            }),
            Box::new(ReadError::Damaged { doing, file: file.clone(), what: "x".into() }),
            Box::new(ForgetError::Unable(Trouble::Full)),
            Box::new(ExportError::Write(full())),
            Box::new(BackupError::Exists { file: file.clone() }),
            Box::new(ImportError::Unable { line: 3, trouble: Trouble::Gone }),
            Box::new(BadLine::NotText("room")),
            Box::new("x".parse::<pigeon_netsim::path::Probability>().unwrap_err()),
            Box::new(ConditionsError::MtuZero),
            Box::new(WhyNot::KissOfDeath { code: *b"RATE" }),
        ];
        #[cfg(feature = "quic")]
        {
            use pigeon_member::{FolderError, NotSaid, OpenMemberError};
            use pigeon_quic::{BadKey, CertificateError, ConfigError, ConnectError};
            all.push(Box::new(FolderError::Io { doing, path: file.clone(), source: full() }));
            let key = OpenMemberError::Key { folder: file.clone(), source: BadKey::NotPkcs8 };
            all.push(Box::new(key));
            let in_folder = FolderError::Io { doing: "lock", path: file.clone(), source: full() };
            all.push(Box::new(OpenMemberError::from(in_folder)));
            all.push(Box::new(OpenMemberError::from(ConnectError::Address(address))));
            all.push(Box::new(NotSaid::Waiting));
            all.push(Box::new(CertificateError::Mismatch));
            all.push(Box::new(ConfigError::Idle));
        }
        #[cfg(feature = "page")]
        all.push(Box::new(pigeon_web::ServerError::Listen { address, source: full() }));
        all
    }

    /// Longest run of Latin letters and blanks, in letters.
    fn longest_latin(text: &str) -> usize {
        let is_latin = |c: char| c.is_ascii_lowercase() || c == ' ';
        text.split(|c: char| !is_latin(c)).map(|run| run.trim().len()).max().unwrap_or(0)
    }

    #[test]
    fn english_is_what_the_library_says_and_chinese_has_no_english_sentence() {
        for error in samples() {
            let error = &*error;
            let english = said_in(Language::English, error);
            let Some(Whole(english) | Beginning(english)) = english else { panic!("{error:?}") };
            assert!(english.starts_with(&error.to_string()), "{english}\n{error}");
            let chinese = said_in(Language::Chinese, error);
            let Some(Whole(chinese) | Beginning(chinese)) = chinese else { panic!("{error:?}") };
            assert!(!chinese.is_ascii() && longest_latin(&chinese) < 12, "{chinese}");
        }
    }

    #[test]
    fn an_error_of_the_system_is_said_once() {
        let whole = |error: &(dyn Error + 'static)| system_error::whole(error);
        assert_eq!(
            whole(&ExportError::Write(full())),
            "cannot write the export: No space left on device (os error 28)"
        );
        let drive = DriveError::Wait { source: full() };
        assert_eq!(
            whole(&drive),
            "cannot wait for datagrams: No space left on device (os error 28)"
        );
    }
}
