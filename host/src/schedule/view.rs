//! How schedules stand, for listings and pages.

use std::collections::VecDeque;

use super::Error;
use super::handle::{Handle, Inner};
use super::history::{End, HistoryRow, LATE_ROUND, What};
use super::record::Record;
use super::timing::Rule;
use crate::journal::FiringKey;
use crate::model::{RunId, RunStatus, Timestamp};

/// Rows that are read at a time.
const PAGE: usize = 64;

/// How a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It fires when its time comes.
    Active,
    /// Somebody, or a failure, paused it.
    Paused,
    /// It doesn't fire any more: its end has come, or its number of firings is used up.
    Finished,
}

impl State {
    /// Its name in listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Finished => "finished",
        }
    }
}

/// What the rows of a schedule say of how it stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The latest nominal time that is decided.
    pub latest: Option<Timestamp>,
    /// How many firings it has had.
    pub number: u64,
    /// Runs under way, with their firings.
    pub active: Vec<(RunId, FiringKey)>,
    /// Firings that wait, in order.
    pub waiting: VecDeque<FiringKey>,
    /// When a run was expected and hadn't succeeded; none once one has.
    pub late: Option<Timestamp>,
    /// How the last run that ended did.
    pub last_end: Option<(End, Timestamp)>,
}

/// A schedule for listings and pages.
#[derive(Clone, Debug)]
pub struct View {
    /// The schedule.
    pub record: Record,
    /// When it fires, in words.
    pub words: String,
    /// How it stands.
    pub state: State,
    /// What its rows say.
    pub standing: Standing,
    /// The nominal times that come next, with the instants at which they fire.
    pub next: Vec<(Timestamp, Timestamp)>,
    /// Its rule, for local times.
    pub rule: Rule,
}

impl Inner {
    /// Reads the rows of a schedule as far back as something isn't ended.
    pub(super) async fn standing(&self, name: &str) -> Result<Standing, Error> {
        let mut standing = Standing::default();
        let (mut before, mut succeeded) = (None, false);
        loop {
            let rows = self.rows(name, before.as_ref(), PAGE).await?;
            let mut open = false;
            for row in &rows {
                open |= self.take_in(name, row, &mut standing, &mut succeeded).await?;
            }
            match rows.last() {
                Some(last) if open && rows.len() == PAGE => before = Some(last.key(name)),
                _ => return Ok(standing),
            }
        }
    }

    /// Adds a row, the latest first. Gives whether it is about something that hasn't ended.
    async fn take_in(
        &self,
        name: &str,
        row: &HistoryRow,
        standing: &mut Standing,
        succeeded: &mut bool,
    ) -> Result<bool, Error> {
        if row.round == LATE_ROUND {
            if !*succeeded && standing.late.is_none() {
                standing.late = Some(row.nominal);
            }
            return Ok(false);
        }
        if row.round == 0 && standing.latest.is_none() {
            standing.latest = Some(row.nominal);
        }
        standing.number = standing.number.max(row.row.number);
        if let Some((end, at)) = row.row.ended {
            *succeeded |= end == End::Done;
            if standing.last_end.is_none_or(|(_, last)| last < at) {
                standing.last_end = Some((end, at));
            }
        }
        match (row.row.what, &row.run, row.row.ended) {
            (What::Waiting, _, _) => {
                standing.waiting.push_front(row.key(name));
                Ok(true)
            }
            (What::Fired, Some(run), None) => {
                // A process that was killed couldn't write how its run ended.
                let going_on =
                    matches!(self.status(run).await?, Some(RunStatus::Running | RunStatus::Cancelling));
                standing.active.push((run.clone(), row.key(name)));
                Ok(going_on)
            }
            _ => Ok(false),
        }
    }
}

impl Handle {
    /// Every schedule, in order of names, with the next nominal time of each.
    ///
    /// # Errors
    /// [`Error::State`].
    pub async fn list(&self) -> Result<Vec<View>, Error> {
        let mut views = Vec::new();
        for record in self.inner.records().await? {
            views.push(self.view(record, 1).await?);
        }
        Ok(views)
    }

    /// A schedule with the next `next` nominal times.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn show(&self, name: &str, next: usize) -> Result<View, Error> {
        let record = self.get(name).await?;
        self.view(record, next).await
    }

    /// At most `max` rows of a schedule's history before one, the latest first.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn history(
        &self,
        name: &str,
        before: Option<(Timestamp, u16)>,
        max: usize,
    ) -> Result<Vec<HistoryRow>, Error> {
        self.get(name).await?;
        let before = before.map(|(nominal, round)| FiringKey { schedule: name.to_owned(), nominal, round });
        self.inner.rows(name, before.as_ref(), max).await
    }

    async fn view(&self, record: Record, next: usize) -> Result<View, Error> {
        let rule = record.definition.check()?;
        let mut standing = self.inner.standing(&record.definition.name).await?;
        let mut active = Vec::new();
        for (run, key) in standing.active {
            if self.inner.status(&run).await?.is_some_and(|status| !status.is_closed()) {
                active.push((run, key));
            }
        }
        standing.active = active;
        let definition = &record.definition;
        let left = definition.firings_max.map_or(u64::MAX, |max| max.saturating_sub(standing.number));
        let from = self.inner.clock.now().max(record.since);
        let times = std::iter::successors(rule.next(from), |last| rule.next(*last));
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(next.max(1));
        let mut next: Vec<_> = times.take(most).map(|at| (at, definition.due(at))).collect();
        let state = match (&record.paused, next.is_empty()) {
            (Some(_), _) => State::Paused,
            (None, true) => State::Finished,
            (None, false) => State::Active,
        };
        if state == State::Paused {
            next.clear();
        }
        Ok(View { words: rule.in_words(), record, state, standing, next, rule })
    }
}
