//! Seeing a run to its end: progress, signals, the result. The same whether this process drives the
//! run or another one does.

use std::path::Path;
use std::time::Duration;

use orchestrator_host::config::Config;
use orchestrator_host::model::{Fault, PauseReason, RunId, RunOutcome};
use orchestrator_host::node::{Access, Call, Error, Reply, Request, ScheduleAnswer};
use serde_json::{Value, json};

use super::standing::write_metrics;
use crate::args::Format;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;
use crate::progress::Progress;
use crate::report::Failure;
use crate::signals::Signals;

/// How long runs may take to end in good order once a signal has come.
const END_WITHIN: Duration = Duration::from_secs(25);

/// How long the end of other commands' runs is waited for before it is said.
const SAY_AFTER: Duration = Duration::from_millis(500);

/// What `prepare` gives. Where it fails and JSON is wanted, that is one JSON object too.
pub(super) fn or_refused<T>(
    context: &Context,
    prepare: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    prepare().inspect_err(|failure| refused(context, failure))
}

fn refused(context: &Context, failure: &Failure) {
    if context.format != Format::Text && failure.exit != Exit::Ok {
        // The failure itself is reported on standard error all the same.
        let _ = output::json(&document(None, "refused", "fault", failure.to_json()));
    }
}

/// Says what became of a run whose process no longer answers, or of one that was refused.
fn lost(context: &Context, run: Option<&RunId>, mut failure: Failure) -> Failure {
    let Some(run) = run.filter(|_| failure.code == "node.lost") else {
        refused(context, &failure);
        return failure;
    };
    failure.hint = Some(format!("`orchestrator resume {run}` goes on where it was"));
    if context.format != Format::Text {
        let _ = output::json(&document(Some(run), "lost", "fault", failure.to_json()));
    }
    failure
}

/// Sends a request that drives a run, and sees it to its end; `metrics` is written then.
pub(super) async fn run(
    context: &Context,
    config: Config,
    request: Request,
    metrics: Option<&Path>,
) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let opened = async {
        let mut access = context.access(config).await?;
        let call = access.ask(request).await?;
        Ok::<_, Failure>((access, call))
    };
    let opened = tokio::select! {
        opened = opened => opened,
        // Nothing has begun, so there is nothing to end.
        exit = signals.next() => return Ok(exit),
    };
    let (mut access, call) = opened.inspect_err(|failure| refused(context, failure))?;
    let mut progress = Progress::new(context);
    let mut run = None;
    let watched = watch(&access, call, &mut signals, &mut progress, &mut run).await;
    progress.end();
    let result = match watched {
        Ok(Watched::Ended(run, outcome, signal)) => {
            tell(context, &run, outcome, signal.unwrap_or(Exit::Interrupted))
        }
        Ok(Watched::Waits) => {
            output::say("it waits until the run that is under way has ended");
            Ok(Exit::Ok)
        }
        Ok(Watched::Now(exit)) => {
            hint_at_resume(run.as_ref());
            return Ok(exit);
        }
        Err(error) => Err(lost(context, run.as_ref(), error.into())),
    };
    let written = match metrics {
        Some(file) => write_metrics(&mut access, file).await,
        None => Ok(()),
    };
    finish(&access, &mut signals).await;
    // How the run ended matters more.
    result.and_then(|exit| written.map(|()| exit))
}

/// How watching a run came to an end.
enum Watched {
    /// The run ended, perhaps because of a signal.
    Ended(RunId, RunOutcome, Option<Exit>),
    /// It waits for another run to end; whoever holds the state begins it then.
    Waits,
    /// A second signal came, or the time was up: the process ends where it is.
    Now(Exit),
}

async fn watch(
    access: &Access,
    mut call: Call,
    signals: &mut Signals,
    progress: &mut Progress,
    run: &mut Option<RunId>,
) -> Result<Watched, Error> {
    let interrupting = call.interrupter();
    let stopping = async {
        interrupting.interrupt(access).await;
        std::future::pending::<()>().await;
    };
    tokio::pin!(stopping);
    let deadline = tokio::time::sleep(END_WITHIN);
    tokio::pin!(deadline);
    let mut signal = None;
    loop {
        tokio::select! {
            reply = call.next() => match reply {
                Some(Reply::Accepted { run: accepted }) => {
                    progress.accepted(&accepted);
                    *run = Some(accepted);
                }
                Some(Reply::Event { event }) => progress.event(&event),
                Some(Reply::Outcome { run, outcome }) => return Ok(Watched::Ended(run, outcome, signal)),
                Some(Reply::Error { error }) => return Err(error),
                Some(Reply::Schedule { answer }) if matches!(*answer, ScheduleAnswer::Waits) => {
                    return Ok(Watched::Waits);
                }
                Some(
                    Reply::Schedule { .. }
                    | Reply::Runs { .. }
                    | Reply::Run { .. }
                    | Reply::Entries { .. }
                    | Reply::Servers { .. }
                    | Reply::Signalled { .. }
                    | Reply::Memories { .. }
                    | Reply::Recalled { .. }
                    | Reply::Forgotten { .. }
                    | Reply::Replayed { .. }
                    | Reply::Checked { .. }
                    | Reply::Begun { .. }
                    | Reply::AtRest { .. }
                    | Reply::Tested { .. }
                    | Reply::Health { .. }
                    | Reply::Metrics { .. }
                    | Reply::BackedUp { .. },
                )
                | None => {
                    return Err(Error::unanswered());
                }
            },
            exit = signals.next() => {
                if signal.replace(exit).is_some() {
                    return Ok(Watched::Now(exit));
                }
                progress.say("ending in good order; once more ends it now");
                deadline.as_mut().reset(tokio::time::Instant::now() + END_WITHIN);
            }
            () = &mut stopping, if signal.is_some() => {}
            () = &mut deadline, if signal.is_some() => {
                return Ok(Watched::Now(signal.unwrap_or(Exit::Interrupted)));
            }
        }
    }
}

/// Waits for other commands that have their runs in this process, where it holds the state. A signal
/// ends those runs too, so that they can be resumed.
pub(super) async fn finish(access: &Access, signals: &mut Signals) {
    let finishing = access.finish();
    tokio::pin!(finishing);
    let saying = async {
        tokio::time::sleep(SAY_AFTER).await;
        output::say("other commands still have runs in this process; it ends after them");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = &mut finishing => return,
        () = saying => {}
        _ = signals.next() => {}
    }
    let ending = async {
        access.stop().await;
        finishing.await;
    };
    tokio::select! {
        () = ending => {}
        () = tokio::time::sleep(END_WITHIN) => {}
        _ = signals.next() => {}
    }
}

/// Asks for something that is answered at once.
pub(super) async fn ask(context: &Context, config: Config, request: Request) -> Result<Reply, Failure> {
    let mut access = context.access(config).await?;
    let reply = access.ask(request).await?.last().await?;
    leave(&access).await?;
    Ok(reply)
}

/// Lets the state go, once those who came meanwhile are done.
pub(super) async fn leave(access: &Access) -> Result<(), Failure> {
    finish(access, &mut Signals::listen()?).await;
    Ok(())
}

fn hint_at_resume(run: Option<&RunId>) {
    if let Some(run) = run {
        output::say(format_args!("resume with: orchestrator resume {run}"));
    }
}

/// Says how the run ended: its result on standard output, what went wrong on standard error.
fn tell(context: &Context, run: &RunId, outcome: RunOutcome, signal: Exit) -> Result<Exit, Failure> {
    let exit = exit::of_outcome(&outcome, signal);
    if context.format != Format::Text {
        output::json(&in_json(run, &outcome))?;
    }
    match outcome {
        RunOutcome::Done { output } => {
            if context.format == Format::Text {
                output::line(output)?;
            }
            Ok(exit)
        }
        RunOutcome::Failed { fault } => Err(Failure { exit, ..failure(fault, format!("run {run} failed")) }),
        RunOutcome::Paused { why, fault } => {
            let why = match why {
                PauseReason::Exhausted if !fault.is_transient() => "somebody has to look after the site",
                why => why_text(why),
            };
            let mut failure = failure(fault, format!("run {run} is paused ({why})"));
            failure.exit = exit;
            failure.hint = Some(match failure.hint {
                Some(hint) if hint.contains("resume") => hint,
                Some(hint) => format!("{hint}; then `orchestrator resume {run}` goes on"),
                None => format!("`orchestrator resume {run}` goes on"),
            });
            Err(failure)
        }
        RunOutcome::Cancelled => {
            output::say(format_args!("run {run} was cancelled"));
            Ok(exit)
        }
        RunOutcome::Interrupted => {
            hint_at_resume(Some(run));
            Ok(exit)
        }
    }
}

fn failure(fault: Fault, doing: String) -> Failure {
    Failure::from(fault.while_doing(doing))
}

/// Why a run is paused, in words.
pub(super) fn why_text(why: PauseReason) -> &'static str {
    match why {
        PauseReason::Trapped => "the workflow trapped",
        PauseReason::Diverged => "the workflow no longer does what it did",
        PauseReason::Exhausted => "attempts are used up",
        PauseReason::NoSpace => "out of space",
        PauseReason::Indeterminate => "it isn't known whether an effect took place",
        PauseReason::Suspected => "it may be what ended the process several times",
        PauseReason::Restored => "it came back from a backup",
        PauseReason::Asked => "somebody asked for it",
        PauseReason::Imported => "it comes from another state",
    }
}

fn in_json(run: &RunId, outcome: &RunOutcome) -> Value {
    let run = Some(run);
    match outcome {
        RunOutcome::Done { output } => {
            let output = serde_json::from_str(output).unwrap_or_else(|_| Value::String(output.clone()));
            document(run, "done", "output", output)
        }
        RunOutcome::Failed { fault } => document(run, "failed", "fault", json!(fault)),
        RunOutcome::Paused { why, fault } => {
            let mut document = document(run, "paused", "fault", json!(fault));
            document["why"] = json!(why);
            document
        }
        RunOutcome::Cancelled => document(run, "cancelled", "output", Value::Null),
        RunOutcome::Interrupted => document(run, "interrupted", "output", Value::Null),
    }
}

fn document(run: Option<&RunId>, status: &str, key: &str, value: Value) -> Value {
    json!({ "$type": "orchestrator.run/1", "run": run, "status": status, key: value })
}

#[cfg(test)]
mod tests {
    use orchestrator_host::model::{FaultCode, Timestamp};

    use super::*;

    #[test]
    fn every_end_is_one_object() {
        let run = RunId::new(Timestamp(0), [0; 10]);
        let done = in_json(&run, &RunOutcome::Done { output: "{\"files\":3}".to_owned() });
        assert_eq!(
            done.to_string(),
            r#"{"$type":"orchestrator.run/1","output":{"files":3},"run":"00000000000000000000000000","status":"done"}"#
        );
        let fault = Fault::new(FaultCode::FtpLogin, "no");
        let paused = in_json(&run, &RunOutcome::Paused { why: PauseReason::Trapped, fault });
        assert_eq!((&paused["status"], &paused["why"]), (&json!("paused"), &json!("trapped")));
        assert_eq!(paused["fault"]["code"], "ftp.login");
    }
}
