//! Standard output: data, in the format that was asked for.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::tz::TimeZone;
pub(crate) use orchestrator_host::clock::rfc3339;
use orchestrator_host::model::Timestamp;
use serde_json::Value;

use crate::report::Failure;

/// Writes text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::broken_pipe()
        } else {
            Failure::local("write to standard output", &error)
        }
    })
}

/// Writes a line to standard output.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// Writes one JSON document on one line.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    line(value)
}

/// Says something to the person who watches; never data.
pub(crate) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Columns under headings, without lines.
pub(crate) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    let mut text = String::new();
    for line in table.to_string().lines() {
        // The preset pads each cell with a space on both sides.
        text.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
        text.push('\n');
    }
    text
}

/// An instant for people: local time, to the second.
pub(crate) fn local_time(at: Timestamp) -> String {
    instant(at).map_or_else(
        || at.0.to_string(),
        |instant| instant.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    i64::try_from(at.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_plain_columns() {
        let text =
            table(["NAME", "SIZE"], [["a".to_owned(), "10".to_owned()], ["long".to_owned(), "2".to_owned()]]);
        assert_eq!(text, "NAME  SIZE\na     10\nlong  2\n");
    }

    #[test]
    fn instants_are_rfc3339_in_utc() {
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
    }
}
