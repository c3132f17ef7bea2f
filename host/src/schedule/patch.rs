//! What of a schedule is to be changed. A new one is a patch over the defaults, so `add`, `edit` and the
//! configuration say the same things in the same way.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definition::{Definition, Missed, Overlap};
use super::timing::When;
use crate::model::{Grants, Timestamp};

/// What can be taken away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// The limit on bytes per second.
    RateLimit,
    /// The time that a run may take.
    RunTime,
    /// When it begins.
    Start,
    /// When it ends.
    End,
    /// The number of firings.
    Firings,
    /// The jitter.
    Jitter,
    /// Dates and expression that are left out.
    Exclusions,
    /// The number of runs at a time.
    Concurrency,
    /// That it pauses itself.
    PauseOnFailure,
    /// When a run is expected.
    ExpectBy,
}

/// What of a schedule is to be changed; all else stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patch {
    /// The workflow's name, with the file that its component is read from.
    pub workflow: Option<(String, PathBuf)>,
    /// The whole input.
    pub input: Option<Value>,
    /// All grants.
    pub grants: Option<Grants>,
    /// The most bytes of files per second of one run.
    pub rate_limit: Option<u64>,
    /// How long a run may take, in milliseconds.
    pub run_time_ms: Option<u64>,
    /// What it fires by.
    pub when: Option<When>,
    /// The zone whose clocks count.
    pub zone: Option<String>,
    /// Nothing fires before.
    pub start: Option<Timestamp>,
    /// Nothing fires at or after.
    pub end: Option<Timestamp>,
    /// All dates that are left out.
    pub exclude_dates: Option<Vec<String>>,
    /// The expression that is left out.
    pub exclude_cron: Option<String>,
    /// The jitter, in milliseconds.
    pub jitter_ms: Option<u64>,
    /// It ends after so many firings.
    pub firings_max: Option<u64>,
    /// What happens where runs meet.
    pub overlap: Option<Overlap>,
    /// So many runs at a time.
    pub concurrency: Option<u32>,
    /// Which missed firings are made up for.
    pub catch_up: Option<Missed>,
    /// How far back, in milliseconds.
    pub catch_up_window_ms: Option<u64>,
    /// How many at most.
    pub catch_up_max: Option<u32>,
    /// It pauses itself when a run fails.
    pub pause_on_failure: Option<bool>,
    /// The local time of day by which a run must have succeeded.
    pub expect_by: Option<String>,
    /// What is taken away; it comes before all that is set.
    pub clear: Vec<Field>,
}

impl Patch {
    /// Changes a definition.
    pub fn apply(&self, to: &mut Definition) {
        for field in &self.clear {
            clear(*field, to);
        }
        if let Some((name, file)) = &self.workflow {
            to.workflow.clone_from(name);
            to.file = Some(file.clone());
        }
        set(&mut to.input, &self.input);
        set(&mut to.grants, &self.grants);
        set_some(&mut to.rate_limit, &self.rate_limit);
        set_some(&mut to.run_time_ms, &self.run_time_ms);
        set(&mut to.timing.when, &self.when);
        set(&mut to.timing.zone, &self.zone);
        set_some(&mut to.timing.start, &self.start);
        set_some(&mut to.timing.end, &self.end);
        set(&mut to.timing.exclude_dates, &self.exclude_dates);
        set_some(&mut to.timing.exclude_cron, &self.exclude_cron);
        set(&mut to.jitter_ms, &self.jitter_ms);
        set_some(&mut to.firings_max, &self.firings_max);
        set(&mut to.overlap, &self.overlap);
        set_some(&mut to.concurrency, &self.concurrency);
        set(&mut to.catch_up.which, &self.catch_up);
        set(&mut to.catch_up.window_ms, &self.catch_up_window_ms);
        set(&mut to.catch_up.max, &self.catch_up_max);
        set(&mut to.pause_on_failure, &self.pause_on_failure);
        set_some(&mut to.expect_by, &self.expect_by);
    }
}

fn set<T: Clone>(to: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        to.clone_from(value);
    }
}

fn set_some<T: Clone>(to: &mut Option<T>, value: &Option<T>) {
    if value.is_some() {
        to.clone_from(value);
    }
}

fn clear(field: Field, of: &mut Definition) {
    match field {
        Field::RateLimit => of.rate_limit = None,
        Field::RunTime => of.run_time_ms = None,
        Field::Start => of.timing.start = None,
        Field::End => of.timing.end = None,
        Field::Firings => of.firings_max = None,
        Field::Jitter => of.jitter_ms = 0,
        Field::Exclusions => {
            of.timing.exclude_dates.clear();
            of.timing.exclude_cron = None;
        }
        Field::Concurrency => of.concurrency = None,
        Field::PauseOnFailure => of.pause_on_failure = false,
        Field::ExpectBy => of.expect_by = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Timing;

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let timing = Timing::new(When::Cron("0 2 * * *".to_owned()), "UTC");
        let mut definition = Definition::new("s", "w", timing);
        let full = Patch {
            rate_limit: Some(5),
            expect_by: Some("06:00".to_owned()),
            concurrency: Some(3),
            exclude_dates: Some(vec!["2026-12-25".to_owned()]),
            pause_on_failure: Some(true),
            jitter_ms: Some(10),
            ..Patch::default()
        };
        full.apply(&mut definition);
        let before = definition.clone();
        Patch::default().apply(&mut definition);
        assert_eq!(definition, before);
        Patch { zone: Some("Asia/Kolkata".to_owned()), ..Patch::default() }.apply(&mut definition);
        let timing = Timing { zone: "Asia/Kolkata".to_owned(), ..before.timing.clone() };
        assert_eq!(definition, Definition { timing, ..before.clone() });
        let clear =
            vec![Field::ExpectBy, Field::Concurrency, Field::Exclusions, Field::Jitter, Field::RateLimit];
        Patch { clear, rate_limit: Some(9), ..Patch::default() }.apply(&mut definition);
        assert_eq!((definition.expect_by, definition.concurrency, definition.jitter_ms), (None, None, 0));
        assert_eq!((definition.rate_limit, definition.pause_on_failure), (Some(9), true));
        assert!(definition.timing.exclude_dates.is_empty());
    }
}
