//! What was learned of a server, kept for the next process.
//!
//! One small JSON file a server, in a folder beside the state's store: `site …` commands and a process that
//! holds the store all learn, and only one process at a time may open the store. It is a cache, as that of
//! compiled workflows: what is missing, damaged or written by another version is learned again. It holds no
//! secret, nor where one comes from.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{ProxyKind, Site, Timestamp, TlsMode};
use crate::transfer::Features;

/// The format of the files. 1: the first.
const FORMAT: u32 = 1;

/// After so long a server is met without prejudice: it may have been mended, or replaced.
pub(super) const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What servers are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct ServerKey {
    host: String,
    port: u16,
    user: String,
    tls: TlsMode,
    /// A proxy may let EPSV's ports through or not, so what is learned holds for the way, too.
    proxy: Option<(ProxyKind, String, u16)>,
}

impl ServerKey {
    /// The key of a site's own host and port.
    pub(super) fn of(site: &Site) -> Self {
        let proxy = site.proxy.as_ref().map(|proxy| (proxy.kind, proxy.host.clone(), proxy.port));
        Self { host: site.host.clone(), port: site.port, user: site.user.clone(), tls: site.tls.mode, proxy }
    }
}

/// What one server taught us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    format: u32,
    key: ServerKey,
    /// When we began to learn it; after a week it is forgotten.
    pub since: Timestamp,
    /// What it was last known to do.
    pub features: Features,
    /// Ways that didn't lead anywhere, and aren't tried again.
    #[serde(flatten)]
    pub avoided: Avoided,
}

/// Ways that didn't lead anywhere with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Avoided {
    /// TLS 1.3 leaves us without tickets: TLS 1.2 is used.
    pub tls13: bool,
    /// TLS 1.2 isn't spoken, so that TLS 1.3 has to do.
    pub tls12: bool,
    /// EPSV is refused, or its ports can't be reached.
    pub epsv: bool,
    /// `LIST -a` is taken for a file name.
    pub list_all: bool,
    /// MLST or MLSD is announced, and refused.
    pub mlst: bool,
    /// No command sets a modification time.
    pub set_time: bool,
}

impl Profile {
    pub(super) fn new(site: &Site, since: Timestamp, features: Features, avoided: Avoided) -> Self {
        Self { format: FORMAT, key: ServerKey::of(site), since, features, avoided }
    }

    /// What is kept in `folder` of the site's own host and port, if it is less than a week old.
    #[must_use]
    pub fn read(folder: &Path, site: &Site, now: Timestamp) -> Option<Self> {
        let key = ServerKey::of(site);
        let text = std::fs::read(file(folder, &key)).ok()?;
        let profile: Self = serde_json::from_slice(&text).ok()?;
        (profile.format == FORMAT && profile.key == key && profile.is_young(now)).then_some(profile)
    }

    /// Forgets what is kept in `folder` of the site's own host and port.
    pub fn forget(folder: &Path, site: &Site) {
        // What can't be removed is learned over again all the same: nothing is worse for it.
        let _ = std::fs::remove_file(file(folder, &ServerKey::of(site)));
    }

    fn is_young(&self, now: Timestamp) -> bool {
        // A time to come is that of a clock that was wrong.
        let age = now.0.checked_sub(self.since.0).map(Duration::from_millis);
        age.is_some_and(|age| age < AGE_MAX)
    }

    /// Keeps it in `folder`. A crash leaves the old file or the new one, or an aside that nobody reads.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let file = file(folder, &self.key);
        let aside = file.with_extension(format!("{}.new", std::process::id()));
        std::fs::File::create(&aside)?.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(aside, file)
    }
}

fn file(folder: &Path, key: &ServerKey) -> PathBuf {
    let name = format!("{}\n{}\n{}\n{:?}", key.host, key.port, key.user, key.tls);
    folder.join(format!("{}.json", &blake3::hash(name.as_bytes()).to_hex()[..32]))
}
