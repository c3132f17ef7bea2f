//! `orchestrator:workflow/memory`: what a workflow remembers across its runs.
//!
//! Reads are recorded, so a replay sees what the first pass saw. A write goes into the commit of its step:
//! after a crash there is either both or neither.

use serde::Serialize;

use super::bindings::memory::{Failure, FileMark, Host, Versioned as WitVersioned};
use super::convert::{failure, number};
use super::ctx::{Ctx, Fail};
use crate::journal::{Effect, Recovery, Versioned};
use crate::model::{Fault, FaultCode};

/// The most bytes of a key.
const KEY_BYTES_MAX: usize = 100;

/// The most bytes of a value.
const VALUE_BYTES_MAX: usize = 32_768;

/// The most files of one `known`.
const FILES_MAX: usize = 1_000;

/// The most bytes of a path and of an identity.
const PATH_BYTES_MAX: usize = 4_096;
const IDENTITY_BYTES_MAX: usize = 512;

#[derive(Serialize)]
struct PutArgs<'a> {
    key: &'a str,
    version: Option<u64>,
    bytes: Option<usize>,
    /// Stands for the value, which people who read histories need not see.
    blake3: Option<[u8; 32]>,
}

#[derive(Serialize)]
struct SeenArgs<'a> {
    site: &'a str,
    path: &'a str,
    identity: &'a str,
}

#[derive(Serialize)]
struct KnownArgs<'a> {
    site: &'a str,
    files: Vec<(&'a str, &'a str)>,
}

impl Host for Ctx {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<WitVersioned>, Failure>> {
        if let Err(fault) = check_key(&key) {
            return self.refuse(fault);
        }
        let scope = self.run.memory.clone();
        let found: Result<Option<(u64, Vec<u8>)>, Fault> = self
            .step("memory.get", &key, Recovery::Read, async |step: &mut Effect, _| {
                let found = step.memory(&scope).await.get(&key).await?;
                Ok(found.map(|Versioned { version, value }| (version, value.to_vec())))
            })
            .await?;
        let versioned = |(version, value)| WitVersioned { version: number(version), value };
        Ok(found.map(|found| found.map(versioned)).map_err(failure))
    }

    async fn put_if(
        &mut self,
        key: String,
        version: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<bool, Failure>> {
        if let Err(fault) = check_key(&key).and_then(|()| check_value(&key, value.as_deref())) {
            return self.refuse(fault);
        }
        let scope = self.run.memory.clone();
        let blake3 = value.as_ref().map(|value| blake3::hash(value).into());
        let args = PutArgs { key: &key, version, bytes: value.as_ref().map(Vec::len), blake3 };
        let put: Result<bool, Fault> = self
            .step("memory.put-if", &args, Recovery::Rerun, async |step: &mut Effect, _| {
                let put = step.memory(&scope).await.put_if(&key, version, value.as_deref()).await;
                put.map_err(told)
            })
            .await?;
        Ok(put.map_err(failure))
    }

    async fn known(
        &mut self,
        site: String,
        files: Vec<FileMark>,
    ) -> wasmtime::Result<Result<Vec<bool>, Failure>> {
        if files.len() > FILES_MAX {
            return self.refuse(invalid(format!("{} files at once; {FILES_MAX} are allowed", files.len())));
        }
        if let Err(fault) = files.iter().try_for_each(|file| check_file(&site, file)) {
            return self.refuse(fault);
        }
        let scope = self.run.memory.clone();
        let marks: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.identity.as_str())).collect();
        let args = KnownArgs { site: &site, files: marks };
        let known: Result<Vec<bool>, Fault> = self
            .step("memory.known", &args, Recovery::Read, async |step: &mut Effect, _| {
                let memory = step.memory(&scope).await;
                let mut known = Vec::with_capacity(files.len());
                for file in &files {
                    known.push(memory.knows(&site, &file.path, &file.identity).await?);
                }
                Ok(known)
            })
            .await?;
        Ok(known.map_err(failure))
    }

    async fn seen(&mut self, site: String, file: FileMark) -> wasmtime::Result<Result<bool, Failure>> {
        if let Err(fault) = check_file(&site, &file) {
            return self.refuse(fault);
        }
        let scope = self.run.memory.clone();
        let args = SeenArgs { site: &site, path: &file.path, identity: &file.identity };
        let seen: Result<bool, Fault> = self
            .step("memory.seen", &args, Recovery::Rerun, async |step: &mut Effect, _| {
                step.memory(&scope).await.see(&site, &file.path, &file.identity).await.map_err(told)
            })
            .await?;
        Ok(seen.map_err(failure))
    }
}

/// A memory that is full is the workflow's business; any other fault of the store stops it.
fn told(error: crate::journal::Error) -> Fail {
    match error {
        crate::journal::Error::MemoryFull { .. } => Fail::Fault(error.to_fault()),
        error => error.into(),
    }
}

fn invalid(why: String) -> Fault {
    Fault::new(FaultCode::CallInvalid, why)
}

fn check_key(key: &str) -> Result<(), Fault> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control) {
        return Err(invalid(format!("a key has 1 to {KEY_BYTES_MAX} bytes and no control characters")));
    }
    Ok(())
}

fn check_value(key: &str, value: Option<&[u8]>) -> Result<(), Fault> {
    match value {
        Some(value) if value.len() > VALUE_BYTES_MAX => {
            Err(invalid(format!("{key} has {} bytes; {VALUE_BYTES_MAX} are allowed", value.len())))
        }
        _ => Ok(()),
    }
}

fn check_file(site: &str, file: &FileMark) -> Result<(), Fault> {
    check_key(site)?;
    if file.path.len() > PATH_BYTES_MAX || file.identity.len() > IDENTITY_BYTES_MAX {
        return Err(invalid(format!(
            "a path has at most {PATH_BYTES_MAX} bytes, and an identity {IDENTITY_BYTES_MAX}"
        )));
    }
    Ok(())
}
