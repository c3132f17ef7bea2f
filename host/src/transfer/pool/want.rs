//! What somebody who leases a session wants of it.

use crate::model::{Fault, FaultCode, RemotePath};

/// Which of a site's servers it should be; says nothing to a site with one.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::transfer) struct Want<'a> {
    /// What it is for: with consistent hashing a path has its server.
    pub(super) path: Option<&'a RemotePath>,
    /// The server that comes before all others, as `host:port`.
    pub(super) server: Option<&'a str>,
    /// No other will do.
    pub(super) only: bool,
    /// Without waiting for one to become free.
    pub(super) at_once: bool,
}

impl<'a> Want<'a> {
    /// Whichever server has this path.
    pub(in crate::transfer) fn path(path: &'a RemotePath) -> Self {
        Self { path: Some(path), ..Self::default() }
    }

    /// This server while it answers, else another one.
    pub(in crate::transfer) fn rather(self, server: Option<&'a str>) -> Self {
        Self { server, ..self }
    }

    /// This server and no other; any, with `None`.
    pub(in crate::transfer) fn only(self, server: Option<&'a str>) -> Self {
        Self { server, only: server.is_some(), ..self }
    }

    /// One that is free now, or none: for those who hold another one, and so must not wait in line.
    pub(in crate::transfer) fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// The fault of a session that wasn't free at once.
    pub(super) fn busy(place: &str) -> Fault {
        Fault::new(FaultCode::FtpTooMany, format!("all sessions with {place} are in use"))
    }

    /// Whether `fault` says that none was free at once; a server's own refusal has a reply.
    pub(in crate::transfer) fn was_busy(fault: &Fault) -> bool {
        fault.code == FaultCode::FtpTooMany && fault.reply.is_none()
    }
}
