//! `NAME:PATH`: a place on a site.

use std::str::FromStr;

use orchestrator_host::model::RemotePath;

/// A place on a site. The path starts at the site's root, with or without a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) site: String,
    pub(crate) path: RemotePath,
    /// Whether it was written as a folder: empty, or with a slash at its end.
    pub(crate) is_folder: bool,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (site, path) = text
            .split_once(':')
            .ok_or("write NAME:PATH, as `partner:/out/file`, or `partner:` for the root")?;
        if site.is_empty() {
            return Err("the site's name is missing before the colon".to_owned());
        }
        if path.starts_with("//") && matches!(site, "ftp" | "ftps") {
            return Err(
                "a URL isn't taken here: add it as a site (`orchestrator site add NAME URL`)".to_owned()
            );
        }
        let is_folder = path.is_empty() || path.ends_with('/');
        Ok(Self {
            site: site.to_owned(),
            path: RemotePath::parse(path).map_err(|fault| fault.message)?,
            is_folder,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_and_a_path() {
        let target: Target = "partner:/in/a b:c".parse().unwrap();
        assert_eq!((target.site.as_str(), target.path.as_str()), ("partner", "in/a b:c"));
        assert!(!target.is_folder && "partner:in/".parse::<Target>().unwrap().is_folder);
        assert!("partner:".parse::<Target>().unwrap().path.is_root());
        for wrong in ["partner", ":x", "a:../b", "ftp://host/x", "a:b\nc"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
