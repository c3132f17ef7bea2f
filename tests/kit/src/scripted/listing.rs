//! What the server says of names: the lines of LIST and MLSD, and times.

use jiff::Timestamp;

use super::files::{Files, Status};
use super::plan::{Quirks, Time};

/// `YYYYMMDDHHMMSS` (RFC 3659, 2.3) of a time in seconds since 1970.
pub(super) fn stamp(at: i64) -> String {
    dated(at, "%Y%m%d%H%M%S")
}

/// The seconds since 1970 of such a stamp.
pub(super) fn unstamp(text: &str) -> Option<i64> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", text.get(..14)?).ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

fn dated(at: i64, form: &str) -> String {
    Timestamp::from_second(at).unwrap_or_default().strftime(form).to_string()
}

/// What MDTM says of a time; `None` where it isn't there.
pub(super) fn told(at: i64, quirks: &Quirks) -> Option<String> {
    Some(match quirks.time {
        Time::Missing => return None,
        Time::Right => stamp(at),
        Time::Local(hours) => stamp(at + hours * 3600),
        Time::Fractions => format!("{}.000", stamp(at)),
        Time::Year19 => {
            let text = stamp(at);
            let year: i64 = text[..4].parse().unwrap_or(1970);
            format!("19{}{}", year - 1900, &text[4..])
        }
    })
}

/// The facts of RFC 3659, 7.5.
pub(super) fn facts(name: &str, status: &Status) -> String {
    let kind = if status.is_folder { "dir" } else { "file" };
    let modify = stamp(status.modified);
    format!("type={kind};size={};modify={modify};unique={:x}; {name}", status.size, status.inode)
}

/// A line as `ls -l` has it.
fn long(name: &str, status: &Status, quirks: &Quirks) -> String {
    let kind = if status.is_folder { "drwxr-xr-x 2" } else { "-rw-r--r-- 1" };
    let date = dated(status.modified + quirks.time_zone_hours * 3600, "%b %e %H:%M");
    format!("{kind} ftp ftp {:>10} {date} {name}", status.size)
}

/// The whole of a listing.
pub(super) fn of(verb: &str, folder: &str, files: &Files, quirks: &Quirks) -> Vec<u8> {
    let mut text = String::new();
    let found = files.status(folder).filter(|status| !status.is_folder);
    let names = match found {
        Some(_) => vec![folder.rsplit('/').next().unwrap_or("").to_owned()],
        None => files.inside(folder),
    };
    for name in names {
        let path = if found_path(folder, &name) { folder.to_owned() } else { join(folder, &name) };
        let Some(status) = files.status(&path) else { continue };
        text += &match verb {
            "MLSD" => facts(&name, &status),
            "NLST" => name,
            _ => long(&name, &status, quirks),
        };
        text += "\r\n";
    }
    text.into_bytes()
}

fn found_path(folder: &str, name: &str) -> bool {
    folder.rsplit('/').next() == Some(name) && !folder.ends_with('/')
}

fn join(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_back() {
        for at in [0, 951_782_399, 951_868_800, 1_800_000_000, 4_102_444_799] {
            assert_eq!(unstamp(&stamp(at)), Some(at));
        }
        assert_eq!(stamp(1_709_164_800), "20240229000000");
    }
}
