//! Linking a component with all that workflows get, and calling it.

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Engine, Store};

use super::bindings::{Workflow, WorkflowPre};
use super::convert::fault;
use super::ctx::Ctx;
use super::wasi;
use crate::model::Fault;
use crate::wasm::Refusal;

/// A linker with all that workflows get. It can be used for any number of components.
///
/// # Errors
/// A fault of this program: two interfaces of one name.
pub fn linker(engine: &Engine) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    Workflow::add_to_linker::<Ctx, HasSelf<Ctx>>(&mut linker, |ctx| ctx)?;
    Ok(linker)
}

/// A component, linked and ready to be instantiated.
#[derive(Clone)]
pub struct Guest {
    pre: WorkflowPre<Ctx>,
}

impl Guest {
    /// Links a component.
    ///
    /// # Errors
    /// [`Refusal::Mismatch`] where an interface is ours by name and has other functions or types.
    pub fn link(linker: &Linker<Ctx>, component: &Component) -> Result<Self, Refusal> {
        let linked = linker.instantiate_pre(component);
        let pre = linked.and_then(|pre: InstancePre<Ctx>| WorkflowPre::new(pre));
        pre.map(|pre| Self { pre }).map_err(|error| {
            let text = format!("{error:#}");
            Refusal::Mismatch { why: text.split_whitespace().collect::<Vec<_>>().join(" ") }
        })
    }

    /// Runs the workflow from its beginning. The inner result is what it returned: JSON text, or a
    /// failure of its own.
    ///
    /// # Errors
    /// A trap; [`super::Halted`] among them.
    pub async fn run(&self, store: &mut Store<Ctx>, input: &str) -> wasmtime::Result<Result<String, Fault>> {
        let workflow = self.pre.instantiate_async(&mut *store).await?;
        let returned = workflow.orchestrator_workflow_handler().call_run(&mut *store, input).await?;
        Ok(returned.map_err(fault))
    }
}
