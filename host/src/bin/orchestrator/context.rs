//! What every command has at hand.

use std::future::Future;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use orchestrator_host::config::{Config, Environment, Flags, LogFormat, environment, find};
use orchestrator_host::node::{self, Access, Hold, Node};
use orchestrator_host::telemetry;

use crate::args::{Format, Global};
use crate::exit::Exit;
use crate::report::Failure;

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Context {
    /// The environment as it was at the start.
    pub(crate) environment: Environment,
    /// What the command line says of the configuration.
    pub(crate) flags: Flags,
    /// The working folder.
    pub(crate) folder: PathBuf,
    /// How data is written.
    pub(crate) format: Format,
    /// How much is said: below zero less, above zero more.
    pub(crate) verbosity: i8,
}

impl Context {
    pub(crate) fn new(global: Global, environment: Environment) -> Result<Self, Failure> {
        let folder = std::env::current_dir().map_err(|e| Failure::local("find the working folder", &e))?;
        let quiet = i8::try_from(global.quiet).unwrap_or(i8::MAX);
        Ok(Self {
            environment,
            flags: Flags { config: global.config, state: global.state },
            folder,
            format: global.output,
            verbosity: i8::try_from(global.verbose).unwrap_or(i8::MAX).saturating_sub(quiet),
        })
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.flags, &self.environment, &self.folder)?)
    }

    /// The configuration file that is changed: the one in force, else a new one in the working folder.
    pub(crate) fn file_to_change(&self) -> PathBuf {
        find(&self.flags, &self.environment, &self.folder)
            .map_or_else(|| self.folder.join("orchestrator.toml"), |found| found.path)
    }

    /// How log lines are written. The file's `[log]` counts only where it can be read: a broken
    /// file is reported by the command that needs it.
    pub(crate) fn telemetry(&self) -> telemetry::Options {
        let config = Config::load(&self.flags, &self.environment, &self.folder).ok();
        telemetry::Options {
            filter: config.as_ref().and_then(|config| config.log_filter.clone()),
            verbosity: self.verbosity,
            json: config.is_some_and(|config| config.log_format == LogFormat::Json),
            color: self.environment.text(environment::NO_COLOR).is_none() && std::io::stderr().is_terminal(),
        }
    }

    /// A way to the state: to the process that holds it, or by holding it.
    pub(crate) async fn access(&self, config: Config) -> Result<Access, Failure> {
        let state = config.state.0.clone();
        let options = self.node_options(config, false);
        let open = async || Ok(Arc::new(Node::open(options.clone()).await?) as Arc<dyn Hold>);
        Ok(Access::open(&state, open).await?)
    }

    /// The state, held by this process, which is left running.
    pub(crate) async fn hold(&self, config: Config) -> Result<(Access, Arc<Node>), Failure> {
        let state = config.state.0.clone();
        let options = self.node_options(config, true);
        let opened = OnceLock::new();
        let open = async || {
            let node = Arc::new(Node::open(options.clone()).await?);
            Ok(opened.get_or_init(|| node).clone() as Arc<dyn Hold>)
        };
        let access = Access::hold(&state, open).await?;
        let node = opened.into_inner().ok_or_else(node::Error::unanswered)?;
        Ok((access, node))
    }

    /// What a node of this process is made from.
    pub(crate) fn node_options(&self, config: Config, log_runs: bool) -> node::Options {
        let named = self.flags.config.is_some() || self.environment.path(environment::CONFIG).is_some();
        node::Options { config, named, environment: self.environment.clone(), log_runs }
    }

    /// An absolute path for what was typed.
    pub(crate) fn absolute(&self, path: &std::path::Path) -> PathBuf {
        self.folder.join(path)
    }

    /// Runs what waits for files, sockets and time. Only commands that need it pay for the threads.
    pub(crate) fn block_on(
        &self,
        work: impl Future<Output = Result<Exit, Failure>>,
    ) -> Result<Exit, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            // With the defaults, guests that compute for long delayed timers tenfold.
            .event_interval(8)
            .global_queue_interval(8)
            .build()
            .map_err(|e| Failure::local("start threads", &e))?;
        let result = runtime.block_on(work);
        // What is still on a blocking thread (a name look-up, a read of a hung disk) isn't waited for.
        runtime.shutdown_background();
        result
    }
}
