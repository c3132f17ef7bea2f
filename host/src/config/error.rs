//! What is wrong with the configuration, where, and what helps.

use std::fmt;
use std::path::{Path, PathBuf};

use super::suggest::closest;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1; `None` when the whole file is meant.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.line {
            Some(line) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

/// The configuration can't be used. Its text never holds a value of a key that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong: a fragment in lower case, without a full stop.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// What helps.
    pub hint: Option<String>,
}

impl Error {
    /// An error that isn't about a place in a file.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None }
    }

    /// The same, about `file` (and a line of it).
    #[must_use]
    pub fn at(mut self, file: &Path, line: Option<usize>) -> Self {
        self.place = Some(Place { file: file.to_owned(), line });
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error of a file that isn't what it should be. The parser's own rendering isn't used: it
    /// shows the line, and the line may hold a password.
    pub(super) fn from_toml(error: &toml::de::Error, file: &Path, text: &str) -> Self {
        let line = error.span().map(|span| line_of(text, span.start));
        let message = error.message().trim().replace('\n', ", ");
        let key = line.and_then(|line| text.lines().nth(line - 1)).and_then(key_of);
        Self::explain(&message, key).at(file, line)
    }

    /// Turns serde's words for an unknown key or value into ours, with a suggestion.
    fn explain(message: &str, key: Option<&str>) -> Self {
        let plain = || match key {
            Some(key) => Self::new(format!("`{key}`: {message}")),
            None => Self::new(message),
        };
        let mut quoted = message.split('`').skip(1).step_by(2);
        let (Some(given), known) = (quoted.next(), quoted.collect::<Vec<_>>()) else {
            return plain();
        };
        let what = if message.starts_with("unknown field") {
            "unknown key"
        } else if message.starts_with("unknown variant") {
            "unknown value"
        } else {
            return plain();
        };
        let hint = match closest(given, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        Self::new(format!("{what} `{given}`")).with_hint(hint)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

/// The key that a line sets; never its value, which may be a secret.
fn key_of(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!key.is_empty() && key.chars().all(plain)).then_some(key)
}

/// The line, from 1, that holds the byte at `offset`.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}
