//! What a reply of the server means for us: the one place that judges codes and texts.
//!
//! The codes are those of RFC 959 (4.2), RFC 2228, RFC 4217 and what servers made of them
//! (quirks.md). Some codes mean several things, so 450, 530, 550 and 421 are told apart by words
//! that servers use. A text in a language that isn't known here gets the code's plain meaning.

use super::names;
use crate::model::{Fault, FaultClass, FaultCode};

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The three digits at its start. suppaftp knows only some; these are the server's own.
    pub(super) code: u16,
    /// The whole of it, invalid UTF-8 replaced, without the last line end.
    pub(super) text: String,
}

impl Reply {
    /// Reads a reply's bytes; `None` when it doesn't begin with a code.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let code = std::str::from_utf8(bytes.get(..3)?).ok()?.parse().ok()?;
        Some(Self { code, text: String::from_utf8_lossy(bytes).trim_end().to_owned() })
    }

    /// 2xx (RFC 959, 4.2.1).
    pub(super) fn is_completion(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The text of the last line, without the code.
    pub(super) fn words(&self) -> &str {
        let line = self.text.lines().last().unwrap_or("");
        line.get(4..).unwrap_or("").trim()
    }

    /// The words of all lines: servers say what went wrong in any of them.
    fn all_words(&self) -> String {
        let code = self.code.to_string();
        let words = self.text.lines().map(|line| {
            let rest = line.strip_prefix(&code).unwrap_or(line);
            rest.strip_prefix('-').unwrap_or(rest).trim()
        });
        words.filter(|words| !words.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// For messages: all lines as one, shortened, with control characters escaped.
    pub(super) fn for_people(&self) -> String {
        let words: Vec<u8> = self.all_words().chars().take(200).collect::<String>().into_bytes();
        format!("{} {}", self.code, names::for_people(&words)).trim_end().to_owned()
    }

    /// Whether the server's own words hold one of these. A name that it repeats isn't among them: a
    /// folder may well be called `locked` or `full`. Names stand before the last colon
    /// (`550 a b: Permission denied`), or have a slash, or quotes around them.
    fn says(&self, needles: &[&str]) -> bool {
        let text = self.text.to_lowercase();
        let after_name = text.rsplit_once(": ").filter(|_| matches!(self.code, 450 | 550 | 553));
        let own = after_name.map_or(text.as_str(), |(_, after)| after);
        let own: Vec<&str> = own
            .split_whitespace()
            .filter(|word| !word.contains('/') && !word.trim_end_matches('.').ends_with(['"', '\'']))
            .collect();
        let own = own.join(" ");
        needles.iter().any(|needle| own.contains(needle))
    }
}

/// What a reply that isn't the hoped-for one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// 421: the session is over; come again later.
    Closing,
    /// 421 or 530 that speaks of a limit.
    TooMany,
    /// 425: no data connection; another way may work.
    NoDataConnection,
    /// 426, 451: the transfer was broken off on the server's side.
    Aborted,
    /// 450 and some 550: busy, locked, or a failure that passes.
    Busy,
    /// 452, 552: out of space.
    NoSpace,
    /// 430, 530, 332, 532: user, password or account refused.
    Login,
    /// 500, 502, 504, and 202: the server can't do this.
    Unsupported,
    /// 501, 503: we sent what it doesn't take.
    BadCall,
    /// 431, 522, 533–537: the protection isn't what the server wants.
    Protection,
    /// 550: there is no such file or folder.
    NotFound,
    /// 550, 553: something with this name is there already.
    Exists,
    /// 550: not permitted.
    Denied,
    /// 550 with words that aren't known here.
    Refused,
    /// 553: the name.
    BadName,
    /// 551, 554: the offset or the structure.
    BadOffset,
    /// No code that may stand here: the two sides are out of step.
    OutOfStep,
}

const TOO_MANY: &[&str] =
    &["too many", "limit", "maximum", "max connections", "no more", "temporar", "busy", "full"];
const PASSING: &[&str] = &[
    "timed out",
    "timeout",
    "broken pipe",
    "too many",
    "busy",
    "lock",
    "in use",
    "being used",
    "try again",
    "closed by",
    "temporar",
    "reset by",
];
const NOT_FOUND: &[&str] = &[
    "no such",
    "not found",
    "not exist",
    "n't exist",
    "cannot find",
    "can't find",
    "could not find",
    "no file",
    "not a valid file",
    "can't open",
    "couldn't open",
    "failed to open",
    "can't check for file existence",
    "failed to change directory",
    "could not get file",
];
const EXISTS: &[&str] = &["exists", "already", "eexist", "overwrite"];
const DENIED: &[&str] = &[
    "permission",
    "denied",
    "not permitted",
    "not allowed",
    "forbidden",
    "read-only",
    "readonly",
    "privilege",
    "access is",
];
const NO_SPACE: &[&str] = &["no space", "disk full", "disk is full", "quota", "insufficient", "out of space"];

/// What vsftpd and pure-ftpd say, under 451, when a write of theirs fails: nearly always a full disk,
/// and in any case something that somebody has to see to on the server.
const WRITE_FAILED: &[&str] = &["failure writing to local file", "error during write to file"];

/// The one match of codes.
pub(super) fn meaning(reply: &Reply) -> Meaning {
    match reply.code {
        421 if reply.says(TOO_MANY) => Meaning::TooMany,
        421 => Meaning::Closing,
        425 => Meaning::NoDataConnection,
        426 | 451 if reply.says(NO_SPACE) || reply.says(WRITE_FAILED) => Meaning::NoSpace,
        426 | 451 => Meaning::Aborted,
        450 if reply.says(NOT_FOUND) => Meaning::NotFound,
        450 => Meaning::Busy,
        452 | 552 => Meaning::NoSpace,
        430 | 332 | 532 => Meaning::Login,
        530 if reply.says(TOO_MANY) => Meaning::TooMany,
        530 => Meaning::Login,
        202 | 500 | 502 | 504 => Meaning::Unsupported,
        501 | 503 => Meaning::BadCall,
        431 | 522 | 533..=537 => Meaning::Protection,
        550 if reply.says(NO_SPACE) => Meaning::NoSpace,
        550 if reply.says(PASSING) => Meaning::Busy,
        550 if reply.says(DENIED) => Meaning::Denied,
        550 if reply.says(EXISTS) && !reply.says(NOT_FOUND) => Meaning::Exists,
        550 if reply.says(NOT_FOUND) => Meaning::NotFound,
        550 => Meaning::Refused,
        553 if reply.says(DENIED) => Meaning::Denied,
        553 if reply.says(EXISTS) => Meaning::Exists,
        553 if reply.says(NOT_FOUND) => Meaning::NotFound,
        553 => Meaning::BadName,
        551 | 554 => Meaning::BadOffset,
        _ => Meaning::OutOfStep,
    }
}

impl Meaning {
    /// The code of the fault that tells of it.
    fn code(self) -> FaultCode {
        match self {
            Self::Closing => FaultCode::FtpConnectionLost,
            Self::TooMany => FaultCode::FtpTooMany,
            Self::NoDataConnection => FaultCode::FtpNoDataConnection,
            Self::Aborted | Self::Busy => FaultCode::FtpBusy,
            Self::NoSpace => FaultCode::FtpNoSpace,
            Self::Login => FaultCode::FtpLogin,
            Self::Unsupported | Self::BadCall | Self::BadOffset => FaultCode::FtpUnsupported,
            Self::Protection => FaultCode::FtpTls,
            Self::NotFound => FaultCode::FtpNotFound,
            Self::Exists => FaultCode::FtpExists,
            Self::Denied | Self::Refused => FaultCode::FtpDenied,
            Self::BadName => FaultCode::FtpBadName,
            Self::OutOfStep => FaultCode::FtpProtocol,
        }
    }

    /// Whether the session can't go on after it.
    pub(super) fn ends_session(self) -> bool {
        matches!(self, Self::Closing | Self::TooMany | Self::OutOfStep)
    }
}

/// The fault of a reply. `doing` says what we were doing, to which site and path; `moved` says that
/// bytes of this transfer have passed already: then a 550 is the server's trouble, not the name's.
pub(super) fn fault(reply: &Reply, doing: &str, moved: bool) -> Fault {
    let meaning = meaning(reply);
    let text = format!("{doing}: the server says \"{}\"", reply.for_people());
    let mut fault = Fault::new(meaning.code(), text).with_reply(reply.code);
    fault.retry_after_ms = retry_after_ms(reply);
    match meaning {
        Meaning::Refused | Meaning::NotFound | Meaning::Denied if moved => {
            Fault { code: FaultCode::FtpBusy, ..fault }.with_class(FaultClass::Transient)
        }
        Meaning::Protection => fault
            .with_hint("the server wants another protection; see `tls` of this site in the configuration"),
        Meaning::NoSpace => fault.with_hint("make room on the server, or ask for a larger quota"),
        Meaning::Denied | Meaning::Refused => {
            fault.with_hint("the rights of this account on the server decide that: ask whoever runs it")
        }
        _ => fault,
    }
}

/// Whether a refused data connection may be for want of a resumed TLS session.
pub(super) fn wants_resumption(reply: &Reply) -> bool {
    match meaning(reply) {
        Meaning::Protection => true,
        Meaning::NoDataConnection => {
            reply.says(&["ssl", "tls", "session", "reuse", "operation not permitted"])
        }
        _ => false,
    }
}

/// The wait that a 4xx or a refused login asks for: "try again in 30 seconds".
fn retry_after_ms(reply: &Reply) -> Option<u64> {
    const LONGEST_MS: u64 = 60 * 60 * 1000;
    if !matches!(reply.code, 400..500 | 530) {
        return None;
    }
    let text = reply.words().to_lowercase();
    let mut words = text.split_whitespace().skip_while(|word| *word != "in" && *word != "after").skip(1);
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next()?.get(..3)? {
        "sec" => 1000,
        "min" => 60_000,
        _ => return None,
    };
    Some(number.saturating_mul(unit).min(LONGEST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        Reply::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn codes_that_suppaftp_does_not_know_are_kept() {
        assert_eq!(reply("522 SSL connection failed; session reuse required").code, 522);
        assert_eq!(meaning(&reply("522 session reuse required")), Meaning::Protection);
        assert_eq!(meaning(&reply("554 bad offset")), Meaning::BadOffset);
        assert_eq!(Reply::parse(b"xx"), None);
    }

    #[test]
    fn texts_tell_apart_what_one_code_means() {
        for (text, expected) in [
            ("451 Failure writing to local file.", Meaning::NoSpace),
            ("451-Error during write to file\r\n451 Transfer aborted", Meaning::NoSpace),
            ("451 Local error", Meaning::Aborted),
            ("550 Failed to open file.", Meaning::NotFound),
            ("550 nope.txt: No such file or directory", Meaning::NotFound),
            ("550 a: Permission denied", Meaning::Denied),
            ("550 /locked/no such file: Permission denied", Meaning::Denied),
            ("550 /busy/a.txt not found", Meaning::NotFound),
            ("550 'full.lock': No such file or directory", Meaning::NotFound),
            ("550 Create directory operation failed.", Meaning::Refused),
            ("550 d: File exists", Meaning::Exists),
            ("550 The process cannot access the file because it is being used", Meaning::Busy),
            ("550 Datei oder Verzeichnis fehlt", Meaning::Refused),
            ("550 disk quota exceeded", Meaning::NoSpace),
            ("530 Login incorrect.", Meaning::Login),
            ("530 Sorry, the maximum number of clients (3) are already connected", Meaning::TooMany),
            ("421 Too many users", Meaning::TooMany),
            ("421 Timeout.", Meaning::Closing),
            ("450 file not found", Meaning::NotFound),
            ("450 File busy", Meaning::Busy),
            ("451 no space left on device", Meaning::NoSpace),
            ("553 Could not create file.", Meaning::BadName),
            ("999 what", Meaning::OutOfStep),
        ] {
            assert_eq!(meaning(&reply(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_refusal_in_the_middle_of_a_file_passes() {
        let told = fault(&reply("550 read error"), "read `a`", true);
        assert!(told.is_transient());
        assert!(!fault(&reply("550 Permission denied"), "read `a`", false).is_transient());
        assert_eq!(told.reply, Some(550));
    }

    #[test]
    fn refusals_for_want_of_a_resumed_session_are_known() {
        assert!(wants_resumption(&reply("522 SSL connection failed: session reuse required")));
        assert!(wants_resumption(&reply("425 Unable to build data connection: Operation not permitted")));
        assert!(!wants_resumption(&reply("425 Can't open data connection")));
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_passed_on() {
        let wait = |text| fault(&reply(text), "x", false).retry_after_ms;
        assert_eq!(wait("421 Too many connections, try again in 30 seconds."), Some(30_000));
        assert_eq!(wait("450 busy, retry after 2 minutes"), Some(120_000));
        assert_eq!(wait("421 in 3 days"), None);
        assert_eq!(wait("550 wait in 30 seconds"), None);
    }

    #[test]
    fn control_characters_of_a_server_do_not_reach_the_terminal() {
        assert_eq!(reply("500 \u{1b}[31mcan't").for_people(), "500 \\u{1b}[31mcan't");
    }
}
