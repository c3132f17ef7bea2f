//! Counting what one guest uses.

use std::fmt;

use wasmtime::ResourceLimiter;

use super::Limits;

/// A bound of [`Limits`] that a guest reached. It ends the guest as a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// Linear memory: what it wanted in all, and the bound, in bytes.
    Memory {
        /// What it would have had.
        wanted: u64,
        /// The bound.
        max: u64,
    },
    /// Table elements.
    Table {
        /// What it would have had.
        wanted: u64,
        /// The bound.
        max: u64,
    },
    /// Calls that are no steps, between two steps.
    Calls {
        /// The bound.
        max: u64,
    },
    /// What one call may pass to the host.
    CallBytes,
    /// Open handles.
    Handles {
        /// The bound.
        max: usize,
    },
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::model::ByteCount;
        match *self {
            Self::Memory { wanted, max } => {
                write!(f, "it asked for {} of memory; {} are allowed", ByteCount(wanted), ByteCount(max))
            }
            Self::Table { wanted, max } => {
                write!(f, "it asked for {wanted} table elements; {max} are allowed")
            }
            Self::Calls { max } => {
                write!(f, "it made {max} calls of the host without a step between them")
            }
            Self::CallBytes => f.write_str("it passed more to the host in one call than is allowed"),
            Self::Handles { max } => write!(f, "it holds {max} handles and asked for another"),
        }
    }
}

impl std::error::Error for LimitReached {}

/// What one guest has used. All of it follows from what the guest did, so a replay counts the same.
#[derive(Clone, Debug)]
pub struct Meter {
    limits: Limits,
    memory_bytes: u64,
    table_elements: u64,
    calls: u64,
    refill: bool,
}

impl Meter {
    /// Nothing used yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, memory_bytes: 0, table_elements: 0, calls: 0, refill: false }
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The guest made a step: it has its fuel and its calls anew.
    pub fn stepped(&mut self) {
        self.calls = 0;
        self.refill = true;
    }

    /// Whether there was a step since this was last asked.
    pub fn take_refill(&mut self) -> bool {
        std::mem::take(&mut self.refill)
    }

    /// The guest called a function that is no step; `worth` calls of it.
    ///
    /// # Errors
    /// At the bound.
    pub fn called(&mut self, worth: u64) -> Result<(), LimitReached> {
        self.calls += worth;
        let max = self.limits.step_calls_max;
        if self.calls > max { Err(LimitReached::Calls { max }) } else { Ok(()) }
    }
}

/// Growth from `current` to `desired` of one thing, of which all together have `total`.
fn grown(total: u64, current: usize, desired: usize) -> u64 {
    let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
    total.saturating_add(more)
}

impl ResourceLimiter for Meter {
    /// Refusing traps instead of answering "no": a guest that is told "no" aborts in its own way,
    /// and the reason is lost.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = grown(self.memory_bytes, current, desired);
        let max = self.limits.memory_bytes_max;
        if wanted > max {
            return Err(wasmtime::Error::new(LimitReached::Memory { wanted, max }));
        }
        self.memory_bytes = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = grown(self.table_elements, current, desired);
        let max = self.limits.table_elements_max;
        if wanted > max {
            return Err(wasmtime::Error::new(LimitReached::Table { wanted, max }));
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances_max
    }

    fn tables(&self) -> usize {
        self.limits.memories_max
    }

    fn memories(&self) -> usize {
        self.limits.memories_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_counts_over_all_memories() {
        let mut meter = Meter::new(Limits { memory_bytes_max: 100, ..Limits::default() });
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 40, None).unwrap());
        let error = meter.memory_growing(40, 41, None).unwrap_err();
        assert_eq!(
            error.downcast_ref::<LimitReached>(),
            Some(&LimitReached::Memory { wanted: 101, max: 100 })
        );
    }

    #[test]
    fn a_step_gives_calls_and_fuel_anew() {
        let mut meter = Meter::new(Limits { step_calls_max: 2, ..Limits::default() });
        assert!(meter.called(1).is_ok() && meter.called(1).is_ok());
        assert_eq!(meter.called(1), Err(LimitReached::Calls { max: 2 }));
        assert!(!meter.take_refill());
        meter.stepped();
        assert!(meter.called(1).is_ok());
        assert!(meter.take_refill() && !meter.take_refill());
    }
}
