//! Which servers there are, and where each one was unpacked.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Tls;
use crate::layout;

/// A server program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// vsftpd.
    Vsftpd,
    /// ProFTPD with mod_tls.
    Proftpd,
    /// pure-ftpd with virtual users.
    PureFtpd,
    /// pyftpdlib, in Python.
    Pyftpdlib,
    /// `rclone serve ftp`, in Go.
    Rclone,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [Kind::Vsftpd, Kind::Proftpd, Kind::PureFtpd, Kind::Pyftpdlib, Kind::Rclone];

    /// Those that are run on machines that many people use.
    pub const COMMON: [Kind; 3] = [Kind::Vsftpd, Kind::Proftpd, Kind::PureFtpd];

    /// What it can be started with.
    pub fn securities(self) -> &'static [Tls] {
        match self {
            Kind::Vsftpd | Kind::Proftpd => &[Tls::None, Tls::Explicit, Tls::Implicit],
            Kind::PureFtpd | Kind::Pyftpdlib => &[Tls::None, Tls::Explicit],
            Kind::Rclone => &[Tls::None],
        }
    }

    /// The Debian packages that must be installed for it.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Kind::Vsftpd | Kind::Proftpd | Kind::PureFtpd | Kind::Rclone => &[],
            Kind::Pyftpdlib => &["python3-pyftpdlib", "python3-openssl"],
        }
    }

    /// The Debian packages that are unpacked for it.
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            Kind::Vsftpd => &["vsftpd"],
            Kind::Proftpd => &["proftpd-core", "proftpd-mod-crypto"],
            Kind::PureFtpd => &["pure-ftpd", "pure-ftpd-common"],
            // One is installed; the other is no package of Debian's, whose rclone can't serve.
            Kind::Pyftpdlib | Kind::Rclone => &[],
        }
    }

    /// Where it was, or will be, unpacked.
    pub fn installed(self) -> Installed {
        self.unpacked_to(layout::servers().join(self.to_string()))
    }

    /// The same, unpacked to this folder.
    pub fn unpacked_to(self, folder: PathBuf) -> Installed {
        Installed { kind: self, folder }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Vsftpd => "vsftpd",
            Kind::Proftpd => "proftpd",
            Kind::PureFtpd => "pure-ftpd",
            Kind::Pyftpdlib => "pyftpdlib",
            Kind::Rclone => "rclone",
        })
    }
}

/// The folder that a server's packages were unpacked to, with the libraries that the machine lacks.
#[derive(Clone, Debug)]
pub struct Installed {
    kind: Kind,
    folder: PathBuf,
}

impl Installed {
    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's program.
    pub fn program(&self) -> PathBuf {
        match self.kind {
            Kind::Vsftpd | Kind::Proftpd | Kind::PureFtpd => {
                self.folder.join("usr/sbin").join(self.kind.to_string())
            }
            Kind::Pyftpdlib => "/usr/bin/python3".into(),
            Kind::Rclone => layout::rclone(),
        }
    }

    /// A file of the packages, by its path on an installed system without the leading `/`.
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// True once the program has been unpacked.
    pub fn is_complete(&self) -> bool {
        self.program().is_file()
    }

    /// `LD_LIBRARY_PATH` for the program: the unpacked library folders of every machine type.
    pub fn library_path(&self) -> OsString {
        let mut folders = Vec::new();
        for parent in [self.folder.join("usr/lib"), self.folder.join("lib")] {
            folders.push(parent.clone());
            let children = std::fs::read_dir(&parent).into_iter().flatten().flatten();
            folders.extend(children.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        std::env::join_paths(folders).unwrap_or_default()
    }
}
