//! A schedule: what it starts, when, and what it does where runs meet, are missed or fail.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use super::timing::{Rule, Timing};
use crate::model::{Grants, Timestamp};

/// The longest name, in bytes: with what stands around it, it stays a key that the store bears well.
pub const NAME_BYTES_MAX: usize = 48;

/// The longest definition as it is stored, in bytes: the store's bound for one value is 64 KiB.
pub const DEFINITION_BYTES_MAX: usize = 60 << 10;

/// The most firings that a schedule catches up with, or has waiting.
pub const WAITING_MAX: u32 = 100;

/// The most runs of a schedule at a time: as many guests as there may be.
const CONCURRENCY_MAX: u32 = 1_000;

/// How far back missed firings are caught up with, by default: a day.
const WINDOW_MS: u64 = 24 * 3600 * 1000;

/// What happens when a firing meets a run of the same schedule that is still under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// The firing is left out.
    #[default]
    Skip,
    /// The firing waits; while one waits, others are left out.
    QueueOne,
    /// The firing waits behind all that wait.
    QueueAll,
    /// The run is cancelled, may clean up, and the firing follows; it takes the place of what waited.
    CancelOther,
    /// The run is ended where it is, and the firing follows.
    TerminateOther,
    /// Both go on.
    Allow,
}

/// Which of the firings that fell into a downtime are made up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// None.
    None,
    /// The last one.
    #[default]
    Last,
    /// All of them, one after another.
    All,
}

/// How missed firings are made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchUp {
    /// Which.
    pub which: Missed,
    /// Only those that were missed no longer ago, in milliseconds.
    pub window_ms: u64,
    /// So many at most, the latest ones.
    pub max: u32,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self { which: Missed::default(), window_ms: WINDOW_MS, max: WAITING_MAX }
    }
}

/// A schedule as somebody wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// The workflow's name, for people.
    pub workflow: String,
    /// The file that its component was read from; what counts is the component that was pinned.
    pub file: Option<PathBuf>,
    /// The input of its runs.
    pub input: Value,
    /// What its runs may reach.
    pub grants: Grants,
    /// The most bytes of files per second of one run.
    pub rate_limit: Option<u64>,
    /// How long a run may take before it is cancelled, in milliseconds.
    pub run_time_ms: Option<u64>,
    /// When it fires.
    pub timing: Timing,
    /// Firings are late by up to so many milliseconds, always by the same, which the name says.
    pub jitter_ms: u64,
    /// It ends after so many firings.
    pub firings_max: Option<u64>,
    /// What happens where runs meet.
    pub overlap: Overlap,
    /// So many runs at a time; by default one, or any number where `overlap` allows it.
    pub concurrency: Option<u32>,
    /// What happens with missed firings.
    pub catch_up: CatchUp,
    /// It pauses itself when a run fails.
    pub pause_on_failure: bool,
    /// The local time of day, as `06:00`, by which a run must have succeeded on days with a firing.
    pub expect_by: Option<String>,
}

impl Definition {
    /// A schedule with nothing but a name, a workflow and a timing.
    #[must_use]
    pub fn new(name: impl Into<String>, workflow: impl Into<String>, timing: Timing) -> Self {
        Self {
            name: name.into(),
            workflow: workflow.into(),
            file: None,
            input: Value::Object(serde_json::Map::new()),
            grants: Grants::default(),
            rate_limit: None,
            run_time_ms: None,
            timing,
            jitter_ms: 0,
            firings_max: None,
            overlap: Overlap::default(),
            concurrency: None,
            catch_up: CatchUp::default(),
            pause_on_failure: false,
            expect_by: None,
        }
    }

    /// Reads what stands in it as text, and looks whether all of it can be meant.
    ///
    /// # Errors
    /// [`Error::Invalid`]: what can't be, and what helps.
    pub fn check(&self) -> Result<Rule, Error> {
        check_name(&self.name)?;
        let rule = Rule::new(&self.timing)?;
        if let Some(expect_by) = &self.expect_by {
            parse_time(expect_by)?;
        }
        let positive = |number: Option<u64>, what: &str| match number {
            Some(0) => Err(Error::invalid(format!("{what} must be at least 1"), None)),
            _ => Ok(()),
        };
        positive(self.firings_max, "the number of firings")?;
        positive(self.concurrency.map(u64::from), "the number of runs at a time")?;
        positive(self.rate_limit, "the limit on bytes per second")?;
        positive(self.run_time_ms, "the time that a run may take")?;
        if self.concurrency.is_some_and(|most| most > CONCURRENCY_MAX) {
            return Err(Error::invalid(format!("at most {CONCURRENCY_MAX} runs may go on at a time"), None));
        }
        if !(1..=WAITING_MAX).contains(&self.catch_up.max) {
            return Err(Error::invalid(
                format!("1 to {WAITING_MAX} missed firings can be caught up with"),
                None,
            ));
        }
        if let (Some(start), Some(end)) = (self.timing.start, self.timing.end)
            && end <= start
        {
            return Err(Error::invalid("it ends before it begins", None));
        }
        let length = serde_json::to_vec(self).map_or(usize::MAX, |bytes| bytes.len());
        if length > DEFINITION_BYTES_MAX {
            return Err(Error::invalid(
                format!("it has {length} bytes; {DEFINITION_BYTES_MAX} are allowed"),
                Some("keep a long input in a file of a granted folder".to_owned()),
            ));
        }
        Ok(rule)
    }

    /// How many runs may go on at a time.
    #[must_use]
    pub fn places(&self) -> usize {
        let most = match (self.concurrency, self.overlap) {
            (Some(most), _) => most,
            (None, Overlap::Allow) => CONCURRENCY_MAX,
            (None, _) => 1,
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// By how much its firings are late, in milliseconds: the same for the same name.
    #[must_use]
    pub fn offset_ms(&self) -> u64 {
        let hash = blake3::hash(self.name.as_bytes());
        let number = u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default());
        if self.jitter_ms == 0 { 0 } else { number % self.jitter_ms }
    }

    /// When a nominal time really fires.
    #[must_use]
    pub fn due(&self, nominal: Timestamp) -> Timestamp {
        Timestamp(nominal.0.saturating_add(self.offset_ms()))
    }
}

/// Whether a name can be that of a schedule.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_name(name: &str) -> Result<(), Error> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
        return Err(Error::invalid(
            format!(
                "the name `{}` isn't made of 1 to {NAME_BYTES_MAX} letters, digits, `-` and `_`",
                name.escape_debug()
            ),
            None,
        ));
    }
    Ok(())
}

/// A time of day, as `06:00`.
pub(super) fn parse_time(text: &str) -> Result<jiff::civil::Time, Error> {
    let wrong = || {
        Error::invalid(
            format!("`{}` is no time of day", text.escape_debug()),
            Some("write hours and minutes, as `06:00`".to_owned()),
        )
    };
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true if digits.len() <= 2 => digits.parse::<i8>().ok(),
        _ => None,
    };
    let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(wrong)?;
    jiff::civil::Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::When;

    fn sound() -> Definition {
        let timing = Timing::new(When::Cron("0 2 * * *".to_owned()), "UTC");
        Definition::new("nightly", "pull", timing)
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        sound().check().unwrap();
        let wrong: [fn(&mut Definition); 12] = [
            |it| it.name = String::new(),
            |it| it.name = "a b".to_owned(),
            |it| it.name = "x".repeat(49),
            |it| it.timing.when = When::Cron("0 2 31 2 *".to_owned()),
            |it| it.timing.zone = "Mars/Olympus".to_owned(),
            |it| it.timing.exclude_dates = vec!["25.12.".to_owned()],
            |it| it.timing.exclude_cron = Some("@every 1h".to_owned()),
            |it| it.expect_by = Some("25:00".to_owned()),
            |it| it.firings_max = Some(0),
            |it| it.concurrency = Some(0),
            |it| it.catch_up.max = 101,
            |it| it.input = Value::String("x".repeat(70_000)),
        ];
        for (n, change) in wrong.into_iter().enumerate() {
            let mut definition = sound();
            change(&mut definition);
            assert!(matches!(definition.check(), Err(Error::Invalid { .. })), "{n}");
        }
    }

    #[test]
    fn jitter_is_stable_and_bounded() {
        let jitter =
            |name: &str| Definition { jitter_ms: 60_000, name: name.to_owned(), ..sound() }.offset_ms();
        assert_eq!(jitter("a"), jitter("a"));
        let offsets: Vec<u64> = (0..100).map(|n| jitter(&n.to_string())).collect();
        assert!(offsets.iter().all(|offset| *offset < 60_000));
        assert!(offsets.iter().any(|o| *o < 10_000) && offsets.iter().any(|o| *o > 50_000), "{offsets:?}");
        assert_eq!(sound().offset_ms(), 0);
    }

    #[test]
    fn times_of_day_have_hours_and_minutes() {
        assert!(parse_time("06:00").is_ok() && parse_time("6:05").is_ok());
        for text in ["6", "24:00", "06:60", "06:00:00", "-1:00", "six:00", "+6:00"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
