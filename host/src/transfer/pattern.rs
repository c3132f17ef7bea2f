//! Globs over names and paths of a listing.

use globset::{GlobBuilder, GlobMatcher};

use crate::model::{Fault, FaultCode, FileInfo, FileKind, Select};

/// The most patterns of each list.
const PATTERNS_MAX: usize = 100;

/// What a listing is asked for, ready to be asked of each entry.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

#[derive(Clone, Debug)]
struct Glob {
    matcher: GlobMatcher,
    /// It is about the last part of a path only.
    by_name: bool,
    folders_only: bool,
}

impl Pattern {
    /// Reads the globs.
    ///
    /// # Errors
    /// `call.invalid` for one that can't be read, or more than 100 of a kind.
    pub(crate) fn new(select: &Select) -> Result<Self, Fault> {
        let read = |globs: &[String]| {
            if globs.len() > PATTERNS_MAX {
                let why = format!("{} patterns; {PATTERNS_MAX} are allowed", globs.len());
                return Err(Fault::new(FaultCode::CallInvalid, why));
            }
            globs.iter().map(|glob| Glob::new(glob)).collect()
        };
        Ok(Self { include: read(&select.include)?, exclude: read(&select.exclude)? })
    }

    /// Whether the entry, seen from the listed folder at `path`, is asked for.
    pub(crate) fn takes(&self, path: &str, entry: &FileInfo) -> bool {
        (self.include.is_empty() || any(&self.include, path, entry)) && !self.excludes(path, entry)
    }

    /// Whether the entry is left out together with all that is in it.
    pub(crate) fn excludes(&self, path: &str, entry: &FileInfo) -> bool {
        any(&self.exclude, path, entry)
    }
}

fn any(globs: &[Glob], path: &str, entry: &FileInfo) -> bool {
    globs.iter().any(|glob| glob.matches(path, entry.kind))
}

impl Glob {
    fn new(glob: &str) -> Result<Self, Fault> {
        let (inner, folders_only) = glob.strip_suffix('/').map_or((glob, false), |inner| (inner, true));
        let matcher = GlobBuilder::new(inner)
            .literal_separator(true)
            .build()
            .map_err(|e| {
                let why = format!("the glob \"{}\" can't be read: {}", glob.escape_debug(), e.kind());
                Fault::new(FaultCode::CallInvalid, why)
            })?
            .compile_matcher();
        Ok(Self { matcher, by_name: !inner.contains('/'), folders_only })
    }

    fn matches(&self, path: &str, kind: FileKind) -> bool {
        if self.folders_only && kind != FileKind::Dir {
            return false;
        }
        self.matcher.is_match(if self.by_name { path.rsplit('/').next().unwrap_or(path) } else { path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: FileKind) -> FileInfo {
        FileInfo { path: String::new(), kind, size: None, modified: None, unique: None }
    }

    fn takes(include: &[&str], exclude: &[&str], path: &str) -> bool {
        let own = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        let select = Select { include: own(include), exclude: own(exclude), recursive: true };
        Pattern::new(&select).unwrap().takes(path, &entry(FileKind::File))
    }

    #[test]
    fn a_glob_without_a_slash_is_about_names() {
        assert!(takes(&["*.csv"], &[], "a.csv") && takes(&["*.csv"], &[], "x/y/a.csv"));
        assert!(!takes(&["*.csv"], &[], "a.csv/b"));
        assert!(takes(&["in/**/*.csv"], &[], "in/a.csv") && takes(&["in/**/*.csv"], &[], "in/x/y/a.csv"));
        assert!(!takes(&["in/**/*.csv"], &[], "out/a.csv"));
        assert!(takes(&[], &[], "anything"));
    }

    #[test]
    fn what_is_excluded_isnt_taken_whatever_includes_it() {
        assert!(takes(&["*.csv", "*.txt"], &["b*"], "x/a.txt"));
        assert!(!takes(&["*.csv", "*.txt"], &["b*"], "x/b.txt"));
        assert!(!takes(&[], &["x/**"], "x/y/a"));
    }

    #[test]
    fn a_slash_at_the_end_is_for_folders() {
        let select = Select { exclude: vec!["tmp/".to_owned()], ..Select::default() };
        let pattern = Pattern::new(&select).unwrap();
        assert!(pattern.excludes("x/tmp", &entry(FileKind::Dir)));
        assert!(!pattern.excludes("x/tmp", &entry(FileKind::File)));
    }

    #[test]
    fn bad_and_too_many_patterns_are_refused() {
        let code = |globs: Vec<String>| {
            Pattern::new(&Select { include: globs, ..Select::default() }).unwrap_err().code
        };
        assert_eq!(code(vec!["[".to_owned()]), FaultCode::CallInvalid);
        assert_eq!(code(vec!["a".to_owned(); 101]), FaultCode::CallInvalid);
    }
}
