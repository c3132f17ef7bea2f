//! A hundred thousand schedules.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock};
use crate::model::Timestamp;
use crate::schedule::book::{Book, Entry};
use crate::schedule::{Definition, Origin, Record, Standing, Timing, When};

const COUNT: usize = 100_000;

fn record(name: &str, cron: &str) -> Record {
    Record {
        definition: Definition::new(name, "w", Timing::new(When::Cron(cron.to_owned()), "UTC")),
        component: crate::journal::BlobId::of(b"w"),
        created_at: Timestamp(0),
        nonce: 0,
        since: Timestamp(0),
        forgotten_until: None,
        paused: None,
        origin: Origin::Added,
        version: 1,
    }
}

/// What the service does while it waits is to look at the top of the heap, and once in a while to plan one
/// schedule anew. Both are measured over a heap of all of them.
#[test]
fn a_hundred_thousand_idle_schedules_cost_next_to_nothing() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (mut book, now) = (Book::default(), clock.now());
    for number in 0..COUNT {
        let (name, cron) = (format!("s{number}"), format!("{} {} * * *", number % 60, number / 60 % 24));
        book.insert(&name, Entry::new(record(&name, &cron), Standing::default(), now).unwrap());
        book.plan(&name, now);
    }
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(book.take_due(now), None);
        assert!(book.first_due().is_some());
    }
    let look = begun.elapsed() / 100;
    // It looks twice a second.
    assert!(look * 2 < Duration::from_millis(10), "idle takes {look:?} a look: over 1 % of a core");
    let begun = Instant::now();
    let mut fired = 0;
    let tomorrow = Timestamp(now.0 + 24 * 3600 * 1000);
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
