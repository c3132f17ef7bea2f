//! Which file counts, and where the state lies when nobody says.

use std::path::{Path, PathBuf};

use super::{Environment, Error, environment};

/// The file's name in the working folder.
const FILE: &str = "orchestrator.toml";
/// The program's folder below the XDG places.
const FOLDER: &str = "orchestrator";

/// What the command line says; it comes before everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--state`
    pub state: Option<PathBuf>,
}

/// Where the configuration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, absolute.
    pub path: PathBuf,
    /// True when somebody named it: then it must exist.
    pub named: bool,
}

/// The file that counts: `--config`, else the environment's, else `orchestrator.toml` in `folder`,
/// else the one in the XDG place if it is there. `None` where there is none: then defaults hold.
#[must_use]
pub fn find(flags: &Flags, environment: &Environment, folder: &Path) -> Option<Found> {
    if let Some(named) = flags.config.clone().or_else(|| environment.path(environment::CONFIG)) {
        return Some(Found { path: folder.join(named), named: true });
    }
    let here = folder.join(FILE);
    let place = config_home(environment).map(|home| home.join(FILE));
    [Some(here), place]
        .into_iter()
        .flatten()
        .find(|path| path.exists())
        .map(|path| Found { path, named: false })
}

/// The folder of a person's configuration, `~/.config/orchestrator`.
fn config_home(environment: &Environment) -> Option<PathBuf> {
    xdg(environment, environment::XDG_CONFIG_HOME, ".config")
}

/// The state folder when nobody names one: `~/.local/state/orchestrator`.
///
/// # Errors
/// There is no home folder.
pub fn state_default(environment: &Environment) -> Result<PathBuf, Error> {
    xdg(environment, environment::XDG_STATE_HOME, ".local/state").ok_or_else(|| {
        Error::new("there is no place for the state: neither XDG_STATE_HOME nor HOME is set")
            .with_hint("name a folder with --state DIR")
    })
}

/// The XDG rule: a variable that is set and absolute, else a folder of the home folder.
fn xdg(environment: &Environment, variable: &str, below_home: &str) -> Option<PathBuf> {
    environment
        .path(variable)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(environment.path(environment::HOME)?.join(below_home)))
        .map(|base| base.join(FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let all = environment(&[("ORCHESTRATOR_CONFIG", "/e.toml")]);
        let flags = Flags { config: Some("f.toml".into()), state: None };
        assert_eq!(find(&flags, &all, folder.path()).unwrap().path, folder.path().join("f.toml"));
        assert_eq!(find(&Flags::default(), &all, folder.path()).unwrap().path, Path::new("/e.toml"));
        assert_eq!(find(&Flags::default(), &environment(&[]), folder.path()), None);
        std::fs::write(folder.path().join(FILE), "").unwrap();
        let here = find(&Flags::default(), &environment(&[]), folder.path()).unwrap();
        assert_eq!((here.path, here.named), (folder.path().join(FILE), false));
    }

    #[test]
    fn xdg_places_are_obeyed() {
        let set = environment(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]);
        assert_eq!(state_default(&set).unwrap(), Path::new("/s/orchestrator"));
        let home = environment(&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")]);
        assert_eq!(state_default(&home).unwrap(), Path::new("/h/.local/state/orchestrator"));
        assert!(state_default(&environment(&[])).is_err());
    }
}
