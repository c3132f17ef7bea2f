//! What is known of a file, on either side.

use serde::{Deserialize, Serialize};

use super::{ByteCount, Timestamp};

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A file with bytes.
    File,
    /// A folder.
    Dir,
    /// A symbolic link that wasn't followed.
    Link,
    /// A device, a socket, or what the server has no word for.
    Other,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Where it is: relative to the site's root or, in a granted folder, `NAME/sub/file`.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes, where known.
    pub size: Option<ByteCount>,
    /// When its content last changed, where known. Whole seconds from most servers; only to the
    /// minute or the day from a LIST.
    pub modified: Option<Timestamp>,
    /// What stays the same under another name: `unique` of RFC 3659 (7.5.2), or device and inode.
    pub unique: Option<String>,
}

impl FileInfo {
    /// Whether this may still be the file that `earlier` describes: all that both know is equal.
    /// The path isn't compared.
    #[must_use]
    pub fn same_file(&self, earlier: &Self) -> bool {
        fn agree<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            match (a, b) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            }
        }
        self.kind == earlier.kind
            && agree(self.size.as_ref(), earlier.size.as_ref())
            && agree(self.modified.as_ref(), earlier.modified.as_ref())
            && agree(self.unique.as_ref(), earlier.unique.as_ref())
    }
}
