//! `site get` and `site put`: one file, without a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orchestrator_host::config::Config;
use orchestrator_host::model::{
    ByteCount, Direction, Exhausted, Fault, FaultCode, ItemId, LocalPath, Receipt, RemotePath, RunEvent,
    RunId, Site, StepSeq, Timestamp, TransferId, TransferOptions,
};
use orchestrator_host::node::KeptLog;
use orchestrator_host::transfer::{
    Job, LocalFile, LocalRoot, MemoryLog, PartName, Stop, TransferLog, Transfers, Watch,
};
use serde_json::json;
use tokio::sync::mpsc;

use super::target::Target;
use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::progress::Progress;
use crate::report::Failure;
use crate::signals::Signals;

/// Arguments of `site get`.
#[derive(Debug, clap::Args)]
pub(super) struct Get {
    /// NAME:PATH of the file; PATH starts at the site's root
    #[arg(value_name = "NAME:PATH")]
    source: Target,
    /// The local file, or a folder for it
    #[arg(value_name = "LOCAL")]
    target: PathBuf,
}

/// Arguments of `site put`.
#[derive(Debug, clap::Args)]
pub(super) struct Put {
    /// Write the target itself, without a part and a rename: for servers that can't
    #[arg(long)]
    direct: bool,
    /// The local file
    #[arg(value_name = "LOCAL")]
    source: PathBuf,
    /// NAME:PATH; a PATH that ends in a slash, or is empty, is a folder for it
    #[arg(value_name = "NAME:PATH")]
    target: Target,
}

/// The one transfer of such a command.
const TRANSFER: TransferId = TransferId { step: StepSeq(1), item: ItemId(0) };

/// One file to move.
struct Move {
    direction: Direction,
    site: Arc<Site>,
    remote: RemotePath,
    local: LocalFile,
    options: TransferOptions,
    /// The target as it was typed.
    shown: String,
}

pub(super) fn get(context: &Context, args: &Get) -> Result<Exit, Failure> {
    let mut target = context.absolute(&args.target);
    if target.is_dir() {
        target.push(args.source.path.name());
    }
    let remote = args.source.path.clone();
    if remote.is_root() {
        return Err(Failure::usage("the path of a file is missing after the colon"));
    }
    let local = local_file(&target)?;
    let config = context.config()?;
    let what = Move {
        direction: Direction::Download,
        site: config.site(&args.source.site)?.clone(),
        remote,
        local,
        options: TransferOptions::default(),
        shown: target.display().to_string(),
    };
    perform(context, &config, what)
}

pub(super) fn put(context: &Context, args: &Put) -> Result<Exit, Failure> {
    let source = context.absolute(&args.source);
    let meta = std::fs::metadata(&source)
        .map_err(|error| Failure::local(format_args!("read {}", source.display()), &error))?;
    if !meta.is_file() {
        return Err(Failure::usage(format!("{} is no file", source.display())));
    }
    let local = local_file(&source)?;
    let mut remote = args.target.path.clone();
    if args.target.is_folder {
        remote = remote.join(name_of(&source)?)?;
    }
    let config = context.config()?;
    let what = Move {
        direction: Direction::Upload,
        site: config.site(&args.target.site)?.clone(),
        shown: format!("{}:{remote}", args.target.site),
        remote,
        local,
        options: TransferOptions { direct: args.direct, ..TransferOptions::default() },
    };
    perform(context, &config, what)
}

/// A file as a name in its opened folder.
fn local_file(path: &Path) -> Result<LocalFile, Failure> {
    // A link is named by the user and so is followed; what a workflow names never is.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Messages name the file after its folder, as they do for workflows.
    let granted = folder.file_name().and_then(|name| name.to_str());
    let granted = granted.filter(|name| LocalPath::parse(name).is_ok()).unwrap_or("local");
    Ok(LocalRoot::open(granted, folder)?.file(name_of(&path)?)?)
}

fn name_of(path: &Path) -> Result<&str, Failure> {
    path.file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| Failure::usage(format!("{} has no name that can be used", path.display())))
}

fn perform(context: &Context, config: &Config, what: Move) -> Result<Exit, Failure> {
    context.block_on(async {
        let transfers = super::transfers(config);
        let begun = Instant::now();
        let source = source(&transfers, &what).await?;
        let log = log(&config.state.0, &what)?;
        if let Some(kept) = &log.kept {
            kept.is_about(&source).await?;
        }
        let (events, mut incoming) = mpsc::unbounded_channel();
        let watch = Teller {
            events,
            site: what.site.name.clone(),
            direction: what.direction,
            name: what.remote.to_string(),
        };
        let stop = Stop::new();
        let job = Job {
            site: what.site.clone(),
            remote: what.remote.clone(),
            local: what.local.clone(),
            options: options(&what, log.kept.is_some()),
            part: PartName { run: log.run, step: TRANSFER.step, item: TRANSFER.item },
            log: log.handle,
            watch: &watch,
            stop: stop.clone(),
        };
        let lasting = log.kept.is_some();
        let mut progress = Progress::new(context);
        let mut signals = Signals::listen()?;
        let moving = async {
            match what.direction {
                Direction::Download => transfers.download(job).await,
                Direction::Upload => transfers.upload(job).await,
            }
        };
        tokio::pin!(moving);
        let mut ended_by = None;
        let outcome = loop {
            tokio::select! {
                outcome = &mut moving => break outcome,
                Some(event) = incoming.recv() => progress.event(&event),
                exit = signals.next() => {
                    if ended_by.replace(exit).is_some() {
                        return Ok(exit);
                    }
                    stop.interrupt();
                }
            }
        };
        // The path that was typed says more than a name in an opened folder.
        let outcome = outcome.map(|mut receipt| {
            receipt.file.path = what.shown.clone();
            receipt
        });
        if outcome.is_ok() {
            progress.event(&RunEvent::TransferFinished {
                transfer: TRANSFER,
                site: what.site.name.clone(),
                direction: what.direction,
                latency_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                outcome: outcome.clone(),
            });
        }
        progress.end();
        transfers.close().await;
        if let Some(kept) = log.kept.filter(|_| !outcome.as_ref().is_err_and(goes_on)) {
            kept.remove();
        }
        finish(context, &what, outcome, lasting, ended_by)
    })
}

/// A transfer's log, and whose parts are its own.
struct Log {
    handle: Arc<dyn TransferLog>,
    kept: Option<KeptLog>,
    run: RunId,
}

/// Where the transfer keeps its offsets: in the state folder, so that the same command goes on after
/// a kill; in memory where the state folder can't be written.
fn log(state: &Path, what: &Move) -> Result<Log, Failure> {
    let way = match what.direction {
        Direction::Download => "get",
        Direction::Upload => "put",
    };
    let site = &what.site;
    let place = format!("{}@{}:{}/{}", site.user, site.host, site.port, site.root);
    let local = what.local.root.path().join(&what.local.inside);
    let direct = if what.options.direct { "direct" } else { "part" };
    match KeptLog::open(state, &[way, direct, &place, what.remote.as_str(), &local.to_string_lossy()]) {
        Ok((kept, run)) => Ok(Log { handle: kept.handle(), kept: Some(kept), run }),
        Err(fault) if fault.code == FaultCode::StateUnwritable => {
            output::say(format_args!("warning: a kill would lose what has been moved: {fault}"));
            let mut random = [0; 10];
            getrandom::fill(&mut random)
                .map_err(|e| Failure::new(Exit::Failed, "host.bug", format!("get random bytes: {e}")))?;
            let millis = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
            let run = RunId::new(Timestamp(u64::try_from(millis).unwrap_or(0)), random);
            Ok(Log { handle: Arc::new(MemoryLog::default()), kept: None, run })
        }
        Err(fault) => Err(fault.into()),
    }
}

/// The options of the transfer. With a log that lasts, it is left to be gone on with when attempts are
/// used up, not cleared away.
fn options(what: &Move, lasting: bool) -> TransferOptions {
    TransferOptions { on_exhausted: lasting.then_some(Exhausted::Pause), ..what.options.clone() }
}

/// Whether the same command can go on where this one ended; then the part and its log stay.
fn goes_on(fault: &Fault) -> bool {
    use FaultCode as C;
    let stays = [C::RunInterrupted, C::RunIndeterminate, C::StateUnwritable, C::FtpNoSpace, C::FileNoSpace];
    fault.is_transient() || stays.contains(&fault.code)
}

/// What is moved, as far as it can be told without reading it: a log that an earlier command left
/// counts only for the same source.
async fn source(transfers: &Transfers, what: &Move) -> Result<String, Failure> {
    let found = match what.direction {
        Direction::Download => transfers.stat(&what.site, &what.remote).await?,
        Direction::Upload => what.local.root.stat(&what.local.inside).await?,
    };
    Ok(found
        .map_or_else(String::new, |file| format!("{:?} {:?} {:?}", file.size, file.modified, file.unique)))
}

fn finish(
    context: &Context,
    what: &Move,
    outcome: Result<Receipt, Fault>,
    lasting: bool,
    ended_by: Option<Exit>,
) -> Result<Exit, Failure> {
    match outcome {
        Ok(receipt) => {
            if context.format != Format::Text {
                output::json(&json!({
                    "$type": "orchestrator.receipt/1", "site": what.site.name, "remote": what.remote, "receipt": receipt,
                }))?;
            }
            Ok(Exit::Ok)
        }
        Err(fault) if fault.code == FaultCode::RunInterrupted => {
            output::say("interrupted; the same command goes on at the last safe byte");
            Ok(ended_by.unwrap_or(Exit::Interrupted))
        }
        Err(fault) if lasting && goes_on(&fault) => {
            let again = "the same command goes on at the last safe byte";
            let hint = fault.hint.as_ref().map_or(again.to_owned(), |hint| format!("{hint}; {again}"));
            Err(fault.with_hint(hint).into())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Turns what the transfer tells into events, as a run's would be.
struct Teller {
    events: mpsc::UnboundedSender<RunEvent>,
    site: String,
    direction: Direction,
    name: String,
}

impl Teller {
    fn tell(&self, event: RunEvent) {
        // Nobody listens any more once the command is ending.
        let _ = self.events.send(event);
    }
}

impl Watch for Teller {
    fn started(&self, total: Option<ByteCount>, from: ByteCount) {
        let (site, direction, name) = (self.site.clone(), self.direction, self.name.clone());
        self.tell(RunEvent::TransferStarted { transfer: TRANSFER, site, direction, name, total, from });
    }

    fn progress(&self, done: ByteCount, total: Option<ByteCount>) {
        self.tell(RunEvent::TransferProgress { transfer: TRANSFER, done, total });
    }

    fn retry(&self, attempt: u32, fault: &Fault, wait: Duration) {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.tell(RunEvent::TransferRetry { transfer: TRANSFER, attempt, fault: fault.clone(), wait_ms });
    }
}
