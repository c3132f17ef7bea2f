//! A hundred thousand schedules, in real time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::{Clock, SystemClock};
use crate::engine;
use crate::journal::{BlobId, MemoryStore, NewFiring, Store};
use crate::model::{Grants, RunId, RunOutcome, Timestamp};
use crate::schedule::book::{Book, Entry};
use crate::schedule::{
    Definition, Event, Handle, Options, Origin, Record, Runs, Service, Standing, Timing, When,
};

const COUNT: usize = 100_000;

/// How late a first firing may be.
const LATE_MAX: Duration = Duration::from_millis(50);

fn record(name: &str, cron: &str, since: Timestamp) -> Record {
    Record {
        definition: Definition::new(name, "w", Timing::new(When::Cron(cron.to_owned()), "UTC")),
        component: BlobId::of(b"w"),
        created_at: since,
        nonce: 0,
        since,
        forgotten_until: None,
        paused: None,
        origin: Origin::Added,
        version: 0,
    }
}

/// Runs that are over as soon as they have begun.
#[derive(Debug)]
struct Nothing(Arc<dyn Store>);

#[async_trait]
impl Runs for Nothing {
    async fn pin(&self, component: Vec<u8>, _: &Grants) -> Result<BlobId, engine::Error> {
        Ok(self.0.put_blob(component.into()).await?)
    }

    async fn fire(
        &self,
        _: BlobId,
        _: &Definition,
        _: RunId,
        firing: NewFiring,
    ) -> Result<(), engine::Error> {
        assert!(self.0.note_firing(firing).await?);
        Ok(())
    }

    async fn outcome(&self, _: &RunId) -> Option<RunOutcome> {
        Some(super::stage::done())
    }

    async fn cancel(&self, _: &RunId, _: bool) {}
}

/// Processor time that this process has used: fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_schedules_idle_and_the_first_firing_is_in_time() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let component = store.put_blob(Bytes::from_static(b"w")).await.unwrap();
    let (now, in_a_while) = (clock.now(), jiff::Timestamp::now() + jiff::SignedDuration::from_hours(12));
    let hour = in_a_while.to_zoned(jiff::tz::TimeZone::UTC).hour();
    for number in 0..COUNT {
        let name = format!("s{number}");
        let record = record(&name, &format!("{} {hour} * * *", number % 60), now);
        assert!(store.put_schedule(&name, None, component, record.encode().unwrap()).await.unwrap());
    }
    let runs = Arc::new(Nothing(store.clone()));
    let handle = Handle::new(Options { store, runs, clock });
    let service = tokio::spawn(Service::new(&handle).unwrap().run(std::future::pending()));
    // It takes a command only once all of them are read.
    let mut events = handle.events();
    let every_second =
        Definition::new("first", "w", Timing::new(When::Cron("* * * * * *".to_owned()), "UTC"));
    handle.add(every_second, b"w".to_vec(), Origin::Added, None).await.unwrap();
    let mut late = Vec::new();
    while late.len() < 5 {
        if let Event::Fired { late_ms, .. } = events.recv().await.unwrap() {
            late.push(Duration::from_millis(late_ms));
        }
    }
    // What came due while all of them were read is late with reason; the best of the others shows what the
    // loop takes, whatever else this machine does.
    let best = late[1..].iter().min().unwrap();
    assert!(*best < LATE_MAX, "firings were late by {late:?}");
    handle.remove("first").await.unwrap();

    let mut least = Duration::MAX;
    for _ in 0..5 {
        let (begun, used) = (Instant::now(), processor_time());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let share = (processor_time() - used).as_secs_f64() / begun.elapsed().as_secs_f64();
        least = least.min(Duration::from_secs_f64(share));
        if share < 0.01 {
            break;
        }
    }
    assert!(!service.is_finished());
    assert!(least < Duration::from_millis(10), "idle takes {:.1} % of a core", least.as_secs_f64() * 100.0);
}

#[test]
fn planning_a_firing_costs_no_more_among_a_hundred_thousand() {
    let (mut book, now) = (Book::default(), SystemClock::new().now());
    for number in 0..COUNT {
        let (name, cron) = (format!("s{number}"), format!("{} {} * * *", number % 60, number / 60 % 24));
        let entry = Entry::new(record(&name, &cron, now), Standing::default(), now).unwrap();
        book.insert(&name, entry);
        book.plan(&name, now);
    }
    assert_eq!(book.take_due(now), None);
    let (begun, tomorrow) = (Instant::now(), Timestamp(now.0 + 24 * 3600 * 1000));
    let mut fired = 0;
    while let Some((name, _)) = book.take_due(tomorrow) {
        fired += 1;
        let entry = book.get(&name).unwrap();
        entry.decided = entry.next().unwrap();
        book.plan(&name, tomorrow);
    }
    assert_eq!(fired, COUNT);
    let each = begun.elapsed() / u32::try_from(COUNT).unwrap();
    assert!(each < Duration::from_millis(1), "a firing takes {each:?} to plan");
}
