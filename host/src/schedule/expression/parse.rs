//! A whole expression, and its form for the `cron` crate.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::field::{Field, Unit};

/// Why a text isn't an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong and in which field: a fragment in lower case, without a full stop.
    pub message: String,
    /// What helps.
    pub hint: Option<String>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Invalid {}

/// When something fires.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Fields(Box<Fields>),
    /// So many seconds of elapsed time, from 1.
    Every(i64),
}

/// The six fields.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) second: Field,
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day: Field,
    pub(super) month: Field,
    pub(super) weekday: Field,
    /// Whether seconds were written: a five-field expression that excludes takes out whole minutes.
    pub(super) has_seconds: bool,
    /// The same for the `cron` crate. It knows only days that fit both day fields, so there are two of
    /// them where either is enough.
    pub(super) walks: Vec<::cron::Schedule>,
}

/// The longest text that is read, in bytes: the longest sensible list has about 170 minutes and commas.
const TEXT_BYTES_MAX: usize = 1024;

/// The longest interval of `@every`.
const EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Nicknames and what they stand for.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says which field is wrong and what helps. What is sound and can never fire is refused too.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let wrong = |wrong: Invalid| Invalid {
            message: format!("cron expression `{}`: {}", shown(text), wrong.message),
            hint: wrong.hint,
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(wrong(invalid(format!("it is longer than {TEXT_BYTES_MAX} bytes"))));
        }
        let kind = match text.strip_prefix('@') {
            Some(_) => nickname(text).map_err(wrong)?,
            None => Kind::Fields(Box::new(Fields::parse(text).map_err(wrong)?)),
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// The text that it was read from, without blanks around it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is elapsed time, which fits no wall clock.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        matches!(self.kind, Kind::Every(_))
    }
}

impl FromStr for Expression {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

/// As much of a text as a message bears.
fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let end = text.floor_char_boundary(SHOWN_MAX);
    let more = if end < text.len() { "…" } else { "" };
    format!("{}{more}", text[..end].escape_debug())
}

fn invalid(message: impl Into<String>) -> Invalid {
    Invalid { message: message.into(), hint: None }
}

fn nickname(text: &str) -> Result<Kind, Invalid> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, fields)) = NICKNAMES.iter().find(|(name, _)| *name == lower) {
        return Ok(Kind::Fields(Box::new(Fields::parse(fields)?)));
    }
    if let Some(period) = lower.strip_prefix("@every").filter(|rest| rest.starts_with(char::is_whitespace)) {
        return every(period.trim());
    }
    Err(Invalid {
        message: format!("`{}` isn't known", shown(text)),
        hint: Some(match lower.as_str() {
            "@reboot" => {
                "a schedule goes by the clock; start a run at boot with `orchestrator run`".to_owned()
            }
            "@every" => "write how often, as `@every 15m`".to_owned(),
            _ => {
                let known: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
                format!("known are {} and `@every 15m`", known.join(", "))
            }
        }),
    })
}

fn every(period: &str) -> Result<Kind, Invalid> {
    let hint =
        || Some("write a number with a unit, as `@every 30s`, `@every 15m`, `@every 1h30m`".to_owned());
    let wrong = |message: &str| Invalid { message: message.to_owned(), hint: hint() };
    let period = parse_period(period).ok_or_else(|| wrong("the interval isn't a number with a unit"))?;
    match i64::try_from(period.as_secs()) {
        Ok(seconds) if seconds > 0 && period <= EVERY_MAX => Ok(Kind::Every(seconds)),
        _ => Err(wrong("the interval must lie between 1s and 366d")),
    }
}

/// Whole numbers with the units s, m, h and d.
fn parse_period(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(total))
}

impl Fields {
    fn parse(text: &str) -> Result<Self, Invalid> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        const UNITS: [Unit; 6] =
            [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Month, Unit::Weekday];
        let skipped = match parts.len() {
            5 => 1,
            6 => 0,
            count => return Err(wrong_count(count, parts.first().copied().unwrap_or_default())),
        };
        let mut fields = [Field::only(Unit::Second, 0); 6];
        for (place, (unit, part)) in UNITS.iter().skip(skipped).zip(&parts).enumerate() {
            fields[place + skipped] = Field::parse(*unit, part).map_err(|wrong| Invalid {
                message: format!("field {}, {}", place + 1, wrong.message),
                hint: wrong.hint,
            })?;
        }
        let [second, minute, hour, day, month, weekday] = fields;
        let mut fields =
            Self { second, minute, hour, day, month, weekday, has_seconds: skipped == 0, walks: Vec::new() };
        fields.check_dates()?;
        fields.walks = fields.normalised()?;
        Ok(fields)
    }

    /// Whether a day that fits one of the two day fields is enough.
    pub(super) fn either_day(&self) -> bool {
        !self.day.star && !self.weekday.star
    }

    /// Whether minutes or hours are counted through: such an expression fires in both passes of a
    /// repeated hour.
    pub(super) fn is_interval(&self) -> bool {
        self.minute.interval || self.hour.interval
    }

    /// Refuses what has no day in any year.
    fn check_dates(&self) -> Result<(), Invalid> {
        let longest = |month: u8| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let first_day = self.day.numbers().next().unwrap_or(1);
        if self.either_day() || self.month.numbers().any(|month| first_day <= longest(month)) {
            return Ok(());
        }
        Err(Invalid {
            message: "it can never fire: no such month has such a day".to_owned(),
            hint: Some("look at field `day of the month` and field `month`".to_owned()),
        })
    }

    /// The same in the `cron` crate's form: seconds first, years last, days of the week from 1, Sunday.
    fn normalised(&self) -> Result<Vec<::cron::Schedule>, Invalid> {
        let all = |unit: Unit| Field { unit, set: unit.all(), interval: true, star: true, step: 1 };
        let days = if self.either_day() {
            vec![(self.day, all(Unit::Weekday)), (all(Unit::Day), self.weekday)]
        } else {
            vec![(self.day, self.weekday)]
        };
        let form = |(day, weekday): (Field, Field)| {
            let fields = [self.second, self.minute, self.hour, day, self.month, weekday];
            let text: Vec<String> = fields.iter().map(crate_form).collect();
            let text = format!("{} *", text.join(" "));
            text.parse().map_err(|error| invalid(format!("it can't be walked as `{text}`: {error}")))
        };
        days.into_iter().map(form).collect()
    }
}

fn crate_form(field: &Field) -> String {
    if field.is_all() {
        return "*".to_owned();
    }
    let shift = u8::from(field.unit == Unit::Weekday);
    let numbers: Vec<String> = field.numbers().map(|number| (number + shift).to_string()).collect();
    numbers.join(",")
}

fn wrong_count(count: usize, first: &str) -> Invalid {
    let hint = if first.starts_with("TZ=") || first.starts_with("CRON_TZ=") {
        "name the zone with --tz"
    } else if count == 7 {
        "a year can't be named; limit the schedule with --start and --end"
    } else {
        "write 5 fields (minute, hour, day of the month, month, day of the week), or 6 with seconds in front"
    };
    let noun = if count == 1 { "field" } else { "fields" };
    Invalid { message: format!("it has {count} {noun}"), hint: Some(hint.to_owned()) }
}
