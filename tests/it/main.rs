//! Tests of the built program and of the shape of the source.

#![allow(missing_docs)]
