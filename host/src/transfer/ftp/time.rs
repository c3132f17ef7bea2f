//! Times as FTP writes them (RFC 3659, 2.3), always in UTC.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::model::Timestamp;

/// Reads `YYYYMMDDHHMMSS` with or without a fraction; `None` for anything else, or before 1970.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Servers that print "19" and the years since 1900 (F37).
    let mended;
    let whole = if whole.len() == 15 && whole.starts_with("191") {
        mended = format!("{}{}", 1900 + whole[2..5].parse::<u32>().ok()?, &whole[5..]);
        mended.as_str()
    } else {
        whole
    };
    if whole.len() != 14 {
        return None;
    }
    let number = |range: std::ops::Range<usize>| whole[range].parse::<i8>().ok();
    let at = civil::DateTime::new(
        whole[..4].parse().ok()?,
        number(4..6)?,
        number(6..8)?,
        number(8..10)?,
        number(10..12)?,
        number(12..14)?.min(59),
        0,
    )
    .ok()?;
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(Timestamp(of_civil(at)?.0 + millis.parse::<u64>().ok()?))
}

/// Writes the whole second as `YYYYMMDDHHMMSS`.
pub(super) fn format(at: Timestamp) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    instant.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string()
}

/// The instant at which a calendar in UTC shows `at`; `None` before 1970.
pub(super) fn of_civil(at: civil::DateTime) -> Option<Timestamp> {
    let instant = at.to_zoned(TimeZone::UTC).ok()?.timestamp();
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back() {
        let at = parse("20260102030405").unwrap();
        assert_eq!(at, Timestamp(1_767_323_045_000));
        assert_eq!(format(at), "20260102030405");
        assert_eq!(parse("20260102030405.25"), Some(Timestamp(1_767_323_045_250)));
        assert_eq!(parse("191260102030405"), Some(at));
        for wrong in ["", "2026", "20261302030405", "-0260102030405", "2026010203040x", "99999999999999"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
