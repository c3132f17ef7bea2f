//! rclone's command line.

use std::ffi::OsString;

use anyhow::{Result, bail};

use super::server::{PASSWORD, Place, Tls};

/// Gives the program's arguments.
pub(super) fn prepare(place: &Place<'_>) -> Result<Vec<OsString>> {
    let mut arguments: Vec<OsString> = ["serve", "ftp"].map(Into::into).into();
    arguments.push(place.chroot.clone().into());
    let mut add = |name: &str, value: String| {
        arguments.push(name.into());
        arguments.push(value.into());
    };
    add("--addr", format!("127.0.0.1:{}", place.port));
    add("--user", "mirror".into());
    add("--pass", PASSWORD.into());
    add("--config", place.home.join("rclone.conf").display().to_string());
    add("--cache-dir", place.home.join("cache").display().to_string());
    // What was written is there at once.
    add("--vfs-cache-mode", "off".into());
    add("--vfs-write-back", "0s".into());
    add("--dir-cache-time", "0s".into());
    add("--log-file", place.home.join("rclone.log").display().to_string());
    if let Some(rate) = place.options.bytes_per_second {
        add("--bwlimit-file", format!("{rate}B"));
    }
    match place.options.tls {
        Tls::None => {}
        Tls::Explicit | Tls::Implicit => bail!("rclone's data connections are always in clear"),
    }
    Ok(arguments)
}
