//! The facts of MLST and MLSD (RFC 3659, 7).

use super::time;
use crate::model::{ByteCount, FileKind, Timestamp};

/// What one line of facts says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    pub(super) size: Option<ByteCount>,
    pub(super) modified: Option<Timestamp>,
    pub(super) unique: Option<String>,
    /// The permission bits, without those that let a file run as somebody else.
    pub(super) mode: Option<u32>,
}

/// The `type` fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file, a folder, a link or something else.
    Is(FileKind),
    /// The folder that is listed, or its parent.
    SelfOrParent,
    /// There is no `type` fact.
    Unknown,
}

/// Splits `facts SP name` and reads the facts; `None` when the line isn't one.
pub(super) fn parse(line: &str) -> Option<(Facts, &str)> {
    let (text, name) = split(line)?;
    if name.is_empty() || (!text.is_empty() && !text.contains('=')) {
        return None;
    }
    let mut facts = Facts { kind: Kind::Unknown, size: None, modified: None, unique: None, mode: None };
    let mut length_of_dir = None;
    for fact in text.split(';').filter(|fact| !fact.is_empty()) {
        let (key, value) = fact.split_once('=')?;
        match key.to_ascii_lowercase().as_str() {
            "type" => facts.kind = kind(value),
            // A size of −1, or one with a unit, says nothing.
            "size" => facts.size = value.parse().ok().map(ByteCount),
            "sizd" => length_of_dir = value.parse().ok().map(ByteCount),
            "modify" => facts.modified = time::parse(value),
            "unix.mode" => facts.mode = u32::from_str_radix(value, 8).ok().map(|mode| mode & 0o777),
            "unique" if !value.is_empty() => facts.unique = Some(value.to_owned()),
            _ => {}
        }
    }
    if facts.kind == Kind::Is(FileKind::Dir) {
        facts.size = None;
    } else if facts.kind == Kind::Unknown && length_of_dir.is_some() {
        facts.kind = Kind::Is(FileKind::Dir);
    }
    Some((facts, name))
}

/// The facts inside a reply to MLST, whose line of them begins with a blank (RFC 3659, 7.2).
pub(super) fn in_reply(text: &str) -> Option<Facts> {
    let mut lines = text.lines();
    lines.next()?;
    let (facts, _) = lines.find_map(|line| {
        let line = line.strip_prefix("250-").unwrap_or(line);
        parse(line.strip_prefix(' ').unwrap_or(line))
    })?;
    Some(facts)
}

/// The facts, and the name behind the first blank: facts have none, names may have any and `;` too
/// (F44). Some servers do write blanks into a fact (`UNIX.ownername=Domain Users;`): then the name is
/// behind the first `; ` that follows nothing but facts. Others leave out the last `;`.
fn split(line: &str) -> Option<(&str, &str)> {
    if let Some(name) = line.strip_prefix(' ') {
        return Some(("", name));
    }
    let first = line.split_once(' ')?;
    if first.0.ends_with(';') {
        return Some(first);
    }
    let are_facts = |text: &str| text.split(';').all(|fact| fact.contains('=') && !fact.starts_with('='));
    match line.split_once("; ") {
        Some((facts, name)) if are_facts(facts) => Some((facts, name)),
        _ => Some(first),
    }
}

fn kind(value: &str) -> Kind {
    let value = value.to_ascii_lowercase();
    match value.as_str() {
        "file" => Kind::Is(FileKind::File),
        "dir" => Kind::Is(FileKind::Dir),
        "cdir" | "pdir" => Kind::SelfOrParent,
        // `OS.unix=slink:/target`, also `symlink`.
        _ if value.contains("link") => Kind::Is(FileKind::Link),
        _ => Kind::Is(FileKind::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_real_servers_are_read() {
        let (facts, name) =
            parse("modify=20260102030405;perm=adfr;size=10;type=file;unique=801U2;UNIX.mode=0644; a; b .txt")
                .unwrap();
        assert_eq!(name, "a; b .txt");
        assert_eq!(facts.kind, Kind::Is(FileKind::File));
        assert_eq!((facts.size, facts.unique.as_deref()), (Some(ByteCount(10)), Some("801U2")));
        assert_eq!(facts.mode, Some(0o644));
        let (facts, name) = parse("Type=dir;Sizd=4096;Modify=20260102030405; sub").unwrap();
        assert_eq!((facts.kind, facts.size, name), (Kind::Is(FileKind::Dir), None, "sub"));
        assert_eq!(parse("type=cdir; .").unwrap().0.kind, Kind::SelfOrParent);
        assert_eq!(parse("type=OS.unix=slink:/x; l").unwrap().0.kind, Kind::Is(FileKind::Link));
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_too_odd(line in "\\PC*") {
            parse(&line);
            crate::transfer::ftp::features::parse(&line, false);
            time::parse(&line);
        }
    }

    #[test]
    fn bad_facts_say_nothing_and_bad_lines_are_refused() {
        let (facts, name) = parse("size=-1;modify=yesterday;type=file; x").unwrap();
        assert_eq!((facts.size, facts.modified, name), (None, None, "x"));
        let (facts, name) = parse("  two blanks").unwrap();
        assert_eq!((facts.kind, name), (Kind::Unknown, " two blanks"), "no facts at all");
        for wrong in ["", "-rw-r--r-- 1 u g 3 Jan 1 00:00 x", "type=file;", "type=file; ", "nofacts; x"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
