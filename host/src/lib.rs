//! `orchestrator_host`: runs WebAssembly workflows that move files over FTP and FTPS and survive
//! being killed at any instant.
//!
//! The modules, from the bottom up (`tests/it/tidy.rs` holds who may know whom):
//!
//! | module | holds |
//! |---|---|
//! | [`model`] | ids, sites, faults, offsets, digests, receipts, events: plain data, no I/O |
//! | [`clock`] | time, passed in so that tests need not wait |
//! | [`crash`] | named points at which tests end the process |
//! | [`journal`] | entries, their fold, replay-or-record, the stores |
//! | [`transfer`] | FTP sessions, exact resume, verification; knows neither Wasm nor the journal |
//! | [`wasm`] | the one engine configuration, compile cache, limits |
//! | [`capability`] | one file per WIT interface |
//! | [`engine`] | runs: start, replay, go on, cancel |
//! | [`schedule`] | when runs are begun: cron expressions in civil time |
//! | [`ftpd`] | the embedded FTP(S) server |
//! | [`config`] | the configuration file, as typed and as meant |
//! | [`telemetry`] | listeners to run events |
//! | [`node`] | composes one process, and lets a second one talk to it |
//! | [`server`] | the HTTP API of a process that is left running |

pub mod clock;
pub mod crash;
pub mod model;

pub mod journal;
pub mod transfer;
pub mod wasm;

pub mod capability;
pub mod engine;
pub mod schedule;

pub mod ftpd;

pub mod config;
pub mod node;
pub mod server;
pub mod telemetry;
