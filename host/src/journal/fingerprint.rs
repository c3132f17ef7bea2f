//! Fingerprints of calls: what tells a replay that the guest asks for the same thing as before.

use std::fmt;
use std::io;

use serde::Serialize;

use super::error::Error;

/// How fingerprints are computed. Encoders of earlier numbers stay for as long as journals with them
/// may be replayed.
///
/// Changelog
/// - 1: BLAKE3 of the kind's length (u64, little endian), the kind, and the arguments in postcard.
pub(super) const ENCODING: u8 = 1;

/// The hash of a call's kind and arguments, and how it was computed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// How it was computed.
    pub encoding: u8,
    /// The hash.
    pub hash: [u8; 32],
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.encoding, blake3::Hash::from_bytes(self.hash).to_hex())
    }
}

impl Fingerprint {
    /// The fingerprint of a call by today's encoder; `scratch` is cleared and used, so that a replay
    /// allocates nothing for it.
    ///
    /// # Errors
    /// [`Error::Bug`] where the arguments can't be serialised.
    pub fn of(kind: &str, args: &impl Serialize, scratch: &mut Vec<u8>) -> Result<Self, Error> {
        scratch.clear();
        scratch.extend_from_slice(&(kind.len() as u64).to_le_bytes());
        scratch.extend_from_slice(kind.as_bytes());
        let args = postcard::to_extend(args, std::mem::take(scratch))
            .map_err(|error| Error::bug(format!("the arguments of {kind} can't be encoded: {error}")))?;
        *scratch = args;
        Ok(Self { encoding: ENCODING, hash: blake3::hash(scratch).into() })
    }
}

/// Arguments kept for people: at most this many bytes of JSON.
pub(super) const ARGS_BYTES_MAX: usize = 1024;

/// The arguments as JSON text of at most [`ARGS_BYTES_MAX`] bytes; what is cut ends in `…`.
#[must_use]
pub fn readable(args: &impl Serialize) -> String {
    let mut out = Bounded { bytes: Vec::with_capacity(128), cut: false };
    // An error can only be the bound's own, or arguments that JSON can't say: what stands is shown.
    let whole = serde_json::to_writer(&mut out, args).is_ok();
    let mut text = match String::from_utf8(out.bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            String::from_utf8(bytes).unwrap_or_default()
        }
    };
    if out.cut || !whole {
        text.push('…');
    }
    text
}

/// A writer that takes so much and refuses the rest, so that long arguments aren't formatted whole.
struct Bounded {
    bytes: Vec<u8>,
    cut: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = ARGS_BYTES_MAX - '…'.len_utf8() - self.bytes.len();
        if bytes.len() > room {
            self.cut = true;
            self.bytes.extend_from_slice(&bytes[..room]);
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_arguments_both_count() {
        let mut scratch = Vec::new();
        let mut of = |kind: &str, args: (&str, &str)| Fingerprint::of(kind, &args, &mut scratch).unwrap();
        let rename = of("ftp.rename", ("a", "b"));
        assert_eq!(rename, of("ftp.rename", ("a", "b")));
        assert_ne!(rename, of("ftp.rename", ("b", "a")));
        assert_ne!(rename, of("ftp.copy", ("a", "b")));
        // The boundary between kind and arguments counts too.
        assert_ne!(of("ftp.a", ("b", "")), of("ftp.", ("ab", "")));
    }

    #[test]
    fn the_first_encoding_stays_what_it_is() {
        let print = Fingerprint::of("ftp.rename", &("in/a.csv", "done/a.csv"), &mut Vec::new()).unwrap();
        let mut bytes = 10_u64.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"ftp.rename\x08in/a.csv\x0adone/a.csv");
        assert_eq!(print, Fingerprint { encoding: 1, hash: blake3::hash(&bytes).into() });
    }

    #[test]
    fn long_arguments_are_cut_at_a_character() {
        let long = readable(&("é".repeat(4000), 7));
        assert!(long.len() <= ARGS_BYTES_MAX, "{}", long.len());
        assert!(long.starts_with("[\"éé") && long.ends_with("é…"), "{long}");
        assert_eq!(readable(&("a", 7)), "[\"a\",7]");
    }
}
