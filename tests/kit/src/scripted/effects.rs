//! What was done to the server, in order, never taken back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A control connection was accepted.
    Connected(u32),
    /// A line came on a control connection; `private` when it came under TLS.
    Command {
        /// The session, counted from 1.
        session: u32,
        /// Without its line end.
        line: String,
        /// Whether it came under TLS.
        private: bool,
    },
    /// A folder was made.
    Made(String),
    /// A file came into being, or began again as an empty one.
    Created(String),
    /// Bytes of an upload reached the file with this number.
    Wrote {
        /// The file: its name may have changed since.
        inode: u64,
        /// The first of the bytes.
        at: u64,
        /// How many.
        length: u64,
    },
    /// Bytes of a file went out.
    Sent {
        /// The file.
        path: String,
        /// Where the transfer began.
        at: u64,
        /// How many bytes it sent.
        length: u64,
    },
    /// A name was changed.
    Renamed(String, String),
    /// A file or folder was removed.
    Removed(String),
    /// Somebody connected to the address that a reply to PASV named and that isn't the server's.
    Strayed,
}

/// The log of one server.
#[derive(Clone, Debug, Default)]
pub struct EffectLog(Arc<Mutex<Vec<Effect>>>);

impl EffectLog {
    fn lock(&self) -> MutexGuard<'_, Vec<Effect>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, effect: Effect) {
        self.lock().push(effect);
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<Effect> {
        self.lock().clone()
    }

    /// How many of these there were.
    pub fn count(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.lock().iter().filter(|effect| wanted(effect)).count()
    }

    /// How often a file or folder got this name by a rename.
    pub fn arrivals(&self, name: &str) -> usize {
        self.count(|effect| matches!(effect, Effect::Renamed(_, to) if to == name))
    }

    /// The commands that began so, without their line ends.
    pub fn commands(&self, verb: &str) -> Vec<String> {
        let is_wanted = |effect: &Effect| match effect {
            Effect::Command { line, .. } if line.starts_with(verb) => Some(line.clone()),
            _ => None,
        };
        self.lock().iter().filter_map(is_wanted).collect()
    }

    /// Whether a password came in clear.
    pub fn has_clear_password(&self) -> bool {
        self.count(|effect| matches!(effect, Effect::Command { line, private: false, .. } if line.starts_with("PASS")))
            > 0
    }
}
