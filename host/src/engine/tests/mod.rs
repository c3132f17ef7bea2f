//! The engine as a whole, in one process: real guests on the store of the model, over servers that
//! are made of memory.

mod misbehaving;
mod small;
mod world;
