//! What FEAT tells (RFC 2389, 3.2).

use crate::model::HashAlgorithm;
use crate::transfer::Features;

/// How a server sets a file's modification time; the order is that in which ways are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetMtime {
    /// `MFMT time path` (draft-somers-ftp-mfxx).
    Mfmt,
    /// `MDTM time path`, as vsftpd and others take it.
    Mdtm,
    /// `SITE UTIME time path`, as pure-ftpd takes it.
    SiteUtime,
    /// No way is left.
    None,
}

impl SetMtime {
    /// The way to try when this one was refused.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Mfmt => Self::Mdtm,
            Self::Mdtm => Self::SiteUtime,
            Self::SiteUtime | Self::None => Self::None,
        }
    }
}

/// Reads the whole reply to FEAT. Lines that aren't understood say nothing (F54).
pub(super) fn parse(reply: &str, tls: bool) -> (Features, SetMtime) {
    let mut features = Features { tls, ..Features::default() };
    let mut set_mtime = SetMtime::Mdtm;
    let mut lines = reply.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_none() && line.starts_with("211 ") {
            break;
        }
        // Some servers repeat the code on each line.
        let line = line.strip_prefix("211-").unwrap_or(line).trim();
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        match name.to_ascii_uppercase().as_str() {
            "REST" if rest.to_ascii_uppercase().contains("STREAM") => features.rest = true,
            "SIZE" => features.size = true,
            "MDTM" => features.mdtm = true,
            "MLST" => features.mlst = true,
            "MFMT" => set_mtime = SetMtime::Mfmt,
            "UTF8" => features.utf8 = true,
            "HASH" => {
                for name in rest.split(';') {
                    add(&mut features.hashes, hash_name(name.trim().trim_end_matches('*')));
                }
            }
            "XCRC" => add(&mut features.hashes, Some(HashAlgorithm::Crc32)),
            "XMD5" | "MD5" => add(&mut features.hashes, Some(HashAlgorithm::Md5)),
            "XSHA1" | "XSHA" => add(&mut features.hashes, Some(HashAlgorithm::Sha1)),
            // Not standard: `SITE MD5 path`, announced as a feature of its own.
            "SITE" => {
                for name in rest.split([' ', ';', ',']) {
                    let hash = site_hash_name(name);
                    // Where there is a command of its own, that is the better known one.
                    if hash.is_some_and(|hash| !features.hashes.contains(&hash)) {
                        add(&mut features.site_hashes, hash);
                    }
                    add(&mut features.hashes, hash);
                }
            }
            "XSHA256" => add(&mut features.hashes, Some(HashAlgorithm::Sha256)),
            _ => {}
        }
    }
    features.set_mtime = set_mtime == SetMtime::Mfmt || features.mdtm;
    (features, set_mtime)
}

/// What is tried with a server that doesn't answer FEAT: what most could before there was FEAT.
pub(super) fn unannounced(tls: bool) -> (Features, SetMtime) {
    let features =
        Features { tls, rest: true, size: true, mdtm: true, set_mtime: true, ..Features::default() };
    (features, SetMtime::Mdtm)
}

fn add(hashes: &mut Vec<HashAlgorithm>, hash: Option<HashAlgorithm>) {
    if let Some(hash) = hash
        && !hashes.contains(&hash)
    {
        hashes.push(hash);
    }
}

/// A name of the HASH command (draft-bryan-ftpext-hash).
fn hash_name(name: &str) -> Option<HashAlgorithm> {
    match name.to_ascii_uppercase().as_str() {
        "SHA-256" => Some(HashAlgorithm::Sha256),
        "SHA-1" => Some(HashAlgorithm::Sha1),
        "MD5" => Some(HashAlgorithm::Md5),
        "CRC32" => Some(HashAlgorithm::Crc32),
        _ => None,
    }
}

/// A hash as SITE commands name it.
fn site_hash_name(name: &str) -> Option<HashAlgorithm> {
    match name.to_ascii_uppercase().as_str() {
        "MD5" => Some(HashAlgorithm::Md5),
        "SHA1" => Some(HashAlgorithm::Sha1),
        "SHA256" => Some(HashAlgorithm::Sha256),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_real_servers_announce_is_read() {
        let proftpd = "211-Features:\r\n AUTH TLS\r\n EPSV\r\n HASH SHA-1*;SHA-256;MD5;CRC32\r\n MDTM\r\n \
            MFMT\r\n MLST modify*;perm*;size*;type*;\r\n REST STREAM\r\n SIZE\r\n UTF8\r\n XCRC\r\n211 End";
        let (features, set_mtime) = parse(proftpd, false);
        assert!(features.rest && features.size && features.mdtm && features.mlst && features.utf8);
        assert_eq!(set_mtime, SetMtime::Mfmt);
        assert_eq!(features.hashes.len(), 4);
        let (vsftpd, set_mtime) =
            parse("211-Features:\r\n EPRT\r\n MDTM\r\n REST STREAM\r\n SIZE\r\n211 End", true);
        assert!(vsftpd.rest && !vsftpd.mlst && vsftpd.tls && vsftpd.set_mtime);
        assert_eq!(set_mtime, SetMtime::Mdtm);
        let (coded, _) = parse("211-Features:\r\n211-SIZE\r\n211-rest stream\r\n211 End", false);
        assert!(coded.size && coded.rest);
        let (site, _) = parse("211-Features:\r\n SITE CHMOD;MD5;UTIME\r\n211 End", false);
        assert_eq!(
            (&site.hashes[..], &site.site_hashes[..]),
            (&[HashAlgorithm::Md5][..], &[HashAlgorithm::Md5][..])
        );
    }

    #[test]
    fn garbage_announces_nothing() {
        assert_eq!(parse("211 no features", false).0, Features::default());
        assert_eq!(parse("211-\r\n\u{0}\u{1}SIZEX\r\n;;;\r\n211 End", false).0, Features::default());
    }
}
