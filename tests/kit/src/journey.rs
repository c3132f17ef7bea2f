//! What the guest `oracle` does with the files of one folder, told beforehand: the end state of each
//! folder, and every effect on the server.

use std::path::Path;

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use crate::oracle::{Sample, judge_effects, judge_folder};
use crate::witness::Seen;

/// The files that the guest was given, sorted by name.
#[derive(Clone, Debug)]
pub struct Journey {
    files: Vec<Sample>,
}

impl Journey {
    /// The journey of these files, which are sorted by name and lie in `in` on the server.
    pub fn of(files: Vec<Sample>) -> Self {
        Self { files }
    }

    /// The files as they are at the start.
    pub fn files(&self) -> &[Sample] {
        &self.files
    }

    /// Every folder is as it must be in the end.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn judge_end(&self, server: &Path, local: &Path) -> Result<()> {
        judge_folder(&self.pick(|n| n % 3 == 2, ""), &server.join("in"))?;
        judge_folder(&self.pick(|n| n % 3 == 0, ""), &server.join("done"))?;
        let mut out = self.pick(|n| n % 5 == 0, ".ok");
        out.extend(self.pick(|n| n % 5 > 1, ""));
        judge_folder(&out, &server.join("out"))?;

        judge_folder(&self.pick(|n| n % 7 != 0, ""), &local.join("got"))?;
        let manifest = std::fs::read_to_string(local.join("manifest"))?;
        let line = |file: &Sample| format!("{} {}\n", hex(&Sha256::digest(&file.content)), file.name);
        let expected: String = self.files.iter().map(line).collect();
        if manifest != expected {
            bail!("the manifest is not as it should be:\n{manifest}");
        }
        Ok(())
    }

    /// The server saw every rename and removal, each once, and none but these.
    ///
    /// # Errors
    /// Those that are missing or too many.
    pub fn judge_effects(&self, seen: &[Seen]) -> Result<()> {
        judge_effects(seen)?;
        let mut faults = Vec::new();
        let mut expected_removals = 0;
        for (n, file) in self.files.iter().enumerate() {
            let name = &file.name;
            let renamed = |from: &str, to: &str| Seen::Renamed(from.into(), to.into());
            let mut must = Vec::new();
            match n % 3 {
                0 => must.push(renamed(&format!("in/{name}"), &format!("done/{name}"))),
                1 => must.push(Seen::Removed(format!("in/{name}").into())),
                _ => {}
            }
            match n % 5 {
                0 => must.push(renamed(&format!("out/{name}"), &format!("out/{name}.ok"))),
                1 => must.push(Seen::Removed(format!("out/{name}").into())),
                _ => {}
            }
            expected_removals += must.iter().filter(|event| matches!(event, Seen::Removed(_))).count();
            faults.extend(
                must.iter().filter(|event| !seen.contains(event)).map(|event| format!("no {event:?}")),
            );

            let target = format!("out/{name}");
            let arrivals = seen
                .iter()
                .filter(|event| matches!(event, Seen::Renamed(_, to) if *to == Path::new(&target)));
            let arrivals = arrivals.count();
            if arrivals != 1 {
                faults.push(format!("{target:?} came into being {arrivals} times"));
            }
        }
        // An abandoned part may be removed; a file of the journey only as told.
        let removals =
            seen.iter().filter(|event| matches!(event, Seen::Removed(path) if !is_part(path))).count();
        if removals != expected_removals {
            faults.push(format!("{removals} files were removed for {expected_removals}"));
        }
        if !faults.is_empty() {
            bail!("the effects are not as they should be: {}", faults.join("; "));
        }
        Ok(())
    }

    fn pick(&self, which: impl Fn(usize) -> bool, suffix: &str) -> Vec<Sample> {
        let chosen = self.files.iter().enumerate().filter(|(n, _)| which(*n));
        chosen
            .map(|(_, file)| Sample { name: format!("{}{suffix}", file.name), content: file.content.clone() })
            .collect()
    }
}

/// True for the names that unfinished files have.
fn is_part(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(".part")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
