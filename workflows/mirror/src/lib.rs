//! Copies a folder tree from a site to a granted folder (`direction=pull`), or back (`push`): what is new
//! or changed, and folders with nothing in them, too. What only the target has is left alone.
//!
//! `orchestrator run mirror.wasm --site acme --dir got=/data -i site=acme -i from=out -i to=got/acme`

use std::cell::RefCell;
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

/// What couldn't be copied.
#[derive(Default)]
struct Failed {
    count: u64,
    first: Option<Error>,
}

impl Failed {
    /// Takes note of a failure; a cancel ends it all.
    fn add(&mut self, path: &str, error: Error) -> Result<()> {
        if error.is_cancelled() {
            return Err(error);
        }
        warn!(path, "not copied: {error}");
        self.count += 1;
        self.first.get_or_insert(error);
        Ok(())
    }
}

/// What the host has tried in vain waits for somebody to resume the run, as transfers do: a night's
/// outage costs no more than a pause.
fn or_pause<T>(doing: &str, attempt: impl FnMut() -> Result<T>) -> Result<T> {
    retry(doing, &RetryPolicy::default().attempts(1).or_pause(), attempt)
}

fn run(input: Input) -> Result<Report> {
    let site = Site::open(&input.site)?;
    let (from, to) = match input.direction {
        Way::Pull => (Place::Remote(&site, &input.from), Place::Local(&input.to)),
        Way::Push => (Place::Local(&input.from), Place::Remote(&site, &input.to)),
    };
    let pairs = or_pause("list", || from.beside(&to, input.glob.as_deref()))?;
    let mut seen = Seen { unparsed: pairs.unparsed().len(), ..Seen::default() };
    pairs.unparsed().iter().for_each(|line| warn!(line, "a line of the listing isn't understood"));

    or_pause("make the target", || to.make_dir(""))?;
    let failed = RefCell::new(Failed::default());
    let wanted = pairs.filter_map(|pair| {
        match pair.source.kind {
            FileKind::File if !pair.is_copied() => return Some(Ok(pair.transfer_to(&to))),
            FileKind::File => seen.unchanged += 1,
            FileKind::Dir if input.glob.is_some() || pair.is_copied() => {}
            FileKind::Dir => match or_pause("make a folder", || to.make_dir(&pair.inside)) {
                Ok(()) => seen.folders += 1,
                // The others may do better.
                Err(error) => return failed.borrow_mut().add(&pair.inside, error).err().map(Err),
            },
            FileKind::Link | FileKind::Other => seen.ignored += 1,
        }
        None
    });

    let options = TransferOptions { read_back: input.read_back, ..TransferOptions::new().or_pause() };
    let mut report = Report::default();
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
            Err(failure) => failed.borrow_mut().add(&outcome.transfer.remote, failure)?,
        }
        Ok(())
    })?;
    let Failed { count, first } = failed.into_inner();
    let Some(first) = first else { return Ok(Report { seen, ..report }) };
    Err(first.while_doing(format!("{count} files failed and {} were copied; the first", report.files)))
}
