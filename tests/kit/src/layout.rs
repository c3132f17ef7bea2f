//! Where things lie: the repository, the target folder, components, the built program.

use std::path::{Path, PathBuf};

/// The repository's top folder.
pub fn root() -> &'static Path {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    kit.ancestors().nth(2).unwrap_or(kit)
}

/// The folder that everything built or fetched lies under.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The folder of the compiled workflows and test guests.
pub fn guests() -> PathBuf {
    target().join("wasm32-wasip2/guest")
}

/// The folder of the fetched proxies.
pub fn proxies() -> PathBuf {
    target().join("proxies")
}

/// The folder of the fetched FTP servers.
pub fn servers() -> PathBuf {
    target().join("servers")
}

/// The folder of Debian's Prometheus, once it was fetched.
pub fn prometheus() -> PathBuf {
    target().join("tools/prometheus")
}

/// The program that checks alert rules and metrics, once it was fetched.
pub fn promtool() -> PathBuf {
    prometheus().join("usr/bin/promtool")
}

/// rclone, once it was fetched.
pub fn rclone() -> PathBuf {
    target().join("tools/rclone/bin/rclone")
}
