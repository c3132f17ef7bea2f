//! Paths as workflows write them, made safe once, here.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Fault, FaultCode};

/// The most bytes of a path: PATH_MAX of Linux.
const PATH_BYTES_MAX: usize = 4096;

/// Splits at `/`, drops empty and `.` parts, and refuses `..` and every control character (a CR or
/// LF would start a new FTP command).
fn parts<'a>(path: &'a str, code: &FaultCode) -> Result<Vec<&'a str>, Fault> {
    let bad = |why: &str| Fault::new(code.clone(), format!("the path \"{}\" {why}", path.escape_debug()));
    if path.len() > PATH_BYTES_MAX {
        return Err(Fault::new(
            code.clone(),
            format!("a path of {} bytes is over the limit of {PATH_BYTES_MAX}", path.len()),
        ));
    }
    if path.chars().any(char::is_control) {
        return Err(bad("has a control character"));
    }
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(bad("has a `..`"));
    }
    Ok(parts)
}

/// A path on a site, relative to the site's root, without a leading slash, `.` or `..`. Empty for
/// the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemotePath(String);

impl RemotePath {
    /// Reads a path as people write it; `/a//b/`, `a/./b` and `a/b` are the same.
    ///
    /// # Errors
    /// `ftp.bad-name` for `..`, control characters, and more than 4,096 bytes.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Ok(Self(parts(text, &FaultCode::FtpBadName)?.join("/")))
    }

    /// The path, without a leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last part; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// The folder that holds it; the root's parent is the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned()))
    }

    /// `name` (or a relative path) below this one.
    ///
    /// # Errors
    /// As [`RemotePath::parse`].
    pub fn join(&self, name: &str) -> Result<Self, Fault> {
        Self::parse(&format!("{}/{name}", self.0))
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("/") } else { f.pad(&self.0) }
    }
}

/// A path in a granted folder, as workflows write it: `NAME/sub/file`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LocalPath {
    /// The name under which the folder was granted.
    pub folder: String,
    /// The path inside it, without a leading slash; empty for the folder itself.
    pub inside: String,
}

impl LocalPath {
    /// Reads `NAME/sub/file`.
    ///
    /// # Errors
    /// `file.bad-name` for an empty or absolute path, `..`, control characters, and more than 4,096
    /// bytes.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.starts_with('/') {
            return Err(Fault::new(
                FaultCode::FileBadName,
                format!("the path \"{}\" is absolute", text.escape_debug()),
            )
            .with_hint("a local path begins with the name of a granted folder: NAME/sub/file"));
        }
        let parts = parts(text, &FaultCode::FileBadName)?;
        let Some((folder, inside)) = parts.split_first() else {
            return Err(Fault::new(FaultCode::FileBadName, "the local path is empty")
                .with_hint("a local path begins with the name of a granted folder: NAME/sub/file"));
        };
        Ok(Self { folder: (*folder).to_owned(), inside: inside.join("/") })
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside.is_empty() {
            f.write_str(&self.folder)
        } else {
            write!(f, "{}/{}", self.folder, self.inside)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_paths_are_made_plain() {
        for text in ["/a//b/", "a/./b", "a/b"] {
            assert_eq!(RemotePath::parse(text).unwrap().as_str(), "a/b");
        }
        assert!(RemotePath::parse("/").unwrap().is_root());
        let deep = RemotePath::parse("a/b/c.txt").unwrap();
        assert_eq!((deep.name(), deep.parent().as_str()), ("c.txt", "a/b"));
        assert_eq!(RemotePath::parse("c").unwrap().parent().as_str(), "");
    }

    #[test]
    fn what_could_escape_or_inject_is_refused() {
        for text in ["../x", "a/../../x", "a\r\nDELE b", "a\0b", "\u{7f}", "\u{85}"] {
            assert!(RemotePath::parse(text).is_err(), "{text:?}");
            assert!(LocalPath::parse(text).is_err(), "{text:?}");
        }
        assert!(LocalPath::parse("/etc/passwd").is_err());
        assert!(LocalPath::parse("").is_err());
        assert!(RemotePath::parse(&"x".repeat(5000)).is_err());
    }

    #[test]
    fn local_paths_begin_with_the_grant() {
        let path = LocalPath::parse("out/sub/file").unwrap();
        assert_eq!((path.folder.as_str(), path.inside.as_str()), ("out", "sub/file"));
        assert_eq!(LocalPath::parse("out").unwrap().inside, "");
    }
}
