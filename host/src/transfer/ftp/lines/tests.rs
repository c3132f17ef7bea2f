//! Lines of listings and what they say, from the samples beside this file.
//!
//! A sample is one line or more, and behind `= ` what they say, in that order:
//!
//! ```text
//! -rw-r--r-- 1 u g 5 Jan  2 03:04 name       the line as it comes; \t, \\ and \xNN stand for bytes
//! = file 5 2026-01-02T03:04 name             kind, size, time, name; `-` for what isn't known
//! = link - 2026-01-02 name => target         a day; a link ends the line with its target
//! = file 5 2026-01-02T03:04:05Z name         an instant, whatever the server's zone
//! = nothing                                  a heading, or the folder itself
//! = not understood                           told as it came
//! ```

use proptest::prelude::*;

use super::*;
use crate::transfer::ftp::time;

/// The files, how they are read, and the fewest samples that each must have.
const FILES: [(&str, Style, usize, &str); 8] = [
    ("unix.txt", Style::List, 130, include_str!("samples/unix.txt")),
    ("months.txt", Style::List, 70, include_str!("samples/months.txt")),
    ("dos.txt", Style::List, 45, include_str!("samples/dos.txt")),
    ("eplf.txt", Style::List, 15, include_str!("samples/eplf.txt")),
    ("vms.txt", Style::List, 22, include_str!("samples/vms.txt")),
    ("ibm.txt", Style::List, 50, include_str!("samples/ibm.txt")),
    ("mlsd.txt", Style::Facts, 45, include_str!("samples/mlsd.txt")),
    ("nlst.txt", Style::Names, 15, include_str!("samples/nlst.txt")),
];

/// When the samples were listed.
const NOW: &str = "20260310120000";

struct Sample<'a> {
    /// Where it stands in its file, counted from 1.
    at: usize,
    lines: Vec<Vec<u8>>,
    expected: Vec<&'a str>,
}

fn samples(text: &str) -> Vec<Sample<'_>> {
    let mut samples: Vec<Sample<'_>> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with("# ") {
            open = false;
        } else if let Some(expected) = line.strip_prefix("= ") {
            samples.last_mut().expect("a line before what it says").expected.push(expected);
        } else {
            if !open {
                samples.push(Sample { at: at + 1, lines: Vec::new(), expected: Vec::new() });
                open = true;
            }
            samples.last_mut().unwrap().lines.push(unescaped(line));
        }
    }
    samples
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        (bytes, rest) = match (byte, after) {
            (b'\\', [b'\\', after @ ..]) => ([&bytes[..], b"\\"].concat(), after),
            (b'\\', [b't', after @ ..]) => ([&bytes[..], b"\t"].concat(), after),
            (b'\\', [b'x', a, b, after @ ..]) => {
                let code = u8::from_str_radix(std::str::from_utf8(&[*a, *b]).unwrap(), 16).unwrap();
                ([&bytes[..], &[code]].concat(), after)
            }
            (byte, after) => ([&bytes[..], &[*byte]].concat(), after),
        };
    }
    bytes
}

/// What lines say, in the words of the samples.
fn said(style: Style, lines: &[Vec<u8>]) -> Vec<String> {
    let folder = RemotePath::parse("in/the/folder").unwrap();
    let mut reader = Reader::new(style, &folder, NameEncoding::Utf8, time::parse(NOW).unwrap());
    let mut said = Vec::new();
    for line in lines {
        let before = said.len();
        let waits = reader.lines.waits();
        reader.read(&[line, &b"\r"[..]].concat(), &mut |shown| said.push(in_words(shown)));
        if said.len() == before && !reader.lines.waits() {
            said.push("nothing".to_owned());
        }
        assert!(!waits || said.len() > before, "a line that waited is told with the next");
    }
    reader.end(&mut |shown| said.push(in_words(shown)));
    said
}

fn in_words(shown: Shown) -> String {
    let (info, when) = match shown {
        Shown::Unparsed(line) => {
            assert!(!line.is_empty(), "what isn't understood is shown");
            return "not understood".to_owned();
        }
        Shown::Entry(info, when) => (info, when),
    };
    let kind = match info.kind {
        FileKind::File => "file",
        FileKind::Dir => "dir",
        FileKind::Link => "link",
        FileKind::Other => "other",
    };
    let size = info.size.map_or("-".to_owned(), |size| size.0.to_string());
    // Before 1970 there is no time.
    let when = when.filter(|when| when.instant(&Zone::UTC).is_some());
    let time = match when {
        None => "-".to_owned(),
        Some(When::Minute(at)) => at.strftime("%Y-%m-%dT%H:%M").to_string(),
        Some(When::Day(at)) => at.strftime("%Y-%m-%d").to_string(),
        Some(When::Instant(at)) => {
            let instant = jiff::Timestamp::from_millisecond(at.0 as i64).unwrap();
            format!("{instant:.0$}", if at.0 % 1000 == 0 { 0 } else { 3 })
        }
    };
    let name = info.path.strip_prefix("in/the/folder/").expect("in the folder");
    format!("{kind} {size} {time} {name}")
}

#[test]
fn every_sample_is_right_or_named_as_not_understood() {
    let (mut faults, mut total) = (Vec::new(), 0);
    for (file, style, least, text) in FILES {
        let samples = samples(text);
        assert!(samples.len() >= least, "{file} has only {} samples", samples.len());
        total += samples.len();
        for sample in &samples {
            let mut expected = Vec::new();
            for text in &sample.expected {
                let (text, target) = text.split_once(" => ").map_or((*text, None), |(a, b)| (a, Some(b)));
                let text = String::from_utf8(unescaped(text)).unwrap();
                if let Some(target) = target {
                    let name = text.splitn(4, ' ').nth(3).unwrap();
                    let end = format!(" {name} -> {target}");
                    assert!(sample.lines[0].ends_with(end.as_bytes()), "{file}:{}: no `{end}`", sample.at);
                }
                expected.push(text);
            }
            let said = said(style, &sample.lines);
            if said != expected {
                faults.push(format!("{file}:{}: {said:?}, not {expected:?}", sample.at));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {total} samples:\n{}", faults.len(), faults.join("\n"));
    assert!(total >= 400, "there are only {total} samples");
}

/// All bytes of all samples: what chance is put on.
fn sample_lines() -> Vec<(Style, Vec<u8>)> {
    FILES
        .iter()
        .flat_map(|(_, style, _, text)| {
            samples(text).into_iter().flat_map(|sample| sample.lines).map(|line| (*style, line))
        })
        .collect()
}

/// Reads lines in each style and each encoding. Every one is told once at most, in the folder or as not
/// understood.
fn read_all_ways(lines: &[Vec<u8>]) {
    let folder = RemotePath::parse("in").unwrap();
    for style in [Style::Facts, Style::List, Style::Names] {
        for encoding in [NameEncoding::Utf8, NameEncoding::Latin1, NameEncoding::Gbk] {
            let mut reader = Reader::new(style, &folder, encoding, Timestamp(1_700_000_000_000));
            let mut told = 0;
            let mut tell = |shown| {
                told += 1;
                match shown {
                    Shown::Entry(info, _) => {
                        let name = info.path.strip_prefix("in/").expect("in the folder");
                        assert!(!name.contains('/') && !["", ".", ".."].contains(&name), "{name:?}");
                        assert!(!name.chars().any(char::is_control), "{name:?}");
                    }
                    Shown::Unparsed(line) => assert!(!line.chars().any(char::is_control), "{line:?}"),
                }
            };
            for line in lines {
                reader.read(line, &mut tell);
            }
            reader.end(&mut tell);
            assert!(told <= lines.len());
        }
    }
}

#[test]
fn samples_with_a_byte_changed_stay_in_the_folder() {
    let mut chance = testkit::chance::Chance::new("transfer::ftp::lines");
    let lines = sample_lines();
    for round in 0..4 {
        for (_, line) in &lines {
            let mut line = line.clone();
            for _ in 0..=round {
                let at = usize::try_from(chance.below(line.len() as u64 + 1)).unwrap();
                let byte = u8::try_from(chance.below(256)).unwrap();
                match chance.below(3) {
                    0 => line.insert(at, byte),
                    1 if at < line.len() => line[at] = byte,
                    _ => line.truncate(at),
                }
            }
            read_all_ways(&[line]);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4)) {
        read_all_ways(&lines);
    }

    #[test]
    fn halves_of_samples_put_together_stay_in_the_folder(
        a in 0..1000_usize, b in 0..1000_usize, cut in 0..200_usize, from in 0..200_usize,
    ) {
        let lines = sample_lines();
        let (a, b) = (&lines[a % lines.len()].1, &lines[b % lines.len()].1);
        read_all_ways(&[[&a[..cut.min(a.len())], &b[from.min(b.len())..]].concat(), b.clone()]);
    }

    /// Names in another encoding come as they are on the server's disk.
    #[test]
    fn names_are_read_in_the_sites_encoding(name in "[^/\\p{Cc}\\s][^/\\p{Cc}]{0,30}") {
        let folder = RemotePath::parse("in").unwrap();
        for encoding in [NameEncoding::Utf8, NameEncoding::Latin1, NameEncoding::Gbk] {
            let Ok(raw) = encoding::encode(encoding, &name) else { continue };
            let line = [b"type=file;size=3; ", &raw[..]].concat();
            let mut told = Vec::new();
            Reader::new(Style::Facts, &folder, encoding, Timestamp(0)).read(&line, &mut |shown| told.push(shown));
            let usable = names::join(&folder, &name).is_ok();
            match &told[..] {
                [Shown::Entry(info, _)] => prop_assert_eq!(&info.path, &format!("in/{name}")),
                [] => prop_assert!(name == "." || name == ".."),
                told => prop_assert!(!usable, "{:?}", told),
            }
        }
    }
}
