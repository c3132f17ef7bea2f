//! `orchestrator:workflow/files`: files in granted folders. Reads are recorded; writes are verified
//! before they are repeated.
//!
//! | call | found begun after a crash |
//! |---|---|
//! | list-dir, stat, read, hash, count-records, make-dir | done again: nothing can come of it |
//! | write-atomic | content there → done; as before → done again; else indeterminate |
//! | remove, remove-dir | gone → done; as before → done again; something else → done, left alone |
//! | rename | source as before → done again; source gone, target is it → done; else indeterminate |

use serde::Serialize;
use wasmtime::component::Resource;

use super::bindings::files::{
    Digest as WitDigest, Failure, FileInfo as WitFileInfo, HashAlgorithm as WitAlgorithm, Host,
    Listing as WitListing, Selection as WitSelection,
};
use super::convert::{algorithm_to_model, digest_to_wit, failure, file_to_wit, number, selection_to_model};
use super::ctx::{Ctx, Fail};
use super::evidence::Stood;
use super::listing::{Listing, Spool};
use crate::journal::{Effect, Recovery};
use crate::model::{Digest, Fault, FaultCode, FileInfo, FileKind, HashAlgorithm, LocalPath, Select};
use crate::transfer::{LocalRoot, Stop};

/// The most bytes that one `read` records.
const READ_BYTES_MAX: u32 = 65_536;

/// The most bytes of one `write-atomic`.
const WRITE_BYTES_MAX: usize = 1_048_576;

#[derive(Serialize)]
struct ListArgs<'a> {
    path: &'a str,
    which: &'a Select,
}

#[derive(Serialize)]
struct ReadArgs<'a> {
    path: &'a str,
    offset: u64,
    max: u32,
}

#[derive(Serialize)]
struct WriteArgs<'a> {
    path: &'a str,
    bytes: usize,
    /// Stands for the content, which may be a megabyte.
    blake3: [u8; 32],
}

#[derive(Serialize)]
struct RenameArgs<'a> {
    source: &'a str,
    target: &'a str,
}

#[derive(Serialize)]
struct HashArgs<'a> {
    path: &'a str,
    algorithm: HashAlgorithm,
}

impl Host for Ctx {
    async fn list_dir(
        &mut self,
        path: String,
        which: WitSelection,
    ) -> wasmtime::Result<Result<Resource<WitListing>, Failure>> {
        let which = selection_to_model(which);
        let args = ListArgs { path: &path, which: &which };
        let listed = self
            .on_path("files.list-dir", &args, &path, Recovery::Read, async |_, root, path| {
                let entries = root.list(&path.inside, &which).await?;
                Ok(Spool::new(entries, Vec::new()))
            })
            .await?;
        match listed {
            Ok(spool) => Ok(Ok(self.push(Listing::new(spool))?)),
            Err(fault) => Ok(Err(failure(fault))),
        }
    }

    async fn stat(&mut self, path: String) -> wasmtime::Result<Result<Option<WitFileInfo>, Failure>> {
        let found = self
            .on_path("files.stat", &path, &path, Recovery::Read, async |_, root, path| {
                Ok(root.stat(&path.inside).await?)
            })
            .await?;
        Ok(found.map(|file: Option<FileInfo>| file.map(file_to_wit)).map_err(failure))
    }

    async fn read(
        &mut self,
        path: String,
        offset: u64,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Failure>> {
        let max = max.min(READ_BYTES_MAX);
        let args = ReadArgs { path: &path, offset, max };
        let read = self
            .on_path("files.read", &args, &path, Recovery::Read, async |_, root, path| {
                Ok(root.read(&path.inside, offset, max).await?)
            })
            .await?;
        Ok(read.map_err(failure))
    }

    async fn write_atomic(&mut self, path: String, bytes: Vec<u8>) -> wasmtime::Result<Result<(), Failure>> {
        if bytes.len() > WRITE_BYTES_MAX {
            self.call()?;
            return Ok(Err(failure(Fault::new(
                FaultCode::FileTooLarge,
                format!("writing {} bytes at once; {WRITE_BYTES_MAX} are allowed", bytes.len()),
            ))));
        }
        let args = WriteArgs { path: &path, bytes: bytes.len(), blake3: blake3::hash(&bytes).into() };
        let written = self
            .on_path(
                "files.write-atomic",
                &args,
                &path,
                Recovery::VerifyThenRerun,
                async |step, root, path| write(step, &root, &path, bytes).await,
            )
            .await?;
        Ok(written.map_err(failure))
    }

    async fn make_dir(&mut self, path: String) -> wasmtime::Result<Result<(), Failure>> {
        let made = self
            .on_path("files.make-dir", &path, &path, Recovery::Rerun, async |_, root, path| {
                Ok(root.make_dir(&path.inside).await?)
            })
            .await?;
        Ok(made.map_err(failure))
    }

    async fn remove_dir(&mut self, path: String) -> wasmtime::Result<Result<(), Failure>> {
        let removed = self
            .on_path("files.remove-dir", &path, &path, Recovery::VerifyThenRerun, async |step, root, path| {
                remove(step, &root, &path, true).await
            })
            .await?;
        Ok(removed.map_err(failure))
    }

    async fn rename(&mut self, source: String, target: String) -> wasmtime::Result<Result<(), Failure>> {
        let target_path = match self.reach.local_path(&target) {
            Ok(path) => path,
            Err(fault) => {
                self.call()?;
                return Ok(Err(failure(fault)));
            }
        };
        let args = RenameArgs { source: &source, target: &target };
        let renamed = self
            .on_path("files.rename", &args, &source, Recovery::VerifyThenRerun, async |step, root, path| {
                rename(step, &root, &path, &target_path).await
            })
            .await?;
        Ok(renamed.map_err(failure))
    }

    async fn remove(&mut self, path: String) -> wasmtime::Result<Result<(), Failure>> {
        let removed = self
            .on_path("files.remove", &path, &path, Recovery::VerifyThenRerun, async |step, root, path| {
                remove(step, &root, &path, false).await
            })
            .await?;
        Ok(removed.map_err(failure))
    }

    async fn hash(
        &mut self,
        path: String,
        algorithm: WitAlgorithm,
    ) -> wasmtime::Result<Result<WitDigest, Failure>> {
        let algorithm = algorithm_to_model(algorithm);
        let args = HashArgs { path: &path, algorithm };
        let hashed = self
            .on_path("files.hash", &args, &path, Recovery::Read, async |_, root, path| {
                Ok(root.hash(&path.inside, algorithm).await?)
            })
            .await?;
        let digest = hashed.and_then(|digest: Digest| {
            digest_to_wit(digest).ok_or_else(|| Fault::new(FaultCode::HostBug, "a digest nobody asked for"))
        });
        Ok(digest.map_err(failure))
    }

    async fn count_records(&mut self, path: String) -> wasmtime::Result<Result<u64, Failure>> {
        let counted = self
            .on_path("files.count-records", &path, &path, Recovery::Read, async |_, root, path| {
                Ok(root.count_records(&path.inside).await?)
            })
            .await?;
        Ok(counted.map(number).map_err(failure))
    }
}

impl Ctx {
    /// A step on a path of a granted folder. What the path alone decides (its form, the grant) is the
    /// same in every replay, and no step.
    async fn on_path<A, T, F>(
        &mut self,
        kind: &'static str,
        args: &A,
        path: &str,
        recovery: Recovery,
        effect: F,
    ) -> wasmtime::Result<Result<T, Fault>>
    where
        A: Serialize,
        T: Serialize + serde::de::DeserializeOwned,
        F: AsyncFnOnce(&mut Effect, LocalRoot, LocalPath) -> Result<T, Fail>,
    {
        let path = match self.reach.local_path(path) {
            Ok(path) => path,
            Err(fault) => {
                self.call()?;
                return Ok(Err(fault));
            }
        };
        let reach = self.reach.clone();
        self.step(kind, args, recovery, async move |step: &mut Effect, _: &Stop| {
            let root = reach.root(&path).await?;
            effect(step, root, path).await
        })
        .await
    }
}

async fn write(step: &mut Effect, root: &LocalRoot, path: &LocalPath, bytes: Vec<u8>) -> Result<(), Fail> {
    let now = root.stat(&path.inside).await?;
    match Stood::recorded(step)? {
        None => step.begin(&Stood::new(now, None).encode()).await?,
        Some(before) if before.source == now => {}
        Some(_) => return written(root, path, now.as_ref(), &bytes).await,
    }
    Ok(root.write_atomic(&path.inside, bytes).await?)
}

/// Something else is there than before the crash: it should be what was to be written.
async fn written(
    root: &LocalRoot,
    path: &LocalPath,
    now: Option<&FileInfo>,
    bytes: &[u8],
) -> Result<(), Fail> {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if now.is_some_and(|now| now.kind == FileKind::File && now.size.is_some_and(|size| size.0 == length)) {
        let max = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if root.read(&path.inside, 0, max).await? == bytes {
            return Ok(());
        }
    }
    Err(indeterminate(format!("writing {path}: something else is there than before the crash")).into())
}

async fn remove(step: &mut Effect, root: &LocalRoot, path: &LocalPath, folder: bool) -> Result<(), Fail> {
    let now = root.stat(&path.inside).await?;
    match Stood::recorded(step)? {
        None => {
            let found = now.ok_or_else(|| missing("removing", path))?;
            if (found.kind == FileKind::Dir) != folder {
                let what = if folder { "it is no folder" } else { "it is a folder" };
                return Err(Fault::new(FaultCode::FileIo, format!("removing {path}: {what}")).into());
            }
            step.begin(&Stood::new(Some(found), None).encode()).await?;
        }
        // Gone: it was us. Something else: somebody put it there since, and it stays.
        Some(before) if before.source != now => return Ok(()),
        Some(_) => {}
    }
    Ok(root.remove(&path.inside).await?)
}

async fn rename(
    step: &mut Effect,
    root: &LocalRoot,
    source: &LocalPath,
    target: &LocalPath,
) -> Result<(), Fail> {
    if source.folder != target.folder {
        return Err(Fault::new(
            FaultCode::CallInvalid,
            format!("renaming {source} to {target}: they are in two granted folders"),
        )
        .into());
    }
    let now = root.stat(&source.inside).await?;
    let then = root.stat(&target.inside).await?;
    match Stood::recorded(step)? {
        None => {
            if now.is_none() {
                return Err(missing("renaming", source).into());
            }
            if then.is_some() {
                return Err(Fault::new(
                    FaultCode::FileExists,
                    format!("renaming {source} to {target}: the target is there already"),
                )
                .into());
            }
            step.begin(&Stood::new(now, then).encode()).await?;
        }
        Some(before) if before.source == now && before.target == then => {}
        Some(before) => {
            let arrived = match (&before.source, &then) {
                (Some(was), Some(is)) => now.is_none() && is.same_file(was),
                _ => false,
            };
            if arrived {
                return Ok(());
            }
            return Err(indeterminate(format!(
                "renaming {source} to {target}: neither name is as it was, or as it should be"
            ))
            .into());
        }
    }
    Ok(root.rename(&source.inside, &target.inside).await?)
}

fn missing(doing: &str, path: &LocalPath) -> Fault {
    Fault::new(FaultCode::FileNotFound, format!("{doing} {path}: there is no such file or folder"))
}

fn indeterminate(message: String) -> Fault {
    Fault::new(FaultCode::RunIndeterminate, message)
        .with_hint("look at the folder, then resume or start the run again")
}
