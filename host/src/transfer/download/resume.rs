//! Where a download goes on: the part on disk against the hash states in the log.

use bytes::Bytes;

use crate::model::Fault;
use crate::transfer::hash::{HashState, Hasher};
use crate::transfer::local::PartFile;
use crate::transfer::record::CHUNK_BYTES;

/// How much is read at a time.
const BLOCK_BYTES: usize = 256 * 1024;

/// The longest prefix of `part` that the log proves, as a hasher that has seen it; whatever follows
/// is cut off. Zero when nothing is proven.
///
/// The last stretch (from the end of the last whole chunk before it) is hashed again and its state
/// compared; a mismatch steps back chunk by chunk. That the chunks before are good as well follows
/// from their states only as far as nobody has written to the part since: the digest of the whole
/// file, and what the server says of it, stand for the rest.
pub(super) fn verified_prefix(
    part: &PartFile,
    tail: Option<&HashState>,
    chunks: &[HashState],
) -> Result<Option<Hasher>, Fault> {
    let length = part.identity()?.size;
    let proven = tail.into_iter().chain(chunks.iter().rev()).filter(|state| state.length <= length);
    for state in proven {
        let before = state.length.saturating_sub(1) / CHUNK_BYTES * CHUNK_BYTES;
        let before = chunks.iter().find(|chunk| chunk.length == before);
        if state.length > CHUNK_BYTES && before.is_none() {
            continue;
        }
        let mut hasher = match before {
            Some(before) => before.restore()?,
            None => state.fresh(),
        };
        hash_from(part, &mut hasher, state.length)?;
        if hasher.state() == *state {
            part.truncate(state.length)?;
            return Ok(Some(hasher));
        }
    }
    part.truncate(0)?;
    Ok(None)
}

/// Hashes the part from where `hasher` stands up to `end`.
fn hash_from(part: &PartFile, hasher: &mut Hasher, end: u64) -> Result<(), Fault> {
    let mut block = vec![0; BLOCK_BYTES];
    while hasher.length() < end {
        let length = usize::try_from(end - hasher.length()).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        part.read_at(&mut block[..length], hasher.length())?;
        hasher.update(&block[..length]);
    }
    Ok(())
}

/// The last bytes before `offset`, at most `length` of them.
pub(super) fn overlap(part: &PartFile, offset: u64, length: u64) -> Result<Bytes, Fault> {
    let length = length.min(offset);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    part.read_at(&mut bytes, offset - length)?;
    Ok(bytes.into())
}
