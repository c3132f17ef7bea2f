//! Lines for the people who run the workflow. A replay doesn't write them again.
//!
//! The macros take fields first, then a format: `info!(site = name, bytes, "the file is here")`. A field
//! is `name = value` or a variable alone; values are anything that implements `Display`.

use crate::host;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the author of the workflow only.
    Trace,
    /// Detail.
    Debug,
    /// What an operator wants to see.
    Info,
    /// Odd, but it goes on.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// Its name in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Writes a line. What the macros call.
pub fn write(level: Level, message: &str, fields: &[(String, String)]) {
    host::log(level, message, fields);
}

/// A line for the author of the workflow only.
#[macro_export]
macro_rules! trace { ($($line:tt)+) => { $crate::__log!($crate::log::Level::Trace, [] $($line)+) }; }
/// A line of detail.
#[macro_export]
macro_rules! debug { ($($line:tt)+) => { $crate::__log!($crate::log::Level::Debug, [] $($line)+) }; }
/// A line that an operator wants to see.
#[macro_export]
macro_rules! info { ($($line:tt)+) => { $crate::__log!($crate::log::Level::Info, [] $($line)+) }; }
/// A line about something odd, after which it goes on.
#[macro_export]
macro_rules! warn { ($($line:tt)+) => { $crate::__log!($crate::log::Level::Warn, [] $($line)+) }; }
/// A line about something that failed.
#[macro_export]
macro_rules! error { ($($line:tt)+) => { $crate::__log!($crate::log::Level::Error, [] $($line)+) }; }

/// Takes fields off the front until the format is left.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:expr, [$($fields:tt)*] $name:ident = $value:expr, $($rest:tt)+) => {
        $crate::__log!($level, [$($fields)* (stringify!($name).to_string(), $value.to_string()),] $($rest)+)
    };
    ($level:expr, [$($fields:tt)*] $name:ident, $($rest:tt)+) => {
        $crate::__log!($level, [$($fields)* (stringify!($name).to_string(), $name.to_string()),] $($rest)+)
    };
    ($level:expr, [$($fields:tt)*] $($format:tt)+) => {
        $crate::log::write($level, &format!($($format)+), &[$($fields)*])
    };
}
