//! What a process that is left running asks of its node.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Firing, Node, Recovery};
use crate::clock::Clock;
use crate::config::Config;
use crate::model::Fault;
use crate::schedule;

impl Node {
    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.sites.own()
    }

    /// The configuration in force, and when another one is put in force.
    #[must_use]
    pub fn watch_config(&self) -> watch::Receiver<Arc<Config>> {
        self.sites.watch()
    }

    /// Puts another configuration in force, as far as that is possible while the process works: sites and
    /// their limits, and what listens to [`Node::watch_config`], for what begins from now on. Gives what has
    /// changed and counts only after a restart.
    pub fn reload(&self, config: Config) -> Vec<&'static str> {
        let old = self.sites.own();
        let fixed = [
            ("state.path", old.state.0 != config.state.0),
            ("state.backup", old.backup != config.backup),
            ("transfer", old.transfer != config.transfer),
            ("limits", old.limits != config.limits),
            ("log", old.log_filter != config.log_filter || old.log_format != config.log_format),
            ("server.listen", old.server.listen != config.server.listen),
        ];
        self.sites.reload(config);
        fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
    }

    /// What goes on with the runs that the last process left.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        Recovery::new(self.engine.clone(), self.clock.clone(), self.sites.watch())
    }

    /// The schedules of the state. Nothing of them fires by itself before a
    /// [`schedule::Service`] runs over this handle.
    #[must_use]
    pub fn schedules(&self) -> &schedule::Handle {
        &self.schedules
    }

    /// What fires the schedules; `None` where something does already.
    #[must_use]
    pub fn firing(&self) -> Option<Firing> {
        Firing::new(&self.schedules)
    }

    /// Time, as this process has it.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Waits until the state takes no more writes, and says why: the process must end then.
    pub async fn failed(&self) -> Fault {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await.map(|failed| failed.clone()) {
            Ok(Some(error)) => error.to_fault(),
            // The store's own thread has ended, and why is told first.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// How long it has held the state.
    pub(super) fn uptime(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.began)
    }
}
