//! Permission bits: read from the `UNIX.mode` fact of MLST or from LIST, set by SITE CHMOD. None of it
//! stands in an RFC, so no server has to have it.

use super::facts;
use super::replies::{self, Meaning};
use super::session::Session;
use super::transfer::Way;
use crate::model::{Fault, Offset, RemotePath};

/// The most bytes of the listing of one file.
const LISTING_BYTES_MAX: usize = 64 * 1024;

impl Session {
    /// The permission bits of a file; `None` where the server doesn't show them.
    pub(super) async fn mode_of(&mut self, path: &RemotePath) -> Result<Option<u32>, Fault> {
        let doing = self.saying("ask for the mode of", path);
        if self.features.mlst && !self.learned.no_mlst.is_set() {
            let reply = self.ask(&format!("MLST {}", self.absolute(path)), &doing, self.limits.reply).await?;
            let mode = facts::in_reply(&reply.text).and_then(|facts| facts.mode);
            if reply.is_completion() && mode.is_some() {
                return Ok(mode);
            }
        }
        let (folder, name) = (self.absolute(&path.parent()), path.name());
        if name.starts_with('-') || self.enter(&folder, &doing).await?.is_some() {
            return Ok(None);
        }
        match self.open(Way::Retrieve, &format!("LIST {name}"), Offset::ZERO, &doing).await {
            Ok(()) => {}
            Err(fault) if fault.reply.is_some() => return Ok(None),
            Err(fault) => return Err(fault),
        }
        let mut listing = Vec::new();
        while let Some(bytes) = self.read_data().await? {
            if listing.len() + bytes.len() > LISTING_BYTES_MAX {
                // Whatever this is, it isn't the line of one file.
                self.poison();
                return Ok(None);
            }
            listing.extend_from_slice(&bytes);
        }
        self.finish_data().await?;
        Ok(in_listing(&String::from_utf8_lossy(&listing), name))
    }

    /// Sets the permission bits of a file; false where the server can't, or won't.
    pub(super) async fn change_mode(&mut self, path: &RemotePath, mode: u32) -> Result<bool, Fault> {
        if self.no_chmod {
            return Ok(false);
        }
        let doing = self.saying("set the mode of", path);
        let command = format!("SITE CHMOD {mode:03o} {}", self.absolute(path));
        let reply = self.change(&command, &doing).await?;
        if reply.is_completion() {
            return Ok(true);
        }
        match replies::meaning(&reply) {
            Meaning::Unsupported | Meaning::BadCall => {
                self.no_chmod = true;
                Ok(false)
            }
            Meaning::Denied | Meaning::Refused | Meaning::NotFound => Ok(false),
            _ => Err(self.refused(&reply, &doing)),
        }
    }
}

/// The bits of the file called `name` in what `LIST name` gave.
fn in_listing(listing: &str, name: &str) -> Option<u32> {
    let line = listing.lines().map(str::trim_end).find(|line| {
        let before = line.strip_suffix(name);
        line.starts_with('-') && before.is_some_and(|before| before.ends_with([' ', '/']))
    })?;
    bits(line.get(1..10)?)
}

/// `rwxr-x---` as bits. What `s` and `t` stand for isn't kept: a file that somebody else sent must not
/// become one that runs as its owner.
fn bits(text: &str) -> Option<u32> {
    text.chars().zip(0..9).try_fold(0, |bits, (letter, at)| {
        let bit = 1 << (8 - at);
        match (letter, at % 3) {
            ('r', 0) | ('w', 1) | ('x' | 's' | 't', 2) => Some(bits | bit),
            ('-', _) | ('S' | 'T', 2) => Some(bits),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_as_ls_writes_them() {
        assert_eq!(bits("rw-r--r--"), Some(0o644));
        assert_eq!(bits("rwsr-Sr-t"), Some(0o745));
        assert_eq!(bits("---------"), Some(0));
        for wrong in ["wr-r--r--", "rw-r--r-?", "12345678 "] {
            assert_eq!(bits(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_line_of_the_file_is_found() {
        let listing =
            "total 8\r\n-rw-r----- 1 u g 3 Jan 1 00:00 xa b\r\n-rwxr-x--x 1 u g 3 Jan 1 00:00 a b\r\n";
        assert_eq!(in_listing(listing, "a b"), Some(0o751));
        assert_eq!(in_listing("-rw------- 1 u g 3 Jan 1 00:00 /srv/in/a", "a"), Some(0o600));
        assert_eq!(in_listing("drwxr-xr-x 1 u g 3 Jan 1 00:00 a", "a"), None);
        assert_eq!(in_listing("01-02-26 03:04AM 12 a", "a"), None);
    }
}
