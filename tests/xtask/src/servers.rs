//! `cargo xtask servers`: the real FTP servers, out of Debian's archive.

use anyhow::{Context, Result};
use testkit::servers::Kind;

use crate::debian;

/// Fetches the servers that aren't under the target folder yet.
///
/// As packages they conflict with each other, so they are unpacked side by side and not installed.
pub(crate) fn fetch() -> Result<()> {
    for kind in Kind::ALL {
        let installed = kind.installed();
        if installed.is_complete() {
            continue;
        }
        // A half unpacked folder must not be taken for a whole one, so the folder is renamed last.
        let unfinished = installed.folder().with_extension("unfinished");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)?;
        }
        debian::unpack(kind.packages(), &unfinished).with_context(|| format!("fetch {kind}"))?;
        std::fs::rename(&unfinished, installed.folder())?;
        debian::check_libraries(&installed.program(), &installed.library_path())?;
    }
    Ok(())
}
