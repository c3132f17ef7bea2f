//! All shelves of a process, and who of all that wait is next.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;

use super::lease::Grant;
use super::shelf::{Idle, Key, Shelf};
use crate::model::Site;

/// Which shelf; a shelf is never taken away.
pub(super) type ShelfId = usize;

/// All shelves.
pub(super) struct Book {
    shelves: Vec<Shelf>,
    ids: HashMap<Key, ShelfId>,
    /// The shelf that is looked at first, so that each has its turn where the process has too few
    /// sessions for all.
    turn: ShelfId,
    /// Most sessions of the process.
    most: usize,
    /// Whether somebody looks after the sessions that lie unused.
    pub(super) kept: bool,
}

/// Somebody's turn has come.
pub(super) struct Next {
    pub(super) waiter: oneshot::Sender<Grant>,
    pub(super) shelf: ShelfId,
    /// A session that lay unused; else a place for a new one.
    pub(super) idle: Option<Idle>,
    /// A session of another shelf that has to end for it.
    pub(super) evicted: Option<Idle>,
}

impl Book {
    pub(super) fn new(most: usize) -> Self {
        Self { shelves: Vec::new(), ids: HashMap::new(), turn: 0, most: most.max(1), kept: false }
    }

    /// The shelf of a site's own host and port; its limits are those of the site that asked last.
    pub(super) fn shelf_of(&mut self, site: &Site, one_of_several: bool) -> ShelfId {
        let key = Key::of(site, one_of_several);
        let next = self.shelves.len();
        let id = *self.ids.entry(key).or_insert(next);
        match self.shelves.get_mut(id) {
            Some(shelf) if shelf.limits == site.limits => {}
            Some(shelf) => shelf.limits = site.limits.clone(),
            None => self.shelves.push(Shelf::new(site.limits.clone())),
        }
        id
    }

    /// The shelf of a site's own host and port, if there is one.
    pub(super) fn find(&self, site: &Site, one_of_several: bool) -> Option<&Shelf> {
        self.ids.get(&Key::of(site, one_of_several)).map(|id| &self.shelves[*id])
    }

    pub(super) fn shelf(&mut self, id: ShelfId) -> &mut Shelf {
        &mut self.shelves[id]
    }

    pub(super) fn shelves(&mut self) -> &mut [Shelf] {
        &mut self.shelves
    }

    /// Sessions that are open, or being opened.
    fn open(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.out + shelf.idle.len()).sum()
    }

    /// Whoever is next and can be given something; it is counted as out.
    pub(super) fn next(&mut self, now: Duration) -> Option<Next> {
        let (first, count) = (self.turn, self.shelves.len());
        for id in (0..count).map(|step| (first + step) % count.max(1)) {
            let shelf = &mut self.shelves[id];
            if shelf.queue.is_empty() || shelf.out >= shelf.most(now) {
                continue;
            }
            let idle = shelf.idle.pop();
            let mut evicted = None;
            if idle.is_none() && self.open() >= self.most {
                evicted = self.evict();
                if evicted.is_none() {
                    continue;
                }
            }
            let shelf = &mut self.shelves[id];
            let waiter = shelf.queue.next()?;
            shelf.out += 1;
            self.turn = id + 1;
            return Some(Next { waiter, shelf: id, idle, evicted });
        }
        None
    }

    /// Takes out the session that has lain unused for longest, of all shelves.
    fn evict(&mut self) -> Option<Idle> {
        let oldest = |shelf: &&mut Shelf| shelf.idle.first().map(|idle| idle.since);
        let shelves = self.shelves.iter_mut().filter(|shelf| !shelf.idle.is_empty());
        shelves.min_by_key(oldest).map(|shelf| shelf.idle.remove(0))
    }
}
