//! `inspect FILE`: what a component asks for and gives, and whether it fits.

use std::path::PathBuf;

use orchestrator_host::model::ByteCount;
use orchestrator_host::wasm::{self, ImportKind, Inspection};
use serde_json::json;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component
    #[arg(value_name = "W.wasm")]
    workflow: PathBuf,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let path = context.absolute(&args.workflow);
    let bytes = std::fs::read(&path)
        .map_err(|error| Failure::local(format_args!("read the workflow {}", path.display()), &error))?;
    let inspection = wasm::inspect(&bytes).map_err(|refusal| {
        Failure::new(Exit::Workflow, "workflow.refused", format!("{}: {refusal}", path.display()))
            .with_hint(refusal.hint())
    })?;
    match context.format {
        Format::Text => output::print(&text(&inspection))?,
        Format::Json | Format::Jsonl => output::json(&json!({
            "$type": "orchestrator.inspection/1",
            "digest": inspection.digest,
            "size": inspection.size,
            "imports": inspection.imports,
            "exports": inspection.exports,
        }))?,
    }
    Ok(Exit::Ok)
}

fn text(inspection: &Inspection) -> String {
    let names = |kind| {
        let names: Vec<&str> =
            inspection.imports.iter().filter(|i| i.kind == kind).map(|i| i.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join("\n             ") }
    };
    format!(
        "sha256       {}\nsize         {}\nuses         {}\nWASI, empty  {}\nexports      {}\n",
        inspection.digest,
        ByteCount(inspection.size),
        names(ImportKind::Workflow),
        names(ImportKind::Wasi),
        inspection.exports.join("\n             ")
    )
}
