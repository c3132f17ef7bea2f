//! Tests of the built program and of the shape of the source: one binary, so that it is linked once.

#![allow(missing_docs)]

mod tidy;
