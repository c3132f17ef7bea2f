//! Names that differ and yet are one on this file system (F46): `README` and `readme` where case doesn't
//! count, `é` as one letter and as two where only the look does.
//!
//! Servers have such names side by side. Here the second would land on the first, and replace it. Which
//! file systems and which of their folders do that can't be asked; it shows in that a name is found under
//! another spelling as well, and isn't among the names of its folder as it was written.

use std::ffi::{OsStr, OsString};

use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use unicode_normalization::UnicodeNormalization;

use super::root::{LocalFile, Place};
use crate::model::{Fault, FaultCode};

/// What tells two files apart: device and inode.
type Inode = (u64, u64);

/// A folder as far as spellings go.
trait Spellings {
    /// What is found under a name; `None` for nothing.
    fn find(&self, name: &str) -> Result<Option<Inode>, Errno>;

    /// The names as they were written, and what each stands for.
    fn names(&self) -> Result<Vec<(OsString, Inode)>, Errno>;
}

/// The spelling under which a file stands that is found as `name` and was written otherwise; `None` where
/// nothing is found, or just this.
fn other_spelling(folder: &impl Spellings, name: &str) -> Result<Option<OsString>, Errno> {
    let Some(found) = folder.find(name)? else {
        return Ok(None);
    };
    let mut is_folded = false;
    for other in respelled(name) {
        is_folded |= folder.find(&other)? == Some(found);
    }
    if !is_folded {
        return Ok(None);
    }
    let names = folder.names()?;
    if names.iter().any(|(written, _)| written == OsStr::new(name)) {
        return Ok(None);
    }
    Ok(names.into_iter().find(|(_, inode)| *inode == found).map(|(written, _)| written))
}

/// Other spellings of a name: with the case of each letter turned, and in the two normal forms of
/// Unicode (NFC and NFD).
fn respelled(name: &str) -> Vec<String> {
    let turned = name.chars().flat_map(|letter| {
        let turned: Vec<char> = match letter.is_lowercase() {
            true => letter.to_uppercase().collect(),
            false => letter.to_lowercase().collect(),
        };
        turned
    });
    let mut others = vec![turned.collect::<String>()];
    if !name.is_ascii() {
        others.extend([name.nfc().collect(), name.nfd().collect()]);
    }
    others.retain(|other| other != name && !other.contains('/'));
    others
}

impl Spellings for Place {
    fn find(&self, name: &str) -> Result<Option<Inode>, Errno> {
        match rustix::fs::statat(self, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some((stat.st_dev, stat.st_ino))),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&self) -> Result<Vec<(OsString, Inode)>, Errno> {
        use std::os::unix::ffi::OsStrExt;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(self, ".", flags, rustix::fs::Mode::empty())?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(folder)? {
            let name = entry?.file_name().to_owned();
            if let Ok(stat) = rustix::fs::statat(self, &name, AtFlags::SYMLINK_NOFOLLOW) {
                names.push((OsStr::from_bytes(name.to_bytes()).to_owned(), (stat.st_dev, stat.st_ino)));
            }
        }
        Ok(names)
    }
}

impl LocalFile {
    /// Refuses a path of which some part would land on what was written as another name.
    ///
    /// # Errors
    /// `file.exists`, with that name; `file.io`.
    pub(super) fn refuse_twin(&self) -> Result<(), Fault> {
        let ends = self.inside.match_indices('/').map(|(at, _)| at).chain([self.inside.len()]);
        for end in ends {
            let part = Self { root: self.root.clone(), inside: self.inside[..end].to_owned() };
            let place = match part.place(false) {
                Ok(place) => place,
                // Nothing is there yet, and nothing below it.
                Err(fault) if fault.code == FaultCode::FileNotFound => return Ok(()),
                Err(fault) => return Err(fault),
            };
            let twin = other_spelling(&place, &place.name)
                .map_err(|error| self.failed("cannot look for names like that of", error))?;
            if let Some(twin) = twin {
                let why = format!(
                    "cannot write {self}: its file system takes {part} for `{}`, which is there",
                    twin.display()
                );
                return Err(Fault::new(FaultCode::FileExists, why)
                    .with_hint("give one of the two another local name, or a folder of its own"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::transfer::LocalRoot;

    /// A folder of a file system that folds case and forms, as far as it is told to.
    struct Folding {
        case: bool,
        form: bool,
        files: BTreeMap<String, Inode>,
    }

    impl Folding {
        fn key(&self, name: &str) -> String {
            let name = if self.form { name.nfd().collect() } else { name.to_owned() };
            if self.case { name.to_lowercase() } else { name }
        }
    }

    impl Spellings for Folding {
        fn find(&self, name: &str) -> Result<Option<Inode>, Errno> {
            let key = self.key(name);
            Ok(self.files.iter().find(|(written, _)| self.key(written) == key).map(|(_, inode)| *inode))
        }

        fn names(&self) -> Result<Vec<(OsString, Inode)>, Errno> {
            Ok(self.files.iter().map(|(name, inode)| (name.into(), *inode)).collect())
        }
    }

    fn twin(case: bool, form: bool, written: &str, name: &str) -> Option<OsString> {
        let files = BTreeMap::from([(written.to_owned(), (1, 7)), ("other".to_owned(), (1, 8))]);
        other_spelling(&Folding { case, form, files }, name).unwrap()
    }

    #[test]
    fn twins_are_found_where_the_file_system_takes_them_for_one() {
        assert_eq!(twin(true, false, "README", "readme"), Some("README".into()));
        assert_eq!(twin(true, false, "ReadMe", "rEADmE"), Some("ReadMe".into()));
        assert_eq!(twin(true, false, "\u{c9}t\u{e9}", "\u{e9}t\u{e9}"), Some("\u{c9}t\u{e9}".into()));
        assert_eq!(twin(false, true, "e\u{301}t", "\u{e9}t"), Some("e\u{301}t".into()), "NFC on NFD");
        assert_eq!(twin(false, true, "\u{e9}t", "e\u{301}t"), Some("\u{e9}t".into()), "NFD on NFC");
    }

    #[test]
    fn other_names_are_nobodys_twins() {
        assert_eq!(twin(true, true, "README", "README"), None, "itself");
        assert_eq!(twin(false, false, "README", "readme"), None, "two files");
        assert_eq!(twin(true, true, "README", "new"), None, "nothing there");
        assert_eq!(twin(true, true, "12.34", "12.34"), None);
    }

    #[test]
    fn a_name_with_another_one_for_the_same_file_is_no_twin() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("readme"), b"x").unwrap();
        std::fs::hard_link(folder.path().join("readme"), folder.path().join("README")).unwrap();
        std::fs::create_dir(folder.path().join("Sub")).unwrap();
        let root = LocalRoot::open("dir", folder.path()).unwrap();
        for inside in ["readme", "README", "new", "Sub/a", "Sub/new/deep", "none/at/all"] {
            root.file(inside).unwrap().refuse_twin().unwrap();
        }
        let place = root.file("x").unwrap().place(false).unwrap();
        let mut names: Vec<_> = place.names().unwrap().into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, [".", "..", "README", "Sub", "readme"]);
        assert_eq!(place.find("readme").unwrap(), place.find("README").unwrap());
        assert_eq!(place.find("none").unwrap(), None);
    }
}
