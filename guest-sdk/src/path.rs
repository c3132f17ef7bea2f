//! Paths as workflows write them: `/` between the parts, remote ones relative to the site's root, local
//! ones beginning with the name of a granted folder.

/// `name` below `folder`, with one slash between them; either may be empty.
///
/// ```
/// use orchestrator_sdk::path::join;
/// assert_eq!(join("in/sub/", "a.csv"), "in/sub/a.csv");
/// assert_eq!(join("", "a.csv"), "a.csv");
/// ```
#[must_use]
pub fn join(folder: impl AsRef<str>, name: impl AsRef<str>) -> String {
    let (folder, name) = (folder.as_ref().trim_end_matches('/'), name.as_ref().trim_start_matches('/'));
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

/// The last part; empty for the root.
#[must_use]
pub fn name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The folder that holds it; empty for a name alone.
#[must_use]
pub fn parent(path: &str) -> &str {
    path.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What remains of `path`, as the host gives it, below `folder`, however that is written; `None` when it
/// isn't below it.
///
/// ```
/// use orchestrator_sdk::path::below;
/// assert_eq!(below("in/a/b", "/in//./"), Some("a/b"));
/// assert_eq!(below("inside", "in"), None);
/// ```
#[must_use]
pub fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let parts = folder.split('/').filter(|part| !part.is_empty() && *part != ".");
    let mut rest = path.trim_start_matches('/');
    for part in parts {
        rest = rest.strip_prefix(part)?.strip_prefix('/')?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_apart_and_together() {
        assert_eq!((name("a/b/c"), parent("a/b/c")), ("c", "a/b"));
        assert_eq!((name("c"), parent("c")), ("c", ""));
        assert_eq!((name("a/b/"), parent("a/b/")), ("b", "a"));
        assert_eq!(join("a", ""), "a");
        assert_eq!(join("/a", "/b"), "/a/b");
        assert_eq!(below("a/b", ""), Some("a/b"));
        assert_eq!(below("a", "a"), None);
    }
}
