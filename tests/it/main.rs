//! Tests of the built program and of the shape of the source: one binary, so that it is linked once.

#![allow(missing_docs, unreachable_pub, reason = "nothing here is used from outside")]

mod client;
mod components;
mod copy;
mod crash_points;
mod embedded;
mod faults;
mod forms;
mod kill;
mod looking_back;
mod matrix;
mod messages;
mod midway;
mod network;
mod outside;
mod schedules;
mod serve;
mod support;
mod tidy;
