//! The files of the demo: made from their names, so that they can be made again to compare.

use std::io::{BufReader, Read, Write};
use std::path::Path;

use crate::exit::Exit;
use crate::report::Failure;

/// A file of the demo.
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) bytes: u64,
}

/// The file in which the run is killed: long enough that the kill comes before its end.
pub(super) const BIG: Sample = Sample { name: "archive/big.tar", bytes: 192 << 20 };

/// All of them, with the lengths at which copying goes wrong where it does.
pub(super) const ALL: [Sample; 8] = [
    Sample { name: "empty", bytes: 0 },
    Sample { name: "one byte", bytes: 1 },
    Sample { name: "reports/übersicht.csv", bytes: (64 << 10) - 1 },
    Sample { name: "reports/2026 Q1.csv", bytes: 64 << 10 },
    Sample { name: "reports/2026 Q2.csv", bytes: (64 << 10) + 1 },
    Sample { name: "images/scan-01.tif", bytes: 3 << 20 },
    Sample { name: "images/scan-02.tif", bytes: 17 << 20 },
    BIG,
];

impl Sample {
    /// Its content: what BLAKE3 makes of its name.
    fn content(&self) -> impl Read {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.name.as_bytes());
        hasher.finalize_xof().take(self.bytes)
    }
}

/// Writes all files below `root`.
pub(super) fn make(root: &Path) -> std::io::Result<()> {
    for file in &ALL {
        let path = root.join(file.name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut out = std::fs::File::create(path)?;
        let mut content = BufReader::with_capacity(1 << 20, file.content());
        std::io::copy(&mut content, &mut out)?;
        out.flush()?;
    }
    Ok(())
}

/// Compares every byte below `root`, and looks for what shouldn't be there.
pub(super) fn compare(root: &Path) -> Result<(), Failure> {
    let wrong = |what: String| Failure::new(Exit::Verification, "verify.digest", what);
    for file in &ALL {
        let path = root.join(file.name);
        let reading =
            |error: std::io::Error| Failure::local(format_args!("compare {}", path.display()), &error);
        let copy = std::fs::File::open(&path).map_err(reading)?;
        if !same(file.content(), copy).map_err(reading)? {
            return Err(wrong(format!("{} isn't what was sent", path.display())));
        }
    }
    let mut found = 0;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let reading =
            |error: std::io::Error| Failure::local(format_args!("list {}", folder.display()), &error);
        for entry in std::fs::read_dir(&folder).map_err(reading)? {
            let entry = entry.map_err(reading)?;
            if entry.file_type().map_err(reading)?.is_dir() {
                folders.push(entry.path());
            } else {
                found += 1;
            }
        }
    }
    if found != ALL.len() {
        return Err(wrong(format!("{} has {found} files instead of {}", root.display(), ALL.len())));
    }
    Ok(())
}

fn same(mut expected: impl Read, copy: impl Read) -> std::io::Result<bool> {
    let mut copy = BufReader::with_capacity(1 << 20, copy);
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = expected.read(&mut left)?;
        if count == 0 {
            return Ok(copy.read(&mut right)? == 0);
        }
        match copy.read_exact(&mut right[..count]) {
            Ok(()) if left[..count] == right[..count] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_bit_is_found() {
        let content = || ALL[3].content();
        let mut copy = Vec::new();
        content().read_to_end(&mut copy).unwrap();
        assert!(same(content(), &copy[..]).unwrap());
        assert!(!same(content(), &copy[1..]).unwrap());
        copy[40_000] ^= 1;
        assert!(!same(content(), &copy[..]).unwrap());
        copy[40_000] ^= 1;
        copy.push(0);
        assert!(!same(content(), &copy[..]).unwrap());
    }
}
