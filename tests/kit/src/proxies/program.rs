//! Which proxies there are, and where each one was unpacked.

use std::fmt;
use std::path::PathBuf;

use crate::layout;

/// A proxy program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// microsocks: SOCKS5 with or without a user.
    Microsocks,
    /// tinyproxy: HTTP with or without a user.
    Tinyproxy,
}

impl Program {
    /// All of them.
    pub const ALL: [Program; 2] = [Program::Microsocks, Program::Tinyproxy];

    /// The Debian package that its program is in.
    pub fn package(self) -> &'static str {
        match self {
            Program::Microsocks => "microsocks",
            Program::Tinyproxy => "tinyproxy-bin",
        }
    }

    /// How its URLs begin.
    pub fn scheme(self) -> &'static str {
        match self {
            Program::Microsocks => "socks5",
            Program::Tinyproxy => "http",
        }
    }

    /// Where it was, or will be, unpacked.
    pub fn folder(self) -> PathBuf {
        layout::proxies().join(self.to_string())
    }

    /// The program itself, in the folder that it was unpacked to.
    pub fn file_in(self, folder: &std::path::Path) -> PathBuf {
        folder.join("usr/bin").join(self.to_string())
    }

    /// True once the program has been unpacked.
    pub fn is_complete(self) -> bool {
        self.file_in(&self.folder()).is_file()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Program::Microsocks => "microsocks",
            Program::Tinyproxy => "tinyproxy",
        })
    }
}
