//! What a copy has read and not sent: so much in memory, and more on disk only while the target stands
//! still.

use std::collections::VecDeque;
use std::time::Duration;

use super::spill::{Spill, SpillOptions};
use crate::model::Fault;
use crate::transfer::options::READ_BYTES_MAX;
use crate::transfer::upload::Item;

/// The most that is held in memory.
const MEMORY_BYTES_MAX: u64 = 6 << 20;

/// How long the target has to stand still before the disk is used. One that is only slower than the
/// source sets the pace of both: to write its file to this disk and read it again would gain nothing.
pub(super) const SPILL_AFTER: Duration = Duration::from_secs(1);

/// First in, first out.
pub(super) struct Ring {
    memory: VecDeque<Item>,
    held: u64,
    /// Younger than everything in `memory`.
    spill: Option<Spill>,
    /// When the last item was taken.
    taken_at: Duration,
}

impl Ring {
    /// Nothing yet, at this time of the monotonic clock.
    pub(super) fn new(spill: Option<&SpillOptions>, now: Duration) -> Self {
        let spill = spill.map(|options| Spill::new(options.clone()));
        Self { memory: VecDeque::new(), held: 0, spill, taken_at: now }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.spill.as_ref().is_none_or(Spill::is_empty)
    }

    /// Whether one more read may be held.
    pub(super) fn has_room(&self, now: Duration) -> bool {
        let spill = self.spill.as_ref();
        if spill.is_some_and(|spill| !spill.is_empty()) {
            return spill.is_some_and(|spill| spill.has_room(READ_BYTES_MAX));
        }
        self.has_memory() || (self.may_spill() && now.saturating_sub(self.taken_at) >= SPILL_AFTER)
    }

    /// Whether time alone may make room.
    pub(super) fn waits_to_spill(&self) -> bool {
        !self.has_memory() && self.may_spill()
    }

    fn has_memory(&self) -> bool {
        self.held + READ_BYTES_MAX <= MEMORY_BYTES_MAX
    }

    fn may_spill(&self) -> bool {
        self.spill.as_ref().is_some_and(|spill| spill.is_empty() && spill.has_room(READ_BYTES_MAX))
    }

    /// Takes what was read.
    pub(super) async fn push(&mut self, item: Item) {
        let spilled = self.spill.as_ref().is_some_and(|spill| !spill.is_empty());
        let item = match &mut self.spill {
            Some(spill) if spilled || self.held + READ_BYTES_MAX > MEMORY_BYTES_MAX => {
                match spill.push(item).await {
                    None => return,
                    // The disk can't be written, and holds nothing: in memory it is in its turn.
                    Some(item) => item,
                }
            }
            _ => item,
        };
        self.held += length(&item);
        self.memory.push_back(item);
    }

    /// The oldest; `None` when there is none.
    pub(super) async fn pop(&mut self, now: Duration) -> Result<Option<Item>, Fault> {
        self.taken_at = now;
        if let Some(item) = self.memory.pop_front() {
            self.held -= length(&item);
            return Ok(Some(item));
        }
        match &mut self.spill {
            Some(spill) => spill.pop().await,
            None => Ok(None),
        }
    }
}

fn length(item: &Item) -> u64 {
    u64::try_from(item.bytes().len()).unwrap_or(u64::MAX)
}
