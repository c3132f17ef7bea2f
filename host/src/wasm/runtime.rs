//! The compiler with its cache: from the bytes of a component to code that can be instantiated.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Cache;
use super::ticker::{Ticker, Ticking};
use super::{Inspection, Limits, Options, Refusal, config, inspect};
use crate::model::{Digest, HashAlgorithm, WorkflowDigest};

/// The compiler with its cache. One in a process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    limits: Limits,
    cache: Option<Cache>,
    ticker: Ticker,
}

/// A component that may be run, and its code.
#[derive(Clone)]
pub struct Loaded {
    /// What it asks for.
    pub inspection: Inspection,
    /// Its code.
    pub component: Component,
}

impl Runtime {
    /// A runtime within `options`.
    ///
    /// # Errors
    /// When the limits contradict one another, or no thread can be started.
    pub fn new(options: &Options) -> wasmtime::Result<Self> {
        let engine = config::engine(&options.limits)?;
        let ticker = Ticker::start(&engine)?;
        let cache = options.cache.as_deref().and_then(Cache::open);
        Ok(Self { shared: Arc::new(Shared { engine, limits: options.limits, cache, ticker }) })
    }

    /// The engine, for linkers and stores.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// The bounds of each guest.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Makes guests yield until what it gives is dropped.
    #[must_use]
    pub fn ticking(&self) -> Ticking {
        self.shared.ticker.ticking()
    }

    /// Compares a component with what workflows are given, then takes its code from the cache or
    /// compiles it.
    ///
    /// # Errors
    /// Everything that makes a component unfit to run, in words.
    pub async fn load(&self, bytes: Vec<u8>) -> Result<Loaded, Refusal> {
        let max = self.shared.limits.component_bytes_max;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size > max {
            return Err(Refusal::TooLarge { size, max });
        }
        let shared = Arc::clone(&self.shared);
        let limit = shared.limits.compile_time_max;
        let (done, waiting) = tokio::sync::oneshot::channel();
        // A thread of its own: a compilation that takes too long is left behind, and neither the
        // runtime's end nor anything else waits for it.
        let spawned = std::thread::Builder::new().name("compile".to_owned()).spawn(move || {
            let _ = done.send(shared.load(&bytes));
        });
        if let Err(error) = spawned {
            return Err(Refusal::Compile { why: format!("no thread to compile on: {error}") });
        }
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => Err(Refusal::Compile { why: "the compiler panicked".to_owned() }),
            Err(_) => Err(Refusal::CompileTime { max: limit }),
        }
    }
}

impl Shared {
    fn load(&self, bytes: &[u8]) -> Result<Loaded, Refusal> {
        let inspection = inspect(bytes)?;
        let digest = &inspection.digest;
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, digest)) {
            return Ok(Loaded { inspection, component });
        }
        let started = std::time::Instant::now();
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|error| Refusal::Compile { why: first_lines(&error) })?;
        tracing::debug!(workflow = %digest, took = ?started.elapsed(), "compiled");
        if let Some(cache) = &self.cache {
            match component.serialize() {
                Ok(code) => cache.store(&self.engine, digest, &code),
                Err(error) => tracing::warn!(%error, "compiled component not cached"),
            }
        }
        Ok(Loaded { inspection, component })
    }
}

/// SHA-256 of a component: what a run is pinned to.
pub(super) fn digest_of(bytes: &[u8]) -> WorkflowDigest {
    WorkflowDigest(Digest::from_bytes(HashAlgorithm::Sha256, &Sha256::digest(bytes)).hex)
}

/// An engine's error as a fragment of bounded length.
pub(super) fn first_lines(error: &wasmtime::Error) -> String {
    let whole = format!("{error:#}");
    whole.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("inspection", &self.inspection).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    /// The smallest workflow that passes inspection: it exports the handler's interface.
    fn smallest() -> Vec<u8> {
        wat::parse_str(super::super::inspect::tests::SMALLEST).unwrap()
    }

    fn runtime(cache: &std::path::Path) -> Runtime {
        Runtime::new(&Options { cache: Some(cache.to_owned()), limits: Limits::default() }).unwrap()
    }

    fn entries(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[tokio::test]
    async fn the_second_load_comes_from_the_cache() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        runtime(&folder).load(smallest()).await.unwrap();
        let [entry] = entries(&folder).try_into().unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600);

        let second = runtime(&folder);
        let digest = digest_of(&smallest());
        assert!(second.shared.cache.as_ref().unwrap().load(second.engine(), &digest).is_some());
    }

    #[tokio::test]
    async fn a_damaged_entry_is_never_loaded() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cache");
        runtime(&folder).load(smallest()).await.unwrap();
        let [entry] = entries(&folder).try_into().unwrap();
        let sound = std::fs::read(&entry).unwrap();
        for at in [0, sound.len() / 2, sound.len() - 1] {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            std::fs::write(&entry, damaged).unwrap();
            let again = runtime(&folder);
            let cache = again.shared.cache.as_ref().unwrap();
            assert!(cache.load(again.engine(), &digest_of(&smallest())).is_none());
            assert!(entries(&folder).is_empty(), "a damaged entry is removed");
            again.load(smallest()).await.unwrap();
            assert_eq!(entries(&folder).len(), 1, "and compiled again");
        }
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cache");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(runtime(&folder).shared.cache.is_none());
    }

    #[tokio::test]
    async fn size_and_time_are_bounded() {
        let limits = Limits { component_bytes_max: 10, ..Limits::default() };
        let small = Runtime::new(&Options { cache: None, limits }).unwrap();
        assert!(matches!(small.load(smallest()).await, Err(Refusal::TooLarge { max: 10, .. })));
        let limits = Limits { compile_time_max: Duration::ZERO, ..Limits::default() };
        let hasty = Runtime::new(&Options { cache: None, limits }).unwrap();
        assert!(matches!(hasty.load(smallest()).await, Err(Refusal::CompileTime { .. })));
    }
}
