//! What a schedule can be told, by `add` and by `edit` alike.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use orchestrator_host::config::{Config, parse_duration};
use orchestrator_host::schedule::{self, Missed, Overlap, Patch, When};

use crate::commands::run::{folder, grants, rate};
use crate::context::Context;
use crate::inputs::{self, Pair};
use crate::report::Failure;

/// What a schedule can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// When it fires: five fields (minute, hour, day of the month, month, day of the week), six with
    /// seconds in front, @daily and the like, or "@every 15m"
    #[arg(long, value_name = "EXPR", group = "when")]
    cron: Option<String>,
    /// The one instant at which it fires, as 2026-12-01T02:00 (by the clocks of --tz) or with an offset
    #[arg(long, value_name = "TIME", group = "when")]
    at: Option<String>,
    /// The IANA name of the time zone whose clocks count, as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Nothing fires before
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Nothing fires at or after
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// A date on which nothing fires, as 2026-12-25; once for each
    #[arg(long, value_name = "DATE")]
    exclude: Vec<String>,
    /// An expression whose times are left out; one of five fields takes out whole minutes
    #[arg(long, value_name = "EXPR")]
    exclude_cron: Option<String>,
    /// Firings are late by up to this, always by the same, which the name says
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    jitter: Option<Duration>,
    /// It ends after so many firings
    #[arg(long, value_name = "N")]
    firings: Option<u64>,
    /// What happens when a firing meets a run that is still under way [default: skip]
    #[arg(long, value_name = "WHAT")]
    overlap: Option<OnOverlap>,
    /// So many runs at a time [default: 1; any number with --overlap allow]
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Which firings of a downtime are made up for [default: last]
    #[arg(long, value_name = "WHICH")]
    catch_up: Option<WhichMissed>,
    /// How far back they are [default: 1d]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    catch_up_window: Option<Duration>,
    /// How many at most, 1 to 100 [default: 100]
    #[arg(long, value_name = "N")]
    catch_up_max: Option<u32>,
    /// Pause when a run fails
    #[arg(long)]
    pause_on_failure: bool,
    /// The time of day, as 06:00, by which a run must have succeeded on days with a firing
    #[arg(long, value_name = "HH:MM")]
    expect_by: Option<String>,
    /// A field of the input, as `run` takes it
    #[arg(short, long = "field", value_name = "KEY=VALUE")]
    input: Vec<Pair>,
    /// The input as a JSON file, `-` for standard input; fields given by -i come on top
    #[arg(long = "input", value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// A site that its runs may use
    #[arg(long = "site", value_name = "NAME")]
    sites: Vec<String>,
    /// A folder that its runs may use, as NAME/…
    #[arg(long = "dir", value_name = "NAME=PATH", value_parser = folder)]
    folders: Vec<(String, PathBuf)>,
    /// The most bytes of files per second of one run, as 2MiB
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    rate_limit: Option<u64>,
    /// How long a run may take before it is cancelled
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    run_time: Option<Duration>,
}

/// What happens where runs meet.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OnOverlap {
    /// The firing is left out
    Skip,
    /// It waits; while one waits, others are left out
    QueueOne,
    /// It waits behind all that wait
    QueueAll,
    /// The run is cancelled and may clean up; the firing follows
    CancelOther,
    /// The run is ended where it is; the firing follows
    TerminateOther,
    /// Both go on
    Allow,
}

impl From<OnOverlap> for Overlap {
    fn from(overlap: OnOverlap) -> Self {
        match overlap {
            OnOverlap::Skip => Self::Skip,
            OnOverlap::QueueOne => Self::QueueOne,
            OnOverlap::QueueAll => Self::QueueAll,
            OnOverlap::CancelOther => Self::CancelOther,
            OnOverlap::TerminateOther => Self::TerminateOther,
            OnOverlap::Allow => Self::Allow,
        }
    }
}

/// Which missed firings are made up for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WhichMissed {
    /// None
    None,
    /// The last one
    Last,
    /// All, one after another
    All,
}

impl Settings {
    /// The zone that is named.
    pub(super) fn zone(&self) -> Option<&str> {
        self.tz.as_deref()
    }

    /// Whether something is a local time, which means nothing without a zone.
    pub(super) fn has_times(&self) -> bool {
        self.at.is_some() || self.start.is_some() || self.end.is_some()
    }

    /// Whether it is said when it fires.
    pub(super) fn says_when(&self) -> bool {
        self.cron.is_some() || self.at.is_some()
    }

    /// What is told, with local times by the clocks of `zone`.
    pub(super) fn patch(self, context: &Context, config: &Config, zone: &str) -> Result<Patch, Failure> {
        let zone = schedule::zone(zone).map_err(of_invalid)?;
        let instant = |text: Option<String>| {
            text.map(|text| schedule::parse_instant(&text, &zone)).transpose().map_err(of_invalid)
        };
        let when = match (self.cron, instant(self.at)?) {
            (Some(cron), _) => Some(When::Cron(cron)),
            (None, at) => at.map(When::At),
        };
        let millis = |duration: Option<Duration>| {
            duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
        };
        let has_input = self.file.is_some() || !self.input.is_empty();
        let has_grants = !self.sites.is_empty() || !self.folders.is_empty();
        let input = inputs::read(context, self.file.as_deref(), self.input)?;
        Ok(Patch {
            input: has_input.then_some(input),
            grants: match has_grants {
                true => Some(grants(context, config, self.sites, self.folders)?),
                false => None,
            },
            rate_limit: self.rate_limit,
            run_time_ms: millis(self.run_time),
            when,
            zone: self.tz,
            start: instant(self.start)?,
            end: instant(self.end)?,
            exclude_dates: (!self.exclude.is_empty()).then_some(self.exclude),
            exclude_cron: self.exclude_cron,
            jitter_ms: millis(self.jitter),
            firings_max: self.firings,
            overlap: self.overlap.map(Overlap::from),
            concurrency: self.concurrency,
            catch_up: self.catch_up.map(|which| match which {
                WhichMissed::None => Missed::None,
                WhichMissed::Last => Missed::Last,
                WhichMissed::All => Missed::All,
            }),
            catch_up_window_ms: millis(self.catch_up_window),
            catch_up_max: self.catch_up_max,
            pause_on_failure: self.pause_on_failure.then_some(true),
            expect_by: self.expect_by,
            ..Patch::default()
        })
    }
}

/// An expression, zone or time that can't be meant.
pub(super) fn of_invalid(invalid: schedule::Invalid) -> Failure {
    let failure = Failure::new(crate::exit::Exit::Usage, "config.invalid", invalid.message);
    match invalid.hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
