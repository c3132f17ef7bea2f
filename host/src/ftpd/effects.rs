//! The effect log: what clients did to the served folder, one JSON object a line, in order.
//!
//! ```text
//! {"effect":"store","path":"/a.bin","from":65536,"bytes":131072,"ok":true}
//! {"effect":"rename","path":"/a.bin.part","to":"/a.bin","ok":true}
//! ```
//!
//! A transfer's line is written when it ends, however it ends: `from` is the offset it began at and
//! `bytes` what went over the wire or, for a transfer that was cut, what was handed to the socket.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

/// One thing that a client did, or tried to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// RETR.
    Retrieve {
        /// From the served root, with a leading `/`.
        path: String,
        /// The byte at which it began.
        from: u64,
        /// How many bytes were sent.
        bytes: u64,
        /// False when it was cut or refused.
        ok: bool,
    },
    /// STOR or APPE.
    Store {
        /// From the served root, with a leading `/`.
        path: String,
        /// The byte at which it began.
        from: u64,
        /// How many bytes were received.
        bytes: u64,
        /// False when it was cut or refused.
        ok: bool,
    },
    /// RNTO.
    Rename {
        /// The old name.
        path: String,
        /// The new name.
        to: String,
        /// False when it was refused.
        ok: bool,
    },
    /// DELE.
    Delete {
        /// The file.
        path: String,
        /// False when it was refused.
        ok: bool,
    },
    /// MKD.
    MakeFolder {
        /// The folder.
        path: String,
        /// False when it was refused.
        ok: bool,
    },
    /// RMD.
    RemoveFolder {
        /// The folder.
        path: String,
        /// False when it was refused.
        ok: bool,
    },
}

/// Where effects are written to; clones write to the same file.
#[derive(Clone, Debug, Default)]
pub struct EffectLog {
    file: Option<Arc<Mutex<File>>>,
}

impl EffectLog {
    /// A log that appends to the file, which is made where it is missing.
    ///
    /// # Errors
    /// When the file can't be opened for appending.
    pub fn append_to(path: &Path) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { file: Some(Arc::new(Mutex::new(file))) })
    }

    /// Appends one line with one write. What can't be written is told to the log: the client's
    /// command has been done already.
    pub(super) fn record(&self, effect: &Effect) {
        let Some(file) = &self.file else {
            return;
        };
        let written = serde_json::to_vec(effect).map_err(std::io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            file.write_all(&line)
        });
        if let Err(error) = written {
            tracing::error!(%error, ?effect, "the effect log could not be written");
        }
    }
}

/// Reads an effect log back.
///
/// # Errors
/// When the file can't be read or a line isn't an [`Effect`].
pub fn read(path: &Path) -> std::io::Result<Vec<Effect>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(std::io::Error::from)).collect()
}
