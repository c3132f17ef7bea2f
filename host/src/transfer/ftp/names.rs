//! Names that servers send, before they become paths here or there (F46).

use crate::model::RemotePath;

/// The name in a line of NLST, which some servers write as a path, or with a slash behind folders.
pub(super) fn of_path(line: &str) -> Option<&str> {
    let path = line.strip_suffix('/').unwrap_or(line);
    let mut parts = path.split('/');
    let name = parts.next_back()?;
    // What climbs isn't in the folder that was asked for.
    parts.all(|part| part != "..").then_some(name)
}

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

/// The path in a reply to PWD: between quotes, where a doubled quote is one (RFC 959, appendix II).
pub(super) fn quoted(words: &str) -> Option<String> {
    let inside = words.strip_prefix('"').or_else(|| words.split_once('"').map(|(_, rest)| rest))?;
    let mut path = String::new();
    let mut chars = inside.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('"', Some('"')) => {
                chars.next();
                path.push('"');
            }
            ('"', _) => return Some(path),
            _ => path.push(c),
        }
    }
    None
}

/// From the first quote of a reply to its last: the words behind it may be in any encoding.
pub(super) fn between_quotes(reply: &[u8]) -> &[u8] {
    let quote = |byte: &u8| *byte == b'"';
    match (reply.iter().position(quote), reply.iter().rposition(quote)) {
        (Some(first), Some(last)) if first < last => &reply[first + 1..last],
        _ => &[],
    }
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

    #[test]
    fn the_path_of_pwd_is_unquoted() {
        assert_eq!(quoted("\"/home/u\" is the current directory").as_deref(), Some("/home/u"));
        assert_eq!(quoted("\"/a \"\"b\"\"\"").as_deref(), Some("/a \"b\""));
        assert_eq!(quoted("current is \"/\".").as_deref(), Some("/"));
        assert_eq!(quoted("/home"), None);
        assert_eq!(quoted("\"/home"), None);
    }
}
