//! `[schedule.NAME]`: schedules that `schedule apply` makes those of the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::quantity::{TypedDuration, TypedSize};
use crate::model::{FolderGrant, Grants};
use crate::schedule::{self, Definition, Missed, Overlap, Patch, Timing, When};

/// The zone whose clocks count where the file names none.
pub const ZONE: &str = "UTC";

/// When a workflow is run, by whose clocks, and what happens where runs meet, are missed or fail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    /// The workflow's component; relative to this file.
    workflow: PathBuf,
    /// When it fires: five fields, six with seconds in front, `@daily` or `@every 15m`.
    cron: Option<String>,
    /// The one instant at which it fires, as `2026-12-01T02:00`, instead of `cron`.
    at: Option<String>,
    /// The IANA name of the time zone whose clocks count. By default `UTC`.
    tz: Option<String>,
    /// Nothing fires before this instant.
    start: Option<String>,
    /// Nothing fires at or after this instant.
    end: Option<String>,
    /// Dates on which nothing fires, as `2026-12-25`.
    #[serde(default)]
    exclude: Vec<String>,
    /// An expression whose times are left out; one of five fields takes out whole minutes.
    exclude_cron: Option<String>,
    /// Firings are late by up to this, always by the same, which the name says. By default 0s.
    jitter: Option<TypedDuration>,
    /// It ends after so many firings.
    #[schemars(range(min = 1))]
    firings: Option<u64>,
    /// What happens when a firing meets a run that is still under way. By default `skip`.
    #[schemars(with = "Option<String>")]
    overlap: Option<Overlap>,
    /// So many runs at a time. By default 1, or any number where `overlap` is `allow`.
    #[schemars(range(min = 1))]
    concurrency: Option<u32>,
    /// Which firings of a downtime are made up for: `none`, `last` or `all`. By default `last`.
    #[schemars(with = "Option<String>")]
    catch_up: Option<Missed>,
    /// How far back. By default 1d.
    catch_up_window: Option<TypedDuration>,
    /// How many at most, 1 to 100. By default 100.
    catch_up_max: Option<u32>,
    /// It pauses itself when a run fails. By default false.
    pause_on_failure: Option<bool>,
    /// The time of day, as `06:00`, by which a run must have succeeded on days with a firing.
    expect_by: Option<String>,
    /// The input of its runs.
    #[serde(default)]
    input: Map<String, Value>,
    /// Sites that its runs may use.
    #[serde(default)]
    sites: Vec<String>,
    /// Folders that its runs may use, by the name under which they know them; relative to this file.
    #[serde(default)]
    dirs: BTreeMap<String, PathBuf>,
    /// The most bytes of files per second of one run.
    rate_limit: Option<TypedSize>,
    /// How long a run may take before it is cancelled.
    run_time: Option<TypedDuration>,
}

impl Schedule {
    /// What is meant. Relative paths are relative to `base`.
    ///
    /// # Errors
    /// What can't be meant, and what helps.
    pub(super) fn meant(
        &self,
        name: &str,
        base: &Path,
        file: Option<&Path>,
    ) -> Result<Definition, (String, Option<String>)> {
        let of_schedule = |error: schedule::Error| {
            let fault = error.to_fault();
            (fault.message, fault.hint)
        };
        let of_invalid = |error: schedule::Invalid| (error.message, error.hint);
        let zone_name = self.tz.as_deref().unwrap_or(ZONE);
        let zone = schedule::zone(zone_name).map_err(of_invalid)?;
        let instant = |text: &Option<String>, zone: &TimeZone| {
            text.as_deref().map(|text| schedule::parse_instant(text, zone)).transpose().map_err(of_invalid)
        };
        let when = match (&self.cron, instant(&self.at, &zone)?) {
            (Some(cron), None) => When::Cron(cron.clone()),
            (None, Some(at)) => When::At(at),
            _ => return Err(("it needs either `cron` or `at`".to_owned(), None)),
        };
        let workflow = base.join(&self.workflow);
        let stem = workflow.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let millis = |duration: Option<TypedDuration>| {
            duration.map(|duration| u64::try_from(duration.0.as_millis()).unwrap_or(u64::MAX))
        };
        let folders = self.dirs.iter();
        let grants = Grants {
            sites: self.sites.clone(),
            folders: folders
                .map(|(name, path)| FolderGrant { name: name.clone(), path: base.join(path) })
                .collect(),
            config: file.map(Path::to_owned),
        };
        let patch = Patch {
            workflow: Some((stem.clone(), workflow)),
            input: Some(Value::Object(self.input.clone())),
            grants: Some(grants),
            rate_limit: self.rate_limit.map(|limit| limit.0),
            run_time_ms: millis(self.run_time),
            start: instant(&self.start, &zone)?,
            end: instant(&self.end, &zone)?,
            exclude_dates: Some(self.exclude.clone()),
            exclude_cron: self.exclude_cron.clone(),
            jitter_ms: millis(self.jitter),
            firings_max: self.firings,
            overlap: self.overlap,
            concurrency: self.concurrency,
            catch_up: self.catch_up,
            catch_up_window_ms: millis(self.catch_up_window),
            catch_up_max: self.catch_up_max,
            pause_on_failure: self.pause_on_failure,
            expect_by: self.expect_by.clone(),
            ..Patch::default()
        };
        let mut definition = Definition::new(name, stem, Timing::new(when, zone_name));
        patch.apply(&mut definition);
        definition.check().map_err(of_schedule)?;
        Ok(definition)
    }
}
