//! How a server writes names: what comes is decoded, and what goes out encoded, exactly or not at all.
//!
//! The encoding is a site's setting. It holds for the whole control connection and for listings. A
//! byte that has no meaning, or a letter that has no bytes, is an error that is told: a name that was
//! guessed would be another file's.
//!
//! Telnet (RFC 854), on which RFC 959 builds, doubles the byte 0xFF and gives 0xF0 to 0xFE behind it a
//! meaning. Of real servers only ProFTPD reads it so; vsftpd, pure-ftpd and others take every byte for
//! itself. Alone, 0xFF is the same to all. So it goes out as it is, and a name where such a byte
//! follows it is refused, since no one form of it means the same file everywhere. UTF-8 and GBK never
//! have 0xFF; in Latin-1 it is `ÿ`.

use std::borrow::Cow;

use crate::model::NameEncoding;

/// The text of `bytes`; `None` when they aren't exactly what [`encode`] makes of some text.
pub(super) fn decode(encoding: NameEncoding, bytes: &[u8]) -> Option<Cow<'_, str>> {
    match encoding {
        NameEncoding::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        NameEncoding::Latin1 => Some(encoding_rs::mem::decode_latin1(bytes)),
        NameEncoding::Gbk => {
            let text = encoding_rs::GBK.decode_without_bom_handling_and_without_replacement(bytes)?;
            // Its decoder reads more than GBK (GB 18030); a name must also be found again.
            let back = encode(encoding, &text).ok()?;
            (*back == *bytes).then_some(text)
        }
    }
}

/// The same for people: what has no meaning is replaced.
pub(super) fn show(encoding: NameEncoding, bytes: &[u8]) -> Cow<'_, str> {
    match encoding {
        NameEncoding::Utf8 => String::from_utf8_lossy(bytes),
        NameEncoding::Latin1 => encoding_rs::mem::decode_latin1(bytes),
        NameEncoding::Gbk => encoding_rs::GBK.decode_without_bom_handling(bytes).0,
    }
}

/// The bytes of `text`, or the first letter that has none.
pub(super) fn encode(encoding: NameEncoding, text: &str) -> Result<Cow<'_, [u8]>, char> {
    match encoding {
        NameEncoding::Utf8 => Ok(Cow::Borrowed(text.as_bytes())),
        NameEncoding::Latin1 => {
            let bytes: Result<Vec<u8>, char> =
                text.chars().map(|letter| u8::try_from(u32::from(letter)).map_err(|_| letter)).collect();
            bytes.map(Cow::Owned)
        }
        NameEncoding::Gbk => {
            if text.is_ascii() {
                return Ok(Cow::Borrowed(text.as_bytes()));
            }
            let mut bytes = vec![0; text.len() * 2];
            let (result, _, written) =
                encoding_rs::GBK.new_encoder().encode_from_utf8_without_replacement(text, &mut bytes, true);
            match result {
                encoding_rs::EncoderResult::Unmappable(letter) => Err(letter),
                encoding_rs::EncoderResult::InputEmpty | encoding_rs::EncoderResult::OutputFull => {
                    bytes.truncate(written);
                    Ok(Cow::Owned(bytes))
                }
            }
        }
    }
}

/// Why a command can't go out in this encoding; `None` when it can.
pub(super) fn refusal(encoding: NameEncoding, command: &str) -> Option<String> {
    let bytes = match encode(encoding, command) {
        Ok(bytes) => bytes,
        Err(letter) => {
            return Some(format!("`{}` has no bytes in {}", letter.escape_debug(), encoding.as_str()));
        }
    };
    bytes
        .windows(2)
        .any(|two| two[0] == IAC && two[1] >= TELNET_COMMANDS)
        .then(|| "a name with the byte 0xFF before one over 0xEF isn't the same for all servers".to_owned())
}

/// Telnet's "interpret as command", and the first byte that means one behind it (RFC 854).
const IAC: u8 = 0xFF;
const TELNET_COMMANDS: u8 = 0xF0;

/// suppaftp doubles each 0xFF; this takes the second of each two away again.
pub(super) fn undoubled(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line.iter();
    while let Some(byte) = rest.next() {
        plain.push(*byte);
        if *byte == IAC {
            let _second = rest.next();
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [NameEncoding; 3] = [NameEncoding::Utf8, NameEncoding::Latin1, NameEncoding::Gbk];

    #[test]
    fn names_are_read_and_written_in_their_encoding() {
        for (encoding, text, bytes) in [
            (NameEncoding::Utf8, "café", &b"caf\xc3\xa9"[..]),
            (NameEncoding::Latin1, "café ÿ", b"caf\xe9 \xff"),
            (NameEncoding::Gbk, "文件.txt", b"\xce\xc4\xbc\xfe.txt"),
            // The second byte is that of a backslash.
            (NameEncoding::Gbk, "誠", b"\xd5\x5c"),
            (NameEncoding::Gbk, "€", b"\x80"),
        ] {
            assert_eq!(decode(encoding, bytes).as_deref(), Some(text), "{encoding:?}");
            assert_eq!(encode(encoding, text).as_deref(), Ok(bytes), "{encoding:?}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_not_guessed() {
        assert_eq!(decode(NameEncoding::Utf8, b"caf\xe9"), None);
        assert_eq!(decode(NameEncoding::Gbk, b"a\xff"), None);
        assert_eq!(decode(NameEncoding::Gbk, b"\xce"), None, "half a letter");
        assert_eq!(decode(NameEncoding::Gbk, b"\x81\x30\x81\x30"), None, "GB 18030 has it, GBK not");
        assert_eq!(encode(NameEncoding::Latin1, "a€"), Err('€'));
        assert_eq!(encode(NameEncoding::Gbk, "a😀"), Err('😀'));
        assert!(refusal(NameEncoding::Latin1, "DELE 文").unwrap().contains("`文`"));
    }

    #[test]
    fn a_byte_that_telnet_may_take_for_a_command_is_refused() {
        for name in ["ÿÿ", "aÿûb", "ÿð"] {
            assert!(refusal(NameEncoding::Latin1, name).is_some(), "{name}");
            assert!(refusal(NameEncoding::Utf8, name).is_none(), "{name}");
        }
        for name in ["ÿ", "aÿb", "xÿ", "ÿé"] {
            assert!(refusal(NameEncoding::Latin1, name).is_none(), "{name}");
        }
    }

    #[test]
    fn doubled_bytes_are_single_again() {
        assert_eq!(undoubled(b"a\xff\xffb"), b"a\xffb");
        assert_eq!(undoubled(b"\xff\xff\xff\xff"), b"\xff\xff");
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_encoded_back(bytes: Vec<u8>) {
            for encoding in ALL {
                if let Some(text) = decode(encoding, &bytes) {
                    prop_assert_eq!(encode(encoding, &text).unwrap(), &bytes[..]);
                }
                show(encoding, &bytes);
            }
        }

        #[test]
        fn what_is_encoded_is_decoded_back(text: String) {
            for encoding in ALL {
                if let Ok(bytes) = encode(encoding, &text) {
                    let back = decode(encoding, &bytes);
                    prop_assert_eq!(back.as_deref(), Some(&text[..]));
                }
            }
        }

        #[test]
        fn no_encoding_makes_a_line_end_or_a_slash(text in "[^/\r\n\0]{0,40}") {
            for encoding in ALL {
                if let Ok(bytes) = encode(encoding, &text) {
                    prop_assert!(!bytes.iter().any(|byte| b"/\r\n\0".contains(byte)));
                }
            }
        }
    }
}
