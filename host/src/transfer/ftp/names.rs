//! Names that servers send, before they become paths here or there (F46).

use crate::model::RemotePath;

/// The path of `name` in `folder`, or why the name can't be used safely.
pub(super) fn join(folder: &RemotePath, name: &str) -> Result<RemotePath, &'static str> {
    if name.is_empty() {
        return Err("empty");
    }
    if name.contains('/') {
        return Err("with a slash");
    }
    if is_drive(name) || name.starts_with("\\\\") {
        return Err("a Windows path");
    }
    folder.join(name).map_err(|_| "with a control character, `..`, or too long")
}

/// `C:\x` and `C:/x`.
fn is_drive(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && bytes[2] == b'\\'
}

/// A raw line for people: bytes that aren't printable are escaped, and long lines are cut.
pub(super) fn for_people(line: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 512;
    let shown = &line[..line.len().min(SHOWN_BYTES_MAX)];
    let mut text = String::new();
    for part in shown.utf8_chunks() {
        text.extend(
            part.valid()
                .chars()
                .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }),
        );
        for byte in part.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if shown.len() < line.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused_and_odd_ones_kept() {
        let folder = RemotePath::parse("in").unwrap();
        for bad in ["", "..", "../x", "/etc/passwd", "a/b", "C:\\x", "\\\\host\\x", "a\0b", "a\r\nDELE b"] {
            assert!(join(&folder, bad).is_err(), "{bad:?}");
        }
        for odd in ["-rf", " x ", "a;b", "x.", "ä\u{308}", "C:", "*?[a]"] {
            assert_eq!(join(&folder, odd).unwrap().as_str(), format!("in/{odd}"));
        }
    }

    #[test]
    fn raw_lines_are_escaped_and_cut() {
        assert_eq!(for_people(b"caf\xe9 \x1b[1m"), "caf\\xe9 \\u{1b}[1m");
        assert!(for_people(&[b'x'; 1000]).len() < 600);
    }
}
