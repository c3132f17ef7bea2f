//! Schedules as a whole, on simulated time: a store in memory, runs that end when a test says so, and a
//! clock that is set forward and back.

mod handle;
mod jumps;
mod load;
mod once;
mod policies;
mod stage;
