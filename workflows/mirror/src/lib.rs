//! Copies a folder tree from a site to a granted folder (`direction=pull`), or back (`push`): what is new
//! or changed, and folders with nothing in them, too. What only the target has is left alone.
//!
//! `orchestrator run mirror.wasm --site acme --dir got=/data -i site=acme -i from=out -i to=got/acme`

use std::collections::BTreeMap;

use orchestrator_sdk::prelude::*;

#[cfg(test)]
mod tests;

workflow!(run);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    site: String,
    /// The local one of these two is `NAME/sub` of a granted folder, the other a path on the site.
    from: String,
    to: String,
    #[serde(default)]
    direction: Way,
    /// How many files are moved at a time.
    #[serde(default = "four")]
    parallel: u16,
    /// Only files like this; then no folders but those that files need.
    glob: Option<String>,
    /// Reads each uploaded file back: for servers that can't hash.
    #[serde(default)]
    read_back: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    #[default]
    Pull,
    Push,
}

fn four() -> u16 {
    4
}

#[derive(Debug, Default, Serialize)]
struct Report {
    /// Files moved, and their bytes.
    files: u64,
    bytes: u64,
    /// Files that went on where an earlier attempt had ended, and bytes that were sent again.
    resumed: u64,
    resent: u64,
    /// How many files have which proof of their content.
    proofs: BTreeMap<Proof, u64>,
    #[serde(flatten)]
    seen: Seen,
}

#[derive(Debug, Default, Serialize)]
struct Seen {
    /// Files that were there already: the same size, and not older.
    unchanged: u64,
    /// Folders made.
    folders: u64,
    /// Links and devices, which are left out, and lines of the listing that weren't understood.
    ignored: u64,
    unparsed: usize,
}

fn run(input: Input) -> Result<Report> {
    let site = Site::open(&input.site)?;
    let (from, to) = match input.direction {
        Way::Pull => (Place::Remote(&site, &input.from), Place::Local(&input.to)),
        Way::Push => (Place::Local(&input.from), Place::Remote(&site, &input.to)),
    };
    let pairs = from.beside(&to, input.glob.as_deref())?;
    let mut seen = Seen { unparsed: pairs.unparsed().len(), ..Seen::default() };
    pairs.unparsed().iter().for_each(|line| warn!(line, "a line of the listing isn't understood"));

    to.make_dir("")?;
    let wanted = pairs.filter_map(|pair| {
        match pair.source.kind {
            FileKind::File if !pair.is_copied() => return Some(Ok(pair.transfer_to(&to))),
            FileKind::File => seen.unchanged += 1,
            FileKind::Dir if input.glob.is_some() || pair.is_copied() => {}
            FileKind::Dir => {
                seen.folders += 1;
                return to.make_dir(&pair.inside).err().map(Err);
            }
            FileKind::Link | FileKind::Other => seen.ignored += 1,
        }
        None
    });

    // What a night's outage leaves behind is gone on with, not begun anew.
    let options = TransferOptions { read_back: input.read_back, ..TransferOptions::new().or_pause() };
    let (mut report, mut failed, mut first) = (Report::default(), 0, None);
    site.batch(input.parallel, &options)?.run_all(wanted, |outcome| {
        match outcome.receipt {
            Ok(receipt) => {
                report.files += 1;
                report.bytes += receipt.bytes;
                report.resumed += u64::from(receipt.resumed_from > 0);
                report.resent += receipt.resent;
                *report.proofs.entry(receipt.proof).or_default() += 1;
                progress::report("mirror", report.files, None, "files");
            }
            Err(failure) if failure.is_cancelled() => return Err(failure),
            Err(failure) => {
                warn!(file = outcome.transfer.remote, "not copied: {failure}");
                failed += 1;
                first.get_or_insert(failure);
            }
        }
        Ok(())
    })?;
    let Some(first) = first else { return Ok(Report { seen, ..report }) };
    Err(first.while_doing(format!("{failed} files failed and {} were copied; the first", report.files)))
}
