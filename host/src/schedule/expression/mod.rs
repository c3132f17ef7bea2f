//! When something fires, as people write it: cron expressions of five or six fields, and `@every`.
//!
//! ```text
//! "0 2 * * mon-fri" ── field, parse ──▶ Expression ── walk ──▶ instants
//!                                         │  └── words ──▶ "at 02:00 on Monday to Friday"
//!                                         └── the `cron` crate's own form, which `walk` steps through
//! ```
//! | file | holds |
//! |---|---|
//! | `field` | one field: names, ranges, steps, and what is refused in words |
//! | `parse` | [`Expression`]: all fields, nicknames, `@every`, and the `cron` crate's form of it |
//! | `walk` | from civil times to instants: gaps, repeated hours |
//! | `words` | the expression as a sentence |
//!
//! Numbers are those of POSIX: minutes 0–59, hours 0–23, days 1–31, months 1–12, days of the week 0–7
//! with Sunday twice. Where dialects differ, this is how it is read here:
//!
//! - `a/n` is `a-max/n`. It is an interval, as are `*` and `*/n`; lists and ranges are fixed times.
//! - Where both day fields are restricted, a day that fits either of them fits (as in Vixie cron). A
//!   field that begins with `*`, also `*/2`, isn't restricted in this sense: then both must fit.
//! - A fixed time that the clocks leave out fires at the first instant after the gap; one that they
//!   repeat fires in the first pass. An expression whose minute or hour is an interval fires in both
//!   passes, and what would lie in a gap doesn't exist.
//! - `@every 15m` is elapsed time: the instants whose distance from 1970-01-01T00:00Z is a multiple.
//!
//! The `cron` crate never sees a zoned time: in the repeated hour of a change of clocks its iterator goes
//! backwards, and it leaves out what lies in the gap. Civil times are walked as if they were UTC.

mod field;
mod parse;
mod walk;
mod words;

#[cfg(test)]
mod dst_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod parse_tests;
#[cfg(test)]
mod property_tests;

pub use parse::{Expression, Invalid};
