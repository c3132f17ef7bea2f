//! Durations and sizes as people write them: `"30s"`, `"1h30m"`, `"16MiB"`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// The longest duration that is taken: a year. Longer ones are slips, and overflow sums of deadlines.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a duration: whole numbers, each with one of the units ms, s, m, h, d, as `"1h30m"`.
///
/// # Errors
/// Says what is wrong, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "`{}` is not a duration: write a number with a unit, as \"500ms\", \"30s\", \"5m\", \"2h\", \"1d\"",
            text.escape_debug()
        )
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = digits(rest).ok_or_else(wrong)?;
        let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = next.trim_start();
    }
    if total > DURATION_MAX {
        return Err(format!("`{}` is over the limit of 366 days", text.escape_debug()));
    }
    Ok(total)
}

/// Reads a size: a whole number, in bytes or with one of the units B, KiB, MiB, GiB, TiB (1024) or
/// kB, MB, GB, TB (1000).
///
/// # Errors
/// Says what is wrong, in words.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "`{}` is not a size: write a whole number with a unit, as \"64KiB\", \"16MiB\", \"2GiB\"",
            text.escape_debug()
        )
    };
    let (number, unit) = digits(text.trim()).ok_or_else(wrong)?;
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

fn digits(text: &str) -> Option<(u64, &str)> {
    let len = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(len);
    Some((number.parse().ok()?, rest))
}

/// A duration as it would be typed.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if millis >= size {
            text.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    text
}

/// A size as it would be typed: in the largest unit that divides it.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

/// A duration in the file. A bare number is refused: it would leave the unit to a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypedDuration(pub(super) Duration);

impl JsonSchema for TypedDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "whole numbers with units, as \"500ms\", \"30s\", \"1h30m\"",
            "type": "string",
            "pattern": "^\\s*([0-9]+(ms|s|m|min|h|d)\\s*)+$",
        })
    }
}

impl<'de> Deserialize<'de> for TypedDuration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Duration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration in quotes, as \"30s\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                parse_duration(text).map_err(E::custom)
            }
        }
        from.deserialize_str(Visitor).map(Self)
    }
}

/// A size in the file: a number of bytes, or text with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypedSize(pub(super) u64);

impl JsonSchema for TypedSize {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "bytes, or a whole number with a unit, as \"64KiB\", \"16MiB\"",
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": "^\\s*[0-9]+\\s*(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)?\\s*$",
        })
    }
}

impl<'de> Deserialize<'de> for TypedSize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = u64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, as \"16MiB\" or a number of bytes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
                parse_size(text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<u64, E> {
                u64::try_from(bytes).map_err(|_| E::custom("a size can't be negative"))
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<u64, E> {
                Ok(bytes)
            }
        }
        from.deserialize_any(Visitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("1d", 86_400_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
        for text in ["", "30", "s", "30 parsecs", "-5s", "1.5s", "99999999999999999999s", "400d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [("64KiB", 65_536), ("16MiB", 16 << 20), ("7B", 7), ("2GiB", 2 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(show_size(bytes), text);
        }
        assert_eq!(parse_size("10 MB"), Ok(10_000_000));
        for text in ["", "MiB", "1.5MiB", "16M", "99999999999TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
