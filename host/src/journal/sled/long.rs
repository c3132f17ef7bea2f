//! Values over several keys. Under a value's own key lie its length and its first part; further parts
//! lie under keys of their own. No value that sled sees is over 4 KiB: larger ones end up in files that
//! it never fsyncs.

use std::borrow::Cow;

use super::keys;
use crate::journal::error::Error;

/// Longest value that is given to sled, in bytes.
pub(super) const PART_BYTES_MAX: usize = 4096;

/// The length in front of a value's first part.
const LENGTH_BYTES: usize = 4;

/// A key of sled and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// A value as the keys and values that hold it.
pub(super) fn split(key: Vec<u8>, value: &[u8]) -> Result<Vec<Pair>, Error> {
    let too_long = |_| Error::bug(format!("a value of {} bytes can't be split", value.len()));
    let length = u32::try_from(value.len()).map_err(too_long)?;
    let (first, rest) = value.split_at(value.len().min(PART_BYTES_MAX - LENGTH_BYTES));
    let mut head = Vec::with_capacity(LENGTH_BYTES + first.len());
    head.extend_from_slice(&length.to_le_bytes());
    head.extend_from_slice(first);
    let mut parts = Vec::with_capacity(1 + further(value.len()));
    for (number, part) in (1_u16..).zip(rest.chunks(PART_BYTES_MAX)) {
        parts.push((keys::part(&key, number), part.to_vec()));
    }
    parts.push((key, head));
    Ok(parts)
}

/// The keys that hold a value whose own key holds `head`, but for that key.
pub(super) fn part_keys(key: &[u8], head: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let further =
        u16::try_from(further(length(head)?)).map_err(|_| Error::damaged("a value's length is absurd"))?;
    Ok((1..=further).map(|number| keys::part(key, number)).collect())
}

/// A value from what its own key holds; `part` gives what another key holds.
pub(super) fn join<'a>(
    key: &[u8],
    head: &'a [u8],
    part: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, Error>,
) -> Result<Cow<'a, [u8]>, Error> {
    let length = length(head)?;
    if head.len() == LENGTH_BYTES + length {
        return Ok(Cow::Borrowed(&head[LENGTH_BYTES..]));
    }
    let mut value = Vec::with_capacity(length.min(1 << 20));
    value.extend_from_slice(&head[LENGTH_BYTES..]);
    for key in part_keys(key, head)? {
        let part = part(&key)?.ok_or_else(|| Error::damaged("a part of a value is missing"))?;
        value.extend_from_slice(&part);
    }
    if value.len() != length {
        return Err(Error::damaged(format!("a value has {} bytes of {length}", value.len())));
    }
    Ok(Cow::Owned(value))
}

/// How many parts a value has beside the first.
fn further(length: usize) -> usize {
    length.saturating_sub(PART_BYTES_MAX - LENGTH_BYTES).div_ceil(PART_BYTES_MAX)
}

fn length(head: &[u8]) -> Result<usize, Error> {
    let bytes = head.first_chunk().ok_or_else(|| Error::damaged("a value has no length"))?;
    Ok(u32::from_le_bytes(*bytes) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn values_of_all_lengths_come_back() {
        for length in [0, 1, 4091, 4092, 4093, 8188, 8189, 65_536, 100_000] {
            let value: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let parts: BTreeMap<_, _> = split(b"key".to_vec(), &value).unwrap().into_iter().collect();
            assert!(parts.values().all(|part| part.len() <= PART_BYTES_MAX));
            let head = &parts[&b"key".to_vec()];
            let back = join(b"key", head, |key| Ok(parts.get(key).cloned())).unwrap();
            assert_eq!(back[..], value[..], "{length}");
            let others = part_keys(b"key", head).unwrap();
            assert_eq!(others.len() + 1, parts.len());
            assert!(others.iter().all(|key| parts.contains_key(key)));
        }
    }

    #[test]
    fn a_missing_part_is_damage() {
        let parts: BTreeMap<_, _> = split(b"key".to_vec(), &[1; 9000]).unwrap().into_iter().collect();
        let join = |head: &[u8]| join(b"key", head, |_| Ok(None)).map(Cow::into_owned);
        assert!(matches!(join(&parts[&b"key".to_vec()]), Err(Error::Damaged { .. })));
        assert!(matches!(join(&[1, 2]), Err(Error::Damaged { .. })));
    }
}
