//! Compiled components in a folder of our own.
//!
//! An entry's name holds all that decides whether it may be loaded: the SHA-256 of the component,
//! the compatibility hash of the engine (its version, configuration and this processor), and the
//! BLAKE3 of the entry's own bytes. So an entry is never changed in place, a damaged one is found
//! before it is mapped, and two processes that compile the same component don't disturb each other.
//! Losing an entry costs a compilation, so nothing here is synced, and no error here stops a run.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::model::WorkflowDigest;

/// End of every entry's name.
const SUFFIX: &str = ".cwasm";

/// A folder of compiled components.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in `folder`, which is made if it isn't there.
    ///
    /// `None`, with a warning, when the folder can't be made or somebody else may write to it: what
    /// lies there is machine code that this process would run.
    pub(super) fn open(folder: &Path) -> Option<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let checked = made.and_then(|()| fs::symlink_metadata(folder)).map(|found| {
            let ours = found.uid() == rustix::process::geteuid().as_raw();
            found.is_dir() && ours && found.mode() & 0o077 == 0
        });
        match checked {
            Ok(true) => Some(Self { folder: folder.to_owned() }),
            Ok(false) => {
                tracing::warn!(folder = %folder.display(), "compile cache not used: others have access to it; chmod 700");
                None
            }
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "compile cache not used");
                None
            }
        }
    }

    /// The compiled component, if it is here, undamaged and for this engine.
    pub(super) fn load(&self, engine: &Engine, digest: &WorkflowDigest) -> Option<Component> {
        let prefix = prefix(engine, digest);
        let (path, expected) = fs::read_dir(&self.folder).ok()?.flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let sum = name.strip_prefix(&prefix)?.strip_suffix(SUFFIX)?.to_owned();
            Some((entry.path(), sum))
        })?;
        let loaded = match sum_of_file(&path) {
            Ok(sum) if sum == expected => map(engine, &path),
            _ => None,
        };
        if loaded.is_none() {
            tracing::warn!(entry = %path.display(), "damaged entry of the compile cache removed");
            let _ = fs::remove_file(&path);
        }
        loaded
    }

    /// Keeps a compiled component, and drops what other versions of this program left.
    pub(super) fn store(&self, engine: &Engine, digest: &WorkflowDigest, code: &[u8]) {
        if let Err(error) = self.try_store(engine, digest, code) {
            tracing::warn!(folder = %self.folder.display(), %error, "compiled component not cached");
        }
    }

    fn try_store(&self, engine: &Engine, digest: &WorkflowDigest, code: &[u8]) -> std::io::Result<()> {
        let compatibility = compatibility(engine);
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let name = entry.file_name();
            let of_this_engine = name.to_str().and_then(|name| name.split('.').nth(1));
            if name.to_string_lossy().ends_with(SUFFIX) && of_this_engine != Some(compatibility.as_str()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let name = format!("{}{}{SUFFIX}", prefix(engine, digest), blake3::hash(code).to_hex());
        let aside = self.folder.join(format!("{name}.{}.new", std::process::id()));
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        let written = file.write_all(code).and_then(|()| fs::rename(&aside, self.folder.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written
    }
}

/// What the names of a component's entries for this engine begin with.
fn prefix(engine: &Engine, digest: &WorkflowDigest) -> String {
    format!("{digest}.{}.", compatibility(engine))
}

/// The engine's compatibility hash in hexadecimal digits.
fn compatibility(engine: &Engine) -> String {
    struct Sum(blake3::Hasher);
    impl Hasher for Sum {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            let mut first = [0; 8];
            first.copy_from_slice(&self.0.finalize().as_bytes()[..8]);
            u64::from_be_bytes(first)
        }
    }
    let mut sum = Sum(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut sum);
    format!("{:016x}", sum.finish())
}

fn sum_of_file(path: &Path) -> std::io::Result<String> {
    let mut sum = blake3::Hasher::new();
    sum.update_reader(File::open(path)?)?;
    Ok(sum.finalize().to_hex().to_string())
}

/// Maps an entry's machine code.
#[allow(unsafe_code, reason = "the one loader of precompiled components; see the safety comment")]
fn map(engine: &Engine, path: &Path) -> Option<Component> {
    // SAFETY: the file must be unchanged output of this very engine. It lies in a folder of mode
    // 0700 that belongs to us (`Cache::open`), so only this program wrote it; entries are written
    // aside, renamed and never changed; its BLAKE3 was just compared with its name, so it isn't
    // damaged; and the engine itself refuses another version or configuration.
    let loaded = unsafe { Component::deserialize_file(engine, path) };
    loaded.inspect_err(|error| tracing::debug!(entry = %path.display(), %error, "not loaded")).ok()
}
