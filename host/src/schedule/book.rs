//! What the service keeps of each schedule, and the heap of what is due next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::Error;
use super::expect::{self, Span};
use super::overlap::Load;
use super::record::Record;
use super::timing::Rule;
use super::view::Standing;
use crate::journal::FiringKey;
use crate::model::{RunId, Timestamp};

const DAY_MS: u64 = 24 * 3600 * 1000;

/// A schedule as the service has it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Arc<Record>,
    pub(super) rule: Rule,
    /// Nominal times up to then are decided.
    pub(super) decided: Timestamp,
    /// Firings so far.
    pub(super) number: u64,
    /// Runs under way.
    pub(super) active: HashSet<RunId>,
    /// Firings that wait, in order.
    pub(super) waiting: VecDeque<FiringKey>,
    /// Rows that were written since old ones were last removed.
    pub(super) written: u32,
    /// The nominal time that comes next.
    next: Option<Timestamp>,
    /// The span at whose end a run must have succeeded.
    pub(super) expected: Option<Span>,
    /// Told apart from what the heap still holds of earlier timings.
    turn: u64,
}

/// Why the service looks at a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// A firing is due.
    Fire,
    /// A run must have succeeded.
    Expect,
}

/// Something in the heap; what is due first comes first.
type Due = Reverse<(Timestamp, Why, u64, Arc<str>)>;

/// All schedules, and what is due next: adding, taking and looking cost the logarithm of their number.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: HashMap<Arc<str>, Entry>,
    heap: BinaryHeap<Due>,
    turns: u64,
}

impl Entry {
    /// An entry from what the store says, at `now`.
    pub(super) fn new(record: Record, standing: Standing, now: Timestamp) -> Result<Self, Error> {
        let rule = record.definition.check()?;
        let decided = standing.latest.map_or(record.since, |latest| latest.max(record.since));
        Ok(Self {
            record: Arc::new(record),
            rule,
            // A clock that was set back: what has no row yet may fire again, what has one can't.
            decided: decided.min(now),
            number: standing.number,
            active: standing.active.into_iter().map(|(run, _)| run).collect(),
            waiting: standing.waiting,
            written: 0,
            next: None,
            expected: None,
            turn: 0,
        })
    }

    /// How busy it is.
    pub(super) fn load(&self) -> Load {
        Load { active: self.active.len(), waiting: self.waiting.len() }
    }

    /// Whether it may fire at all.
    pub(super) fn fires(&self) -> bool {
        let used_up = self.record.definition.firings_max.is_some_and(|max| self.number >= max);
        self.record.paused.is_none() && !used_up
    }

    /// The nominal time that comes next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next
    }
}

impl Book {
    pub(super) fn get(&mut self, name: &str) -> Option<&mut Entry> {
        self.entries.get_mut(name)
    }

    pub(super) fn insert(&mut self, name: &str, entry: Entry) {
        self.entries.insert(Arc::from(name), entry);
    }

    /// Forgets a schedule; what the heap holds of it is passed over.
    pub(super) fn remove(&mut self, name: &str) -> Option<Entry> {
        self.entries.remove(name)
    }

    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.entries.keys().cloned().collect()
    }

    /// Puts what comes next for a schedule into the heap; what was there of it before no longer counts.
    pub(super) fn plan(&mut self, name: &str, now: Timestamp) {
        let Some((name, entry)) = self
            .entries
            .get_key_value(name)
            .map(|(name, _)| name.clone())
            .and_then(|name| self.entries.get_mut(&name).map(|entry| (name, entry)))
        else {
            return;
        };
        self.turns += 1;
        entry.turn = self.turns;
        entry.next = if entry.fires() { entry.rule.next(entry.decided) } else { None };
        if let Some(next) = entry.next {
            let due = entry.record.definition.due(next);
            self.heap.push(Reverse((due, Why::Fire, entry.turn, name.clone())));
        }
        let definition = &entry.record.definition;
        let time = definition.expect_by.as_deref().map(super::definition::parse_time);
        if let (Some(Ok(time)), None) = (time, &entry.record.paused) {
            // At first, the last one is looked at too: it may have passed while no process was there.
            let first = Timestamp(now.0.saturating_sub(DAY_MS));
            let after = entry.expected.map_or(first, |span| span.by.min(now));
            entry.expected = expect::next(&entry.rule, time, after);
            if let Some(span) = entry.expected {
                self.heap.push(Reverse((span.by, Why::Expect, entry.turn, name)));
            }
        }
    }

    /// When something is due next.
    pub(super) fn first_due(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((due, ..))| *due)
    }

    /// The next thing that is due by `now`, which leaves the heap.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<(Arc<str>, Why)> {
        while self.heap.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Reverse((_, why, turn, name)) = self.heap.pop()?;
            if self.entries.get(&name).is_some_and(|entry| entry.turn == turn) {
                return Some((name, why));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::BlobId;
    use crate::schedule::{Definition, Origin, Timing, When};

    fn entry(name: &str, cron: &str) -> Entry {
        let timing = Timing::new(When::Cron(cron.to_owned()), "UTC");
        let record = Record {
            definition: Definition::new(name, "w", timing),
            component: BlobId::of(b"w"),
            created_at: Timestamp(0),
            nonce: 0,
            since: Timestamp(0),
            forgotten_until: None,
            paused: None,
            origin: Origin::Added,
            version: 1,
        };
        Entry::new(record, Standing::default(), Timestamp(0)).unwrap()
    }

    #[test]
    fn what_is_due_comes_in_its_order_and_only_as_last_planned() {
        let mut book = Book::default();
        for (name, cron) in [("b", "*/2 * * * *"), ("a", "* * * * *")] {
            book.insert(name, entry(name, cron));
            book.plan(name, Timestamp(0));
        }
        assert_eq!(book.first_due(), Some(Timestamp(60_000)));
        assert_eq!(book.take_due(Timestamp(59_999)), None);
        let due =
            |book: &mut Book, now| book.take_due(Timestamp(now)).map(|(name, why)| (name.to_string(), why));
        assert_eq!(due(&mut book, 60_000), Some(("a".to_owned(), Why::Fire)));
        assert_eq!(due(&mut book, 60_000), None, "it has left the heap");
        book.get("a").unwrap().decided = Timestamp(60_000);
        book.plan("a", Timestamp(60_000));
        book.plan("b", Timestamp(60_000));
        let both = [due(&mut book, 120_000), due(&mut book, 120_000)].map(|due| due.unwrap().0);
        assert_eq!((both[0].as_str(), both[1].as_str()), ("a", "b"), "b was planned twice and is due once");
        assert_eq!(due(&mut book, 120_000), None);
        book.plan("b", Timestamp(120_000));
        book.remove("b");
        assert_eq!(due(&mut book, u64::MAX), None);
    }
}
