//! Sidecars: `NAME.sha256` or `NAME.md5` beside a file, with its digest, as `sha256sum` and `md5sum` write
//! and check them.

use super::local::LocalFile;
use super::look::read_all;
use super::remote::Remote;
use crate::model::{Digest, Fault, FaultCode, HashAlgorithm, RemotePath};

/// The most bytes of one that is read: a thousand lines, of which one is about the file.
pub(super) const SIDECAR_BYTES_MAX: u32 = 256 * 1024;

/// The name of the sidecar of a file called `name`.
pub(super) fn name_of(name: &str, algorithm: HashAlgorithm) -> String {
    format!("{name}.{}", algorithm.as_str())
}

/// The path of the sidecar of `path`.
pub(super) fn path_of(path: &RemotePath, algorithm: HashAlgorithm) -> Result<RemotePath, Fault> {
    path.parent().join(&name_of(path.name(), algorithm))
}

/// What a sidecar says of the file called `name`, as `sha256sum` writes it. A name with a backslash is
/// written with two, and marked by one at the line's beginning (GNU coreutils, 6.1).
pub(super) fn written(name: &str, digest: &Digest) -> Vec<u8> {
    let (mark, name) = match name.contains('\\') {
        true => ("\\", name.replace('\\', "\\\\")),
        false => ("", name.to_owned()),
    };
    format!("{mark}{}  {name}\n", digest.hex).into_bytes()
}

/// Reads the sidecar of a file on a server.
pub(super) async fn read(
    session: &mut dyn Remote,
    path: &RemotePath,
    algorithm: HashAlgorithm,
) -> Result<Digest, Fault> {
    let sidecar = path_of(path, algorithm)?;
    let text = read_all(session, &sidecar, SIDECAR_BYTES_MAX)
        .await
        .map_err(|fault| fault.while_doing(format_args!("the sidecar of {path} can't be read")))?;
    said(&text, path.name(), algorithm).map_err(|why| wrong(sidecar.as_str(), &why))
}

/// Reads the sidecar of a local file.
pub(super) async fn read_local(local: LocalFile, algorithm: HashAlgorithm) -> Result<Digest, Fault> {
    let sidecar = local.sibling(&name_of(local.name(), algorithm));
    let text = sidecar
        .root
        .read(&sidecar.inside, 0, SIDECAR_BYTES_MAX)
        .await
        .map_err(|fault| fault.while_doing(format_args!("the sidecar of {local} can't be read")))?;
    said(&text, local.name(), algorithm).map_err(|why| wrong(&sidecar.to_string(), &why))
}

/// The digest that a sidecar gives for the file called `name`. Lines are understood as coreutils
/// (`HEX  NAME`, `HEX *NAME`), BSD and OpenSSL (`SHA256 (NAME) = HEX`) write them; a lone digest without a
/// name, as some servers have it, is taken for the file's.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn said(text: &[u8], name: &str, algorithm: HashAlgorithm) -> Result<Digest, String> {
    let text = str::from_utf8(text).map_err(|_| "it isn't UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found: Option<Digest> = None;
    let mut others = 0;
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((hex, named)) = parts(line, algorithm) else {
            return Err(format!("`{}` is no line of {} digests", shown(line), algorithm.as_str()));
        };
        if named.is_some_and(|named| last_part(&named) != name) {
            others += 1;
            continue;
        }
        let digest = Digest { algorithm, hex: hex.to_ascii_lowercase() };
        if found.as_ref().is_some_and(|found| *found != digest) {
            return Err(format!("it has two digests for {name}"));
        }
        found = Some(digest);
    }
    found.ok_or_else(|| match others {
        0 => "it is empty".to_owned(),
        _ => format!("it says nothing of {name}"),
    })
}

/// A sidecar that is there and of no use.
pub(super) fn wrong(sidecar: &str, why: &str) -> Fault {
    Fault::new(FaultCode::VerifyDigest, format!("the sidecar {sidecar} can't be used: {why}"))
}

/// The digest and the name of a line.
fn parts(line: &str, algorithm: HashAlgorithm) -> Option<(&str, Option<String>)> {
    let digits = match algorithm {
        HashAlgorithm::Crc32 => 8,
        HashAlgorithm::Md5 => 32,
        HashAlgorithm::Sha1 => 40,
        HashAlgorithm::Sha256 => 64,
    };
    let is_digest = |word: &str| word.len() == digits && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some((tag, rest)) = line.split_once('(') {
        let (named, hex) = rest.rsplit_once(')')?;
        let hex = hex.trim_start().strip_prefix('=')?.trim_start();
        let tag: String = tag.chars().filter(char::is_ascii_alphanumeric).collect();
        let tag = tag.to_ascii_lowercase().replace("sha2256", "sha256");
        return (tag == algorithm.as_str() && is_digest(hex)).then(|| (hex, Some(named.to_owned())));
    }
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(line) => (true, line),
        None => (false, line),
    };
    let (hex, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !is_digest(hex) {
        return None;
    }
    let named = rest.strip_prefix([' ', '*']).unwrap_or(rest);
    match (named.is_empty(), escaped) {
        (true, _) => Some((hex, None)),
        (false, true) => Some((hex, Some(named.replace("\\\\", "\\")))),
        (false, false) => Some((hex, Some(named.to_owned()))),
    }
}

/// Sidecars that were made elsewhere name the file with the path that it had there.
fn last_part(named: &str) -> &str {
    named.rsplit('/').next().unwrap_or(named)
}

fn shown(line: &str) -> String {
    line.chars().take(80).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn sha256(text: &str, name: &str) -> Result<String, String> {
        said(text.as_bytes(), name, HashAlgorithm::Sha256).map(|digest| digest.hex)
    }

    #[test]
    fn every_way_of_writing_one_is_understood() {
        let upper = HEX.to_ascii_uppercase();
        for text in [
            format!("{HEX}  a b.csv\n"),
            format!("{HEX} *a b.csv\r\n"),
            format!("{upper}  ./out/a b.csv"),
            format!("SHA256 (a b.csv) = {HEX}\n"),
            format!("SHA2-256(/x/a b.csv)= {HEX}\n"),
            format!("# made by hand\n\n{HEX}  other.csv\n{HEX}  a b.csv\n"),
            format!("\u{feff}{HEX}\n"),
        ] {
            assert_eq!(sha256(&text, "a b.csv").as_deref(), Ok(HEX), "{text}");
        }
        let md5 = said(format!("MD5 (x) = {MD5}").as_bytes(), "x", HashAlgorithm::Md5).unwrap();
        assert_eq!(md5.hex, MD5);
    }

    #[test]
    fn what_is_no_sidecar_of_the_file_is_refused() {
        let zeros = "0".repeat(64);
        for (text, why) in [
            (String::new(), "it is empty"),
            (format!("{HEX}  other"), "it says nothing of a"),
            (format!("{MD5}  a"), "is no line of sha256 digests"),
            (format!("MD5 (a) = {MD5}"), "is no line of sha256 digests"),
            ("<html>404</html>".to_owned(), "is no line of sha256 digests"),
            (format!("{HEX}  a\n{zeros}  a"), "it has two digests for a"),
        ] {
            let told = sha256(&text, "a").unwrap_err();
            assert!(told.contains(why), "{text:?}: {told}");
        }
        assert!(said(&[0xFF, 0xFE], "a", HashAlgorithm::Sha256).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let digest = Digest { algorithm: HashAlgorithm::Sha256, hex: HEX.to_owned() };
        for name in ["a", "a b", "back\\slash", "*star"] {
            let text = written(name, &digest);
            assert_eq!(said(&text, name, HashAlgorithm::Sha256).as_ref(), Ok(&digest), "{name}");
        }
        assert_eq!(written("back\\slash", &digest)[0], b'\\');
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text: Vec<u8>, name in "[a-z()= *\\\\]{1,9}") {
            let _ = said(&text, &name, HashAlgorithm::Md5);
        }
    }
}
