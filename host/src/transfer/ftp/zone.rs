//! What clock a server's LIST shows (F60): the zone that the site names, or how far it is ahead of UTC.
//!
//! MDTM tells the time of a file in UTC (RFC 3659, 2.3). One file of a listing whose line and whose MDTM
//! differ by whole quarters of an hour shows how far the server's clock is ahead. That is learnt once
//! for each server, from the newest file of the first listing with times in it: near now, where summer
//! time is as it is now. Of a server that keeps summer time, the other half of the year is an hour off.

use jiff::civil::DateTime;

use super::lines::Shown;
use super::list::{When, Zone};
use super::session::Session;
use crate::model::{Fault, FileInfo, FileKind, RemotePath, Timestamp};

/// How many entries are held until the zone is known. Of a larger folder the listing is read twice.
const HELD_MAX: usize = 100_000;

/// How many files are asked for before the zone is taken for UTC.
const WITNESSES_MAX: usize = 3;

/// The farthest that a clock on earth is from UTC.
const AHEAD_MS_MAX: i64 = 14 * 60 * 60 * 1000;

const QUARTER_MS: i64 = 15 * 60 * 1000;

/// A listing whose times wait for their zone.
#[derive(Debug, Default)]
pub(super) struct Held {
    items: Vec<Shown>,
    is_over: bool,
    /// The newest files, newest first, and what LIST showed for them.
    witnesses: Vec<(DateTime, String)>,
}

impl Held {
    pub(super) fn take(&mut self, item: Shown) {
        if let Shown::Entry(FileInfo { path, kind: FileKind::File, .. }, Some(When::Minute(shown))) = &item {
            let at = self.witnesses.partition_point(|(newer, _)| newer >= shown);
            if at < WITNESSES_MAX {
                self.witnesses.insert(at, (*shown, path.clone()));
                self.witnesses.truncate(WITNESSES_MAX);
            }
        }
        if self.items.len() < HELD_MAX {
            self.items.push(item);
        } else {
            self.is_over = true;
        }
    }

    /// The files that can show the zone.
    pub(super) fn witnesses(&self) -> &[(DateTime, String)] {
        &self.witnesses
    }

    /// All of it, unless it was too much.
    pub(super) fn items(self) -> Option<impl Iterator<Item = Shown>> {
        (!self.is_over).then(|| self.items.into_iter())
    }
}

impl Session {
    /// The zone, where it is known or can't be learnt.
    pub(super) fn known_zone(&self) -> Option<Zone> {
        let learned = || self.learned.list_ahead.get().map(Zone::Ahead);
        self.list_zone.clone().or_else(learned).or_else(|| (!self.features.mdtm).then_some(Zone::UTC))
    }

    /// Asks for the times of files that were listed. When none of them says anything, the zone is taken
    /// for UTC, and not asked for again.
    pub(super) async fn learn_zone(
        &mut self,
        witnesses: &[(DateTime, String)],
        doing: &str,
    ) -> Result<Zone, Fault> {
        if witnesses.is_empty() {
            return Ok(Zone::UTC);
        }
        let mut learned = 0;
        for (shown, path) in witnesses {
            let absolute = self.absolute(&RemotePath::parse(path)?);
            let told = self.ask_modified(&absolute, doing).await?.known();
            if let Some(millis) = told.and_then(|at| ahead(*shown, at)) {
                learned = millis;
                break;
            }
        }
        self.learned.list_ahead.set(learned);
        Ok(self.learned.list_ahead.get().map_or(Zone::UTC, Zone::Ahead))
    }
}

/// How far a clock that showed `shown`, to the minute, is ahead of UTC when the instant was `at`; `None`
/// when the two can't be of the same file at the same time.
fn ahead(shown: DateTime, at: Timestamp) -> Option<i64> {
    let as_utc = i64::try_from(When::Minute(shown).instant(&Zone::UTC)?.0).ok()?;
    let difference = as_utc.checked_sub(i64::try_from(at.0).ok()?)?;
    let quarters = (difference + QUARTER_MS / 2).div_euclid(QUARTER_MS) * QUARTER_MS;
    let off = (quarters - difference).abs();
    (off <= 60_000 && quarters.abs() <= AHEAD_MS_MAX).then_some(quarters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::ftp::time;

    #[test]
    fn whole_quarters_of_an_hour_are_a_zone_and_other_differences_are_not() {
        let shown = jiff::civil::date(2026, 3, 1).at(12, 0, 0, 0);
        let at = |text| ahead(shown, time::parse(text).unwrap());
        assert_eq!(at("20260301120030"), Some(0));
        assert_eq!(at("20260301110059"), Some(3_600_000));
        assert_eq!(at("20260301063017"), Some(19_800_000), "India");
        assert_eq!(at("20260301061500"), Some(20_700_000), "Nepal");
        assert_eq!(at("20260302000001"), Some(-43_200_000));
        for wrong in ["20260301112000", "20260303120000", "20250301120000"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_newest_files_are_witnesses() {
        let mut held = Held::default();
        for (name, kind, day) in [
            ("a", FileKind::File, 3),
            ("b", FileKind::File, 9),
            ("c", FileKind::Dir, 20),
            ("d", FileKind::File, 5),
            ("e", FileKind::File, 1),
        ] {
            let info = FileInfo { path: name.to_owned(), kind, size: None, modified: None, unique: None };
            held.take(Shown::Entry(info, Some(When::Minute(jiff::civil::date(2026, 1, day).at(1, 2, 0, 0)))));
        }
        let names: Vec<_> = held.witnesses().iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["b", "d", "a"]);
        assert_eq!(held.items().unwrap().count(), 5);
    }
}
