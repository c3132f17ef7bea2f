//! What was found out about a site's server and is worth keeping for the next session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::model::{Proxy, Site};

/// Something that, once seen, stays so for this process.
#[derive(Debug, Default)]
pub(super) struct Once(AtomicBool);

impl Once {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of milliseconds, once it is known.
#[derive(Debug, Default)]
pub(super) struct Ahead(OnceLock<i64>);

impl Ahead {
    /// The first that says it is believed, so that all sessions tell the same times.
    pub(super) fn set(&self, millis: i64) {
        let _known_already = self.0.set(millis);
    }

    pub(super) fn get(&self) -> Option<i64> {
        self.0.get().copied()
    }
}

/// What one server taught us.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// TLS 1.3 left us without tickets; under TLS 1.2 one session can be resumed any number of times.
    pub(super) tls12: Once,
    /// The server speaks TLS 1.3 only, so going down to 1.2 is no way out.
    pub(super) tls13_only: Once,
    /// EPSV is refused, or its ports can't be reached (F25).
    pub(super) no_epsv: Once,
    /// `LIST -a` is taken for a file name.
    pub(super) no_list_all: Once,
    /// MLSD or MLST is announced, and refused (F54).
    pub(super) no_mlst: Once,
    /// How far the clock of LIST is ahead of UTC (F60).
    pub(super) list_ahead: Ahead,
    /// No command sets a modification time.
    pub(super) no_set_mtime: Once,
}

/// Host, port, and the way there.
type Server = (String, u16, Option<Proxy>);

/// The notes on all sites of a connector.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// A proxy may let EPSV's ports through or not, so what is learned holds for the way, too.
    by_server: Mutex<HashMap<Server, Arc<Learned>>>,
}

impl Notes {
    /// The notes on a site's server.
    pub(super) fn of(&self, site: &Site) -> Arc<Learned> {
        let mut all = self.by_server.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry((site.host.clone(), site.port, site.proxy.clone())).or_default())
    }
}
