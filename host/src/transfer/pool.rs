//! Sessions that are used again.
//!
//! A pool has one shelf for each login (host, port, user, where the secret comes from, TLS, proxy): a
//! session of one login must never serve another. A [`Lease`] that is dropped without
//! [`Lease::give_back`] closes its session, so a future that is cancelled in the middle of a command
//! can't leave a session behind whose next answer belongs to the last question.
//!
//! Everybody who wants a session gets in line, and whoever frees a place hands it to the next one:
//!
//! ```text
//!   lease ──▶ Fleet (a site with several servers: which one?) ──▶ Shelf ──▶ Queue: runs in turn
//!                ▲ health, breaker                                  │            │ Grant
//!                ╰──── it failed: another one ◀── connect ◀─────────┴────────────╯
//! ```
//!
//! | part | holds |
//! |---|---|
//! | `lease` | a session on loan; the place that it takes |
//! | `queue` | who is next |
//! | `shelf`, `book` | the sessions of one login; those of the process, and its bound |
//! | `keeper` | heartbeats |
//! | `fleet`, `balance`, `health` | several servers: whose turn, by which rule, who is down |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::options::Options;
use super::remote::Connect;
use crate::clock::Clock;
use crate::model::{Fault, FaultCode, Servers, Site};

mod balance;
mod book;
mod fleet;
mod health;
mod keeper;
mod lease;
mod member_session;
mod queue;
mod shelf;
mod view;
mod want;

use book::{Book, Next, ShelfId};
use fleet::{Fleet, Load, tells_of_loss};
use lease::{Grant, Place};
use member_session::MemberSession;
use queue::Ticket;
use shelf::{CAP_RECOVERY, Idle};

pub(super) use fleet::Member;
pub(super) use lease::Lease;
pub(super) use queue::Lane;
pub use view::ServerView;
pub(super) use want::Want;

/// All sessions of a process.
pub(super) struct Pool {
    inner: Arc<Inner>,
    /// By the site's name and servers: a configuration that changed has another fleet.
    fleets: Mutex<HashMap<(String, Servers), Arc<Fleet>>>,
    seed: u64,
}

pub(super) struct Inner {
    connect: Arc<dyn Connect>,
    clock: Arc<dyn Clock>,
    probe_after: Duration,
    book: Mutex<Book>,
    keeper: Mutex<Option<AbortHandle>>,
}

/// Somebody in line; leaves it when dropped.
struct Waiting<'a> {
    inner: &'a Arc<Inner>,
    shelf: ShelfId,
    lane: Lane,
    ticket: Ticket,
}

impl Pool {
    /// A pool without sessions; `seed` spreads the trials of servers that are down.
    pub(super) fn new(
        connect: Arc<dyn Connect>,
        clock: Arc<dyn Clock>,
        options: &Options,
        seed: u64,
    ) -> Self {
        let inner = Inner {
            connect,
            clock,
            probe_after: options.probe_after,
            book: Mutex::new(Book::new(options.sessions_max.map_or(usize::MAX, usize::from))),
            keeper: Mutex::default(),
        };
        Self { inner: Arc::new(inner), fleets: Mutex::default(), seed }
    }

    /// A session of this site: one that lay unused and still answers, else a new one; waits for its turn
    /// while the site has as many as it may have. With several servers, the first that answers of those
    /// that `want` allows.
    ///
    /// # Errors
    /// Those of [`Connect::connect`]; `ftp.too-many-sessions` only when we have no session ourselves
    /// that could become free.
    pub(super) async fn lease(&self, site: &Site, lane: &Lane, want: &Want<'_>) -> Result<Lease, Fault> {
        self.close_expired().await;
        if site.servers.endpoints.len() < 2 {
            return self.lease_of(site, lane, None, want).await;
        }
        let fleet = self.fleet(site);
        let (mut tried, mut last) = (Vec::new(), None);
        loop {
            let loads = self.loads(site);
            let turn = match fleet.choose(want, &tried, &loads) {
                Ok(turn) => turn,
                Err(down) => return Err(last.unwrap_or(down)),
            };
            let member = turn.member().clone();
            match self.lease_of(&member.site(site), lane, Some(&member), want).await {
                Ok(lease) => {
                    // A session that was used again without a probe says nothing of now.
                    if lease.since.is_none() {
                        turn.answered();
                    }
                    return Ok(Lease { since: None, ..lease });
                }
                Err(fault) => {
                    let gone = tells_of_loss(&fault) || fault.code == FaultCode::FtpProtocol;
                    // One that is full is alive, and another may have room.
                    if !gone && fault.code != FaultCode::FtpTooMany {
                        return Err(fault);
                    }
                    tracing::info!(site = site.name, server = %member.name(), %fault, "a server doesn't answer");
                    if gone {
                        turn.failed();
                    } else {
                        turn.answered();
                    }
                    tried.push(member.index());
                    last = Some(fault);
                }
            }
        }
    }

    /// A session of the one server that `site` names.
    async fn lease_of(
        &self,
        site: &Site,
        lane: &Lane,
        member: Option<&Member>,
        want: &Want<'_>,
    ) -> Result<Lease, Fault> {
        let inner = &self.inner;
        let shelf = {
            let mut book = inner.book();
            let id = book.shelf_of(site, member.is_some());
            book.shelf(id).member = member.cloned();
            id
        };
        let mut again = false;
        loop {
            let turn = inner.turn(shelf, lane, again);
            let grant = match want.at_once {
                false => turn.await,
                // Whose turn it is gets it when the line is joined.
                true => match turn.now_or_never() {
                    Some(grant) => grant,
                    None => return Err(Want::busy(&site.name)),
                },
            };
            let (Some(place), idle) = grant.take() else {
                return Err(Fault::new(FaultCode::HostBug, "a turn without a place"));
            };
            let now = inner.clock.monotonic();
            let member = member.cloned();
            if let Some(idle) = idle {
                let since = Some(idle.since);
                let checked = idle.checked;
                let mut lease = Lease { session: idle.session, place, born: idle.born, since, member };
                let fresh = now.saturating_sub(checked) < inner.probe_after;
                if fresh || lease.probe().await {
                    inner.book().shelf(shelf).counts.reuses += 1;
                    lease.since = lease.since.filter(|_| fresh && lease.member.is_some());
                    return Ok(lease);
                }
                inner.book().shelf(shelf).counts.failures += 1;
                again = true;
                continue;
            }
            match inner.connect.connect(site).await {
                Ok(session) => {
                    inner.book().shelf(shelf).counts.logins += 1;
                    let born = inner.clock.monotonic();
                    let session = match &member {
                        Some(_) => Box::new(MemberSession(session)),
                        None => session,
                    };
                    let mut lease = Lease { session, place, born, since: None, member };
                    clear_up(&mut lease).await?;
                    return Ok(lease);
                }
                Err(fault) => {
                    drop(place);
                    let mut book = inner.book();
                    let shelf = book.shelf(shelf);
                    shelf.counts.failures += 1;
                    let waits = fault.code == FaultCode::FtpTooMany && shelf.lower_cap(now);
                    if !waits {
                        return Err(fault);
                    }
                    again = true;
                }
            }
        }
    }

    /// How busy each of a site's servers is.
    fn loads(&self, site: &Site) -> Vec<Load> {
        let now = self.inner.clock.monotonic();
        let mut book = self.inner.book();
        let load = |endpoint: &crate::model::Endpoint| {
            let id = book.shelf_of(&site.at(endpoint), true);
            let shelf = book.shelf(id);
            let count = shelf.out + shelf.queue.len();
            Load { count, full: count >= shelf.most(now) }
        };
        site.servers.endpoints.iter().map(load).collect()
    }

    fn fleet(&self, site: &Site) -> Arc<Fleet> {
        let mut fleets = self.fleets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (site.name.clone(), site.servers.clone());
        let new = || Arc::new(Fleet::new(&site.name, &site.servers, self.inner.clock.clone(), self.seed));
        fleets.entry(key).or_insert_with(new).clone()
    }

    /// The fleet of a site that was asked for a session already.
    fn known_fleet(&self, site: &Site) -> Option<Arc<Fleet>> {
        let fleets = self.fleets.lock().unwrap_or_else(PoisonError::into_inner);
        fleets.get(&(site.name.clone(), site.servers.clone())).cloned()
    }

    /// The server of this name, where the site has several.
    pub(super) fn member(&self, site: &Site, server: &str) -> Option<Member> {
        (site.servers.endpoints.len() > 1).then(|| self.fleet(site).named(server)).flatten()
    }

    /// Closes what lay unused for too long, on every shelf.
    async fn close_expired(&self) {
        let now = self.inner.clock.monotonic();
        let expired: Vec<_> =
            self.inner.book().shelves().iter_mut().flat_map(|shelf| shelf.expire(now)).collect();
        close_all(expired).await;
    }

    /// Says QUIT on every session that isn't leased, and ends what looks after them.
    pub(super) async fn close_idle(&self) {
        self.end_keeper();
        let idle: Vec<_> = {
            let mut book = self.inner.book();
            book.kept = false;
            book.shelves().iter_mut().flat_map(|shelf| std::mem::take(&mut shelf.idle)).collect()
        };
        close_all(idle).await;
    }

    fn end_keeper(&self) {
        let keeper = self.inner.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.abort();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.end_keeper();
    }
}

impl Inner {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in line for a session or for a place for one; `again` for those who had their turn and
    /// nothing of it.
    async fn turn(self: &Arc<Self>, shelf: ShelfId, lane: &Lane, again: bool) -> Grant {
        let (sender, mut receiver) = oneshot::channel();
        let (ticket, lowered) = {
            let mut book = self.book();
            let shelf = book.shelf(shelf);
            (shelf.queue.join(lane.clone(), sender, again), shelf.lowered.clone())
        };
        let waiting = Waiting { inner: self, shelf, lane: lane.clone(), ticket };
        Self::hand_out(self);
        loop {
            // In line before looking, so that no ring in between is missed.
            let mut ring = std::pin::pin!(lowered.notified());
            ring.as_mut().enable();
            let capped = self.book().shelf(shelf).cap.map(|(_, at)| at + CAP_RECOVERY);
            let recovery = async {
                match capped {
                    Some(at) => self.clock.sleep(at.saturating_sub(self.clock.monotonic())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                grant = &mut receiver => match grant {
                    Ok(grant) => return grant,
                    // The line was left by somebody else: that doesn't happen while we wait.
                    Err(_) => std::future::pending().await,
                },
                () = ring => {}
                () = recovery => Self::hand_out(waiting.inner),
            }
        }
    }

    /// Gives everybody something whose turn it is and for whom there is something.
    fn hand_out(inner: &Arc<Self>) {
        loop {
            let now = inner.clock.monotonic();
            let Some(Next { waiter, shelf, idle, evicted }) = inner.book().next(now) else { return };
            drop(evicted);
            let place = Place { inner: inner.clone(), shelf };
            // Who has gone in this very moment gives it back by not taking it.
            drop(waiter.send(Grant::new(place, idle)));
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.inner.book().shelf(self.shelf).queue.leave(&self.lane, self.ticket);
        drop(left);
    }
}

/// Removes what transfers had to leave on a server that was gone.
async fn clear_up(lease: &mut Lease) -> Result<(), Fault> {
    let Some(member) = lease.member.clone() else { return Ok(()) };
    let mut left = member.take_left().into_iter();
    while let Some(part) = left.next() {
        match lease.remove(&part).await {
            Err(fault) if fault.reply.is_none() => {
                for part in std::iter::once(part).chain(left) {
                    member.leave(part);
                }
                return Err(fault);
            }
            Err(fault) if fault.code != FaultCode::FtpNotFound => {
                tracing::warn!(server = %member.name(), %part, %fault, "a part stays on a server");
            }
            _ => tracing::info!(server = %member.name(), %part, "a part that was left is removed"),
        }
    }
    Ok(())
}

async fn close_all(idle: Vec<Idle>) {
    for mut idle in idle {
        idle.session.close().await;
    }
}

#[cfg(test)]
mod tests;
