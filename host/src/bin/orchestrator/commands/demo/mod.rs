//! `demo`: shows on this machine that a killed run loses nothing. A server, some files, a run that is
//! killed with SIGKILL in the middle of a file, the run gone on with, every byte compared.

mod files;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use orchestrator_host::model::ByteCount;
use serde_json::{Value, json};

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;
use crate::signals::Signals;
use stage::Stage;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component of the workflow `mirror` [default: looked for beside this program]
    #[arg(long, value_name = "W.wasm")]
    workflow: Option<PathBuf>,
    /// How often the run is killed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    kills: u32,
    /// Over FTPS, with a certificate made for the occasion
    #[arg(long)]
    tls: bool,
    /// Leave the folder with everything in it
    #[arg(long)]
    keep: bool,
}

/// The file of the component, and where builds leave it, seen from the program's folder.
const MIRROR: [&str; 2] = ["mirror.wasm", "../wasm32-wasip2/guest/mirror.wasm"];

/// How long one part of the play may take.
const SCENE_MAX: Duration = Duration::from_secs(300);

/// What the demo showed.
struct Shown {
    files: usize,
    bytes: u64,
    kills: u32,
    resent: u64,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let workflow = find_workflow(context, args)?;
    let stage = Stage::build(workflow, args.tls, args.keep)?;
    context.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            played = play(context, args, &stage) => {
                let shown = played?;
                tell(context, &shown)?;
                Ok(Exit::Ok)
            }
            exit = signals.next() => Ok(exit),
        }
    })
}

fn find_workflow(context: &Context, args: &Args) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.workflow {
        return Ok(context.absolute(path));
    }
    let program = std::env::current_exe().map_err(|error| Failure::local("find this program", &error))?;
    let folder = program.parent().unwrap_or(&program);
    MIRROR.iter().map(|place| folder.join(place)).find(|path| path.exists()).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            "file.not-found",
            format!("the workflow mirror.wasm isn't beside {}", program.display()),
        )
        .with_hint("`cargo xtask demo` builds it; or name it with --workflow")
    })
}

async fn play(context: &Context, args: &Args, stage: &Stage) -> Result<Shown, Failure> {
    let say = |line: String| {
        if context.format == Format::Text && context.verbosity >= 0 {
            output::say(line);
        }
    };
    let server = stage.serve().await?;
    let bytes: u64 = files::ALL.iter().map(|file| file.bytes).sum();
    let (count, total) = (files::ALL.len(), ByteCount(bytes));
    say(format!("a server on {} has {count} files, {total}", server.address()));

    let mut child = stage.start(&server)?;
    for kill in 1..=args.kills {
        let at = files::BIG.bytes / u64::from(args.kills + 1) * u64::from(kill);
        let reached = tokio::time::timeout(SCENE_MAX, stage.part_reaches(at, &mut child)).await;
        let reached = reached.map_err(|_| late("the file didn't arrive"))??;
        stage::kill(&mut child).await?;
        say(format!(
            "killed with SIGKILL, {} of {} were on disk: {}",
            ByteCount(reached),
            ByteCount(files::BIG.bytes),
            files::BIG.name
        ));
        child = stage.resume()?;
    }
    let ended = tokio::time::timeout(SCENE_MAX, child.wait_with_output()).await;
    let ended = ended
        .map_err(|_| late("the run didn't end"))?
        .map_err(|error| Failure::local("wait for the resumed run", &error))?;
    let result: Value = serde_json::from_slice(&ended.stdout).unwrap_or(Value::Null);
    if !ended.status.success() || result["status"] != "done" {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(Failure::new(
            Exit::Failed,
            "host.bug",
            format!("the resumed run ended with {}: {said}", ended.status),
        ));
    }
    let resent = result["output"]["resent"].as_u64().unwrap_or(0);
    let target = stage.target();
    tokio::task::spawn_blocking(move || files::compare(&target))
        .await
        .map_err(|error| Failure::new(Exit::Failed, "host.bug", format!("comparing failed: {error}")))??;
    server.stop().await;
    Ok(Shown { files: count, bytes, kills: args.kills, resent })
}

fn late(what: &str) -> Failure {
    Failure::new(Exit::Temporary, "ftp.timeout", format!("{what} within {} s", SCENE_MAX.as_secs()))
}

fn tell(context: &Context, shown: &Shown) -> Result<(), Failure> {
    match context.format {
        Format::Text => output::print(&format!(
            "resumed, and every byte of {} files ({}) is right\n{} {}, {} sent again\n",
            shown.files,
            ByteCount(shown.bytes),
            shown.kills,
            if shown.kills == 1 { "kill" } else { "kills" },
            ByteCount(shown.resent),
        )),
        Format::Json | Format::Jsonl => output::json(&json!({
            "$type": "orchestrator.demo/1",
            "files": shown.files,
            "bytes": shown.bytes,
            "kills": shown.kills,
            "resent_bytes": shown.resent,
            "verified": true,
        })),
    }
}
