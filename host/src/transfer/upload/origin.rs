//! Where the bytes of an upload come from: a file of a granted folder, or one on another site, which makes
//! it a copy.

use std::fmt;
use std::sync::Arc;

use super::feed::{Feed, hasher_at};
use crate::model::{Digest, Fault, FaultCode, FileInfo, HashAlgorithm};
use crate::transfer::copy::{Extent, Point, Reading, SiteFile};
use crate::transfer::hash::Hasher;
use crate::transfer::local::{Identity, LocalFile, Source, blocking};
use crate::transfer::pool::Lease;
use crate::transfer::remote::Features;
use crate::transfer::source::{Change, compare};
use crate::transfer::stop::Stop;
use crate::transfer::transfers::Transfers;

/// Where the bytes of an upload come from.
pub(in crate::transfer) enum Origin {
    /// A file of a granted folder.
    Folder(LocalFile),
    /// A file on a site.
    Site(SiteFile),
}

/// An origin as an attempt found it.
pub(super) struct Found {
    pub(super) info: FileInfo,
    /// What its sidecar says, where that is asked for.
    pub(super) sidecar: Option<Digest>,
    /// Its permission bits, where they are to be kept and are known.
    pub(super) mode: Option<u32>,
    pub(super) opened: Opened,
}

/// What the bytes can be had from.
pub(super) enum Opened {
    Folder { source: Arc<Source>, identity: Identity },
    Site { lease: Lease, file: SiteFile },
}

/// Bytes that are ready to be read from an offset on, with the hasher of those before.
pub(super) enum Supply {
    Folder { source: Arc<Source>, hasher: Box<Hasher> },
    Site(Box<Reading>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(local) => local.fmt(f),
            Self::Site(file) => file.fmt(f),
        }
    }
}

impl Origin {
    /// The code of a source that isn't what it was.
    pub(super) fn changed_code(&self) -> FaultCode {
        match self {
            Self::Folder(_) => FaultCode::FileChanged,
            Self::Site(_) => FaultCode::FtpRemoteChanged,
        }
    }

    pub(super) fn is_remote(&self) -> bool {
        matches!(self, Self::Site(_))
    }
}

impl Found {
    /// Which local file it is, exactly.
    pub(super) fn identity(&self) -> Option<&Identity> {
        match &self.opened {
            Opened::Folder { identity, .. } => Some(identity),
            Opened::Site { .. } => None,
        }
    }

    /// What became of the source since it was `before`.
    pub(super) fn change_since(&self, before: &FileInfo, identity: Option<&Identity>) -> Change {
        match (&self.opened, identity) {
            (Opened::Folder { identity: now, .. }, Some(before)) => change(before, now),
            // A new generation takes the source as it finds it.
            (Opened::Folder { .. }, None) => Change::Same,
            (Opened::Site { .. }, _) => compare(&self.info, before),
        }
    }

    /// What its server can hash, if it has one.
    pub(super) fn features(&self) -> Option<&Features> {
        match &self.opened {
            Opened::Folder { .. } => None,
            Opened::Site { lease, .. } => Some(lease.features()),
        }
    }

    /// Gives a session that nothing was done with back.
    pub(super) fn give_back(self) {
        if let Opened::Site { lease, .. } = self.opened {
            lease.give_back();
        }
    }

    /// The bytes from the first on.
    pub(super) fn begin(self, algorithms: &[HashAlgorithm]) -> Supply {
        match self.opened {
            Opened::Folder { source, .. } => {
                Supply::Folder { source, hasher: Box::new(Hasher::new(algorithms)) }
            }
            Opened::Site { lease, file } => {
                Supply::Site(Box::new(Reading::from_start(lease, file, self.info, algorithms)))
            }
        }
    }

    /// The bytes from `point` on; `None` when those before aren't what was sent.
    pub(super) async fn go_on(self, point: Point<'_>, stop: &Stop) -> Result<Option<Supply>, Fault> {
        match self.opened {
            Opened::Folder { source, .. } => {
                let (chunks, algorithms) = (point.chunks.to_vec(), point.algorithms.to_vec());
                let (at, reader) = (point.at, source.clone());
                let hasher = blocking(move || hasher_at(&reader, at, &chunks, &algorithms)).await?;
                Ok(hasher.map(|hasher| Supply::Folder { source, hasher: Box::new(hasher) }))
            }
            Opened::Site { lease, file } => {
                let reading = Reading::go_on(lease, file, self.info, &point, stop).await?;
                Ok(reading.map(|reading| Supply::Site(Box::new(reading))))
            }
        }
    }
}

impl Supply {
    /// Where the next byte is from.
    pub(super) fn at(&self) -> u64 {
        match self {
            Self::Folder { hasher, .. } => hasher.length(),
            Self::Site(reading) => reading.hasher.length(),
        }
    }

    /// The last `length` bytes before that; those of a site were kept, as [`Point::tail`] said.
    pub(super) async fn tail(&mut self, length: u64) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Folder { source, hasher } => {
                let (source, end) = (source.clone(), hasher.length());
                blocking(move || source.read_range(end - length, length)).await
            }
            Self::Site(reading) => Ok(reading.tail.clone()),
        }
    }

    /// Begins to read.
    pub(super) fn feed(self, transfers: &Transfers, stop: &Stop, extent: Extent) -> Feed {
        match self {
            Self::Folder { source, hasher } => Feed::of_file(source, *hasher, extent.limit),
            Self::Site(reading) => Feed::of_site(*reading, transfers, stop, extent),
        }
    }
}

/// What became of a local file.
pub(super) fn change(before: &Identity, now: &Identity) -> Change {
    if before == now {
        Change::Same
    } else if before.same_inode(now) && now.size > before.size {
        Change::Grown
    } else {
        Change::Other
    }
}
