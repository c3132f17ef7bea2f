//! Copies a folder tree from a site to a granted folder (`direction=pull`), or back (`push`): what is new
//! or changed, and folders with nothing in them, too. What only the target has is left alone, unless
//! `delete=extra` is given.
//!
//! `orchestrator run mirror.wasm --site acme --dir got=/data -i site=acme -i from=out -i to=got/acme`

use std::cell::RefCell;

use orchestrator_sdk::prelude::*;

mod extra;
mod report;
#[cfg(test)]
mod tests;

use extra::Extra;
use report::{Failed, Report, Seen};

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
    /// How many files are moved at a time, and the most bytes per second of each.
    #[serde(default = "four")]
    parallel: u16,
    rate_limit: Option<Size>,
    /// Only files like one of these, and then no folders but those that files need; nothing like one of
    /// those, on either side. A folder that is excluded isn't looked into.
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    /// Files that changed less than this ago are left for the next run, and so are those of unknown age.
    #[serde(default)]
    min_age: Span,
    /// What happens to a file of the target that isn't the source's.
    #[serde(default)]
    if_exists: IfExists,
    /// With `extra`, what only the target has is deleted once all else is copied; nothing is, where that
    /// would be more than `max_delete` files and folders.
    #[serde(default)]
    delete: Delete,
    #[serde(default = "hundred")]
    max_delete: usize,
    /// Says what it would do, and does nothing.
    #[serde(default)]
    dry_run: bool,
    /// Reads each uploaded file back: for servers that can't hash.
    #[serde(default)]
    read_back: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    #[default]
    Pull,
    Push,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Delete {
    #[default]
    None,
    Extra,
}

fn four() -> u16 {
    4
}

fn hundred() -> usize {
    100
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
    let select = Select { include: input.include.clone(), exclude: input.exclude.clone() };
    let pairs = or_pause("list", || from.beside(&to, &select))?;
    let mut seen = Seen { unparsed: pairs.unparsed().len(), ..Seen::default() };
    pairs.unparsed().iter().for_each(|line| warn!(line, "a line of the listing isn't understood"));

    let make_dir = |inside: &str| {
        if input.dry_run {
            info!(path = to.path(inside), "would make the folder");
            return Ok(());
        }
        or_pause("make a folder", || to.make_dir(inside))
    };
    if !input.dry_run {
        make_dir("")?;
    }
    let (failed, mut extra) = (RefCell::new(Failed::default()), Extra::new(input.max_delete));
    let settled = clock::now() - input.min_age.0;
    let is_young =
        |file: &FileInfo| !input.min_age.0.is_zero() && file.modified.is_none_or(|at| at > settled);
    let wanted = pairs.filter_map(|pair| {
        let Some(source) = &pair.source else {
            extra.extend(pair.target);
            return None;
        };
        match source.kind {
            FileKind::File if pair.is_copied() => seen.unchanged += 1,
            FileKind::File if is_young(source) => seen.young += 1,
            FileKind::File => return pair.transfer_to(&to).map(|transfer| Ok((transfer, source.size))),
            FileKind::Dir if !input.include.is_empty() || pair.is_copied() => {}
            FileKind::Dir => match make_dir(&pair.inside) {
                Ok(()) => seen.folders += 1,
                // The others may do better.
                Err(error) => return failed.borrow_mut().add(&pair.inside, error).err().map(Err),
            },
            FileKind::Link | FileKind::Other => seen.ignored += 1,
        }
        None
    });

    let mut report = Report { dry_run: input.dry_run, ..Report::default() };
    if input.dry_run {
        for (transfer, size) in wanted.flatten() {
            info!(remote = transfer.remote, local = transfer.local, "would copy");
            report.files += 1;
            report.bytes += size.unwrap_or(0);
        }
    } else {
        let options = TransferOptions {
            if_exists: input.if_exists,
            rate_limit: input.rate_limit.map(|limit| limit.0),
            read_back: input.read_back,
            ..TransferOptions::new().or_pause()
        };
        let wanted = wanted.map(|wanted| Ok(wanted?.0));
        site.batch(input.parallel, &options)?.run_all(wanted, |outcome| {
            match outcome.receipt {
                Ok(receipt) => report.note(&receipt),
                Err(failure) => failed.borrow_mut().add(&outcome.transfer.remote, failure)?,
            }
            Ok(())
        })?;
    }
    let Failed { count, first } = failed.into_inner();
    if let Some(first) = first {
        return Err(
            first.while_doing(format!("{count} files failed and {} were copied; the first", report.files))
        );
    }
    if input.delete == Delete::Extra {
        extra.check(seen.unparsed)?;
        (report.deleted, report.kept) = extra.delete(&to, input.dry_run)?;
    }
    Ok(Report { seen, ..report })
}
