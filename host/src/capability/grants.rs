//! What a run may reach: nothing but what it was granted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{Fault, FaultCode, FolderGrant, Grants, LocalPath, RetryPolicy, Site};
use crate::transfer::{LocalFile, LocalRoot, Transfers};

/// Finds sites by name.
pub trait Sites: Send + Sync {
    /// The site of this name, in the configuration that was in force when the run was granted it
    /// (`grants.config`).
    ///
    /// # Errors
    /// `config.invalid` when the configuration hasn't got it (any more), or can't be read.
    fn site(&self, name: &str, grants: &Grants) -> Result<Arc<Site>, Fault>;

    /// The retry policy of this name, in the same configuration; `None` where it has no such.
    ///
    /// # Errors
    /// `config.invalid` when the configuration can't be read.
    fn retry_policy(&self, name: &str, grants: &Grants) -> Result<Option<RetryPolicy>, Fault>;

    /// Looks whether all folders that were granted are there, and all sites can be used as they are
    /// configured, so that a run isn't begun, or gone on with and failed, for want of a password or
    /// of a disk that isn't mounted.
    ///
    /// # Errors
    /// `config.invalid`, naming the site and the key; `grant.refused`, naming the folder.
    fn ready(&self, _grants: &Grants) -> Result<(), Fault> {
        Ok(())
    }
}

/// What a run may reach, and how. Cheap to clone.
#[derive(Clone)]
pub struct Reach {
    inner: Arc<Inner>,
}

struct Inner {
    grants: Grants,
    sites: Arc<dyn Sites>,
    transfers: Transfers,
    /// Granted folders that were opened.
    folders: Mutex<HashMap<String, LocalRoot>>,
}

impl Reach {
    /// Nothing is opened yet: a run that is replayed may never need it.
    #[must_use]
    pub fn new(grants: Grants, sites: Arc<dyn Sites>, transfers: Transfers) -> Self {
        Self { inner: Arc::new(Inner { grants, sites, transfers, folders: Mutex::default() }) }
    }

    /// What moves files.
    pub(super) fn transfers(&self) -> &Transfers {
        &self.inner.transfers
    }

    /// Names of the granted sites, sorted.
    pub(super) fn site_names(&self) -> Vec<String> {
        let mut names = self.inner.grants.sites.clone();
        names.sort_unstable();
        names
    }

    /// Names of the granted folders, sorted.
    pub(super) fn folder_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.inner.grants.folders.iter().map(|folder| folder.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Whether the run was granted the site. This follows from the journal alone.
    pub(super) fn may_use_site(&self, name: &str) -> Result<(), Fault> {
        if self.inner.grants.sites.iter().any(|granted| granted == name) {
            return Ok(());
        }
        Err(refused("site", name, &self.site_names(), format_args!("--site {}", name.escape_debug())))
    }

    /// The site, as it is configured now.
    pub(super) fn site(&self, name: &str) -> Result<Arc<Site>, Fault> {
        self.may_use_site(name)?;
        self.inner.sites.site(name, &self.inner.grants)
    }

    /// A retry policy, as it is configured now.
    pub(super) fn retry_policy(&self, name: &str) -> Result<Option<RetryPolicy>, Fault> {
        self.inner.sites.retry_policy(name, &self.inner.grants)
    }

    /// A local path in a folder that the run was granted. This follows from the journal alone.
    pub(super) fn local_path(&self, path: &str) -> Result<LocalPath, Fault> {
        let path = LocalPath::parse(path)?;
        self.grant(&path.folder)?;
        Ok(path)
    }

    fn grant(&self, folder: &str) -> Result<&FolderGrant, Fault> {
        let found = self.inner.grants.folders.iter().find(|granted| granted.name == folder);
        found.ok_or_else(|| {
            let option = format_args!("--dir {}=PATH", folder.escape_debug());
            refused("folder", folder, &self.folder_names(), option)
        })
    }

    /// The granted folder that holds `path`, open.
    pub(super) async fn root(&self, path: &LocalPath) -> Result<LocalRoot, Fault> {
        let grant = self.grant(&path.folder)?.clone();
        let folders = || self.inner.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = folders().get(&grant.name) {
            return Ok(root.clone());
        }
        let root = LocalRoot::open_aside(grant.name, grant.path).await?;
        folders().insert(path.folder.clone(), root.clone());
        Ok(root)
    }

    /// The file at `path`, which need not be there.
    pub(super) async fn file(&self, path: &LocalPath) -> Result<LocalFile, Fault> {
        self.root(path).await?.file(&path.inside)
    }
}

fn refused(what: &str, name: &str, granted: &[String], option: std::fmt::Arguments<'_>) -> Fault {
    let shown = name.escape_debug();
    let has = if granted.is_empty() { "none".to_owned() } else { granted.join(", ") };
    Fault::new(
        FaultCode::GrantRefused,
        format!("this run wasn't granted the {what} \"{shown}\" (it has {has})"),
    )
    .with_hint(format!("grant it when the run is started: `{option}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::testing;

    #[tokio::test]
    async fn only_what_was_granted_is_reached() {
        let home = tempfile::tempdir().unwrap();
        let reach = testing::reach(&["a"], &[("out", home.path())]);
        assert!(reach.may_use_site("a").is_ok());
        assert_eq!(reach.may_use_site("b").unwrap_err().code, FaultCode::GrantRefused);
        assert_eq!(reach.local_path("in/x").unwrap_err().code, FaultCode::GrantRefused);
        let file = reach.file(&reach.local_path("out/x").unwrap()).await.unwrap();
        assert_eq!(file.inside, "x");
    }
}
