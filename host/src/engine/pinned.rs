//! Runs of schedules: a component that was pinned beforehand, begun as the run of a firing.

use bytes::Bytes;

use super::engine::RunSpec;
use super::handle::RunHandle;
use super::{Engine, Error};
use crate::journal::{self, BlobId, NewFiring};
use crate::model::Grants;

impl Engine {
    /// Keeps a component that fits, for runs that begin later. It stays once something refers to it.
    ///
    /// # Errors
    /// [`Error::Refused`] for one that doesn't fit, [`Error::Unready`] where what its runs are granted
    /// can't be used as it is configured, [`Error::State`].
    pub async fn pin(&self, component: Vec<u8>, grants: &Grants) -> Result<BlobId, Error> {
        self.ready(grants)?;
        let component = Bytes::from(component);
        self.load(component.to_vec()).await?;
        Ok(self.store().put_blob(component).await?)
    }

    /// A component that was pinned, or that a run has.
    ///
    /// # Errors
    /// [`Error::State`] where it isn't in the store.
    pub async fn pinned(&self, component: BlobId) -> Result<Vec<u8>, Error> {
        let missing =
            || journal::Error::Damaged { what: format!("the workflow {component} isn't in the store") };
        Ok(self.store().blob(component).await?.ok_or_else(missing)?.to_vec())
    }

    /// Begins the run of a firing, under the id that `spec` has from the firing: when this returns, both are
    /// in the store, and the run is under way.
    ///
    /// # Errors
    /// As [`Engine::submit`]; and [`Error::State`] with [`journal::Error::Fired`] where the firing has its
    /// run already.
    pub async fn fire(&self, spec: RunSpec, firing: NewFiring) -> Result<RunHandle, Error> {
        self.begin(spec, Some(firing)).await
    }
}
