//! The targets: what each of them reads, and what must hold of what it gives.

use super::lines::{Reader, Shown, Style};
use super::list::{When, Zone};
use super::replies::{self, Reply};
use super::{encoding, facts, features, framing, names, time};
use crate::Target;
use crate::model::{FileInfo, FileKind, NameEncoding, RemotePath, Timestamp};

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "list", run: |data| listing(Style::List, data) },
    Target { name: "unix", run: |data| listing(Style::List, data) },
    Target { name: "dos", run: |data| listing(Style::List, data) },
    Target { name: "eplf", run: |data| listing(Style::List, data) },
    Target { name: "vms", run: |data| listing(Style::List, data) },
    Target { name: "ibm", run: |data| listing(Style::List, data) },
    Target { name: "mlsd", run: |data| listing(Style::Facts, data) },
    Target { name: "nlst", run: |data| listing(Style::Names, data) },
    Target { name: "mlst", run: mlst },
    Target { name: "pasv", run: passive },
    Target { name: "feat", run: feat },
    Target { name: "reply", run: reply },
    Target { name: "mdtm", run: mdtm },
    Target { name: "pwd", run: pwd },
    Target { name: "names", run: encoded },
];

/// 2026-03-10 12:00 UTC.
const NOW: Timestamp = Timestamp(1_773_144_000_000);

/// Lines of a listing: each is told once at most, and no name leaves the folder.
fn listing(style: Style, data: &[u8]) {
    let folder = RemotePath::parse("in").unwrap_or_default();
    for encoding in [NameEncoding::Utf8, NameEncoding::Latin1, NameEncoding::Gbk] {
        let mut shown = Vec::new();
        let mut reader = Reader::new(style, &folder, encoding, NOW);
        let mut lines = 0;
        for line in data.split(|byte| *byte == b'\n') {
            lines += 1;
            reader.read(line, &mut |item| shown.push(item));
        }
        reader.end(&mut |item| shown.push(item));
        assert!(shown.len() <= lines, "{} of {lines} lines", shown.len());
        for item in shown {
            match item {
                Shown::Entry(info, when) => entry(&info, when),
                Shown::Unparsed(line) => {
                    assert!(!line.is_empty() && line.len() < 4096);
                    assert!(!line.chars().any(char::is_control), "{line:?}");
                }
            }
        }
    }
}

/// An entry is in the folder, can be asked for, and reads back the same when it is written out.
fn entry(info: &FileInfo, when: Option<When>) {
    let name = info.path.strip_prefix("in/").unwrap_or_else(|| panic!("not in the folder: {info:?}"));
    assert!(!name.contains('/') && !["", ".", ".."].contains(&name), "{info:?}");
    assert!(!name.chars().any(char::is_control), "{info:?}");
    assert_eq!(RemotePath::parse(&info.path).map(|path| path.as_str() == info.path).ok(), Some(true));

    let at = when.and_then(|when| when.instant(&Zone::UTC)).filter(|at| at.0 % 1000 == 0);
    let size = info.size.filter(|_| info.kind == FileKind::File);
    let kind = match info.kind {
        FileKind::File => "r,",
        FileKind::Dir => "/,",
        FileKind::Link | FileKind::Other => "",
    };
    let mut line = format!("+{kind}");
    if let Some(size) = size {
        line += &format!("s{},", size.0);
    }
    if let Some(at) = at {
        line += &format!("m{},", at.0 / 1000);
    }
    line += &format!("\t{name}");
    let kind = if kind.is_empty() { FileKind::Other } else { info.kind };
    reads_back(Style::List, &line, &FileInfo { kind, size, ..info.clone() }, at);

    let kind = match info.kind {
        FileKind::File => "type=file;",
        FileKind::Dir => "type=dir;",
        FileKind::Link => "type=OS.unix=slink:/x y;",
        FileKind::Other => "type=OS.unix=chr;",
    };
    let mut line = kind.to_owned();
    if let Some(size) = size {
        line += &format!("size={};", size.0);
    }
    if let Some(at) = at
        && time::parse(&time::format(at)) == Some(at)
    {
        line += &format!("modify={};", time::format(at));
        reads_back(Style::Facts, &format!("{line} {name}"), &FileInfo { size, ..info.clone() }, Some(at));
    }
}

fn reads_back(style: Style, line: &str, expected: &FileInfo, at: Option<Timestamp>) {
    let folder = RemotePath::parse("in").unwrap_or_default();
    let mut shown = Vec::new();
    let mut reader = Reader::new(style, &folder, NameEncoding::Utf8, NOW);
    reader.read(line.as_bytes(), &mut |item| shown.push(item));
    reader.end(&mut |item| shown.push(item));
    let [Shown::Entry(info, when)] = &shown[..] else { panic!("{line:?} reads as {shown:?}") };
    assert_eq!(
        (&info.path, info.kind, info.size),
        (&expected.path, expected.kind, expected.size),
        "{line:?}"
    );
    assert_eq!(when.and_then(|when| when.instant(&Zone::UTC)), at, "{line:?}");
}

/// A reply to MLST: the same facts as the same line of MLSD.
fn mlst(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    facts::in_reply(&text);
    if let Some((told, name)) = facts::parse(&text)
        && !text.contains(['\n', '\r'])
    {
        assert!(!name.is_empty());
        assert_eq!(facts::in_reply(&format!("250-Start\r\n {text}\r\n250 End")), Some(told));
    }
}

/// A reply to PASV or EPSV: what suppaftp is given is short and of the same code.
fn passive(data: &[u8]) {
    for code in ["227 ", "229 "] {
        let plain = framing::normalise(&[code.as_bytes(), data].concat());
        assert!(plain.starts_with(&code.as_bytes()[..3]));
        // What can't be read stays as it came, also where it begins like what is made of one that can.
        if plain.starts_with(b"227 passive (") && !data.starts_with(b"passive (") {
            let text = std::str::from_utf8(&plain).unwrap_or_default();
            let numbers =
                text.trim_end().trim_end_matches(')').trim_start_matches("227 passive (").split(',');
            assert_eq!(numbers.filter(|number| number.parse::<u8>().is_ok()).count(), 6, "{text}");
        }
    }
}

/// A reply to FEAT.
fn feat(data: &[u8]) {
    let (features, _) = features::parse(&String::from_utf8_lossy(data), false);
    let mut hashes = features.hashes.clone();
    hashes.dedup();
    assert_eq!(hashes, features.hashes);
}

/// The bytes of a control connection: replies end where they end, and the same byte by byte.
fn reply(data: &[u8]) {
    let Ok(Some(length)) = framing::reply_length(data) else {
        return;
    };
    assert!(length <= data.len() && length <= framing::REPLY_BYTES_MAX);
    assert!(data[..length].ends_with(b"\n"));
    if length < 512 {
        for shorter in 0..length {
            assert_eq!(framing::reply_length(&data[..shorter]), Ok(None), "at {shorter}");
        }
    }
    let plain = framing::normalise(&data[..length]);
    // suppaftp ends at the first line of a code and a blank: that must be the last.
    let last = plain.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    assert_eq!(last.get(..3), plain.get(..3));
    if let Some(reply) = Reply::parse(&plain) {
        replies::meaning(&reply);
        let fault = replies::fault(&reply, "look at `x`", false);
        assert!(!fault.message.chars().any(char::is_control) && fault.message.len() < 8192);
    }
}

/// A reply to MDTM: what is read is written and read the same.
fn mdtm(data: &[u8]) {
    if let Some(at) = time::parse(&String::from_utf8_lossy(data)) {
        let whole = Timestamp(at.0 / 1000 * 1000);
        assert_eq!(time::parse(&time::format(whole)), Some(whole));
    }
}

/// A reply to PWD.
fn pwd(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(path) = names::quoted(&text) {
        assert!(path.len() < text.len());
        let again = format!("\"{}\" is it", path.replace('"', "\"\""));
        assert_eq!(names::quoted(&again), Some(path));
    }
    assert!(names::between_quotes(data).len() <= data.len());
}

/// Names in each encoding: read and written back to the same bytes, and no line end comes of them.
fn encoded(data: &[u8]) {
    for encoding in [NameEncoding::Utf8, NameEncoding::Latin1, NameEncoding::Gbk] {
        encoding::show(encoding, data);
        let Some(text) = encoding::decode(encoding, data) else { continue };
        let back = encoding::encode(encoding, &text);
        assert_eq!(back.as_deref(), Ok(data));
        let ends = |bytes: &[u8]| bytes.iter().filter(|byte| b"\r\n\0/".contains(byte)).count();
        assert_eq!(ends(data), ends(text.as_bytes()));
        let doubled: Vec<u8> =
            data.iter().flat_map(|byte| if *byte == 0xFF { vec![0xFF; 2] } else { vec![*byte] }).collect();
        assert_eq!(encoding::undoubled(&doubled), data);
    }
}
