//! The workflow of the crash tests. It takes the files of one folder through every kind of effect in a fixed
//! order, so that after any number of crashes the end state and the server's log of effects can be told
//! beforehand.
//!
//! Inputs: `site`; `site_out` (the same site if it isn't given); the remote folders `from` (`in`), `done`
//! and `out`; `local`, `NAME/sub` of a granted folder; `parallel` (4). On `site`, `from` holds the files and
//! nothing else.
//!
//! With the files of `from` sorted by name, byte by byte, and numbered from 0:
//!
//! 1. `done` and `out` are made, and `local/got`.
//! 2. Every file is downloaded to `local/got/NAME`, in a batch.
//! 3. Every file is uploaded to `out/NAME`, in a batch.
//! 4. One by one: file n with n % 3 = 0 is renamed to `done/NAME`; with 1 it is removed; with 2 it stays.
//! 5. One by one: `out/NAME` with n % 5 = 0 is renamed to `out/NAME.ok`; with 1 it is removed; others stay.
//! 6. `local/manifest.part` is written, with a line `SHA-256 NAME` for each file, and renamed to
//!    `local/manifest`. `local/got/NAME` with n % 7 = 0 is removed.
//!
//! So with 20 files the log of effects has 20 uploads (each a part and a rename to its name), 7 + 4 renames
//! and 7 + 4 removes. The result is the manifest, and what was resumed and sent again.

use std::collections::BTreeMap;

use orchestrator_sdk::prelude::*;

workflow!(run);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Input {
    site: String,
    site_out: Option<String>,
    from: String,
    done: String,
    out: String,
    local: String,
    parallel: u16,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            site: String::new(),
            site_out: None,
            from: "in".to_owned(),
            done: "done".to_owned(),
            out: "out".to_owned(),
            local: String::new(),
            parallel: 4,
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Report {
    files: usize,
    bytes: u64,
    /// SHA-256 by name, as downloaded.
    digests: BTreeMap<String, String>,
    /// Transfers that went on at an offset, and bytes that were sent again, both ways together.
    resumed: u64,
    resent: u64,
}

fn run(input: Input) -> Result<Report> {
    let site = Site::open(&input.site)?;
    let site_out = Site::open(input.site_out.as_ref().unwrap_or(&input.site))?;
    let got = path::join(&input.local, "got");
    let files: Vec<_> = site.list(&input.from, None)?.filter(FileInfo::is_file).collect();
    let names: Vec<_> = files.iter().map(FileInfo::name).collect();
    site.make_dir(&input.done)?;
    site_out.make_dir(&input.out)?;
    files::make_dir(&got)?;

    let mut report = Report { files: names.len(), ..Report::default() };
    let fetch =
        names.iter().map(|name| Transfer::download(path::join(&input.from, name), path::join(&got, name)));
    for (name, receipt) in transfer(&site, input.parallel, fetch)? {
        report.note(&receipt);
        report.bytes += receipt.bytes;
        report.digests.insert(name, sha256(&receipt)?);
    }
    let send =
        names.iter().map(|name| Transfer::upload(path::join(&got, name), path::join(&input.out, name)));
    for (name, receipt) in transfer(&site_out, input.parallel, send)? {
        report.note(&receipt);
        if report.digests.get(&name) != Some(&sha256(&receipt)?) {
            return Err(Error::new("oracle.digest", format!("`{name}` went up as something else")));
        }
    }

    for (n, file) in files.iter().enumerate() {
        match n % 3 {
            0 => site.rename(&file.path, path::join(&input.done, file.name()))?,
            1 => site.remove(&file.path)?,
            _ => {}
        }
    }
    for (n, name) in names.iter().enumerate() {
        let sent = path::join(&input.out, name);
        match n % 5 {
            0 => site_out.rename(&sent, format!("{sent}.ok"))?,
            1 => site_out.remove(&sent)?,
            _ => {}
        }
    }
    let manifest: String = report.digests.iter().map(|(name, hex)| format!("{hex} {name}\n")).collect();
    files::write(path::join(&input.local, "manifest.part"), manifest)?;
    files::rename(path::join(&input.local, "manifest.part"), path::join(&input.local, "manifest"))?;
    for name in names.iter().step_by(7) {
        files::remove(path::join(&got, name))?;
    }
    Ok(report)
}

/// Moves all of them, and gives the receipts by name. Any failure fails the run.
fn transfer(
    site: &Site,
    parallel: u16,
    wanted: impl Iterator<Item = Transfer>,
) -> Result<BTreeMap<String, Receipt>> {
    let mut batch = site.batch(parallel, &TransferOptions::default())?;
    batch.submit(wanted)?;
    let named = |outcome: Outcome| Ok((path::name(&outcome.transfer.remote).to_owned(), outcome.receipt?));
    batch.map(named).collect()
}

fn sha256(receipt: &Receipt) -> Result<String> {
    let hex = receipt.hex(HashAlgorithm::Sha256).map(str::to_owned);
    hex.ok_or_else(|| {
        Error::new("oracle.digest", format!("no SHA-256 in the receipt of `{}`", receipt.file.path))
    })
}

impl Report {
    fn note(&mut self, receipt: &Receipt) {
        self.resumed += u64::from(receipt.resumed_from > 0);
        self.resent += receipt.resent;
    }
}

#[cfg(test)]
mod tests {
    use orchestrator_sdk::testing::MockHost;
    use serde_json::json;

    use super::*;

    #[test]
    fn twenty_files_have_the_effects_that_are_promised() {
        let host = MockHost::new().with_site("acme").with_folder("data");
        for n in 0..20 {
            host.site("acme").write(&format!("in/file {n:02} é"), "x".repeat(n * 1000));
        }
        let report = host.run(run, json!({"site": "acme", "local": "data/oracle"})).unwrap();
        assert_eq!((report.files, report.bytes, report.digests.len()), (20, 190_000, 20));
        let counts = ["ftp.download", "ftp.upload", "ftp.rename", "ftp.remove"].map(|kind| host.count(kind));
        assert_eq!(counts, [20, 20, 7 + 4, 7 + 4]);
        let below = |folder: &str| {
            let paths = host.site("acme").paths();
            paths.iter().filter(|path| path.starts_with(&format!("{folder}/"))).count()
        };
        assert_eq!([below("in"), below("done"), below("out")], [6, 7, 16]);
        let local = host.folder("data").paths();
        assert_eq!(local.iter().filter(|path| path.starts_with("oracle/got/")).count(), 17);
        assert_eq!(
            host.folder("data").read("oracle/manifest").unwrap().iter().filter(|&&b| b == b'\n').count(),
            20
        );
    }
}
