//! One field of an expression.

use super::parse::Invalid;

/// What a field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Sunday's second number.
const SUNDAY_AGAIN: u8 = 7;

impl Unit {
    /// What it is called in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of the month",
            Self::Month => "month",
            Self::Weekday => "day of the week",
        }
    }

    /// The least and the greatest number that may be written.
    pub(super) fn bounds(self) -> (u8, u8) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Day => (1, 31),
            Self::Month => (1, 12),
            Self::Weekday => (0, SUNDAY_AGAIN),
        }
    }

    /// Every number that it has, as a set of bits.
    pub(super) fn all(self) -> u64 {
        let (min, max) = self.bounds();
        let max = if self == Self::Weekday { SUNDAY_AGAIN - 1 } else { max };
        (min..=max).fold(0, |set, number| set | 1 << number)
    }

    fn number_of(self, name: &str) -> Option<u8> {
        let (names, first): (&[&str], u8) = match self {
            Self::Month => (&MONTHS, 1),
            Self::Weekday => (&WEEKDAYS, 0),
            Self::Second | Self::Minute | Self::Hour | Self::Day => return None,
        };
        let place = names.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        u8::try_from(place).ok().map(|place| place + first)
    }
}

/// What a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) unit: Unit,
    /// The numbers that fit, as a set of bits; Sunday is 0.
    pub(super) set: u64,
    /// `*`, `*/n` or `a/n`: counted through, not named.
    pub(super) interval: bool,
    /// It begins with `*`, so it doesn't restrict the other day field.
    pub(super) star: bool,
    /// The step of `*/n` and `a/n`; 1 for anything else.
    pub(super) step: u8,
}

impl Field {
    /// A field with one number.
    pub(super) fn only(unit: Unit, number: u8) -> Self {
        Self { unit, set: 1 << number, interval: false, star: false, step: 1 }
    }

    /// Reads a field.
    pub(super) fn parse(unit: Unit, text: &str) -> Result<Self, Invalid> {
        let mut field = Self { unit, set: 0, interval: false, star: text.starts_with('*'), step: 1 };
        let wrong = |item: &str, why: Wrong| {
            let place = if item == text { String::new() } else { format!(" (in `{}`)", text.escape_debug()) };
            let what = format!("{} `{}`{place}: {}", unit.name(), item.escape_debug(), why.message);
            Invalid { message: what, hint: why.hint }
        };
        for item in text.split(',') {
            let read = Item::parse(unit, item).map_err(|why| wrong(item, why))?;
            field.set |= read.set(unit);
            field.interval = read.interval;
            field.step = read.step;
        }
        if text.contains(',') {
            // A list names its times, whatever its members look like.
            (field.interval, field.step) = (false, 1);
        }
        Ok(field)
    }

    /// The numbers that fit, in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u8> + use<> {
        let set = self.set;
        (0..64).filter(move |number| set & (1 << number) != 0)
    }

    /// Whether every number fits.
    pub(super) fn is_all(&self) -> bool {
        self.set == self.unit.all()
    }

    /// The only number that fits, where it is the only one.
    pub(super) fn single(&self) -> Option<u8> {
        let mut numbers = self.numbers();
        numbers.next().filter(|_| numbers.next().is_none())
    }

    /// Whether this number fits.
    pub(super) fn has(&self, number: u8) -> bool {
        self.set & (1 << number) != 0
    }
}

/// What is wrong with an item, without saying where.
struct Wrong {
    message: String,
    hint: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One of the items that commas separate.
struct Item {
    from: u8,
    to: u8,
    step: u8,
    interval: bool,
}

impl Item {
    fn parse(unit: Unit, text: &str) -> Result<Self, Wrong> {
        refuse_dialects(unit, text)?;
        let (min, max) = unit.bounds();
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(parse_step(unit, step)?)),
            None => (text, None),
        };
        let ((from, to), interval) = if range == "*" {
            ((min, max), true)
        } else if let Some((from, to)) = range.split_once('-') {
            (parse_range(unit, from, to)?, false)
        } else {
            let from = parse_number(unit, range)?;
            // `a/n` goes on to the end of the field.
            ((from, if step.is_some() { max } else { from }), step.is_some())
        };
        Ok(Self { from, to, step: step.unwrap_or(1), interval })
    }

    fn set(&self, unit: Unit) -> u64 {
        let numbers = (self.from..=self.to).step_by(usize::from(self.step));
        let sunday_once = |number| if unit == Unit::Weekday { number % SUNDAY_AGAIN } else { number };
        numbers.fold(0, |set, number| set | 1 << sunday_once(number))
    }
}

fn parse_range(unit: Unit, from: &str, to: &str) -> Result<(u8, u8), Wrong> {
    let (first, mut last) = (parse_number(unit, from)?, parse_number(unit, to)?);
    if unit == Unit::Weekday && last == 0 && first > 0 {
        // `fri-sun` ends with the week's second Sunday.
        last = SUNDAY_AGAIN;
    }
    if first > last {
        let (min, max) = unit.bounds();
        let hint = format!("write both ends: `{from}-{max},{min}-{to}`");
        return Err(Wrong::new("the range ends before it begins").hint(hint));
    }
    Ok((first, last))
}

fn parse_number(unit: Unit, text: &str) -> Result<u8, Wrong> {
    let (min, max) = unit.bounds();
    if let Some(number) = unit.number_of(text) {
        return Ok(number);
    }
    if text.is_empty() {
        return Err(Wrong::new("a number is missing"));
    }
    if text == "*" {
        return Err(Wrong::new("`*` stands alone or before a step").hint("write `*` or `*/15`"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let wrong = Wrong::new(format!("`{}` is not a number", text.escape_debug()));
        return Err(match unit {
            Unit::Month => wrong.hint("write 1 to 12, or jan to dec"),
            Unit::Weekday => wrong.hint("write 0 to 7 (Sunday is 0 and 7), or sun to sat"),
            Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => {
                wrong.hint(format!("write {min} to {max}"))
            }
        });
    }
    let out_of_bounds = || Wrong::new(format!("it goes from {min} to {max}"));
    let number: u8 = text.parse().map_err(|_| out_of_bounds())?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(out_of_bounds()) }
}

fn parse_step(unit: Unit, text: &str) -> Result<u8, Wrong> {
    let (_, max) = unit.bounds();
    match text.parse::<u8>() {
        Ok(step) if (1..=max).contains(&step) && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(step),
        _ => {
            let wrong = Wrong::new(format!("the step after `/` goes from 1 to {max}"));
            Err(match unit {
                Unit::Second | Unit::Minute => wrong.hint("for longer intervals write `@every 90m`"),
                Unit::Hour | Unit::Day | Unit::Month | Unit::Weekday => wrong,
            })
        }
    }
}

/// Signs of other dialects, which would be easy to take for something else.
fn refuse_dialects(unit: Unit, text: &str) -> Result<(), Wrong> {
    let upper = text.to_ascii_uppercase();
    let range = upper.split('/').next().unwrap_or_default();
    let is_name = range.split('-').all(|part| unit.number_of(part).is_some());
    if text.contains('?') {
        return Err(Wrong::new("`?` is Quartz's, and isn't known here").hint("write `*` instead of `?`"));
    }
    if text.contains('#') {
        return Err(Wrong::new("`#` (the n-th such day of the month) isn't known here").hint(
            "exclude the other days: `--cron \"0 2 * * 5\" --exclude-cron \"* * 8-31 * *\"` is the first Friday",
        ));
    }
    if is_name {
        return Ok(());
    }
    let letters_only_at_end = |letter: char| {
        let rest = range.trim_end_matches(letter);
        rest.len() < range.len() && rest.bytes().all(|byte| byte.is_ascii_digit())
    };
    if range == "LW" || letters_only_at_end('W') {
        return Err(Wrong::new("`W` (the nearest working day) isn't known here")
            .hint("name the days, and the dates that don't count with --exclude"));
    }
    if letters_only_at_end('L') || range.starts_with("L-") {
        return Err(Wrong::new("`L` (the last) isn't known here")
            .hint("write `28-31` and exclude what is too early, or fire on day 1"));
    }
    Ok(())
}
