//! Hashing while copying: several hashes at once, with states that can be saved and gone on from.
//!
//! A saved state stands for the whole prefix that was hashed. Two equal states of the same length
//! mean equal prefixes (as surely as SHA-256 has no collisions), so the states that a transfer
//! commits serve both to go on hashing after a crash and to check that the part on disk is still
//! what was written: no second hash for each chunk is needed.

use digest_state::{restore, save};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::record::CHUNK_BYTES;
use crate::model::{Digest, Fault, FaultCode, HashAlgorithm};

/// Computes the digests of one file. SHA-256 is always among them.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    length: u64,
    sha256: sha2::Sha256,
    sha1: Option<sha1::Sha1>,
    md5: Option<md5::Md5>,
    crc32: Option<crc32fast::Hasher>,
}

/// A hasher as it is stored. The sizes are those of the crates' serialised states: 104 bytes for
/// SHA-256, 92 for SHA-1, 88 for MD5, which stay readable within 0.x of each crate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HashState {
    /// How many bytes went in.
    pub(crate) length: u64,
    sha256: Vec<u8>,
    sha1: Option<Vec<u8>>,
    md5: Option<Vec<u8>>,
    crc32: Option<u32>,
}

impl Hasher {
    /// A hasher of nothing yet, for SHA-256 and what else `algorithms` names.
    pub(crate) fn new(algorithms: &[HashAlgorithm]) -> Self {
        let wants = |algorithm| algorithms.contains(&algorithm);
        Self {
            length: 0,
            sha256: sha2::Sha256::new(),
            sha1: wants(HashAlgorithm::Sha1).then(sha1::Sha1::new),
            md5: wants(HashAlgorithm::Md5).then(md5::Md5::new),
            crc32: wants(HashAlgorithm::Crc32).then(crc32fast::Hasher::new),
        }
    }

    /// How many bytes went in.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.sha256.update(bytes);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(crc32) = &mut self.crc32 {
            crc32.update(bytes);
        }
    }

    /// The state after all bytes so far.
    pub(crate) fn state(&self) -> HashState {
        HashState {
            length: self.length,
            sha256: save(&self.sha256),
            sha1: self.sha1.as_ref().map(save),
            md5: self.md5.as_ref().map(save),
            crc32: self.crc32.clone().map(crc32fast::Hasher::finalize),
        }
    }

    /// The digests of all bytes so far, SHA-256 first.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        let mut digests = vec![Digest::from_bytes(HashAlgorithm::Sha256, &self.sha256.clone().finalize())];
        if let Some(sha1) = &self.sha1 {
            digests.push(Digest::from_bytes(HashAlgorithm::Sha1, &sha1.clone().finalize()));
        }
        if let Some(md5) = &self.md5 {
            digests.push(Digest::from_bytes(HashAlgorithm::Md5, &md5.clone().finalize()));
        }
        if let Some(crc32) = &self.crc32 {
            let value = crc32.clone().finalize();
            digests.push(Digest::from_bytes(HashAlgorithm::Crc32, &value.to_be_bytes()));
        }
        digests
    }
}

impl HashState {
    /// A hasher of nothing yet, for the same hashes.
    pub(crate) fn fresh(&self) -> Hasher {
        let others = [
            self.sha1.as_ref().map(|_| HashAlgorithm::Sha1),
            self.md5.as_ref().map(|_| HashAlgorithm::Md5),
            self.crc32.map(|_| HashAlgorithm::Crc32),
        ];
        Hasher::new(&others.into_iter().flatten().collect::<Vec<_>>())
    }

    /// The hasher that was saved.
    ///
    /// # Errors
    /// `state.damaged` when these aren't saved states.
    pub(crate) fn restore(&self) -> Result<Hasher, Fault> {
        let damaged =
            || Fault::new(FaultCode::StateDamaged, "a saved hash state of a transfer can't be read");
        let optional = |saved: &Option<Vec<u8>>| saved.is_some();
        let sha1 = self.sha1.as_deref().and_then(restore::<sha1::Sha1>);
        let md5 = self.md5.as_deref().and_then(restore::<md5::Md5>);
        if sha1.is_some() != optional(&self.sha1) || md5.is_some() != optional(&self.md5) {
            return Err(damaged());
        }
        Ok(Hasher {
            length: self.length,
            sha256: restore(&self.sha256).ok_or_else(damaged)?,
            sha1,
            md5,
            crc32: self.crc32.map(|crc| crc32fast::Hasher::new_with_initial_len(crc, self.length)),
        })
    }
}

/// Hashes `bytes`, and gives the state wherever a chunk ends.
pub(crate) fn hash_chunks(hasher: &mut Hasher, mut bytes: &[u8], mut at_end: impl FnMut(HashState)) {
    while !bytes.is_empty() {
        let left = CHUNK_BYTES - hasher.length() % CHUNK_BYTES;
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        hasher.update(&bytes[..take]);
        bytes = &bytes[take..];
        if hasher.length().is_multiple_of(CHUNK_BYTES) {
            at_end(hasher.state());
        }
    }
}

/// The crates' serialisable states as plain bytes.
mod digest_state {
    use sha2::digest::common::hazmat::{SerializableState, SerializedState};

    /// The state as bytes.
    pub(super) fn save<T: SerializableState>(hasher: &T) -> Vec<u8> {
        hasher.serialize().to_vec()
    }

    /// The hasher that was saved; `None` when the bytes aren't a state of this hash.
    pub(super) fn restore<T: SerializableState>(bytes: &[u8]) -> Option<T> {
        let state = SerializedState::<T>::try_from(bytes).ok()?;
        T::deserialize(&state).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[HashAlgorithm] =
        &[HashAlgorithm::Sha256, HashAlgorithm::Sha1, HashAlgorithm::Md5, HashAlgorithm::Crc32];

    #[test]
    fn digests_are_those_of_the_standards() {
        let mut hasher = Hasher::new(ALL);
        hasher.update(b"abc");
        let hex: Vec<_> = hasher.digests().into_iter().map(|d| d.to_string()).collect();
        assert_eq!(
            hex,
            [
                "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "sha1:a9993e364706816aba3e25717850c26c9cd0d89d",
                "md5:900150983cd24fb0d6963f7d28e17f72",
                "crc32:352441c2",
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn a_saved_state_goes_on_as_if_nothing_had_been(data: Vec<u8>, cut: proptest::sample::Index) {
            let cut = if data.is_empty() { 0 } else { cut.index(data.len()) };
            let mut whole = Hasher::new(ALL);
            whole.update(&data);
            let mut first = Hasher::new(ALL);
            first.update(&data[..cut]);
            let stored = postcard::to_stdvec(&first.state()).unwrap();
            let state: HashState = postcard::from_bytes(&stored).unwrap();
            let mut second = state.restore().unwrap();
            second.update(&data[cut..]);
            proptest::prop_assert_eq!(second.digests(), whole.digests());
            proptest::prop_assert_eq!(second.state(), whole.state());
        }
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let mut state = Hasher::new(ALL).state();
        state.md5 = Some(vec![1, 2, 3]);
        assert_eq!(state.restore().unwrap_err().code, FaultCode::StateDamaged);
    }
}
