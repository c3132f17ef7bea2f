//! Sites for runs: each run sees those of the configuration that was in force when it began.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::capability::Sites;
use crate::config::{Config, Environment, Error, Flags};
use crate::model::{Fault, FaultCode, Grants, RetryPolicy, Site};
use crate::transfer::ftp::unreadable;

/// The sites of this process's configuration, and those of other files that runs were begun with.
#[derive(Debug)]
pub struct SiteBook {
    own: watch::Sender<Arc<Config>>,
    /// Whether somebody named the configuration: then it counts for every run.
    named: bool,
    environment: Environment,
    others: Mutex<HashMap<PathBuf, Arc<Config>>>,
}

impl SiteBook {
    /// The sites of `own`. With `named`, they come before those of the file that a run was begun
    /// with.
    #[must_use]
    pub fn new(own: Config, named: bool, environment: Environment) -> Self {
        Self { own: watch::Sender::new(Arc::new(own)), named, environment, others: Mutex::default() }
    }

    /// This process's configuration, and when it changes.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Config>> {
        self.own.subscribe()
    }

    /// This process's configuration.
    pub(super) fn own(&self) -> Arc<Config> {
        self.own.borrow().clone()
    }

    /// Puts another configuration in force, for what begins from now on; the other files are read again
    /// when they are needed.
    pub(super) fn reload(&self, own: Config) {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.own.send_replace(Arc::new(own));
    }

    fn other(&self, file: &Path) -> Result<Arc<Config>, Error> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = others.get(file) {
            return Ok(config.clone());
        }
        let flags = Flags { config: Some(file.to_owned()), state: Some(self.own().state.0.clone()) };
        let config = Arc::new(Config::load(&flags, &self.environment, Path::new("/"))?);
        others.insert(file.to_owned(), config.clone());
        Ok(config)
    }
}

impl SiteBook {
    /// What `ask` gives of the configuration that counts for these grants.
    fn ask<T>(&self, grants: &Grants, ask: impl FnOnce(&Config) -> Result<T, Error>) -> Result<T, Fault> {
        let own = self.own();
        let answer = match &grants.config {
            Some(file) if !self.named && own.file.as_ref() != Some(file) => {
                self.other(file).and_then(|config| ask(&config))
            }
            _ => ask(&own),
        };
        answer.map_err(|error| {
            let fault = Fault::new(FaultCode::ConfigInvalid, error.to_string());
            match error.hint {
                Some(hint) => fault.with_hint(hint),
                None => fault,
            }
        })
    }
}

impl Sites for SiteBook {
    fn site(&self, name: &str, grants: &Grants) -> Result<Arc<Site>, Fault> {
        self.ask(grants, |config| config.site(name).cloned())
    }

    fn retry_policy(&self, name: &str, grants: &Grants) -> Result<Option<RetryPolicy>, Fault> {
        self.ask(grants, |config| Ok(config.retry.get(name).cloned()))
    }

    fn ready(&self, grants: &Grants) -> Result<(), Fault> {
        for folder in &grants.folders {
            if !folder.path.is_dir() {
                let path = folder.path.display();
                let why = format!("the folder {path}, granted as `{}`, isn't there", folder.name);
                return Err(Fault::new(FaultCode::GrantRefused, why)
                    .with_hint("mount or make it again, then resume; nothing has changed"));
            }
        }
        for name in &grants.sites {
            let site = self.site(name, grants)?;
            if let Some((key, why)) = unreadable(&site).into_iter().next() {
                let why = format!("site `{name}` can't be used, its `{key}`: {why}");
                return Err(Fault::new(FaultCode::ConfigInvalid, why)
                    .with_hint(format!("mend it, or `{key}` under [site.{name}] in the configuration")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_sees_the_sites_that_it_was_begun_with_unless_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, host: &str| {
            let file = folder.path().join(name);
            let text = format!("[site.a]\nurl = 'ftp://{host}'\n[retry.{host}]\nattempts = 9");
            std::fs::write(&file, text).unwrap();
            file
        };
        let (ours, theirs) = (write("ours.toml", "ours"), write("theirs.toml", "theirs"));
        let environment = Environment::new([("HOME".into(), "/h".into())]);
        let flags = Flags { config: Some(ours), state: None };
        let own = Config::load(&flags, &environment, folder.path()).unwrap();
        let grants = Grants { config: Some(theirs.clone()), ..Grants::default() };
        let host = |named, grants: &Grants| {
            SiteBook::new(own.clone(), named, environment.clone()).site("a", grants).unwrap().host.clone()
        };
        let book = SiteBook::new(own.clone(), false, environment.clone());
        assert_eq!(book.retry_policy("theirs", &grants).unwrap().unwrap().max_attempts, Some(9));
        assert_eq!(book.retry_policy("ours", &grants).unwrap(), None);
        assert_eq!(host(false, &grants), "theirs");
        assert_eq!(host(true, &grants), "ours");
        assert_eq!(host(false, &Grants::default()), "ours");
        std::fs::remove_file(theirs).unwrap();
        let gone = SiteBook::new(own.clone(), false, environment).site("a", &grants).unwrap_err();
        assert_eq!(gone.code, FaultCode::ConfigInvalid);
    }
}
