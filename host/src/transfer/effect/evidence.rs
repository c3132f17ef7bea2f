//! What stood at the names before an effect, and repeating an effect until its outcome is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::model::{Fault, FaultClass, FaultCode, FileInfo, RemotePath, Site};
use crate::transfer::pool::Want;
use crate::transfer::record::compact;
use crate::transfer::remote::Remote;
use crate::transfer::transfers::Transfers;

/// The version of stored evidence. 1: the first. 2: with the server, of a site whose servers are apart;
/// evidence without one is still written as version 1.
const VERSION: u8 = 1;
const VERSION_WITH_SERVER: u8 = 2;

/// What stood at the names that an effect touches, before it was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    names: Vec<Option<FileInfo>>,
    /// The one of several servers where they were seen, and where alone the effect may take place.
    server: Option<String>,
}

/// Version 1.
#[derive(Serialize, Deserialize)]
struct Names<N> {
    names: N,
}

/// Version 2.
#[derive(Serialize, Deserialize)]
struct NamesOnServer<N, S> {
    names: N,
    server: S,
}

impl Evidence {
    pub(super) fn new(names: &[Option<FileInfo>], server: Option<Arc<str>>) -> Self {
        let names = names.iter().map(|info| info.as_ref().map(compact)).collect();
        Self { names, server: server.map(|server| server.to_string()) }
    }

    /// What stood at the effect's `index`-th name; `None` for nothing.
    pub(super) fn at(&self, index: usize) -> Option<&FileInfo> {
        self.names.get(index).and_then(Option::as_ref)
    }

    /// As it is stored: less than 2 KiB.
    ///
    /// # Errors
    /// `host.bug`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        let names = &self.names;
        let encoded = match &self.server {
            None => postcard::to_extend(&Names { names }, vec![VERSION]),
            Some(server) => postcard::to_extend(&NamesOnServer { names, server }, vec![VERSION_WITH_SERVER]),
        };
        encoded.map_err(|e| Fault::new(FaultCode::HostBug, format!("cannot encode evidence: {e}")))
    }

    /// Reads what [`Evidence::to_bytes`] gave.
    ///
    /// # Errors
    /// `state.damaged`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let damaged =
            |why: String| Fault::new(FaultCode::StateDamaged, format!("the evidence of an effect {why}"));
        match bytes.split_first() {
            Some((&VERSION, body)) => postcard::from_bytes(body)
                .map(|Names { names }| Self { names, server: None })
                .map_err(|e| damaged(format!("can't be read: {e}"))),
            Some((&VERSION_WITH_SERVER, body)) => postcard::from_bytes(body)
                .map(|NamesOnServer { names, server }| Self { names, server: Some(server) })
                .map_err(|e| damaged(format!("can't be read: {e}"))),
            Some((other, _)) => {
                Err(damaged(format!("has version {other}, this program knows up to {VERSION_WITH_SERVER}")))
            }
            None => Err(damaged("is empty".to_owned())),
        }
    }
}

/// Whether `now` can be told to be the file that stood there `before`; `None` when nothing that both
/// know could tell.
pub(super) fn is_same(now: &FileInfo, before: &FileInfo) -> Option<bool> {
    let comparable = (now.size.is_some() && before.size.is_some())
        || (now.modified.is_some() && before.modified.is_some())
        || (now.unique.is_some() && before.unique.is_some());
    if now.kind != before.kind {
        return Some(false);
    }
    comparable.then(|| now.same_file(before))
}

/// The source of an effect must still be what the workflow saw.
pub(super) fn check_unchanged(
    path: &RemotePath,
    found: &FileInfo,
    wanted: Option<&FileInfo>,
) -> Result<(), Fault> {
    match wanted {
        Some(wanted) if !found.same_file(wanted) => {
            let why = format!("{path} isn't the file any more that the workflow saw");
            Err(Fault::new(FaultCode::FtpRemoteChanged, why).with_class(FaultClass::Permanent))
        }
        _ => Ok(()),
    }
}

/// Whether a command may have been carried out without our knowing.
#[derive(Clone, Debug)]
pub(super) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    fn new(in_doubt: bool) -> Self {
        Self(Arc::new(AtomicBool::new(in_doubt)))
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Carries a command out: from before it is sent until its reply is read, there is doubt.
    pub(super) async fn during(&self, command: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
        self.0.store(true, Ordering::SeqCst);
        let result = command.await;
        // A fault with the server's own reply says that the command wasn't carried out.
        if result.as_ref().map_or_else(|fault| fault.reply.is_some(), |()| true) {
            self.0.store(false, Ordering::SeqCst);
        }
        result
    }
}

impl Transfers {
    /// What stands at these names, all seen on one server; and which, of a site whose servers are apart.
    pub(super) async fn seen(
        &self,
        site: &Site,
        paths: &[&RemotePath],
    ) -> Result<(Vec<Option<FileInfo>>, Option<Arc<str>>), Fault> {
        let root = RemotePath::default();
        let first = paths.first().copied().unwrap_or(&root);
        let (found, server) = self
            .repeat_somewhere(site, first, |session| {
                let paths: Vec<RemotePath> = paths.iter().copied().cloned().collect();
                Box::pin(async move {
                    let mut found = Vec::with_capacity(paths.len());
                    for path in &paths {
                        found.push(session.stat(path).await?);
                    }
                    Ok(found)
                })
            })
            .await?;
        Ok((found, server.filter(|_| site.servers.are_apart())))
    }

    /// Does `act` on a fresh session each time until its outcome is known or the attempts are used
    /// up; `act` looks before it acts wherever there is doubt. Evidence of one of several servers that
    /// are apart binds it to that server.
    pub(super) async fn settle<T, F>(
        &self,
        site: &Site,
        path: &RemotePath,
        evidence: &Evidence,
        what: &str,
        in_doubt: bool,
        mut act: F,
    ) -> Result<T, Fault>
    where
        F: for<'s> FnMut(&'s mut dyn Remote, Doubt) -> BoxFuture<'s, Result<T, Fault>>,
    {
        let doubt = Doubt::new(in_doubt);
        let start = self.clock().monotonic();
        let (mut failed, mut previous) = (0, Duration::ZERO);
        loop {
            let want = Want::path(path).only(evidence.server.as_deref());
            let acted = self.once(site, &want, |session| act(session, doubt.clone())).await;
            let mut fault = match acted {
                Ok((value, _)) => return Ok(value),
                Err(fault) => fault,
            };
            failed += 1;
            let elapsed = self.clock().monotonic().saturating_sub(start);
            let Some(wait) = self.backoff(&site.retry, &fault, failed, elapsed, previous) else {
                fault.attempts = failed;
                return Err(if doubt.is_open() { unknown(what, &fault) } else { fault });
            };
            previous = wait;
            self.clock().sleep(wait).await;
        }
    }
}

/// Nobody knows whether the effect took place.
pub(super) fn unknown(what: &str, cause: &dyn std::fmt::Display) -> Fault {
    Fault::new(FaultCode::RunIndeterminate, format!("it isn't known whether {what}: {cause}"))
        .with_hint("look at the names on the server, and set right what isn't")
}
