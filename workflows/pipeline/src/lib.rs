//! Carries files from one site to another, each once: list, download, check the number of records, upload,
//! rename at the source. A file `a.csv.count` beside `a.csv` says how many records there must be; without
//! one, there must be at least one.
//!
//! `orchestrator run pipeline.wasm --site in --site out --dir work=/tmp/work -i site_in=in -i from=outbox
//! -i site_out=out -i to=inbox -i work=work`

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
    /// `NAME/sub` of a granted folder, where they are in between.
    work: String,
    #[serde(default = "csv")]
    glob: String,
}

fn csv() -> String {
    "*.csv".to_owned()
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Report {
    /// Files carried, their bytes and their records.
    files: u64,
    bytes: u64,
    records: u64,
}

fn run(input: Input) -> Result<Report> {
    let (source, target) = (Site::open(&input.site_in)?, Site::open(&input.site_out)?);
    let done = input.done.clone().unwrap_or_else(|| path::join(&input.from, "done"));
    source.make_dir(&done)?;
    target.make_dir(&input.to)?;
    files::make_dir(&input.work)?;

    let mut report = Report::default();
    let mut rejected = Vec::new();
    for file in source.list(&input.from, input.glob.as_str())?.filter(FileInfo::is_file) {
        let local = path::join(&input.work, file.name());
        let records = match fetch(&source, &file, &local) {
            Ok(records) => records,
            Err(error) if error.is("verify.records") => {
                warn!(file = file.path, "left where it is: {error}");
                rejected.push(file.path);
                continue;
            }
            Err(error) => return Err(error),
        };
        let options = TransferOptions::new().expect(files::hash(&local, HashAlgorithm::Sha256)?);
        let receipt = target.upload_with(&local, path::join(&input.to, file.name()), &options)?;
        // The run's id keeps tomorrow's file of the same name apart from today's.
        let name = format!("{}-{}", context::info().run_id, file.name());
        source.rename_unchanged(&file, path::join(&done, name))?;
        files::remove(&local)?;

        report.files += 1;
        report.bytes += receipt.bytes;
        report.records += records;
        info!(file = file.path, records, "carried");
    }
    if rejected.is_empty() {
        return Ok(report);
    }
    let message = format!(
        "{} carried, and rejected for their number of records: {}",
        report.files,
        rejected.join(", ")
    );
    Err(Error::new("verify.records", message))
}

/// Downloads a file and checks its number of records, which it gives.
fn fetch(source: &Site, file: &FileInfo, local: &str) -> Result<u64> {
    let control = format!("{}.count", file.path);
    let mut options = TransferOptions::new().if_unchanged(file);
    if source.stat(&control)?.is_some() {
        let local = format!("{local}.count");
        source.download(&control, &local)?;
        let text = files::read_to_string(&local)?;
        files::remove(&local)?;
        let count = text.trim().parse().map_err(|_| {
            Error::new("verify.records", format!("`{control}` holds no number: {:?}", text.trim()))
        })?;
        options = options.expect_records(count);
    }
    source.download_with(&file.path, local, &options)?;
    match (files::count_records(local)?, options.expect_records) {
        (0, None) => Err(Error::new("verify.records", format!("`{}` has no records", file.path))),
        (count, _) => Ok(count),
    }
}
