//! Dates and clocks of listings: months in many languages, years left out, and the server's zone.
//!
//! A line of LIST tells a time as the server's clock shows it, to the minute or to the day, and says
//! nothing of the zone (F60). So a line gives a [`When`], and only a [`Zone`] makes an instant of it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::transfer::ftp::time;

/// When a file was changed, as a line says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transfer::ftp) enum When {
    /// An instant, whatever zone the server is in.
    Instant(Timestamp),
    /// What the server's clock showed, to the minute or finer.
    Minute(DateTime),
    /// Only the day.
    Day(DateTime),
}

/// What the clock of a server's listings shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::transfer::ftp) enum Zone {
    /// A zone of the IANA database, with its summer time.
    Named(TimeZone),
    /// So many milliseconds ahead of UTC, all the year.
    Ahead(i64),
}

impl Zone {
    /// What is assumed of a server of which nothing is known.
    pub(in crate::transfer::ftp) const UTC: Self = Self::Ahead(0);
}

impl When {
    /// The instant; `None` before 1970.
    pub(in crate::transfer::ftp) fn instant(self, zone: &Zone) -> Option<Timestamp> {
        let shown = match self {
            Self::Instant(at) => return Some(at),
            Self::Minute(shown) | Self::Day(shown) => shown,
        };
        let millis = match zone {
            Zone::Named(zone) => shown.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond(),
            Zone::Ahead(millis) => {
                shown.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond().checked_sub(*millis)?
            }
        };
        u64::try_from(millis).ok().map(Timestamp)
    }

    /// A day and the clock of that day.
    pub(super) fn minute(year: i16, month: i8, day: i8, hour: i8, minute: i8) -> Option<Self> {
        DateTime::new(year, month, day, hour, minute, 0, 0).ok().map(Self::Minute)
    }

    /// A day.
    pub(super) fn day(year: i16, month: i8, day: i8) -> Option<Self> {
        DateTime::new(year, month, day, 0, 0, 0, 0).ok().map(Self::Day)
    }

    /// A date without a year: the last one that isn't more than a day ahead of `now`.
    pub(super) fn without_year(month: i8, day: i8, hour: i8, minute: i8, now: Timestamp) -> Option<Self> {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        let this_year = jiff::Timestamp::from_millisecond(i64::try_from(now.0).ok()?)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .year();
        // Up to eight years back: a 29 February (F45).
        (0..=8).find_map(|back| {
            let at = DateTime::new(this_year + 1 - back, month, day, hour, minute, 0, 0).ok()?;
            time::of_civil(at).filter(|then| then.0 <= now.0.saturating_add(DAY_MS))?;
            Some(Self::Minute(at))
        })
    }
}

/// The number of a month by its name, whole or cut, in the languages that servers are known to speak.
pub(super) fn month(name: &str) -> Option<i8> {
    // Whole names; any beginning of three letters or more means the month. Short forms that aren't
    // beginnings stand beside them.
    const NAMES: [&str; 12] = [
        "january januar janvier enero gennaio janeiro januari января январь styczeń",
        "february februar février fevrier febrero febbraio fevereiro februari февраля февраль luty",
        "march märz maerz mars marzo março marco maart марта март marzec mrz mrt",
        "april avril abril aprile апреля апрель kwiecień",
        "may mai mayo maggio maio mei maj мая май",
        "june juni juin junio giugno junho июня июнь czerwiec",
        "july juli juillet julio luglio julho июля июль lipiec",
        "august août aout agosto augustus augusti августа август sierpień",
        "september septembre septiembre settembre setembro сентября сентябрь wrzesień",
        "october oktober octobre octubre ottobre outubro октября октябрь październik",
        "november novembre noviembre novembro ноября ноябрь listopad",
        "december dezember décembre decembre diciembre dicembre dezembro декабря декабрь grudzień",
    ];
    if let Some(digits) = name.strip_suffix(['月', '월']) {
        return digits.parse().ok().filter(|number| (1..=12).contains(number));
    }
    let lower = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    if lower.chars().count() < 3 {
        return None;
    }
    let at = NAMES.iter().position(|names| names.split(' ').any(|whole| whole.starts_with(&lower)))?;
    i8::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_known_whole_and_cut_and_other_words_are_not() {
        for (name, number) in [
            ("Jan", 1),
            ("févr.", 2),
            ("Mär", 3),
            ("mrz", 3),
            ("mai", 5),
            ("мая", 5),
            ("juil.", 7),
            ("août", 8),
            ("Set", 9),
            ("out", 10),
            ("10月", 10),
            ("3월", 3),
            ("DEC", 12),
        ] {
            assert_eq!(month(name), Some(number), "{name}");
        }
        for name in ["", "ma", "market", "0月", "13月", "juneau", "decimal", "."] {
            assert_eq!(month(name), None, "{name}");
        }
    }

    #[test]
    fn a_zone_makes_an_instant_of_what_a_clock_showed() {
        let summer = When::minute(2026, 7, 1, 12, 0).unwrap();
        let winter = When::minute(2026, 1, 1, 12, 0).unwrap();
        let berlin = Zone::Named(TimeZone::get("Europe/Berlin").unwrap());
        assert_eq!(summer.instant(&berlin), time::parse("20260701100000"));
        assert_eq!(winter.instant(&berlin), time::parse("20260101110000"));
        assert_eq!(winter.instant(&Zone::UTC), time::parse("20260101120000"));
        assert_eq!(winter.instant(&Zone::Ahead(-3_600_000)), time::parse("20260101130000"));
        assert_eq!(When::Instant(Timestamp(7)).instant(&berlin), Some(Timestamp(7)));
        assert_eq!(When::day(1969, 12, 31).unwrap().instant(&Zone::UTC), None);
    }
}
