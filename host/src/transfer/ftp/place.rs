//! How messages name a site.

use std::fmt;

use crate::model::{Site, TlsMode};

/// A site's name and address, without user and password.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its name in the configuration.
    pub(super) site: String,
    url: String,
}

impl Place {
    pub(super) fn of(site: &Site) -> Self {
        let scheme = if site.tls.mode == TlsMode::Implicit { "ftps" } else { "ftp" };
        let host = if site.host.contains(':') { format!("[{}]", site.host) } else { site.host.clone() };
        Self { site: site.name.clone(), url: format!("{scheme}://{host}:{}", site.port) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "site `{}` ({})", self.site, self.url)
    }
}
