//! Every environment variable that this program reads by itself. (A site may name others for its
//! password.)

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The configuration file.
pub const CONFIG: &str = "ORCHESTRATOR_CONFIG";
/// The state folder.
pub const STATE: &str = "ORCHESTRATOR_STATE";
/// Which log lines are shown, in the syntax of tracing's `EnvFilter`.
pub const LOG: &str = "ORCHESTRATOR_LOG";
/// `text` or `json`.
pub const LOG_FORMAT: &str = "ORCHESTRATOR_LOG_FORMAT";
/// Most bytes of a transfer between two commits.
pub const COMMIT_BYTES: &str = "ORCHESTRATOR_COMMIT_BYTES";
/// Longest time between two commits of a transfer.
pub const COMMIT_INTERVAL: &str = "ORCHESTRATOR_COMMIT_INTERVAL";
/// For tests: the process is killed at this crash point, counted from 1.
pub const CRASH_AT: &str = "ORCHESTRATOR_CRASH_AT";
/// For tests: the names of crash points are appended to this file.
pub const CRASH_TRACE: &str = "ORCHESTRATOR_CRASH_TRACE";
/// Where the service manager listens: sd_notify(3).
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// How often the service manager wants to hear that the process is alive, in microseconds.
pub const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// The process from which the service manager wants to hear that.
pub const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// Set and not empty: no colour (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";
/// Where people's configuration lives (XDG base directories).
pub const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Where programs keep state (XDG base directories).
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// The user's home folder.
pub const HOME: &str = "HOME";
/// The user's name, as the system's login sets it.
pub const USER: &str = "USER";

/// All names above with what they are for, for `--help` and `doctor`.
pub const ALL: &[(&str, &str)] = &[
    (CONFIG, "the configuration file"),
    (STATE, "the state folder"),
    (LOG, "which log lines are shown"),
    (LOG_FORMAT, "text or json"),
    (COMMIT_BYTES, "most bytes of a transfer between two commits"),
    (COMMIT_INTERVAL, "longest time between two commits of a transfer"),
    (NOTIFY_SOCKET, "where the service manager listens"),
    (WATCHDOG_USEC, "how often the service manager wants to hear of `serve`, in microseconds"),
    (WATCHDOG_PID, "the process from which it wants to hear that"),
    (NO_COLOR, "no colour"),
    (XDG_CONFIG_HOME, "where the configuration is looked for"),
    (XDG_STATE_HOME, "where the state folder lies by default"),
    (HOME, "the home folder"),
    (USER, "who pauses a schedule"),
    (CRASH_AT, "for tests: ends the process at this crash point"),
    (CRASH_TRACE, "for tests: writes down the crash points that are passed"),
];

/// The variables of a process, taken once when it starts.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Keeps those of `variables` that stand in [`ALL`].
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(
            variables
                .into_iter()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .filter(|(name, _)| ALL.iter().any(|(known, _)| known == name))
                .collect(),
        )
    }

    /// The value of a variable as a path; an empty one counts as not set.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The value of a variable as text; an empty one, or one that is no UTF-8, counts as not set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }
}
