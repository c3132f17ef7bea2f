//! How much may pass in a second: always the same, or by the time of day.

use serde::{Deserialize, Serialize};

/// A limit on what passes in a second. It slows, it never stops: 0 counts as 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateLimit {
    /// Always this many units per second.
    Fixed(u64),
    /// By the time of day.
    Timetable(Timetable),
}

/// Limits by the time of day. Of the windows that an instant lies in, the first counts; outside all of
/// them there is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timetable {
    /// The IANA name of the time zone whose clocks count, as `Europe/Berlin` or `UTC`.
    pub zone: String,
    /// The windows.
    pub windows: Vec<RateWindow>,
}

/// A limit from one time of day to another, on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateWindow {
    /// The first minute of it, counted from midnight: 0 to 1439.
    pub from: u16,
    /// The first minute after it: 0 to 1440. Where it isn't after `from`, the window ends on the next day.
    pub to: u16,
    /// The days on which it begins, Monday first.
    pub days: [bool; 7],
    /// Units per second.
    pub limit: u64,
}
