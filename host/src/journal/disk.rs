//! Entries as they lie on disk: a version byte, then postcard of the shapes in this file. They have
//! types of their own, so that the domain's may change freely and a change here is a decision.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::entry::{CallRecord, Ending, Entry, Fact, RunCreated, Stored};
use super::error::Error;
use super::fingerprint::Fingerprint;
use super::store::BlobId;
use crate::model::{
    Fault, FaultClass, FaultCode, FolderGrant, Grants, LogLevel, PauseReason, RunId, StepSeq, Timestamp,
};

/// The format of entries, in the first byte of each. Variants and fields are added at the end of the
/// enums only; anything else takes a new number and keeps the old shapes for reading.
///
/// Changelog
/// - 1: the first.
pub const ENTRY_FORMAT: u8 = 1;

/// Encodes an entry.
///
/// # Errors
/// [`Error::Bug`] where postcard refuses.
pub(super) fn encode(entry: &Entry) -> Result<Bytes, Error> {
    let mut out = Vec::with_capacity(256);
    out.push(ENTRY_FORMAT);
    postcard::to_extend(&(entry.at.0, Shape::from(&entry.fact)), out)
        .map(Bytes::from)
        .map_err(|error| Error::bug(format!("an entry can't be encoded: {error}")))
}

/// How much of an entry is wanted. What is left out stands there empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// All but the words of calls, which only people read: for a replay, which compares fingerprints.
    Replay,
    /// Nor results, but those that are checkpoints: for the fold.
    Fold,
}

/// Decodes an entry.
///
/// # Errors
/// [`Error::Version`] for a later format, [`Error::Damaged`] for bytes that are no entry.
pub(super) fn decode(bytes: &Bytes, wanted: Wanted) -> Result<Entry, Error> {
    let (&format, rest) = bytes.split_first().ok_or_else(|| Error::damaged("an entry is empty"))?;
    if format != ENTRY_FORMAT {
        return Err(Error::Version {
            what: "an entry of the journal",
            found: u32::from(format),
            supported: u32::from(ENTRY_FORMAT),
        });
    }
    let ((at, shape), left) = postcard::take_from_bytes::<(u64, Shape<'_>)>(rest)
        .map_err(|error| Error::damaged(format!("an entry can't be decoded: {error}")))?;
    if !left.is_empty() {
        return Err(Error::damaged(format!("an entry has {} bytes too many", left.len())));
    }
    let fact = match shape {
        Shape::StepFinished { step, call, result, fault, checkpoint, cancel_told }
            if wanted != Wanted::Whole =>
        {
            Fact::StepFinished {
                step: StepSeq(step),
                call: call.map(Call::without_words),
                result: match (&checkpoint, wanted) {
                    (None, Wanted::Fold) => Stored::Inline(Bytes::new()),
                    (None, _) => result.within(bytes),
                    // It is kept for long, and mustn't keep a whole page with it.
                    (Some(_), _) => result.into_domain(),
                },
                fault: fault.map(|code| FaultCode::from(code.to_owned())),
                checkpoint: checkpoint.map(str::to_owned),
                cancel_told,
            }
        }
        Shape::StepStarted { step, call, evidence } if wanted != Wanted::Whole => Fact::StepStarted {
            step: StepSeq(step),
            call: call.without_words(),
            evidence: Bytes::copy_from_slice(evidence),
        },
        shape => shape.into_fact()?,
    };
    Ok(Entry { at: Timestamp(at), fact })
}

/// [`Fact`] on disk. It borrows in both directions, so that encoding copies once and decoding too.
#[derive(Serialize, Deserialize)]
enum Shape<'a> {
    #[serde(borrow)]
    RunCreated(Box<Created<'a>>),
    Resumed {
        deliveries: u64,
    },
    StepStarted {
        step: u64,
        call: Call<'a>,
        evidence: &'a [u8],
    },
    StepAttempt {
        step: u64,
        attempt: u32,
        fault: DiskFault<'a>,
        next_at: u64,
    },
    StepFinished {
        step: u64,
        call: Option<Call<'a>>,
        result: Content<'a>,
        fault: Option<&'a str>,
        checkpoint: Option<&'a str>,
        cancel_told: bool,
    },
    StatusSet {
        after: u64,
        key: &'a str,
        value: &'a str,
    },
    Logged {
        after: u64,
        level: u8,
        message: &'a str,
        fields: Vec<(&'a str, &'a str)>,
    },
    CancelAsked {
        deadline: Option<u64>,
    },
    Paused {
        why: u8,
        fault: DiskFault<'a>,
    },
    Unpaused,
    Done {
        output: Content<'a>,
    },
    Failed {
        fault: DiskFault<'a>,
    },
    Cancelled,
    Repinned {
        component: [u8; 32],
    },
    Retried {
        from: u64,
        seed: [u8; 32],
    },
}

#[derive(Serialize, Deserialize)]
struct Created<'a> {
    run: &'a str,
    workflow: &'a str,
    component: [u8; 32],
    #[serde(borrow)]
    input: Content<'a>,
    sites: Vec<&'a str>,
    folders: Vec<(&'a str, &'a [u8])>,
    config: Option<&'a [u8]>,
    seed: [u8; 32],
    host: &'a str,
    began_at: u64,
    after: u64,
    resumed: Option<Content<'a>>,
    checkpoints: Vec<(&'a str, Content<'a>)>,
    statuses: Vec<(&'a str, &'a str)>,
}

#[derive(Serialize, Deserialize)]
struct Call<'a> {
    kind: &'a str,
    encoding: u8,
    hash: [u8; 32],
    args: &'a str,
    label: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
enum Content<'a> {
    Inline(&'a [u8]),
    Blob { id: [u8; 32], bytes: u64 },
}

/// [`Fault`] on disk.
#[derive(Serialize, Deserialize)]
struct DiskFault<'a> {
    code: &'a str,
    class: u8,
    message: &'a str,
    reply: Option<u16>,
    attempts: u32,
    retry_after_ms: Option<u64>,
    hint: Option<&'a str>,
}

/// Gives the enums of the model numbers on disk, which never change: a table for both directions.
macro_rules! numbered {
    ($to:ident, $from:ident, $type:ident, $what:literal, $($variant:ident = $number:literal),* $(,)?) => {
        pub(super) fn $to(value: $type) -> u8 {
            match value { $($type::$variant => $number),* }
        }

        pub(super) fn $from(number: u8) -> Result<$type, Error> {
            match number {
                $($number => Ok($type::$variant),)*
                other => Err(Error::damaged(format!(concat!("an entry has ", $what, " {}"), other))),
            }
        }
    };
}

numbered!(
    class_to_disk,
    class_from_disk,
    FaultClass,
    "the class of fault",
    Transient = 0,
    Permanent = 1,
    Cancelled = 2,
    TimedOut = 3,
    Indeterminate = 4
);
numbered!(
    level_to_disk,
    level_from_disk,
    LogLevel,
    "the log level",
    Trace = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4
);
numbered!(
    why_to_disk,
    why_from_disk,
    PauseReason,
    "the pause reason",
    Trapped = 0,
    Diverged = 1,
    Exhausted = 2,
    NoSpace = 3,
    Indeterminate = 4,
    Suspected = 5,
    Restored = 6,
    Asked = 7,
    Imported = 8
);

impl<'a> From<&'a Fact> for Shape<'a> {
    fn from(fact: &'a Fact) -> Self {
        match fact {
            Fact::RunCreated(created) => Self::RunCreated(Box::new(Created::from(created.as_ref()))),
            Fact::Resumed { deliveries } => Self::Resumed { deliveries: *deliveries },
            Fact::StepStarted { step, call, evidence } => {
                Self::StepStarted { step: step.0, call: call.into(), evidence }
            }
            Fact::StepAttempt { step, attempt, fault, next_at } => {
                Self::StepAttempt { step: step.0, attempt: *attempt, fault: fault.into(), next_at: next_at.0 }
            }
            Fact::StepFinished { step, call, result, fault, checkpoint, cancel_told } => Self::StepFinished {
                step: step.0,
                call: call.as_ref().map(Call::from),
                result: result.into(),
                fault: fault.as_ref().map(FaultCode::as_str),
                checkpoint: checkpoint.as_deref(),
                cancel_told: *cancel_told,
            },
            Fact::StatusSet { after, key, value } => Self::StatusSet { after: after.0, key, value },
            Fact::Logged { after, level, message, fields } => Self::Logged {
                after: after.0,
                level: level_to_disk(*level),
                message,
                fields: fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            },
            Fact::CancelAsked { deadline } => Self::CancelAsked { deadline: deadline.map(|at| at.0) },
            Fact::Paused { why, fault } => Self::Paused { why: why_to_disk(*why), fault: fault.into() },
            Fact::Unpaused => Self::Unpaused,
            Fact::Repinned { component } => Self::Repinned { component: component.0 },
            Fact::Retried { from, seed } => Self::Retried { from: from.0, seed: *seed },
            Fact::Ended(Ending::Done { output }) => Self::Done { output: output.into() },
            Fact::Ended(Ending::Failed { fault }) => Self::Failed { fault: fault.into() },
            Fact::Ended(Ending::Cancelled) => Self::Cancelled,
        }
    }
}

impl Shape<'_> {
    fn into_fact(self) -> Result<Fact, Error> {
        Ok(match self {
            Self::RunCreated(created) => Fact::RunCreated(Box::new((*created).into_domain()?)),
            Self::Resumed { deliveries } => Fact::Resumed { deliveries },
            Self::StepStarted { step, call, evidence } => Fact::StepStarted {
                step: StepSeq(step),
                call: call.into_domain(),
                evidence: Bytes::copy_from_slice(evidence),
            },
            Self::StepAttempt { step, attempt, fault, next_at } => Fact::StepAttempt {
                step: StepSeq(step),
                attempt,
                fault: fault.into_domain()?,
                next_at: Timestamp(next_at),
            },
            Self::StepFinished { step, call, result, fault, checkpoint, cancel_told } => Fact::StepFinished {
                step: StepSeq(step),
                call: call.map(Call::into_domain),
                result: result.into_domain(),
                fault: fault.map(|code| FaultCode::from(code.to_owned())),
                checkpoint: checkpoint.map(str::to_owned),
                cancel_told,
            },
            Self::StatusSet { after, key, value } => {
                Fact::StatusSet { after: StepSeq(after), key: key.to_owned(), value: value.to_owned() }
            }
            Self::Logged { after, level, message, fields } => Fact::Logged {
                after: StepSeq(after),
                level: level_from_disk(level)?,
                message: message.to_owned(),
                fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            },
            Self::CancelAsked { deadline } => Fact::CancelAsked { deadline: deadline.map(Timestamp) },
            Self::Paused { why, fault } => {
                Fact::Paused { why: why_from_disk(why)?, fault: fault.into_domain()? }
            }
            Self::Unpaused => Fact::Unpaused,
            Self::Done { output } => Fact::Ended(Ending::Done { output: output.into_domain() }),
            Self::Failed { fault } => Fact::Ended(Ending::Failed { fault: fault.into_domain()? }),
            Self::Cancelled => Fact::Ended(Ending::Cancelled),
            Self::Repinned { component } => Fact::Repinned { component: BlobId(component) },
            Self::Retried { from, seed } => Fact::Retried { from: StepSeq(from), seed },
        })
    }
}

impl<'a> From<&'a RunCreated> for Created<'a> {
    fn from(created: &'a RunCreated) -> Self {
        Self {
            run: created.run.as_str(),
            workflow: &created.workflow,
            component: created.component.0,
            input: (&created.input).into(),
            sites: created.grants.sites.iter().map(String::as_str).collect(),
            folders: created.grants.folders.iter().map(|f| (f.name.as_str(), path_bytes(&f.path))).collect(),
            config: created.grants.config.as_deref().map(path_bytes),
            seed: created.seed,
            host: &created.host,
            began_at: created.began_at.0,
            after: created.after.0,
            resumed: created.resumed.as_ref().map(Content::from),
            checkpoints: created
                .checkpoints
                .iter()
                .map(|(key, value)| (key.as_str(), value.into()))
                .collect(),
            statuses: created.statuses.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        }
    }
}

impl Created<'_> {
    fn into_domain(self) -> Result<RunCreated, Error> {
        let run: RunId = self.run.parse().map_err(Error::damaged)?;
        Ok(RunCreated {
            run,
            workflow: self.workflow.to_owned(),
            component: BlobId(self.component),
            input: self.input.into_domain(),
            grants: Grants {
                sites: self.sites.into_iter().map(str::to_owned).collect(),
                folders: self
                    .folders
                    .into_iter()
                    .map(|(name, path)| FolderGrant { name: name.to_owned(), path: path_from_bytes(path) })
                    .collect(),
                config: self.config.map(path_from_bytes),
            },
            seed: self.seed,
            host: self.host.to_owned(),
            began_at: Timestamp(self.began_at),
            after: StepSeq(self.after),
            resumed: self.resumed.map(Content::into_domain),
            checkpoints: self.checkpoints.into_iter().map(|(k, v)| (k.to_owned(), v.into_domain())).collect(),
            statuses: self.statuses.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        })
    }
}

/// Paths of Unix are bytes, and stay the same bytes.
fn path_bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

impl<'a> From<&'a CallRecord> for Call<'a> {
    fn from(call: &'a CallRecord) -> Self {
        Self {
            kind: &call.kind,
            encoding: call.fingerprint.encoding,
            hash: call.fingerprint.hash,
            args: &call.args,
            label: call.label.as_deref(),
        }
    }
}

impl Call<'_> {
    fn into_domain(self) -> CallRecord {
        let (kind, args) = (self.kind.to_owned(), self.args.to_owned());
        let label = self.label.map(str::to_owned);
        CallRecord { kind, args, label, ..self.without_words() }
    }

    /// What a replay compares, with no words.
    fn without_words(self) -> CallRecord {
        CallRecord {
            kind: String::new(),
            fingerprint: Fingerprint { encoding: self.encoding, hash: self.hash },
            args: String::new(),
            label: None,
        }
    }
}

impl<'a> From<&'a Stored> for Content<'a> {
    fn from(stored: &'a Stored) -> Self {
        match stored {
            Stored::Inline(bytes) => Self::Inline(bytes),
            Stored::Blob { id, bytes } => Self::Blob { id: id.0, bytes: *bytes },
        }
    }
}

impl Content<'_> {
    /// The same without a copy: `entry` is what it was decoded from.
    fn within(self, entry: &Bytes) -> Stored {
        match self {
            Self::Inline(bytes) => Stored::Inline(entry.slice_ref(bytes)),
            Self::Blob { id, bytes } => Stored::Blob { id: BlobId(id), bytes },
        }
    }

    fn into_domain(self) -> Stored {
        match self {
            Self::Inline(bytes) => Stored::Inline(Bytes::copy_from_slice(bytes)),
            Self::Blob { id, bytes } => Stored::Blob { id: BlobId(id), bytes },
        }
    }
}

impl<'a> From<&'a Fault> for DiskFault<'a> {
    fn from(fault: &'a Fault) -> Self {
        Self {
            code: fault.code.as_str(),
            class: class_to_disk(fault.class),
            message: &fault.message,
            reply: fault.reply,
            attempts: fault.attempts,
            retry_after_ms: fault.retry_after_ms,
            hint: fault.hint.as_deref(),
        }
    }
}

impl DiskFault<'_> {
    fn into_domain(self) -> Result<Fault, Error> {
        Ok(Fault {
            code: FaultCode::from(self.code.to_owned()),
            class: class_from_disk(self.class)?,
            message: self.message.to_owned(),
            reply: self.reply,
            attempts: self.attempts,
            retry_after_ms: self.retry_after_ms,
            hint: self.hint.map(str::to_owned),
        })
    }
}
