//! Sessions that are used again.
//!
//! A pool has one shelf for each login (host, port, user, where the secret comes from, TLS, proxy): a
//! session of one login must never serve another. A [`Lease`] that is dropped without
//! [`Lease::give_back`] closes its session, so a future that is cancelled in the middle of a command
//! can't leave a session behind whose next answer belongs to the last question.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::options::Options;
use super::remote::{Connect, Remote};
use crate::clock::Clock;
use crate::model::{DataMode, Fault, FaultCode, NameEncoding, Proxy, SecretRef, Site, TlsPolicy};

/// How long a cap that the server taught us holds before one more session is tried.
const CAP_RECOVERY: Duration = Duration::from_secs(60);

/// What sessions must have in common to stand in for one another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    host: String,
    port: u16,
    user: String,
    password: Option<SecretRef>,
    root: String,
    tls: TlsPolicy,
    mode: DataMode,
    encoding: NameEncoding,
    list_time_zone: Option<String>,
    proxy: Option<Proxy>,
}

/// All sessions of a process.
pub(super) struct Pool {
    connect: Arc<dyn Connect>,
    clock: Arc<dyn Clock>,
    probe_after: Duration,
    shelves: Mutex<HashMap<Key, Arc<Shelf>>>,
}

struct Shelf {
    /// How long a session may lie unused.
    keep: Duration,
    state: Mutex<ShelfState>,
    /// Rung for every session that comes back or ends.
    freed: Notify,
}

#[derive(Default)]
struct ShelfState {
    idle: Vec<Idle>,
    /// Sessions that are leased, or being made.
    out: u16,
    /// The most sessions at once, as the server taught us, and when it did.
    cap: Option<(u16, Duration)>,
}

struct Idle {
    session: Box<dyn Remote>,
    since: Duration,
}

/// A session on loan.
pub(super) struct Lease {
    session: Box<dyn Remote>,
    place: Place,
    clock: Arc<dyn Clock>,
}

/// One of the sessions that a site may have; free again when it is dropped.
struct Place {
    shelf: Arc<Shelf>,
}

enum Found {
    Idle(Place, Idle),
    Free(Place),
    Full,
}

impl Pool {
    pub(super) fn new(connect: Arc<dyn Connect>, clock: Arc<dyn Clock>, options: &Options) -> Self {
        Self { connect, clock, probe_after: options.probe_after, shelves: Mutex::default() }
    }

    /// A session of this site: one that lay unused and still answers, else a new one; waits while the
    /// site has as many as it may have.
    ///
    /// # Errors
    /// Those of [`Connect::connect`]; `ftp.too-many-sessions` only when we have no session ourselves
    /// that could become free.
    pub(super) async fn lease(&self, site: &Site) -> Result<Lease, Fault> {
        let shelf = self.shelf(site);
        loop {
            // In line before looking, so that no ring in between is missed.
            let mut freed = pin!(shelf.freed.notified());
            freed.as_mut().enable();
            let now = self.clock.monotonic();
            self.close_expired(now).await;
            let found = shelf.find(now, site.limits.sessions_max);
            let clock = self.clock.clone();
            match found {
                Found::Idle(place, idle) => {
                    let mut lease = Lease { session: idle.session, place, clock };
                    if now.saturating_sub(idle.since) < self.probe_after || lease.probe().await {
                        return Ok(lease);
                    }
                }
                Found::Free(place) => match self.connect.connect(site).await {
                    Ok(session) => return Ok(Lease { session, place, clock }),
                    Err(fault) if fault.code == FaultCode::FtpTooMany => {
                        drop(place);
                        if !shelf.lower_cap(self.clock.monotonic()) {
                            return Err(fault);
                        }
                    }
                    Err(fault) => return Err(fault),
                },
                Found::Full => freed.await,
            }
        }
    }

    /// Closes what lay unused for too long, on every shelf.
    async fn close_expired(&self, now: Duration) {
        let shelves: Vec<_> =
            self.shelves.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for shelf in shelves {
            let expired = shelf.state().expire(now, shelf.keep);
            close_all(expired).await;
        }
    }

    /// Says QUIT on every session that isn't leased.
    pub(super) async fn close_idle(&self) {
        let shelves: Vec<_> =
            self.shelves.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for shelf in shelves {
            let idle = std::mem::take(&mut shelf.state().idle);
            close_all(idle).await;
        }
    }

    fn shelf(&self, site: &Site) -> Arc<Shelf> {
        let key = Key {
            host: site.host.clone(),
            port: site.port,
            user: site.user.clone(),
            password: site.password.clone(),
            root: site.root.clone(),
            tls: site.tls.clone(),
            mode: site.mode,
            encoding: site.encoding,
            list_time_zone: site.list_time_zone.clone(),
            proxy: site.proxy.clone(),
        };
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(Shelf { keep: site.limits.session_idle, state: Mutex::default(), freed: Notify::new() })
        };
        shelves.entry(key).or_insert_with(new).clone()
    }
}

impl Shelf {
    fn state(&self) -> MutexGuard<'_, ShelfState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the session that was used last, or a place for a new one, and counts it as out.
    fn find(self: &Arc<Self>, now: Duration, sessions_max: u16) -> Found {
        let mut state = self.state();
        let mut cap = sessions_max.max(1);
        if let Some((learned, at)) = state.cap {
            if now.saturating_sub(at) >= CAP_RECOVERY {
                state.cap = (learned + 1 < cap).then_some((learned + 1, now));
            }
            cap = cap.min(state.cap.map_or(cap, |(learned, _)| learned));
        }
        if state.out >= cap {
            return Found::Full;
        }
        state.out += 1;
        let place = Place { shelf: self.clone() };
        match state.idle.pop() {
            Some(idle) => Found::Idle(place, idle),
            None => Found::Free(place),
        }
    }

    /// The server takes no more sessions than we have now. False when we have none at all, so that
    /// waiting for one of ours to become free would be waiting for ever.
    fn lower_cap(&self, now: Duration) -> bool {
        let mut state = self.state();
        let ours = state.out + u16::try_from(state.idle.len()).unwrap_or(u16::MAX);
        state.cap = Some((ours.max(1), now));
        ours > 0
    }
}

impl ShelfState {
    fn expire(&mut self, now: Duration, after: Duration) -> Vec<Idle> {
        self.idle.extract_if(.., |idle| now.saturating_sub(idle.since) > after).collect()
    }
}

async fn close_all(idle: Vec<Idle>) {
    for mut idle in idle {
        idle.session.close().await;
    }
}

impl Lease {
    /// The session may be used by others: the last command was answered, and nothing is under way.
    pub(super) fn give_back(self) {
        if !self.session.is_poisoned() {
            let since = self.clock.monotonic();
            self.place.shelf.state().idle.push(Idle { session: self.session, since });
        }
    }

    /// Gives back or throws away, as `result` says: after a fault the session is kept only when the
    /// server itself gave that answer.
    pub(super) fn after<T>(self, result: &Result<T, Fault>) {
        if result.as_ref().map_or_else(|fault| fault.reply.is_some(), |_| true) {
            self.give_back();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shelf.state().out -= 1;
        self.shelf.freed.notify_one();
    }
}

impl Deref for Lease {
    type Target = dyn Remote;

    fn deref(&self) -> &Self::Target {
        &*self.session
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.session
    }
}

#[cfg(test)]
mod tests;
