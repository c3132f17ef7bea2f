//! The engine as a whole, in one process: real guests on the store of the model, and the embedded
//! server.

mod stage;
mod world;

mod capable;
mod journey;
mod misbehaving;
mod small;
mod workflows;
