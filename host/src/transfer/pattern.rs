//! Globs over names and paths of a listing.

use globset::{GlobBuilder, GlobMatcher};

use crate::model::{Fault, FaultCode};

/// What a listing is asked for: everything, or what a glob matches.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    glob: Option<(GlobMatcher, bool)>,
}

impl Pattern {
    /// Reads a glob with `*`, `?`, `[...]`, `{a,b}` and `**`. One without a `/` is about the last part
    /// of a path, wherever it lies; any other about the whole path from the listed folder on.
    ///
    /// # Errors
    /// `call.invalid`.
    pub(crate) fn new(glob: Option<&str>) -> Result<Self, Fault> {
        let Some(glob) = glob.filter(|glob| !glob.is_empty()) else {
            return Ok(Self { glob: None });
        };
        let matcher = GlobBuilder::new(glob)
            .literal_separator(true)
            .build()
            .map_err(|e| {
                let why = format!("the glob \"{}\" can't be read: {}", glob.escape_debug(), e.kind());
                Fault::new(FaultCode::CallInvalid, why)
            })?
            .compile_matcher();
        Ok(Self { glob: Some((matcher, glob.contains('/'))) })
    }

    /// Whether the entry at `path`, seen from the listed folder, is asked for.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match &self.glob {
            None => true,
            Some((glob, true)) => glob.is_match(path),
            Some((glob, false)) => glob.is_match(path.rsplit('/').next().unwrap_or(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_without_a_slash_is_about_names() {
        let csv = Pattern::new(Some("*.csv")).unwrap();
        assert!(csv.matches("a.csv") && csv.matches("x/y/a.csv") && !csv.matches("a.csv/b"));
        let deep = Pattern::new(Some("in/**/*.csv")).unwrap();
        assert!(deep.matches("in/a.csv") && deep.matches("in/x/y/a.csv") && !deep.matches("out/a.csv"));
        assert!(Pattern::new(None).unwrap().matches("anything"));
        assert_eq!(Pattern::new(Some("[")).unwrap_err().code, FaultCode::CallInvalid);
    }
}
