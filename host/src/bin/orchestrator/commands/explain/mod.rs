//! `explain CODE`: what a fault code or an exit code means, and what to do about it.

mod codes;
mod http;

use orchestrator_host::config::closest;
use orchestrator_host::model::FaultCode;
use serde_json::json;

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

use codes::OWN;
pub(crate) use codes::Page;
use http::HTTP;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A fault code, as `ftp.login`, or the number of an exit code; without one, all are listed
    code: Option<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Some(wanted) = args.code else {
        list(context)?;
        return Ok(Exit::Ok);
    };
    if let Ok(number) = wanted.parse::<u8>() {
        let exit = Exit::ALL.iter().find(|exit| exit.number() == number).ok_or_else(|| {
            Failure::new(Exit::NotFound, "usage", format!("there is no exit code {number}"))
                .with_hint("`orchestrator explain` lists all")
        })?;
        show_exit(context, *exit)?;
        return Ok(Exit::Ok);
    }
    let page = pages().find(|page| page.code == wanted).ok_or_else(|| unknown(&wanted))?;
    match context.format {
        Format::Text => output::print(&page.text())?,
        Format::Json | Format::Jsonl => output::json(&page.to_json())?,
    }
    Ok(Exit::Ok)
}

/// Every page: the faults' and the command line's own.
pub(crate) fn pages() -> impl Iterator<Item = Page> {
    FaultCode::ALL.iter().map(codes::of_fault).chain(OWN.iter().chain(HTTP).cloned())
}

fn unknown(wanted: &str) -> Failure {
    let known: Vec<&str> =
        FaultCode::ALL.iter().map(FaultCode::as_str).chain(OWN.iter().chain(HTTP).map(|p| p.code)).collect();
    let failure =
        Failure::new(Exit::NotFound, "usage", format!("there is no code `{}`", wanted.escape_debug()));
    match closest(wanted, known) {
        Some(near) => failure.with_hint(format!("did you mean `{near}`?")),
        None => failure.with_hint("`orchestrator explain` lists all; a workflow may have codes of its own"),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    if context.format != Format::Text {
        let codes: Vec<_> = pages().map(|page| page.to_json()).collect();
        let exits: Vec<_> =
            Exit::ALL.iter().map(|exit| json!({ "exit": exit.number(), "means": exit.meaning() })).collect();
        return output::json(&json!({ "$type": "orchestrator.codes/1", "codes": codes, "exits": exits }));
    }
    let exits = Exit::ALL.iter().map(|exit| [exit.number().to_string(), exit.meaning().to_owned()]);
    output::print(&output::table(["EXIT", "MEANS"], exits))?;
    let codes =
        pages().map(|page| [page.code.to_owned(), page.exit.number().to_string(), page.means.to_owned()]);
    output::print(&format!("\n{}", output::table(["CODE", "EXIT", "MEANS"], codes)))
}

fn show_exit(context: &Context, exit: Exit) -> Result<(), Failure> {
    let codes: Vec<&str> = pages().filter(|page| page.exit == exit).map(|page| page.code).collect();
    if context.format != Format::Text {
        return output::json(&json!({
            "$type": "orchestrator.exit/1", "exit": exit.number(), "means": exit.meaning(), "codes": codes,
        }));
    }
    let mut text = format!("exit code {}: {}\n", exit.number(), exit.meaning());
    if !codes.is_empty() {
        text.push_str(&format!("fault codes that end so: {}\n", codes.join(", ")));
    }
    output::print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for page in pages() {
            assert!(seen.insert(page.code), "{} stands twice", page.code);
            assert!(!page.means.is_empty() && !page.action.is_empty(), "{}", page.code);
        }
        assert!(FaultCode::ALL.iter().all(|code| seen.contains(code.as_str())));
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_code() {
        assert_eq!(unknown("ftp.logn").hint.as_deref(), Some("did you mean `ftp.login`?"));
    }
}
