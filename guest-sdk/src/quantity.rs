//! Spans and sizes as people write them, for inputs: `"10m"`, `"5GiB"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A span of time in an input: whole numbers, each with one of the units ms, s, m, h, d, as `"1h30m"`. A
/// number alone is refused, since it would leave the unit to a guess; only 0 needs none.
///
/// ```
/// use orchestrator_sdk::quantity::Span;
/// assert_eq!("1m30s".parse::<Span>().unwrap().0.as_secs(), 90);
/// assert!("90".parse::<Span>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// A number of bytes in an input: a whole number, alone or with one of the units B, KiB, MiB, GiB, TiB (1024) or
/// kB, MB, GB, TB (1000).
///
/// ```
/// use orchestrator_sdk::quantity::Size;
/// assert_eq!("5GiB".parse::<Size>().unwrap(), Size(5 << 30));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a span of time: write \"30s\", \"10m\", \"1h30m\" or \"2d\"");
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self::default());
        }
        let mut millis: Option<u64> = (!rest.is_empty()).then_some(0);
        while !rest.is_empty() {
            let (number, after) = number(rest).ok_or_else(wrong)?;
            let (unit, next) =
                after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
            let factor = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            millis = millis.and_then(|sum| sum.checked_add(number.checked_mul(factor)?));
            rest = next.trim_start();
        }
        millis.map(Duration::from_millis).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size: write bytes, or \"64KiB\", \"16MiB\", \"5GiB\"");
        let (number, unit) = number(text.trim()).ok_or_else(wrong)?;
        let factor: u64 = match unit.trim_start() {
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
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

/// The whole number at the front, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    Some((digits.parse().ok()?, rest))
}

/// A command line's `5000` arrives as a number, so numbers are read as the text that they were.
struct Typed(&'static str);

impl Visitor<'_> for Typed {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Typed("a span of time, as \"10m\""))?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Typed("a size, as \"5GiB\" or a number of bytes"))?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::parse;

    #[test]
    fn spans_are_read_with_their_units() {
        for (text, millis) in [("500ms", 500), ("10m", 600_000), ("1h 30m", 5_400_000), ("2d", 172_800_000)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "30", "s", "5 parsecs", "-5s", "1.5h", "99999999999999999999s", "300000000000000d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [("7", 7), ("64KiB", 65_536), ("10 MB", 10_000_000), ("5GiB", 5 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "1.5MiB", "16M", "99999999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn inputs_may_say_them_as_numbers_too() {
        assert_eq!(parse::<Size>("5000").unwrap(), Size(5000));
        assert_eq!(parse::<Size>("\"5kB\"").unwrap(), Size(5000));
        assert_eq!(parse::<Span>("0").unwrap(), Span::default());
        assert!(parse::<Span>("30").unwrap_err().message.contains("is not a span of time"));
        assert!(parse::<Span>("true").unwrap_err().message.contains("expected a span of time"));
    }
}
