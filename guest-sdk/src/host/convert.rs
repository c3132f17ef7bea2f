//! Between the interface's generated types and the crate's own.

use std::time::Duration;

use super::bindings::orchestrator::workflow as wit;
use crate::clock::{Timestamp, millis};
use crate::files::{Digest, FileInfo, FileKind, HashAlgorithm, Select};
use crate::ftp::{
    Commit, Direction, Features, IfExists, IfSourceGrows, Proof, Receipt, Sidecar, Transfer, TransferOptions,
};
use crate::log::Level;
use crate::retry::{Exhausted, Jitter, RetryPolicy};
use crate::{Error, ErrorClass};

/// Conversions between enumerations that have the same cases on both sides.
macro_rules! same_cases {
    ($($from:ty => $to:ty { $($case:ident)* })*) => {$(
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                match value { $(<$from>::$case => Self::$case,)* }
            }
        }
    )*};
}

same_cases! {
    wit::types::ErrorClass => ErrorClass { Transient Permanent Cancelled TimedOut Indeterminate }
    ErrorClass => wit::types::ErrorClass { Transient Permanent Cancelled TimedOut Indeterminate }
    wit::types::FileKind => FileKind { File Dir Link Other }
    FileKind => wit::types::FileKind { File Dir Link Other }
    wit::types::HashAlgorithm => HashAlgorithm { Crc32 Md5 Sha256 }
    HashAlgorithm => wit::types::HashAlgorithm { Crc32 Md5 Sha256 }
    Jitter => wit::types::Jitter { None Full Equal Decorrelated }
    wit::types::Jitter => Jitter { None Full Equal Decorrelated }
    Exhausted => wit::types::Exhausted { Fail Pause }
    wit::types::Exhausted => Exhausted { Fail Pause }
    Commit => wit::ftp::Commit { Auto Manual ExactlyOnce }
    IfExists => wit::ftp::IfExists { Fail Replace Skip Newer }
    IfSourceGrows => wit::ftp::IfSourceGrows { Fail UpToStartSize Follow }
    Sidecar => wit::ftp::Sidecar { Md5 Sha256 }
    Direction => wit::ftp::Direction { Download Upload }
    wit::ftp::Proof => Proof { DigestOfServer DigestExpected Sidecar ReadBack RecordCount SizeOnly }
    Level => wit::log::Level { Trace Debug Info Warn Error }
}

/// Not a `From`: generated failures are standard errors, and any of those becomes an `Error` already,
/// with a code of its own.
pub(super) fn error(failure: wit::types::Failure) -> Error {
    Error {
        code: failure.code,
        class: failure.class.into(),
        message: failure.message,
        reply: failure.reply,
        attempts: failure.attempts,
        retry_after: failure.retry_after.map(Duration::from_millis),
        hint: failure.hint,
    }
}

impl From<Error> for wit::types::Failure {
    fn from(error: Error) -> Self {
        Self {
            code: error.code,
            class: error.class.into(),
            message: error.message,
            reply: error.reply,
            attempts: error.attempts,
            retry_after: error.retry_after.map(millis),
            hint: error.hint,
        }
    }
}

impl From<wit::types::FileInfo> for FileInfo {
    fn from(info: wit::types::FileInfo) -> Self {
        Self {
            path: info.path,
            kind: info.kind.into(),
            size: info.size,
            modified: info.modified.map(Timestamp),
            unique: info.unique,
        }
    }
}

impl From<&FileInfo> for wit::types::FileInfo {
    fn from(info: &FileInfo) -> Self {
        Self {
            path: info.path.clone(),
            kind: info.kind.into(),
            size: info.size,
            modified: info.modified.map(|at| at.0),
            unique: info.unique.clone(),
        }
    }
}

pub(super) fn selection(select: &Select, recursive: bool) -> wit::types::Selection {
    wit::types::Selection { include: select.include.clone(), exclude: select.exclude.clone(), recursive }
}

impl From<wit::types::Digest> for Digest {
    fn from(digest: wit::types::Digest) -> Self {
        Self { algorithm: digest.algorithm.into(), hex: digest.hex }
    }
}

impl From<&Digest> for wit::types::Digest {
    fn from(digest: &Digest) -> Self {
        Self { algorithm: digest.algorithm.into(), hex: digest.hex.clone() }
    }
}

impl From<&RetryPolicy> for wit::types::RetryPolicy {
    fn from(policy: &RetryPolicy) -> Self {
        Self {
            max_attempts: policy.max_attempts,
            max_elapsed: policy.max_elapsed.map(millis),
            initial_delay: millis(policy.initial_delay),
            multiplier_percent: policy.multiplier_percent,
            max_delay: millis(policy.max_delay),
            jitter: policy.jitter.into(),
            non_retryable: policy.non_retryable.clone(),
            on_exhausted: policy.on_exhausted.into(),
        }
    }
}

impl From<wit::types::RetryPolicy> for RetryPolicy {
    fn from(policy: wit::types::RetryPolicy) -> Self {
        Self {
            max_attempts: policy.max_attempts,
            max_elapsed: policy.max_elapsed.map(Duration::from_millis),
            initial_delay: Duration::from_millis(policy.initial_delay),
            multiplier_percent: policy.multiplier_percent,
            max_delay: Duration::from_millis(policy.max_delay),
            jitter: policy.jitter.into(),
            non_retryable: policy.non_retryable,
            on_exhausted: policy.on_exhausted.into(),
        }
    }
}

impl From<&TransferOptions> for wit::ftp::TransferOptions {
    fn from(options: &TransferOptions) -> Self {
        Self {
            commit: options.commit.into(),
            if_exists: options.if_exists.into(),
            if_source_grows: options.if_source_grows.into(),
            verify: options.verify.iter().map(|&algorithm| algorithm.into()).collect(),
            expect: options.expect.as_ref().map(Into::into),
            expect_records: options.expect_records,
            if_unchanged: options.if_unchanged.as_ref().map(Into::into),
            keep_mtime: options.keep_mtime,
            rate_limit: options.rate_limit,
            retry: options.retry.as_ref().map(Into::into),
            on_exhausted: options.on_exhausted.map(Into::into),
            read_back: options.read_back,
            direct: options.direct,
            check_sidecar: options.check_sidecar.map(Into::into),
            write_sidecar: options.write_sidecar.map(Into::into),
            keep_mode: options.keep_mode,
        }
    }
}

impl From<wit::ftp::Receipt> for Receipt {
    fn from(receipt: wit::ftp::Receipt) -> Self {
        Self {
            bytes: receipt.bytes,
            resumed_from: receipt.resumed_from,
            resent: receipt.resent,
            attempts: receipt.attempts,
            elapsed: Duration::from_millis(receipt.elapsed),
            digests: receipt.digests.into_iter().map(Into::into).collect(),
            proof: receipt.proof.into(),
            skipped: receipt.skipped,
            mode: receipt.mode,
            file: receipt.file.into(),
        }
    }
}

impl From<wit::ftp::Features> for Features {
    fn from(features: wit::ftp::Features) -> Self {
        Self {
            rest: features.rest,
            size: features.size,
            mdtm: features.mdtm,
            mlst: features.mlst,
            set_modified: features.set_modified,
            utf8: features.utf8,
            tls: features.tls,
            hashes: features.hashes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<&Transfer> for wit::ftp::Transfer {
    fn from(transfer: &Transfer) -> Self {
        Self {
            direction: transfer.direction.into(),
            remote: transfer.remote.clone(),
            local: transfer.local.clone(),
        }
    }
}
