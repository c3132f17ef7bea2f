//! Log lines and status values: recorded, but no steps. They ride on the next commit, so a crash may
//! lose the last ones; the guest then makes them again, and each is told to listeners once: what
//! counts is how many were made since the last step.

use super::log::StepLog;
use crate::journal::entry::Fact;
use crate::journal::error::Error;
use crate::journal::state::line_bytes;
use crate::model::LogLevel;

/// Longest log line with its fields, in bytes; what is longer is cut.
pub const LOG_LINE_BYTES_MAX: usize = 8 << 10;

/// All log lines of a run together, in bytes; what comes later is dropped.
pub const LOG_BYTES_MAX: u64 = 10 << 20;

/// What became of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is new, or is to be told again: tell the listeners.
    New,
    /// An earlier process has told of it.
    Muted,
    /// It is over the limit and not recorded.
    Dropped,
}

impl StepLog {
    /// Records a line of the guest's log, cut at [`LOG_LINE_BYTES_MAX`]. It rides on the next commit.
    ///
    /// # Errors
    /// Those of [`append`](crate::journal::Store::append).
    pub async fn log_line(
        &mut self,
        level: LogLevel,
        mut message: String,
        mut fields: Vec<(String, String)>,
    ) -> Result<Noted, Error> {
        if !self.is_new_note() {
            return Ok(self.told_again());
        }
        if line_bytes(&message, &fields) > LOG_LINE_BYTES_MAX as u64 {
            message.truncate(message.floor_char_boundary(LOG_LINE_BYTES_MAX));
            let mut room = LOG_LINE_BYTES_MAX - message.len();
            fields.retain(|(name, value)| {
                let fits = name.len() + value.len() <= room;
                room -= if fits { name.len() + value.len() } else { 0 };
                fits
            });
        }
        let bytes = line_bytes(&message, &fields);
        let after = self.step;
        let mut writer = self.writer.lock().await;
        // A quarter of the entries stays for the steps, however much a guest has to say.
        let crowded = writer.usage().0 >= self.store.limits().entries_max / 4 * 3;
        if crowded || writer.log_bytes() + bytes > LOG_BYTES_MAX {
            self.notes_made -= 1;
            return Ok(Noted::Dropped);
        }
        writer.note(Fact::Logged { after, level, message, fields }, bytes).await?;
        Ok(Noted::New)
    }

    /// Sets a status value, which `show` gives without entering the guest. It rides on the next
    /// commit.
    ///
    /// # Errors
    /// Those of [`append`](crate::journal::Store::append).
    pub async fn set_status(&mut self, key: &str, value: &str) -> Result<Noted, Error> {
        if !self.is_new_note() {
            return Ok(self.told_again());
        }
        let fact = Fact::StatusSet { after: self.step, key: key.to_owned(), value: value.to_owned() };
        self.writer.lock().await.note(fact, 0).await?;
        Ok(Noted::New)
    }

    /// What becomes of a note that isn't recorded, because it is already.
    fn told_again(&self) -> Noted {
        if self.is_aloud() { Noted::New } else { Noted::Muted }
    }

    pub(super) fn is_new_note(&mut self) -> bool {
        self.notes_made += 1;
        self.is_live() && self.rehearsal.is_none() && self.notes_made > self.notes_recorded
    }
}
