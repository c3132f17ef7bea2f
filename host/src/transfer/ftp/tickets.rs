//! TLS sessions of one control connection, for its data connections to resume.
//!
//! Servers that require a resumed session compare it with that of the *same* control connection
//! (vsftpd `require_ssl_reuse`, ProFTPD), so each control connection has its own store. A TLS 1.3
//! ticket is good for one connection (RFC 8446, appendix C.4), and not every server gives a new one
//! on each: the store counts. A TLS 1.2 session can be resumed any number of times (RFC 5246, F.1.4).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;

/// Most TLS 1.3 tickets kept; servers give one or two at a time.
const TICKETS_MAX: usize = 16;

#[derive(Debug, Default)]
struct Held {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

/// The sessions of one control connection. It talks to one server only, so names don't matter.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    held: Mutex<Held>,
}

impl Tickets {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more TLS 1.3 connections can resume.
    pub(super) fn tls13_left(&self) -> usize {
        self.held().tls13.len()
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.held().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.held().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.held().tls12 = Some(value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.held().tls12.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.held().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut held = self.held();
        if held.tls13.len() == TICKETS_MAX {
            held.tls13.pop_front();
        }
        held.tls13.push_back(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.held().tls13.pop_back()
    }
}
