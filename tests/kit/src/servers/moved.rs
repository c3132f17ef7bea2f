//! What a server moved, by its own log: the bytes of every transfer, whole or cut.

use super::Kind;

/// One transfer as the server counted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// True for a STOR or APPE.
    pub up: bool,
    /// The file, as the server names it.
    pub path: String,
    /// The bytes that went over the data connection.
    pub bytes: u64,
}

impl Moved {
    /// True when the server means this file. vsftpd logs `?` for each byte that isn't ASCII.
    pub fn is_of(&self, path_end: &str) -> bool {
        let (logged, wanted) = (self.path.as_bytes(), path_end.as_bytes());
        let Some(start) = logged.len().checked_sub(wanted.len()) else { return false };
        let stands_for = |logged: u8, wanted: u8| logged == wanted || (logged == b'?' && !wanted.is_ascii());
        logged[start..].iter().zip(wanted).all(|(logged, wanted)| stands_for(*logged, *wanted))
    }
}

/// The transfers in a server's log; listings aren't among them.
pub(super) fn parse(kind: Kind, log: &str) -> Vec<Moved> {
    log.lines()
        .filter_map(|line| match kind {
            Kind::Vsftpd => vsftpd(line),
            Kind::Proftpd => proftpd(line),
            Kind::PureFtpd => pure_ftpd(line),
            // Their logs say nothing of bytes.
            Kind::Pyftpdlib | Kind::Rclone => None,
        })
        .collect()
}

/// `… [daemon] FAIL DOWNLOAD: Client "127.0.0.1", "/data/big", 1114112 bytes, 4483.40Kbyte/sec`
fn vsftpd(line: &str) -> Option<Moved> {
    let (head, rest) = line.split_once(": Client \"")?;
    let up = head.ends_with(" UPLOAD");
    if !up && !head.ends_with(" DOWNLOAD") {
        return None;
    }
    let (_, rest) = rest.split_once("\", \"")?;
    let (rest, _) = rest.rsplit_once(" bytes")?;
    let (path, bytes) = rest.rsplit_once("\", ")?;
    Some(Moved { up, path: path.into(), bytes: bytes.parse().ok()? })
}

/// `2026-01-01 00:00:00,000 RETR /data/big -> 426, 1015808 bytes`
fn proftpd(line: &str) -> Option<Moved> {
    let (_, command) = line.split_once(' ')?.1.split_once(' ')?;
    let (verb, rest) = command.split_once(' ')?;
    let up = matches!(verb, "STOR" | "APPE");
    if !up && verb != "RETR" {
        return None;
    }
    let (path, rest) = rest.rsplit_once(" -> ")?;
    let bytes = rest.split_once(", ")?.1.strip_suffix(" bytes")?;
    Some(Moved { up, path: path.into(), bytes: bytes.parse().unwrap_or(0) })
}

/// `127.0.0.1 - mirror [01/Jan/2026:00:00:00 -0000] "GET /…/data/a%20b" 200 1065280`
fn pure_ftpd(line: &str) -> Option<Moved> {
    let (_, request) = line.split_once("] \"")?;
    let (request, rest) = request.rsplit_once("\" 200 ")?;
    let (verb, path) = request.split_once(' ')?;
    Some(Moved { up: verb == "PUT", path: percent_decoded(path), bytes: rest.trim().parse().ok()? })
}

fn percent_decoded(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex.filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_says_it_in_its_own_way() {
        let moved = |up, path: &str, bytes| vec![Moved { up, path: path.into(), bytes }];
        let vsftpd = "Mon Jan  1 00:00:00 2026 [pid 9] [daemon] FTP command: Client \"127.0.0.1\", \"RETR /a\"\n\
             Mon Jan  1 00:00:00 2026 [pid 9] [daemon] FAIL DOWNLOAD: Client \"127.0.0.1\", \"/a b\", 11 bytes, 4.40Kbyte/sec";
        assert_eq!(parse(Kind::Vsftpd, vsftpd), moved(false, "/a b", 11));
        let proftpd = "2026-01-01 00:00:00,000 STOR /a -> b -> 226, 70 bytes\n2026-01-01 00:00:00,000 LIST -> 226, 9 bytes";
        assert_eq!(parse(Kind::Proftpd, proftpd), moved(true, "/a -> b", 70));
        let pure = "127.0.0.1 - mirror [01/Jan/2026:00:00:00 -0000] \"GET /srv/a%20b\" 200 12";
        assert_eq!(parse(Kind::PureFtpd, pure), moved(false, "/srv/a b", 12));
        assert!(moved(false, "/in/gr????e", 1)[0].is_of("/in/größe"));
        assert!(!moved(false, "/b", 1)[0].is_of("/a"));
        assert!(!moved(false, "/in/????.csv", 1)[0].is_of("/in/a.csv"), "a byte of ASCII is logged as it is");
    }
}
