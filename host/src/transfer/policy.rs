//! What the options of a transfer say about a target that is there, and about proofs.

use super::remote::Features;
use crate::model::{
    Digest, Fault, FaultCode, FileInfo, FileKind, HashAlgorithm, IfExists, Proof, TransferOptions,
};

/// What becomes of a transfer whose target was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Go,
    /// It ends: the target is left.
    Leave,
    /// It fails: the target is there.
    Taken,
}

/// Whether a transfer of `source` goes on, seeing what stands at its target.
pub(super) fn judge(policy: IfExists, source: &FileInfo, target: Option<&FileInfo>) -> Verdict {
    let Some(target) = target else {
        return Verdict::Go;
    };
    match policy {
        IfExists::Fail => Verdict::Taken,
        IfExists::Replace => Verdict::Go,
        IfExists::Skip => Verdict::Leave,
        // To the whole second: most servers know no more. Where a time isn't known, a copy too many
        // is better than one too few.
        IfExists::Newer => match (source.modified, target.modified) {
            (Some(source), Some(target)) if source.whole_second() <= target.whole_second() => Verdict::Leave,
            _ => Verdict::Go,
        },
    }
}

/// Refuses a source that is no file, or not the one that the workflow wants.
pub(super) fn check_source(
    source: &FileInfo,
    options: &TransferOptions,
    changed: FaultCode,
) -> Result<(), Fault> {
    if source.kind == FileKind::Dir {
        let why = format!("{} is a folder", source.path);
        return Err(Fault::new(FaultCode::CallInvalid, why).with_hint("transfer the files in it one by one"));
    }
    if let Some(wanted) = &options.if_unchanged
        && !source.same_file(wanted)
    {
        let why = format!("{} isn't the file any more that the workflow saw", source.path);
        return Err(Fault::new(changed, why).with_class(crate::model::FaultClass::Permanent));
    }
    Ok(())
}

/// The hashes that a transfer computes: SHA-256, those that are asked for, and one that the server
/// can compare.
pub(super) fn algorithms(options: &TransferOptions, features: &Features) -> Vec<HashAlgorithm> {
    let mut all = vec![HashAlgorithm::Sha256];
    all.extend(&options.verify);
    all.extend(options.expect.as_ref().map(|digest| digest.algorithm));
    all.extend(options.check_sidecar.iter().chain(&options.write_sidecar));
    if !all.iter().any(|algorithm| features.hashes.contains(algorithm)) {
        all.extend(features.hashes.iter().max());
    }
    all.sort();
    all.dedup();
    all
}

/// The strongest of our digests that the server can compare.
pub(super) fn comparable<'d>(digests: &'d [Digest], features: &Features) -> Option<&'d Digest> {
    digests.iter().filter(|d| features.hashes.contains(&d.algorithm)).max_by_key(|d| d.algorithm)
}

/// The strongest proof there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proofs {
    pub(super) digest_of_server: bool,
    pub(super) digest_expected: bool,
    pub(super) sidecar: bool,
    pub(super) read_back: bool,
    pub(super) records: bool,
}

impl Proofs {
    pub(super) fn strongest(self) -> Proof {
        match self {
            Self { digest_of_server: true, .. } => Proof::DigestOfServer,
            Self { digest_expected: true, .. } => Proof::DigestExpected,
            Self { sidecar: true, .. } => Proof::Sidecar,
            Self { read_back: true, .. } => Proof::ReadBack,
            Self { records: true, .. } => Proof::RecordCount,
            _ => Proof::SizeOnly,
        }
    }
}

/// Compares with what the source's sidecar says; `false` when there is none to compare with.
///
/// # Errors
/// What differs.
pub(super) fn check_sidecar(
    name: &str,
    digests: &[Digest],
    sidecar: Option<&Digest>,
) -> Result<bool, String> {
    let Some(sidecar) = sidecar else { return Ok(false) };
    match digests.iter().find(|digest| digest.algorithm == sidecar.algorithm) {
        Some(ours) if ours.agrees_with(sidecar) => Ok(true),
        Some(ours) => Err(format!("{name} is {ours}, and its sidecar says {sidecar}")),
        None => Err(format!("{name} has no {} to compare with its sidecar", sidecar.algorithm.as_str())),
    }
}

/// Compares with what the workflow expects; `None` when it expects nothing.
pub(super) fn check_expected(
    name: &str,
    digests: &[Digest],
    expected: Option<&Digest>,
) -> Result<bool, Fault> {
    let Some(expected) = expected else {
        return Ok(false);
    };
    if digests.iter().any(|digest| digest.agrees_with(expected)) {
        return Ok(true);
    }
    let ours = digests.iter().find(|digest| digest.algorithm == expected.algorithm);
    let ours = ours.map_or_else(|| "unknown".to_owned(), ToString::to_string);
    Err(Fault::new(FaultCode::VerifyDigest, format!("{name} is {ours}, not {expected} as expected")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn at(millis: Option<u64>) -> FileInfo {
        FileInfo {
            path: "f".into(),
            kind: FileKind::File,
            size: None,
            modified: millis.map(Timestamp),
            unique: None,
        }
    }

    #[test]
    fn a_target_is_judged_by_policy() {
        let (old, new) = (at(Some(1_000)), at(Some(2_000)));
        assert_eq!(judge(IfExists::Fail, &new, None), Verdict::Go);
        assert_eq!(judge(IfExists::Fail, &new, Some(&old)), Verdict::Taken);
        assert_eq!(judge(IfExists::Skip, &new, Some(&old)), Verdict::Leave);
        assert_eq!(judge(IfExists::Newer, &new, Some(&old)), Verdict::Go);
        assert_eq!(judge(IfExists::Newer, &old, Some(&new)), Verdict::Leave);
        assert_eq!(judge(IfExists::Newer, &at(Some(1_999)), Some(&at(Some(1_000)))), Verdict::Leave);
        assert_eq!(judge(IfExists::Newer, &at(None), Some(&new)), Verdict::Go);
    }

    #[test]
    fn a_hash_that_the_server_knows_is_added_only_where_none_is() {
        let options = TransferOptions::default();
        let knows = |hashes: &[HashAlgorithm]| Features { hashes: hashes.to_vec(), ..Features::default() };
        assert_eq!(algorithms(&options, &knows(&[])), [HashAlgorithm::Sha256]);
        assert_eq!(
            algorithms(&options, &knows(&[HashAlgorithm::Md5, HashAlgorithm::Sha256])),
            [HashAlgorithm::Sha256]
        );
        assert_eq!(
            algorithms(&options, &knows(&[HashAlgorithm::Crc32, HashAlgorithm::Md5])),
            [HashAlgorithm::Md5, HashAlgorithm::Sha256]
        );
    }
}
