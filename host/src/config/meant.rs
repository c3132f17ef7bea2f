//! The configuration as the rest of the program uses it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::{parse_duration, parse_size};
use super::reader::Reader;
use super::{Environment, Error, Flags, ServerSettings, closest, environment, find, state_default, typed};
use crate::model::{ByteCount, RateLimit, RetryPolicy, Site};
use crate::schedule::Definition;
use crate::transfer;

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Nobody.
    Default,
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
    /// The command line.
    Flag,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How transfers commit, and how fast they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferSettings {
    /// Most bytes between two commits: what a kill may cost.
    pub commit_bytes: u64,
    /// Longest time between two commits.
    pub commit_interval: Duration,
    /// How many bytes before the committed offset are compared on resume.
    pub overlap: u64,
    /// The most bytes of files per second, all transfers and both ways together.
    pub rate_limit: Option<RateLimit>,
    /// Most sessions of the process; `None` for no limit but those of the sites.
    pub sessions: Option<u16>,
}

impl TransferSettings {
    /// The same as the transfers take it.
    #[must_use]
    pub fn options(&self) -> transfer::Options {
        transfer::Options {
            commit_bytes: ByteCount(self.commit_bytes),
            commit_interval: self.commit_interval,
            overlap: ByteCount(self.overlap),
            rate: self.rate_limit.clone(),
            sessions_max: self.sessions,
            ..transfer::Options::default()
        }
    }
}

impl Default for TransferSettings {
    fn default() -> Self {
        let options = transfer::Options::default();
        Self {
            commit_bytes: options.commit_bytes.0,
            commit_interval: options.commit_interval,
            overlap: options.overlap.0,
            rate_limit: options.rate,
            sessions: options.sessions_max,
        }
    }
}

/// What a workflow may use. `None` leaves it to the engine's own default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WasmLimits {
    /// Largest component, in bytes.
    pub component_size: Option<u64>,
    /// Most memory of a guest, in bytes.
    pub memory: Option<u64>,
    /// Fuel between two steps.
    pub fuel: Option<u64>,
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read, absolute; `None` where there is none.
    pub file: Option<PathBuf>,
    /// The state folder, absolute, and who named it.
    pub state: (PathBuf, Origin),
    /// Where a backup of the state is kept, and how old it may become.
    pub backup: Option<(PathBuf, Duration)>,
    /// How transfers commit, and how fast they may be.
    pub transfer: TransferSettings,
    /// What a workflow may use.
    pub limits: WasmLimits,
    /// Which log lines are shown, in the syntax of tracing's `EnvFilter`.
    pub log_filter: Option<String>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What `serve` offers over HTTP.
    pub server: ServerSettings,
    /// Policies that workflows call by name.
    pub retry: BTreeMap<String, RetryPolicy>,
    /// All sites by name.
    pub sites: BTreeMap<String, Arc<Site>>,
    /// Schedules by name, for `schedule apply`.
    pub schedules: BTreeMap<String, Definition>,
}

impl Config {
    /// Finds and reads the configuration of a process that was started in `folder`.
    ///
    /// # Errors
    /// A file that was named and can't be read, anything in it that can't be meant, a variable of
    /// the environment that can't be read.
    pub fn load(flags: &Flags, environment: &Environment, folder: &Path) -> Result<Self, Error> {
        let (file, text) = match find(flags, environment, folder) {
            None => (None, String::new()),
            Some(found) => match std::fs::read_to_string(&found.path) {
                Ok(text) => (Some(found.path), text),
                Err(error) => {
                    let mut wrong = Error::new(format!("can't be read: {error}")).at(&found.path, None);
                    if found.named && error.kind() == std::io::ErrorKind::NotFound {
                        wrong =
                            wrong.with_hint("`orchestrator config path` prints where the file is looked for");
                    }
                    return Err(wrong);
                }
            },
        };
        Self::from_text(&text, file.as_deref(), flags, environment, folder)
    }

    /// Means what `text` says. Relative paths in it are relative to `file`'s folder.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(
        text: &str,
        file: Option<&Path>,
        flags: &Flags,
        environment: &Environment,
        folder: &Path,
    ) -> Result<Self, Error> {
        let name = file.unwrap_or(Path::new("configuration"));
        let typed: typed::File = toml::from_str(text).map_err(|e| Error::from_toml(&e, name, text))?;
        let base = file.and_then(Path::parent).unwrap_or(folder);
        let reader = Reader::new(text, name, base);

        let mut transfer = reader.transfer(&typed.transfer)?;
        if let Some(value) = environment.text(environment::COMMIT_BYTES) {
            transfer.commit_bytes = from_variable(environment::COMMIT_BYTES, parse_size(value))?;
        }
        if let Some(value) = environment.text(environment::COMMIT_INTERVAL) {
            transfer.commit_interval = from_variable(environment::COMMIT_INTERVAL, parse_duration(value))?;
        }
        let state = if let Some(flag) = &flags.state {
            (folder.join(flag), Origin::Flag)
        } else if let Some(variable) = environment.path(environment::STATE) {
            (folder.join(variable), Origin::Environment)
        } else if let Some(path) = &typed.state.path {
            (base.join(path), Origin::File)
        } else {
            (state_default(environment)?, Origin::Default)
        };
        let log_format = match environment.text(environment::LOG_FORMAT) {
            None => typed.log.format.unwrap_or_default(),
            Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(_) => {
                return Err(Error::new(format!("{} is neither text nor json", environment::LOG_FORMAT)));
            }
        };
        let retry = typed
            .retry
            .iter()
            .map(|(name, policy)| Ok((name.clone(), reader.retry(name, policy)?)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        let zone = reader.zone(&typed.transfer)?;
        let sites = typed
            .site
            .iter()
            .map(|(name, site)| Ok((name.clone(), Arc::new(reader.site(name, site, &retry, zone)?))))
            .collect::<Result<_, Error>>()?;
        let schedules = typed
            .schedule
            .iter()
            .map(|(name, schedule)| Ok((name.clone(), reader.schedule(name, schedule, file)?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            file: file.map(Path::to_owned),
            state,
            backup: reader.backup(&typed.state)?,
            transfer,
            limits: reader.limits(&typed.limits)?,
            log_filter: environment.text(environment::LOG).map(str::to_owned).or(typed.log.filter),
            log_format,
            server: reader.server(&typed.server)?,
            retry,
            sites,
            schedules,
        })
    }

    /// The JSON schema of the file (draft 2020-12).
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(typed::File).to_value()
    }

    /// A site by name.
    ///
    /// # Errors
    /// There is none of that name; the hint has the nearest one.
    pub fn site(&self, name: &str) -> Result<&Arc<Site>, Error> {
        self.sites.get(name).ok_or_else(|| {
            let place = match &self.file {
                Some(file) => format!("in {}", file.display()),
                None => "because there is no configuration file".to_owned(),
            };
            let hint = match closest(name, self.sites.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("`orchestrator site add {name} URL` adds it; `orchestrator site list` shows all")
                }
            };
            Error::new(format!("there is no site `{}` {place}", name.escape_debug())).with_hint(hint)
        })
    }
}

fn from_variable<T>(name: &str, value: Result<T, String>) -> Result<T, Error> {
    value.map_err(|wrong| Error::new(format!("the variable {name}: {wrong}")))
}
