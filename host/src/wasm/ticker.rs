//! Counting up the epoch, so that guests yield.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How often a guest that computes lets others run. Ten milliseconds is what a person doesn't see,
/// and 100 wake-ups a second cost nothing that can be measured.
const TICK: Duration = Duration::from_millis(10);

/// How many guests are live; the ticker's thread sleeps while there are none.
#[derive(Debug, Default)]
struct Live {
    guests: Mutex<usize>,
    changed: Condvar,
}

impl Live {
    fn guests(&self) -> MutexGuard<'_, usize> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts up the engine's epoch on a thread of its own: a task would starve together with those
/// whom it should help.
#[derive(Debug)]
pub(super) struct Ticker {
    live: Arc<Live>,
}

impl Ticker {
    /// A ticker that ends with its engine.
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let live = Arc::new(Live::default());
        let (weak, shared) = (engine.weak(), Arc::downgrade(&live));
        std::thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            while let Some(live) = shared.upgrade() {
                if !tick(&weak, &live) {
                    break;
                }
            }
        })?;
        Ok(Self { live })
    }

    /// Ticks until what it gives is dropped.
    pub(super) fn ticking(&self) -> Ticking {
        *self.live.guests() += 1;
        self.live.changed.notify_all();
        Ticking { live: Arc::clone(&self.live) }
    }
}

/// One tick, or a wait of at most a second for a guest; false once the engine is gone.
fn tick(engine: &EngineWeak, live: &Live) -> bool {
    let guests = live.guests();
    if *guests == 0 {
        let waited = live.changed.wait_timeout(guests, Duration::from_secs(1));
        drop(waited);
    } else {
        drop(guests);
        std::thread::sleep(TICK);
    }
    engine.upgrade().is_some_and(|engine| {
        engine.increment_epoch();
        true
    })
}

/// While one of these lives, guests are made to yield.
#[derive(Debug)]
pub struct Ticking {
    live: Arc<Live>,
}

impl Drop for Ticking {
    fn drop(&mut self) {
        *self.live.guests() -= 1;
    }
}
