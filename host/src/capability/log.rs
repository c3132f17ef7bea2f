//! `orchestrator:workflow/log`, and what guests print: lines for people, muted in a replay.

use super::bindings::log::{Host, Level};
use super::convert::{cut, level_to_model};
use super::ctx::{Ctx, trap};
use crate::journal::Noted;
use crate::model::{LogLevel, RunEvent};

/// The most bytes of a message.
const MESSAGE_BYTES_MAX: usize = 4096;

/// The most fields of a line, and the most bytes of a name and of a value. All of a line then fits
/// an entry of the journal.
const FIELDS_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 64;
const VALUE_BYTES_MAX: usize = 1024;

/// The last lines that a guest wrote to its standard error: where a panic says why.
const LAST_WORDS_MAX: usize = 3;

/// How many calls a line counts that nobody keeps.
const DROPPED_WORTH: u64 = 10;

/// What is remembered of a run's lines.
#[derive(Debug, Default)]
pub(super) struct LogState {
    dropped: u64,
    last_words: Vec<String>,
}

impl LogState {
    /// What the guest wrote to its standard error last, oldest line first.
    pub(super) fn last_words(&self) -> &[String] {
        &self.last_words
    }
}

impl Host for Ctx {
    async fn write(
        &mut self,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.call()?;
        self.flush_output().await?;
        let message = escape(cut(&message, MESSAGE_BYTES_MAX));
        let fields: Vec<_> = fields
            .iter()
            .take(FIELDS_MAX)
            .map(|(name, value)| (escape(cut(name, NAME_BYTES_MAX)), escape(cut(value, VALUE_BYTES_MAX))))
            .collect();
        self.line(level_to_model(level), message, fields).await
    }
}

impl Ctx {
    /// Logs the whole lines that the guest printed.
    pub(super) async fn flush_output(&mut self) -> wasmtime::Result<()> {
        let (lines, dropped) = self.output.take();
        self.log.dropped += dropped;
        self.printed(lines).await
    }

    /// Logs all that the guest printed; it has ended.
    pub(super) async fn log_rest(&mut self) {
        let (lines, dropped) = self.output.take_rest();
        self.log.dropped += dropped;
        // The run ends anyhow, and its ending is what must be written.
        let _ = self.printed(lines).await;
        if self.log.dropped > 0 {
            let end = format!("{} lines were dropped", self.log.dropped);
            self.tell_line(LogLevel::Warn, end, Vec::new());
        }
    }

    /// Remembers what the guest wrote to its standard error last; all of it is logged later.
    pub fn hear_last_words(&mut self) {
        let words = self.output.last_errors(LAST_WORDS_MAX);
        self.log.last_words = words.iter().map(|line| escape(cut(line, MESSAGE_BYTES_MAX))).collect();
    }

    async fn printed(&mut self, lines: Vec<(LogLevel, String)>) -> wasmtime::Result<()> {
        for (level, line) in lines {
            let line = escape(cut(&line, MESSAGE_BYTES_MAX));
            self.line(level, line, Vec::new()).await?;
        }
        Ok(())
    }

    async fn line(
        &mut self,
        level: LogLevel,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let noted = self.steps.log_line(level, message.clone(), fields.clone()).await;
        match noted.map_err(|error| trap(error.into()))? {
            Noted::New => self.tell_line(level, message, fields),
            Noted::Muted => {}
            Noted::Dropped => {
                if self.log.dropped == 0 {
                    let end = "the run has logged as much as it may; further lines are dropped".to_owned();
                    self.tell_line(LogLevel::Warn, end, Vec::new());
                }
                self.log.dropped += 1;
                // A flood ends at the bound of calls, and sooner than it would by itself.
                self.meter.called(DROPPED_WORTH)?;
            }
        }
        Ok(())
    }

    fn tell_line(&self, level: LogLevel, message: String, fields: Vec<(String, String)>) {
        self.events.send(RunEvent::Log { step: self.steps.last_step(), level, message, fields });
    }
}

/// Control characters, and those that turn the direction of text, as `\u{1b}`: what a guest logs can
/// neither drive a terminal nor forge another line.
fn escape(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(odd) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if odd(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_passes() {
        assert_eq!(escape("plain ünïcode"), "plain ünïcode");
        assert_eq!(escape("a\x1b[2Jb\r\nINFO forged"), "a\\u{1b}[2Jb\\r\\nINFO forged");
        assert_eq!(escape("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
    }
}
