//! A session on loan, and the place that it takes.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::book::ShelfId;
use super::shelf::Idle;
use super::{Inner, Member};
use crate::model::Fault;
use crate::transfer::remote::Remote;

/// What somebody who waited is given: a place, and a session that lay unused if there is one.
pub(super) struct Grant {
    place: Option<Place>,
    idle: Option<Idle>,
}

/// One of the sessions that a site may have; free again when it is dropped.
pub(super) struct Place {
    pub(super) inner: Arc<Inner>,
    pub(super) shelf: ShelfId,
}

/// A session on loan.
pub(in crate::transfer) struct Lease {
    pub(super) session: Box<dyn Remote>,
    pub(super) place: Place,
    pub(super) born: Duration,
    /// When it lay down last, for one that is only asked how it is.
    pub(super) since: Option<Duration>,
    /// Which of the site's servers it is with, where the site has several.
    pub(in crate::transfer) member: Option<Member>,
}

impl Grant {
    pub(super) fn new(place: Place, idle: Option<Idle>) -> Self {
        Self { place: Some(place), idle }
    }

    pub(super) fn take(mut self) -> (Option<Place>, Option<Idle>) {
        (self.place.take(), self.idle.take())
    }
}

impl Drop for Grant {
    /// Whoever was to have it has gone: what lay unused does so still.
    fn drop(&mut self) {
        if let (Some(place), Some(idle)) = (&self.place, self.idle.take()) {
            let now = place.inner.clock.monotonic();
            let surplus = place.inner.book().shelf(place.shelf).put(idle, now);
            drop(surplus);
        }
    }
}

impl Lease {
    /// The server, where the site has several.
    pub(in crate::transfer) fn server(&self) -> Option<&Arc<str>> {
        self.member.as_ref().map(Member::name)
    }

    /// The session may be used by others: the last command was answered, and nothing is under way.
    pub(in crate::transfer) fn give_back(self) {
        if self.session.is_poisoned() {
            return;
        }
        let Self { session, place, born, since, .. } = self;
        let now = place.inner.clock.monotonic();
        let idle = Idle { session, born, since: since.unwrap_or(now), checked: now };
        let surplus = place.inner.book().shelf(place.shelf).put(idle, now);
        // Outside of the lock: closing a socket takes a moment.
        drop(surplus);
        Inner::keep(&place.inner, place.shelf);
    }

    /// Gives back or throws away, as `result` says: after a fault the session is kept only when the
    /// server itself gave that answer.
    pub(in crate::transfer) fn after<T>(self, result: &Result<T, Fault>) {
        match result {
            Err(fault) if fault.reply.is_none() => {
                if let Some(member) = &self.member {
                    member.lost(fault);
                }
            }
            _ => self.give_back(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.book().shelf(self.shelf).out -= 1;
        Inner::hand_out(&self.inner);
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
