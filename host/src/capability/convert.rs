//! Between the words of the domain and those of `wit/`. Matches are exhaustive, so that a variant
//! added on either side doesn't compile until both know it.

use super::bindings::{ftp as wit_ftp, log as wit_log, types as wit};
use crate::model::{
    ByteCount, Commit, Digest, Direction, Exhausted, Fault, FaultClass, FaultCode, FileInfo, FileKind,
    HashAlgorithm, IfExists, IfSourceGrows, Jitter, LogLevel, Proof, Receipt, RetryPolicy, Select, Timestamp,
    TransferOptions,
};
use crate::transfer::Features;

/// The largest number that every guest language carries exactly.
pub(super) const NUMBER_MAX: u64 = (1 << 53) - 1;

/// A number for guests.
pub(super) fn number(value: u64) -> u64 {
    value.min(NUMBER_MAX)
}

/// The most bytes of a code that a guest made up.
const CODE_BYTES_MAX: usize = 64;

/// The most bytes of a message or hint of a guest's own failure.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Cuts at a character.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

pub(super) fn class_to_wit(class: FaultClass) -> wit::ErrorClass {
    match class {
        FaultClass::Transient => wit::ErrorClass::Transient,
        FaultClass::Permanent => wit::ErrorClass::Permanent,
        FaultClass::Cancelled => wit::ErrorClass::Cancelled,
        FaultClass::TimedOut => wit::ErrorClass::TimedOut,
        FaultClass::Indeterminate => wit::ErrorClass::Indeterminate,
    }
}

fn class_to_model(class: wit::ErrorClass) -> FaultClass {
    match class {
        wit::ErrorClass::Transient => FaultClass::Transient,
        wit::ErrorClass::Permanent => FaultClass::Permanent,
        wit::ErrorClass::Cancelled => FaultClass::Cancelled,
        wit::ErrorClass::TimedOut => FaultClass::TimedOut,
        wit::ErrorClass::Indeterminate => FaultClass::Indeterminate,
    }
}

pub(super) fn failure(fault: Fault) -> wit::Failure {
    wit::Failure {
        code: fault.code.as_str().to_owned(),
        class: class_to_wit(fault.class),
        message: fault.message,
        reply: fault.reply,
        attempts: fault.attempts.max(1),
        retry_after: fault.retry_after_ms.map(number),
        hint: fault.hint,
    }
}

/// A failure as a guest gave it, within bounds. A guest may pass on a failure of ours or make one up;
/// it can't make up an interruption, which is ours alone to tell.
pub(crate) fn fault(failure: wit::Failure) -> Fault {
    let class = class_to_model(failure.class);
    let code = match FaultCode::from(cut(&failure.code, CODE_BYTES_MAX).to_owned()) {
        FaultCode::RunInterrupted => FaultCode::Other("workflow.interrupted".to_owned()),
        code => code,
    };
    Fault {
        code,
        class,
        message: cut(&failure.message, MESSAGE_BYTES_MAX).to_owned(),
        reply: failure.reply,
        attempts: failure.attempts,
        retry_after_ms: failure.retry_after,
        hint: failure.hint.map(|hint| cut(&hint, MESSAGE_BYTES_MAX).to_owned()),
    }
}

pub(super) fn algorithm_to_model(algorithm: wit::HashAlgorithm) -> HashAlgorithm {
    match algorithm {
        wit::HashAlgorithm::Crc32 => HashAlgorithm::Crc32,
        wit::HashAlgorithm::Md5 => HashAlgorithm::Md5,
        wit::HashAlgorithm::Sha256 => HashAlgorithm::Sha256,
    }
}

/// `None` for SHA-1, for which guests have no word: it is never computed unasked.
fn algorithm_to_wit(algorithm: HashAlgorithm) -> Option<wit::HashAlgorithm> {
    match algorithm {
        HashAlgorithm::Crc32 => Some(wit::HashAlgorithm::Crc32),
        HashAlgorithm::Md5 => Some(wit::HashAlgorithm::Md5),
        HashAlgorithm::Sha1 => None,
        HashAlgorithm::Sha256 => Some(wit::HashAlgorithm::Sha256),
    }
}

pub(super) fn digest_to_wit(digest: Digest) -> Option<wit::Digest> {
    Some(wit::Digest { algorithm: algorithm_to_wit(digest.algorithm)?, hex: digest.hex })
}

fn digest_to_model(digest: wit::Digest) -> Digest {
    Digest { algorithm: algorithm_to_model(digest.algorithm), hex: digest.hex.to_ascii_lowercase() }
}

pub(super) fn file_to_wit(file: FileInfo) -> wit::FileInfo {
    wit::FileInfo {
        path: file.path,
        kind: match file.kind {
            FileKind::File => wit::FileKind::File,
            FileKind::Dir => wit::FileKind::Dir,
            FileKind::Link => wit::FileKind::Link,
            FileKind::Other => wit::FileKind::Other,
        },
        size: file.size.map(|size| number(size.0)),
        modified: file.modified.map(|at| number(at.0)),
        unique: file.unique,
    }
}

pub(super) fn file_to_model(file: wit::FileInfo) -> FileInfo {
    FileInfo {
        path: file.path,
        kind: match file.kind {
            wit::FileKind::File => FileKind::File,
            wit::FileKind::Dir => FileKind::Dir,
            wit::FileKind::Link => FileKind::Link,
            wit::FileKind::Other => FileKind::Other,
        },
        size: file.size.map(ByteCount),
        modified: file.modified.map(Timestamp),
        unique: file.unique,
    }
}

pub(super) fn selection_to_model(which: wit::Selection) -> Select {
    Select { include: which.include, exclude: which.exclude, recursive: which.recursive }
}

pub(super) fn features_to_wit(features: Features) -> wit_ftp::Features {
    wit_ftp::Features {
        rest: features.rest,
        size: features.size,
        mdtm: features.mdtm,
        mlst: features.mlst,
        set_modified: features.set_mtime,
        utf8: features.utf8,
        tls: features.tls,
        hashes: features.hashes.into_iter().filter_map(algorithm_to_wit).collect(),
    }
}

pub(super) fn policy_to_model(policy: wit::RetryPolicy) -> RetryPolicy {
    RetryPolicy {
        max_attempts: policy.max_attempts,
        max_elapsed_ms: policy.max_elapsed,
        initial_delay_ms: policy.initial_delay,
        multiplier_percent: policy.multiplier_percent,
        max_delay_ms: policy.max_delay,
        jitter: match policy.jitter {
            wit::Jitter::None => Jitter::None,
            wit::Jitter::Full => Jitter::Full,
            wit::Jitter::Equal => Jitter::Equal,
            wit::Jitter::Decorrelated => Jitter::Decorrelated,
        },
        non_retryable: policy.non_retryable.into_iter().take(64).collect(),
        on_exhausted: exhausted_to_model(policy.on_exhausted),
    }
}

pub(super) fn policy_to_wit(policy: RetryPolicy) -> wit::RetryPolicy {
    wit::RetryPolicy {
        max_attempts: policy.max_attempts,
        max_elapsed: policy.max_elapsed_ms.map(number),
        initial_delay: number(policy.initial_delay_ms),
        multiplier_percent: policy.multiplier_percent,
        max_delay: number(policy.max_delay_ms),
        jitter: match policy.jitter {
            Jitter::None => wit::Jitter::None,
            Jitter::Full => wit::Jitter::Full,
            Jitter::Equal => wit::Jitter::Equal,
            Jitter::Decorrelated => wit::Jitter::Decorrelated,
        },
        non_retryable: policy.non_retryable,
        on_exhausted: match policy.on_exhausted {
            Exhausted::Fail => wit::Exhausted::Fail,
            Exhausted::Pause => wit::Exhausted::Pause,
        },
    }
}

fn exhausted_to_model(exhausted: wit::Exhausted) -> Exhausted {
    match exhausted {
        wit::Exhausted::Fail => Exhausted::Fail,
        wit::Exhausted::Pause => Exhausted::Pause,
    }
}

pub(super) fn options_to_model(options: wit_ftp::TransferOptions) -> Result<TransferOptions, Fault> {
    if options.rate_limit == Some(0) {
        return Err(Fault::new(FaultCode::CallInvalid, "a rate limit of 0 bytes per second"));
    }
    let mut verify: Vec<_> = options.verify.into_iter().map(algorithm_to_model).collect();
    verify.push(HashAlgorithm::Sha256);
    verify.sort_unstable();
    verify.dedup();
    Ok(TransferOptions {
        commit: match options.commit {
            wit_ftp::Commit::Auto => Commit::Auto,
            wit_ftp::Commit::Manual => Commit::Manual,
            wit_ftp::Commit::ExactlyOnce => Commit::ExactlyOnce,
        },
        if_exists: match options.if_exists {
            wit_ftp::IfExists::Fail => IfExists::Fail,
            wit_ftp::IfExists::Replace => IfExists::Replace,
            wit_ftp::IfExists::Skip => IfExists::Skip,
            wit_ftp::IfExists::Newer => IfExists::Newer,
        },
        if_source_grows: match options.if_source_grows {
            wit_ftp::IfSourceGrows::Fail => IfSourceGrows::Fail,
            wit_ftp::IfSourceGrows::UpToStartSize => IfSourceGrows::UpToStartSize,
            wit_ftp::IfSourceGrows::Follow => IfSourceGrows::Follow,
        },
        verify,
        expect: options.expect.map(digest_to_model),
        expect_records: options.expect_records,
        if_unchanged: options.if_unchanged.map(file_to_model),
        keep_mtime: options.keep_mtime,
        rate_limit: options.rate_limit,
        retry: options.retry.map(policy_to_model),
        on_exhausted: options.on_exhausted.map(exhausted_to_model),
        read_back: options.read_back,
        direct: options.direct,
        check_sidecar: options.check_sidecar.map(sidecar_to_model),
        write_sidecar: options.write_sidecar.map(sidecar_to_model),
        keep_mode: options.keep_mode,
    })
}

fn sidecar_to_model(sidecar: wit_ftp::Sidecar) -> HashAlgorithm {
    match sidecar {
        wit_ftp::Sidecar::Md5 => HashAlgorithm::Md5,
        wit_ftp::Sidecar::Sha256 => HashAlgorithm::Sha256,
    }
}

pub(super) fn direction_to_model(direction: wit_ftp::Direction) -> Direction {
    match direction {
        wit_ftp::Direction::Download => Direction::Download,
        wit_ftp::Direction::Upload => Direction::Upload,
    }
}

pub(super) fn receipt_to_wit(receipt: Receipt) -> wit_ftp::Receipt {
    wit_ftp::Receipt {
        bytes: number(receipt.bytes.0),
        resumed_from: number(receipt.resumed_from.0),
        resent: number(receipt.resent.0),
        attempts: receipt.attempts,
        elapsed: number(receipt.elapsed_ms),
        digests: receipt.digests.into_iter().filter_map(digest_to_wit).collect(),
        proof: match receipt.proof {
            Proof::DigestOfServer => wit_ftp::Proof::DigestOfServer,
            Proof::DigestExpected => wit_ftp::Proof::DigestExpected,
            Proof::Sidecar => wit_ftp::Proof::Sidecar,
            Proof::ReadBack => wit_ftp::Proof::ReadBack,
            Proof::RecordCount => wit_ftp::Proof::RecordCount,
            Proof::SizeOnly => wit_ftp::Proof::SizeOnly,
        },
        skipped: receipt.skipped,
        mode: receipt.mode,
        file: file_to_wit(receipt.file),
    }
}

pub(super) fn level_to_model(level: wit_log::Level) -> LogLevel {
    match level {
        wit_log::Level::Trace => LogLevel::Trace,
        wit_log::Level::Debug => LogLevel::Debug,
        wit_log::Level::Info => LogLevel::Info,
        wit_log::Level::Warn => LogLevel::Warn,
        wit_log::Level::Error => LogLevel::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("é", 0), "");
    }

    #[test]
    fn a_guest_cannot_make_up_an_interruption() {
        let given = wit::Failure {
            code: "run.interrupted".to_owned(),
            class: wit::ErrorClass::Cancelled,
            message: "x".repeat(10_000),
            reply: None,
            attempts: 1,
            retry_after: None,
            hint: None,
        };
        let fault = fault(given);
        assert_ne!(fault.code, FaultCode::RunInterrupted);
        assert_eq!(fault.message.len(), MESSAGE_BYTES_MAX);
    }

    #[test]
    fn sha256_is_always_among_the_digests() {
        let options = wit_ftp::TransferOptions {
            commit: wit_ftp::Commit::Auto,
            if_exists: wit_ftp::IfExists::Replace,
            if_source_grows: wit_ftp::IfSourceGrows::Fail,
            verify: vec![wit::HashAlgorithm::Crc32, wit::HashAlgorithm::Crc32],
            expect: None,
            expect_records: None,
            if_unchanged: None,
            keep_mtime: true,
            rate_limit: None,
            retry: None,
            on_exhausted: None,
            read_back: false,
            direct: false,
            check_sidecar: None,
            write_sidecar: None,
            keep_mode: false,
        };
        let model = options_to_model(options.clone()).unwrap();
        assert_eq!(model.verify, [HashAlgorithm::Crc32, HashAlgorithm::Sha256]);
        assert!(options_to_model(wit_ftp::TransferOptions { rate_limit: Some(0), ..options }).is_err());
    }
}
