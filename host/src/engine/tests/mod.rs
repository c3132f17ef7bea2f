//! The engine as a whole, in one process: real guests on the store of the model, and the embedded
//! server.

mod stage;
mod world;

mod capable;
mod journey;
mod looking_back;
mod misbehaving;
mod small;
mod workflows;
