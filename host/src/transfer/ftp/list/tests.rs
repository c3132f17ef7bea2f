//! An entry that is written in a dialect is read back the same.

use jiff::civil::{Date, DateTime};
use proptest::prelude::*;

use super::{Line, Lines, When};
use crate::model::{FileKind, Timestamp};
use crate::transfer::ftp::time;

fn now() -> Timestamp {
    time::parse("20260310120000").unwrap()
}

/// What one line says, as owned values.
type Said = (String, FileKind, Option<u64>, Option<When>);

fn said(lines: &[&str]) -> Vec<Said> {
    let mut said = Vec::new();
    let mut reader = Lines::new(now());
    let mut tell = |line: Line<'_>| match line {
        Line::Entry(entry) => {
            said.push((entry.name.to_owned(), entry.kind, entry.size.map(|size| size.0), entry.modified));
        }
        Line::Nothing => {}
        Line::Unknown(line) => panic!("not read: {line:?}"),
    };
    for line in lines {
        reader.read(line, &mut tell);
    }
    reader.end(&mut tell);
    said
}

/// Minutes of the last 300 days: `ls` shows no year for these.
fn recent() -> impl Strategy<Value = DateTime> {
    (1..300_i64, 0..24_i8, 0..60_i8).prop_map(|(days, hour, minute)| {
        let day = jiff::civil::date(2026, 3, 10).saturating_sub(jiff::Span::new().days(days));
        day.at(hour, minute, 0, 0)
    })
}

fn days() -> impl Strategy<Value = Date> {
    (1970..2100_i16, 1..13_i8, 1..29_i8).prop_map(|(year, month, day)| jiff::civil::date(year, month, day))
}

fn any_name() -> impl Strategy<Value = String> {
    "[^/\\s\\p{Cc}]([^/\\p{Cc}]{0,30}[^/\\s\\p{Cc}])?"
}

/// Short names of months, from January on, in the languages of many servers.
const MONTHS: [&str; 7] = [
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "janv. févr. mars avril mai juin juil. août sept. oct. nov. déc.",
    "ene feb mar abr may jun jul ago sep oct nov dic",
    "gen feb mar apr mag giu lug ago set ott nov dic",
    "янв фев мар апр мая июн июл авг сен окт ноя дек",
    "1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月",
];

fn month_in(language: usize, month: i8) -> &'static str {
    MONTHS[language].split(' ').nth(usize::try_from(month - 1).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn unix_files_read_back(
        name in any_name(), size: u64, at in recent(), language in 0..MONTHS.len(), day_first: bool,
        columns in prop::sample::select(vec!["1 u g", "12 1000 1000", "1 u", "0", "1 two words and more"]),
    ) {
        let (month, day) = (month_in(language, at.month()), at.day());
        let date = if day_first { format!("{day:2} {month}") } else { format!("{month} {day:2}") };
        let line = format!("-rw-r--r--   {columns} {size:12} {date} {:02}:{:02} {name}", at.hour(), at.minute());
        prop_assert_eq!(said(&[&line]), [(name, FileKind::File, Some(size), Some(When::Minute(at)))]);
    }

    #[test]
    fn unix_folders_of_other_years_read_back(name in any_name(), on in days(), language in 0..MONTHS.len()) {
        let month = month_in(language, on.month());
        let line = format!("drwxr-xr-x   2 u        g  4096 {month} {:2}  {} {name}", on.day(), on.year());
        prop_assert_eq!(said(&[&line]), [(name, FileKind::Dir, None, Some(When::Day(on.at(0, 0, 0, 0))))]);
    }

    #[test]
    fn unix_links_read_back(name in any_name(), target in any_name(), at in recent()) {
        // Where both hold arrows and the lengths fit twice, nobody can tell.
        prop_assume!(!name.contains(" -> ") && !target.contains(" -> "));
        let month = month_in(0, at.month());
        let line = format!(
            "lrwxrwxrwx   1 u        g  {} {month} {:2} {:02}:{:02} {name} -> {target}",
            target.len(), at.day(), at.hour(), at.minute(),
        );
        prop_assert_eq!(said(&[&line]), [(name, FileKind::Link, None, Some(When::Minute(at)))]);
    }

    #[test]
    fn long_iso_reads_back(name in any_name(), size: u64, on in days(), hour in 0..24_i8, minute in 0..60_i8) {
        let at = on.at(hour, minute, 0, 0);
        let line = format!("-rw-r--r-- 1 u g {size} {} {name}", at.strftime("%Y-%m-%d %H:%M"));
        prop_assert_eq!(said(&[&line]), [(name, FileKind::File, Some(size), Some(When::Minute(at)))]);
    }

    #[test]
    fn dos_reads_back(
        name in any_name(), size: u64, on in days(), hour in 0..24_i8, minute in 0..60_i8,
        form in prop::sample::select(vec!["%m-%d-%Y  %I:%M%p", "%m-%d-%Y  %H:%M", "%Y-%m-%d  %H:%M", "%d.%m.%Y  %H:%M"]),
        folder: bool,
    ) {
        let at = on.at(hour, minute, 0, 0);
        let shown = at.strftime(form);
        let (line, kind, size) = if folder {
            (format!("{shown}       <DIR>          {name}"), FileKind::Dir, None)
        } else {
            (format!("{shown} {size:20} {name}"), FileKind::File, Some(size))
        };
        prop_assert_eq!(said(&[&line]), [(name, kind, size, Some(When::Minute(at)))]);
    }

    #[test]
    fn eplf_reads_back(name in any_name(), size: u64, seconds in 0..4_000_000_000_u64, folder: bool) {
        let (line, kind, size) = if folder {
            (format!("+i1.2,m{seconds},/,\t{name}"), FileKind::Dir, None)
        } else {
            (format!("+i1.2,m{seconds},r,s{size},\t{name}"), FileKind::File, Some(size))
        };
        let at = When::Instant(Timestamp(seconds * 1000));
        prop_assert_eq!(said(&[&line]), [(name, kind, size, Some(at))]);
    }

    #[test]
    fn vms_reads_back_on_one_line_and_on_two(
        name in "[A-Z0-9$_-]{1,39}\\.[A-CE-Z0-9$_-]{0,39}", version in 1..32768_u32, on in days(), minute in 0..60_i8, alone: bool,
    ) {
        let at = on.at(23, minute, 0, 0);
        let shown = at.strftime("%d-%b-%Y %H:%M:%S").to_string().to_uppercase();
        let columns = format!("      3/4  {shown}  [ALICE]  (RWED,RWED,RE,)");
        let lines = if alone { vec![format!("{name};{version}"), columns] } else { vec![format!("{name};{version}{columns}")] };
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(said(&lines), [(name, FileKind::File, None, Some(When::Minute(at)))]);
    }

    #[test]
    fn data_sets_and_members_read_back(
        name in "[A-Z$#@][A-Z0-9$#@]{0,7}(\\.[A-Z$#@][A-Z0-9$#@]{0,7}){1,3}", member in "[A-Z$#@][A-Z0-9$#@]{0,7}", on in days(), library: bool,
    ) {
        let shown = on.strftime("%Y/%m/%d");
        let (organisation, kind) = if library { ("PO", FileKind::Dir) } else { ("PS", FileKind::File) };
        let line = format!("TSO004 3390   {shown}  1   15  FB      80 27920  {organisation}  {name}");
        prop_assert_eq!(said(&[&line]), [(name, kind, None, Some(When::Day(on.at(0, 0, 0, 0))))]);
        let line = format!("{member:8}  01.03 {shown} {shown} 10:11    11    11     0 KIL001");
        prop_assert_eq!(said(&[&line]), [(member, FileKind::File, None, Some(When::Minute(on.at(10, 11, 0, 0))))]);
    }

    #[test]
    fn as400_reads_back(name in any_name(), size: u64, folder: bool) {
        prop_assume!(!name.ends_with('/') && !name.contains(" *"));
        let (line, kind, size) = if folder {
            (format!("QSYS  {size} 02/23/26 15:09:55 *DIR      {name}/"), FileKind::Dir, None)
        } else {
            (format!("QSYS  {size} 02/23/26 15:09:55 *STMF     {name}"), FileKind::File, Some(size))
        };
        prop_assert_eq!(said(&[&line]), [(name, kind, size, None)]);
    }
}

#[test]
fn a_long_line_takes_no_longer_than_its_length() {
    // Quadratic work on 64 KiB would take minutes here.
    let lines = [
        "-rw-r--r-- ".to_owned() + &"1 ".repeat(32_000),
        "lrwxrwxrwx 1 u g 5 Jan 2 03:04 ".to_owned() + &"a -> ".repeat(13_000),
        "+".to_owned() + &"r,".repeat(32_000) + "\tname",
        "01-02-26  03:04PM  <JUNCTION> ".to_owned() + &"a [".repeat(20_000),
        "A;".repeat(32_000) + "1",
        "x *".repeat(20_000),
        "+-".repeat(32_000),
        "1,".repeat(32_000),
    ];
    let mut reader = Lines::new(now());
    let mut told = 0;
    for _ in 0..100 {
        for line in &lines {
            reader.read(line, &mut |_| told += 1);
        }
    }
    reader.end(&mut |_| told += 1);
    assert_eq!(told, 100 * lines.len());
}
