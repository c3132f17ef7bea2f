//! Relays files from one site to another without keeping them in between: each is copied through the host,
//! compared with its sidecar where the partner sends one, and renamed at the source once it has arrived.
//!
//! `orchestrator run relay.wasm --site in --site out -i site_in=in -i from=outbox -i site_out=out -i to=inbox`

use orchestrator_sdk::prelude::*;

#[cfg(test)]
mod tests;

workflow!(run);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The site and folder that files come from.
    site_in: String,
    from: String,
    /// The folder on `site_in` that they are renamed into; `from/done` if it isn't given.
    done: Option<String>,
    /// The site and folder that they go to.
    site_out: String,
    to: String,
    #[serde(default = "all")]
    glob: String,
    /// `md5` or `sha256`: a file is relayed once its sidecar is there, and only if that is right. One is
    /// written at the target, too.
    sidecar: Option<Sidecar>,
}

fn all() -> String {
    "*".to_owned()
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Report {
    /// Files relayed, and their bytes.
    files: u64,
    bytes: u64,
    /// Files whose sidecar isn't there yet.
    waiting: u64,
}

fn run(input: Input) -> Result<Report> {
    let (source, target) = (Site::open(&input.site_in)?, Site::open(&input.site_out)?);
    let done = input.done.clone().unwrap_or_else(|| path::join(&input.from, "done"));
    source.make_dir(&done)?;

    let entries: Vec<_> = source.list(&input.from, None)?.filter(FileInfo::is_file).collect();
    let is_there = |path: &str| entries.iter().any(|entry| entry.path == path);
    let is_sidecar = |path: &str| {
        input.sidecar.is_some_and(|sidecar| entries.iter().any(|entry| sidecar.of(&entry.path) == path))
    };
    let mut report = Report::default();
    for file in source.list(&input.from, input.glob.as_str())?.filter(FileInfo::is_file) {
        if is_sidecar(&file.path) {
            continue;
        }
        // A listing may know less of its time than the server does.
        let Some(file) = source.stat(&file.path)? else { continue };
        let mut options = TransferOptions::new().if_unchanged(&file).keep_mode();
        if let Some(sidecar) = input.sidecar {
            if !is_there(&sidecar.of(&file.path)) {
                report.waiting += 1;
                continue;
            }
            options = options.check_sidecar(sidecar).write_sidecar(sidecar);
        }
        let to = path::join(&input.to, file.name());
        let receipt = source.copy_to_with(&file.path, &target, to, &options)?;
        // The run's id keeps tomorrow's file of the same name apart from today's.
        let name = format!("{}-{}", context::info().run_id, file.name());
        source.rename_unchanged(&file, path::join(&done, name))?;
        if let Some(sidecar) = input.sidecar {
            source.remove(sidecar.of(&file.path))?;
        }
        report.files += 1;
        report.bytes += receipt.bytes;
        info!(file = file.path, "relayed");
    }
    Ok(report)
}
