//! The handle of all schedules of a process: what commands, pages and the API do with them.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc};

use super::Error;
use super::definition::{Definition, check_name};
use super::event::{Counters, Counting, Event};
use super::history::{End, HistoryRow};
use super::patch::Patch;
use super::record::{Origin, Pause, Record};
use super::runs::Runs;
use super::timing::Rule;
use crate::clock::Clock;
use crate::crash;
use crate::journal::{self, BlobId, FiringKey, Store};
use crate::model::{RunId, Timestamp};

/// Schedules that are read at a time.
const PAGE: usize = 256;

/// Changes that may wait for the service: it takes them as fast as the store answers.
const NOTES_MAX: usize = 1_024;

/// Events that a slow listener may be behind.
const EVENTS_MAX: usize = 1_024;

/// What a [`Handle`] is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where schedules and their rows are kept.
    pub store: Arc<dyn Store>,
    /// What begins runs.
    pub runs: Arc<dyn Runs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// All schedules of a process. Cheap to clone. Nothing fires by itself before a
/// [`Service`](super::Service) runs over it.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) inner: Arc<Inner>,
}

/// What handle, service and their tasks share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    pub(super) runs: Arc<dyn Runs>,
    pub(super) clock: Arc<dyn Clock>,
    events: broadcast::Sender<Event>,
    counting: Counting,
    notes: mpsc::Sender<Note>,
    /// Taken by the service; while nobody has, notes go nowhere.
    pub(super) inbox: Mutex<Option<mpsc::Receiver<Note>>>,
}

/// What the service is told.
#[derive(Debug)]
pub(super) enum Note {
    /// A schedule was added, changed or removed.
    Changed(String),
    /// A run was begun beside the service, and counts as under way.
    Began { schedule: String, run: RunId },
    /// A firing was made to wait beside the service.
    Waits(FiringKey),
    /// A run has ended, or was never begun (`end` is then a failure).
    Ended { schedule: String, run: RunId, end: End },
    /// A firing had its run before.
    Before { schedule: String, run: RunId },
    /// The store failed.
    Failed(Error),
}

impl Inner {
    /// Tells listeners.
    pub(super) fn tell(&self, event: Event) {
        event.log();
        self.counting.count(&event);
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    /// Tells the service, if there is one.
    pub(super) async fn pass(&self, note: Note) {
        if self.has_service() {
            // It may have ended meanwhile.
            let _ = self.notes.send(note).await;
        }
    }

    pub(super) fn has_service(&self) -> bool {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).is_none() && !self.notes.is_closed()
    }

    /// A schedule.
    pub(super) async fn record(&self, name: &str) -> Result<Option<Record>, Error> {
        let Some(stored) = self.store.schedule(name).await? else { return Ok(None) };
        let restored_at = journal::restored_at(&self.store).await?;
        Ok(Some(Record::decode(name, &stored, restored_at)?))
    }

    /// Every schedule, in order of names.
    pub(super) async fn records(&self) -> Result<Vec<Record>, Error> {
        let restored_at = journal::restored_at(&self.store).await?;
        let mut records = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.store.schedules(after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(records) };
            after = Some(last.clone());
            for (name, stored) in &page {
                records.push(Record::decode(name, stored, restored_at)?);
            }
        }
    }

    /// Writes a schedule over the version that it was read as.
    pub(super) async fn put(&self, record: &Record) -> Result<(), Error> {
        let name = &record.definition.name;
        let version = (record.version > 0).then_some(record.version);
        crash::point("schedule.put.before");
        let put = self.store.put_schedule(name, version, record.component, record.encode()?).await?;
        crash::point("schedule.put.after");
        if put { Ok(()) } else { Err(Error::Changed { name: name.clone() }) }
    }

    /// At most `max` rows of a schedule before one, the latest first.
    pub(super) async fn rows(
        &self,
        schedule: &str,
        before: Option<&FiringKey>,
        max: usize,
    ) -> Result<Vec<HistoryRow>, Error> {
        let firings = self.store.firings(schedule, before, max).await?;
        Ok(firings.into_iter().map(HistoryRow::of).collect::<Result<_, _>>()?)
    }
}

impl Handle {
    /// A handle over a store.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let Options { store, runs, clock } = options;
        let (notes, inbox) = mpsc::channel(NOTES_MAX);
        let inner = Inner {
            store,
            runs,
            clock,
            events: broadcast::Sender::new(EVENTS_MAX),
            counting: Counting::default(),
            notes,
            inbox: Mutex::new(Some(inbox)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What schedules tell from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// How often what happened since the process began.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.counting.now()
    }

    /// Adds a schedule; durable when it returns. `component` is what its runs are pinned to.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Invalid`], [`Error::Engine`] for a component that doesn't fit.
    pub async fn add(
        &self,
        definition: Definition,
        component: Vec<u8>,
        origin: Origin,
        paused: Option<Pause>,
    ) -> Result<Record, Error> {
        let rule = definition.check()?;
        let name = definition.name.clone();
        if self.inner.store.schedule(&name).await?.is_some() {
            return Err(Error::Exists { name });
        }
        let now = self.inner.clock.now();
        will_fire(&rule, now)?;
        let component = self.inner.runs.pin(component, &definition.grants).await?;
        let record = Record {
            definition,
            component,
            created_at: now,
            nonce: nonce()?,
            since: now,
            forgotten_until: None,
            paused,
            origin,
            version: 0,
        };
        match self.inner.put(&record).await {
            Ok(()) => {}
            Err(Error::Changed { name }) => return Err(Error::Exists { name }),
            Err(error) => return Err(error),
        }
        self.inner.pass(Note::Changed(name.clone())).await;
        self.get(&name).await
    }

    /// Changes what a patch names, and nothing else. `component` is the new one, where the patch names a
    /// workflow. Another timing counts from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Changed`], [`Error::Engine`].
    pub async fn edit(&self, name: &str, patch: &Patch, component: Option<Vec<u8>>) -> Result<Record, Error> {
        let mut record = self.get(name).await?;
        let before = record.definition.clone();
        patch.apply(&mut record.definition);
        self.replace(record, &before, component).await
    }

    pub(super) async fn replace(
        &self,
        mut record: Record,
        before: &Definition,
        component: Option<Vec<u8>>,
    ) -> Result<Record, Error> {
        let name = record.definition.name.clone();
        let rule = record.definition.check()?;
        if record.definition.timing != before.timing {
            let now = self.inner.clock.now();
            will_fire(&rule, now)?;
            record.since = now;
        }
        if let Some(component) = component {
            record.component = self.inner.runs.pin(component, &record.definition.grants).await?;
        }
        self.put_and_tell(&record).await?;
        self.get(&name).await
    }

    /// Pauses a schedule: nothing fires, and what would have isn't made up for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Changed`].
    pub async fn pause(&self, name: &str, reason: &str, by: &str) -> Result<Record, Error> {
        self.pause_quietly(name, reason, by).await?;
        self.inner.pass(Note::Changed(name.to_owned())).await;
        let event = Event::Paused { schedule: name.to_owned(), reason: reason.to_owned() };
        self.inner.tell(event);
        self.get(name).await
    }

    /// Pauses a schedule without telling anybody: what the service does itself.
    pub(super) async fn pause_quietly(&self, name: &str, reason: &str, by: &str) -> Result<(), Error> {
        let mut record = self.get(name).await?;
        let at = self.inner.clock.now();
        record.paused = Some(Pause { by: by.to_owned(), reason: reason.to_owned(), at });
        self.inner.put(&record).await
    }

    /// Lets a paused schedule fire again from now on; nothing happens to one that isn't paused.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Changed`].
    pub async fn resume(&self, name: &str) -> Result<Record, Error> {
        let mut record = self.get(name).await?;
        if record.paused.take().is_some() {
            record.since = self.inner.clock.now();
            self.put_and_tell(&record).await?;
        }
        self.get(name).await
    }

    /// Removes a schedule with its history. Its runs stay, also those under way.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Changed`].
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let record = self.get(name).await?;
        if !self.inner.store.remove_schedule(name, record.version).await? {
            return Err(Error::Changed { name: name.to_owned() });
        }
        self.inner.pass(Note::Changed(name.to_owned())).await;
        Ok(())
    }

    /// A schedule.
    ///
    /// # Errors
    /// [`Error::NotFound`], with the nearest name.
    pub async fn get(&self, name: &str) -> Result<Record, Error> {
        check_name(name)?;
        if let Some(record) = self.inner.record(name).await? {
            return Ok(record);
        }
        let records = self.inner.records().await?;
        let names = records.iter().map(|record| record.definition.name.as_str());
        // A slip of the hand keeps most of a name.
        let near = names
            .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
            .filter(|(likeness, _)| *likeness >= 0.6)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        Err(Error::NotFound { name: name.to_owned(), near: near.map(|(_, name)| name.to_owned()) })
    }

    async fn put_and_tell(&self, record: &Record) -> Result<(), Error> {
        self.inner.put(record).await?;
        self.inner.pass(Note::Changed(record.definition.name.clone())).await;
        Ok(())
    }

    /// The component that a schedule is pinned to, for those who compare.
    pub(super) fn blob_of(component: &[u8]) -> BlobId {
        BlobId::of(&Bytes::copy_from_slice(component))
    }
}

/// Refuses a timing by which nothing fires any more.
fn will_fire(rule: &Rule, now: Timestamp) -> Result<(), Error> {
    match rule.next(now) {
        Some(_) => Ok(()),
        None => Err(Error::invalid(
            "it would never fire",
            Some("look at its end, its exclusions, and whether its instant has passed".to_owned()),
        )),
    }
}

/// Bytes that no other schedule of this name has had.
fn nonce() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::invalid(format!("the system gives no random bytes: {error}"), None))?;
    Ok(u64::from_le_bytes(bytes))
}
