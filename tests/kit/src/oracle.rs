//! The oracle of every crash test: twenty files, and what must hold of them after any crash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::chance::Chance;
use crate::witness::Seen;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Names and sizes: the sizes at which buffers, chunks and commits begin and end, a few large
/// enough to be cut in the middle, and names that must not be taken apart.
const FILES: [(&str, usize); 20] = [
    ("empty", 0),
    ("one byte", 1),
    ("below-64k.bin", 64 * KIB - 1),
    ("exactly-64k.bin", 64 * KIB),
    ("above-64k.bin", 64 * KIB + 1),
    ("three-mib.bin", 3 * MIB),
    ("drei MiB größer.bin", 3 * MIB + 17),
    ("sub folder/three-mib.bin", 3 * MIB),
    ("sub folder/наследие.csv", 3 * MIB - 1),
    ("sub folder/deeper/日本語.txt", 300 * KIB),
    ("name with  two blanks.txt", 10 * KIB),
    ("quote'and\"quote.txt", 4 * KIB),
    ("semi;colon=value.txt", 4 * KIB + 1),
    ("percent%20plus+.txt", 8 * KIB - 1),
    ("-leading-dash.txt", 100),
    ("brackets [1] {2}.txt", 513),
    ("naïve.csv", 64 * KIB),
    ("numbers-0001.csv", 20 * KIB),
    ("numbers-0002.csv", MIB),
    ("numbers-0003.csv", MIB + 1),
];

/// One file of the oracle.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its path, relative to the site's root or the granted folder.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// The twenty files; their content depends on the name alone.
pub fn files() -> Vec<Sample> {
    FILES
        .iter()
        .map(|&(name, size)| {
            let digest = Sha256::digest(name);
            let seed = digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte));
            let mut content = vec![0; size];
            Chance::from_seed(seed).fill(&mut content);
            Sample { name: name.to_owned(), content }
        })
        .collect()
}

/// The same files in one folder, sorted by name, byte by byte: as the guest `oracle` takes them.
pub fn flat() -> Vec<Sample> {
    let mut files = files();
    for file in &mut files {
        file.name = file.name.replace('/', "_");
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    files
}

/// All their bytes.
pub fn total(files: &[Sample]) -> u64 {
    files.iter().map(|file| file.content.len() as u64).sum()
}

/// Writes the files under the folder.
///
/// # Errors
/// When one can't be written.
pub fn write(files: &[Sample], folder: &Path) -> Result<()> {
    for file in files {
        let path = folder.join(&file.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, &file.content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The folder holds these files, byte for byte, and nothing else: so no part is left either.
///
/// # Errors
/// All that differs, in words.
pub fn judge_folder(files: &[Sample], folder: &Path) -> Result<()> {
    let mut there = BTreeSet::new();
    collect(folder, folder, &mut there)?;
    let mut faults = Vec::new();
    for file in files {
        if !there.remove(Path::new(&file.name)) {
            faults.push(format!("{:?} is missing", file.name));
            continue;
        }
        let content = std::fs::read(folder.join(&file.name))?;
        if Sha256::digest(&content) != Sha256::digest(&file.content) {
            let same = content.iter().zip(&file.content).take_while(|(left, right)| left == right).count();
            faults.push(format!(
                "{:?} has {} bytes for {}, and differs from byte {same} on",
                file.name,
                content.len(),
                file.content.len()
            ));
        }
    }
    faults.extend(there.iter().map(|path| format!("{path:?} is left over")));
    if !faults.is_empty() {
        bail!("{} is not as it should be: {}", folder.display(), faults.join("; "));
    }
    Ok(())
}

/// Every name came to be its file once: each rename of one name to another and each removal of a
/// name that wasn't made anew stands once in the testimony.
///
/// # Errors
/// The effects that stand there more than once.
pub fn judge_effects(seen: &[Seen]) -> Result<()> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for event in seen {
        match event {
            Seen::Created(_) => {}
            Seen::Renamed(from, to) => *times.entry(format!("rename {from:?} to {to:?}")).or_default() += 1,
            Seen::Removed(path) => *times.entry(format!("remove {path:?}")).or_default() += 1,
        }
    }
    times.retain(|_, count| *count > 1);
    if !times.is_empty() {
        bail!("done more than once: {times:?}");
    }
    Ok(())
}

fn collect(root: &Path, folder: &Path, into: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, into)?;
        } else {
            into.insert(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_a_missing_file_and_a_part_are_found() {
        let (folder, files) = (tempfile::tempdir().unwrap(), files());
        let at = |name: &str| folder.path().join(name);
        write(&files, folder.path()).unwrap();
        judge_folder(&files, folder.path()).unwrap();

        let mut content = files[5].content.clone();
        content[70_000] ^= 1;
        std::fs::write(at(&files[5].name), content).unwrap();
        std::fs::remove_file(at("empty")).unwrap();
        std::fs::write(at(".empty.part"), b"").unwrap();
        let fault = judge_folder(&files, folder.path()).unwrap_err().to_string();
        for words in ["\"empty\" is missing", "differs from byte 70000 on", "\".empty.part\" is left over"] {
            assert!(fault.contains(words), "{fault}");
        }
    }

    #[test]
    fn an_effect_done_twice_is_found() {
        let once = [Seen::Renamed("a".into(), "b".into()), Seen::Removed("a".into())];
        judge_effects(&once).unwrap();
        let twice = [once.as_slice(), once.as_slice()].concat();
        assert!(judge_effects(&twice).is_err());
    }
}
