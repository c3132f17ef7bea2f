//! Downloads: exact resume by the steps of the design's `ftp.md`.
//!
//! | file | holds |
//! |---|---|
//! | `run` | attempts, generations, what is left behind in the end |
//! | `attempt` | one attempt: look, go on from the part, receive, look again |
//! | `resume` | how much of the part the log proves |
//! | `receive`, `sink` | the copy loop and the thread that hashes and writes |
//! | `finish` | verification, `Verified`, the rename, and what a crash leaves between them |

mod attempt;
mod finish;
mod receive;
mod resume;
mod run;
mod sink;

#[cfg(test)]
mod tests;
