//! What workflows remember across their runs: the host keeps it from one run to the next.

use std::collections::BTreeMap;

use super::state;
use crate::{Error, Result};

/// The memory of all workflows that run on this host.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) values: BTreeMap<String, (u64, Vec<u8>)>,
    /// Identities by site and path.
    pub(super) seen: BTreeMap<(String, String), String>,
}

fn check(key: &str, bytes: usize) -> Result<()> {
    if key.is_empty() || key.len() > 100 || bytes > 32_768 {
        return Err(Error::new("call.invalid", format!("`{key}` of the memory is over a bound")));
    }
    Ok(())
}

pub(crate) fn memory_get(key: &str) -> Result<Option<(u64, Vec<u8>)>> {
    check(key, 0)?;
    state::with(|state| {
        state.step("memory.get", &[key])?;
        Ok(state.memory.values.get(key).cloned())
    })
}

pub(crate) fn memory_put_if(key: &str, version: Option<u64>, value: Option<&[u8]>) -> Result<bool> {
    check(key, value.map_or(0, <[u8]>::len))?;
    state::with(|state| {
        state.step("memory.put-if", &[key])?;
        let values = &mut state.memory.values;
        if values.get(key).map(|(stands, _)| *stands) != version {
            return Ok(false);
        }
        match value {
            Some(_) if version.is_none() && values.len() >= 1_000 => {
                return Err(Error::new("memory.full", "the memory has 1,000 keys"));
            }
            Some(value) => values.insert(key.to_owned(), (version.unwrap_or(0) + 1, value.to_vec())),
            None => values.remove(key),
        };
        Ok(true)
    })
}

pub(crate) fn memory_known(site: &str, files: &[(String, String)]) -> Result<Vec<bool>> {
    state::with(|state| {
        state.step("memory.known", &[site])?;
        let seen = &state.memory.seen;
        let is_known = |(path, identity): &(String, String)| {
            seen.get(&(site.to_owned(), path.clone())) == Some(identity)
        };
        Ok(files.iter().map(is_known).collect())
    })
}

pub(crate) fn memory_seen(site: &str, path: &str, identity: &str) -> Result<bool> {
    state::with(|state| {
        state.step("memory.seen", &[site, path])?;
        let before = state.memory.seen.insert((site.to_owned(), path.to_owned()), identity.to_owned());
        Ok(before.as_deref() == Some(identity))
    })
}
