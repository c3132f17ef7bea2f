//! A limit per second in the file: `"2 MiB"`, or a timetable.

use std::borrow::Cow;
use std::fmt;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::quantity::{TypedSize, parse_size};
use crate::model::{RateLimit, RateWindow, Timetable};

/// The zone whose clocks a timetable goes by, where the file names none.
pub(super) const ZONE: &str = "UTC";

/// The last minute that a window may end with: midnight.
const DAY_MINUTES: u16 = 24 * 60;

/// The most windows of one timetable: more is a slip.
const WINDOWS_MAX: usize = 64;

/// A limit on bytes per second, or a list of windows with a limit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TypedRate {
    Fixed(u64),
    Windows(Vec<TypedWindow>),
}

/// From one time of day to another, so many bytes per second.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RateWindow")]
pub(super) struct TypedWindow {
    /// When it begins, as `08:00`. By default midnight.
    from: Option<TypedTime>,
    /// When it ends, as `18:00`; up to `24:00`. Where this isn't after `from`, on the next day.
    to: Option<TypedTime>,
    /// The days on which it begins. By default all.
    days: Option<Vec<Day>>,
    /// Bytes per second.
    limit: TypedSize,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TypedTime(u16);

impl TypedRate {
    /// The limit as it is meant, where clocks are those of `zone`.
    ///
    /// # Errors
    /// Says what can't be meant, in words that follow the key.
    pub(super) fn meant(&self, zone: &str) -> Result<RateLimit, String> {
        let positive = |limit: u64| match limit {
            0 => Err("must let pass at least 1 byte per second: a limit slows, it doesn't stop"),
            limit => Ok(limit),
        };
        match self {
            Self::Fixed(limit) => Ok(RateLimit::Fixed(positive(*limit)?)),
            Self::Windows(windows) => {
                if windows.is_empty() || windows.len() > WINDOWS_MAX {
                    return Err(format!("must have 1 to {WINDOWS_MAX} windows"));
                }
                let mut meant = Vec::new();
                for window in windows {
                    let from = window.from.map_or(0, |time| time.0);
                    if from == DAY_MINUTES {
                        return Err("has a window that begins at 24:00: write 00:00".to_owned());
                    }
                    let mut days = [window.days.is_none(); 7];
                    for day in window.days.iter().flatten() {
                        if let Some(on) = days.get_mut(*day as usize) {
                            *on = true;
                        }
                    }
                    let limit = positive(window.limit.0)?;
                    meant.push(RateWindow {
                        from,
                        to: window.to.map_or(DAY_MINUTES, |time| time.0),
                        days,
                        limit,
                    });
                }
                Ok(RateLimit::Timetable(Timetable { zone: zone.to_owned(), windows: meant }))
            }
        }
    }
}

/// Whether this is the IANA name of a time zone.
pub(super) fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

impl JsonSchema for TypedRate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (size, window) =
            (generator.subschema_for::<TypedSize>(), generator.subschema_for::<TypedWindow>());
        json_schema!({
            "description": "bytes per second, as \"2 MiB\", or a list of windows: the first that an instant lies in counts",
            "anyOf": [size, { "type": "array", "minItems": 1, "maxItems": WINDOWS_MAX, "items": window }],
        })
    }
}

impl<'de> Deserialize<'de> for TypedRate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TypedRate;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "bytes per second, as \"2 MiB\", or a list of { from = \"08:00\", to = \"18:00\", limit = \"1 MiB\" }",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<TypedRate, E> {
                parse_size(text).map(TypedRate::Fixed).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<TypedRate, E> {
                u64::try_from(bytes).map(TypedRate::Fixed).map_err(|_| E::custom("a rate can't be negative"))
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<TypedRate, E> {
                Ok(TypedRate::Fixed(bytes))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<TypedRate, A::Error> {
                let mut windows = Vec::new();
                while let Some(window) = list.next_element()? {
                    windows.push(window);
                }
                Ok(TypedRate::Windows(windows))
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl JsonSchema for TypedTime {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a time of day, as \"08:00\"",
            "type": "string",
            "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        })
    }
}

impl<'de> Deserialize<'de> for TypedTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TypedTime;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time of day in quotes, as \"08:00\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<TypedTime, E> {
                minutes(text).map(TypedTime).ok_or_else(|| {
                    E::custom(format!(
                        "`{}` is no time of day: write \"00:00\" to \"24:00\"",
                        text.escape_debug()
                    ))
                })
            }
        }
        from.deserialize_str(Visitor)
    }
}

/// The minutes of `08:00`.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    };
    let (hour, minute): (u16, u16) = (two(hour)?, two(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= DAY_MINUTES).then_some(all)
}

/// A limit as it would be typed.
#[must_use]
pub fn show_rate(limit: &RateLimit) -> String {
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    match limit {
        RateLimit::Fixed(rate) => format!("\"{}\"", super::show_size(*rate)),
        RateLimit::Timetable(table) => {
            let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let windows = table.windows.iter().map(|window| {
                let days = match window.days {
                    [true, true, true, true, true, true, true] => String::new(),
                    days => {
                        let on = names.iter().zip(days).filter(|(_, on)| *on);
                        let names: Vec<_> = on.map(|(name, _)| format!("\"{name}\"")).collect();
                        format!(", days = [{}]", names.join(", "))
                    }
                };
                let (from, to) = (time(window.from), time(window.to));
                let limit = super::show_size(window.limit);
                format!("{{ from = \"{from}\", to = \"{to}\"{days}, limit = \"{limit}\" }}")
            });
            format!("[{}]", windows.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read() {
        for (text, expected) in
            [("00:00", Some(0)), ("08:30", Some(510)), ("23:59", Some(1439)), ("24:00", Some(1440))]
        {
            assert_eq!(minutes(text), expected, "{text}");
        }
        for text in ["", "8:00", "08:60", "24:01", "25:00", "+8:00", "08:00:00", "0800"] {
            assert_eq!(minutes(text), None, "{text}");
        }
    }

    #[test]
    fn zones_are_known_without_the_systems_own() {
        assert!(is_zone("Europe/Berlin") && is_zone("Asia/Shanghai") && is_zone("UTC"));
        assert!(!is_zone("Europe/Berlim") && !is_zone(""));
    }
}
