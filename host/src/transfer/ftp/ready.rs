//! Whether what a site's configuration names is there, before a session needs it.

use std::path::Path;

use super::secret;
use crate::model::Site;

/// What of the files and of the password that the configuration of `site` names can't be read now, each
/// as the key and why. A command that prints the password isn't run: it may ask somebody, or cost
/// something.
#[must_use]
pub fn unreadable(site: &Site) -> Vec<(&'static str, String)> {
    let tls = &site.tls;
    let files =
        [("ca_file", &tls.ca_file), ("client_cert", &tls.client_cert), ("client_key", &tls.client_key)];
    let mut wrong: Vec<_> =
        files.iter().filter_map(|(key, path)| Some((*key, unopened(path.as_deref()?)?))).collect();
    wrong.extend(site.password.as_ref().and_then(secret::absence).map(|why| ("password", why)));
    let proxy = site.proxy.as_ref().and_then(|proxy| proxy.password.as_ref());
    wrong.extend(proxy.and_then(secret::absence).map(|why| ("proxy_password", why)));
    wrong
}

/// Why a file can't be opened; `None` when it can.
pub(super) fn unopened(path: &Path) -> Option<String> {
    match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(found) if found.is_dir() => Some(format!("{} is a folder", path.display())),
        Ok(_) => None,
        Err(error) => Some(format!("{} can't be read: {error}", path.display())),
    }
}
