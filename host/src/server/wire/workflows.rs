//! Workflows that may be begun by their name.

use serde::Serialize;
use utoipa::ToSchema;

use crate::wasm::{ImportKind, Inspection};

/// The workflows in the folder of [server].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Workflows {
    /// `orchestrator.workflows/1`
    #[serde(rename = "$type")]
    pub(crate) kind: &'static str,
    /// Their names.
    pub(crate) workflows: Vec<String>,
}

/// What a workflow asks for and gives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Workflow {
    /// `orchestrator.inspection/1`
    #[serde(rename = "$type")]
    kind: &'static str,
    /// Its name.
    name: String,
    /// SHA-256 of the component.
    digest: String,
    /// Its length in bytes.
    size: u64,
    /// Capabilities that it uses, as `orchestrator:workflow/ftp@0.1.0`.
    uses: Vec<String>,
    /// What its language's runtime imports; it is given empty.
    wasi: Vec<String>,
    /// What it exports.
    exports: Vec<String>,
}

impl Workflow {
    pub(crate) fn of(name: &str, inspection: Inspection) -> Self {
        let of_kind = |kind: ImportKind| {
            let imports = inspection.imports.iter().filter(|import| import.kind == kind);
            imports.map(|import| import.name.clone()).collect()
        };
        Self {
            kind: "orchestrator.inspection/1",
            name: name.to_owned(),
            digest: inspection.digest.to_string(),
            size: inspection.size,
            uses: of_kind(ImportKind::Workflow),
            wasi: of_kind(ImportKind::Wasi),
            exports: inspection.exports,
        }
    }
}
