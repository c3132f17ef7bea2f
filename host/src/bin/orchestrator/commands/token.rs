//! `token …`: who may do what over the HTTP API.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orchestrator_host::config::{add_token, remove_token};
use orchestrator_host::model::Role;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::args::Format;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token and write its digest into the configuration file; the token itself is shown once
    Add(Add),
    /// Take a token out of the configuration file
    Remove(Remove),
    /// List the tokens by name and role
    List,
}

/// Arguments of `token add`.
#[derive(Debug, clap::Args)]
struct Add {
    /// What it is called in logs
    name: String,
    /// What who shows it may do: read, run or admin
    #[arg(long)]
    role: Role,
}

/// Arguments of `token remove`.
#[derive(Debug, clap::Args)]
struct Remove {
    /// Its name
    name: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Add(args) => add(context, &args),
        Command::Remove(args) => remove(context, &args),
        Command::List => list(context),
    }
}

fn add(context: &Context, args: &Add) -> Result<Exit, Failure> {
    let file = context.file_to_change();
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Failed, "host.bug", format!("get random bytes: {error}")))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    add_token(&file, &args.name, args.role, &Sha256::digest(&token).into())?;
    match context.format {
        Format::Text => output::line(&token)?,
        Format::Json | Format::Jsonl => output::json(&json!({
            "$type": "orchestrator.token/1",
            "name": args.name,
            "role": args.role,
            "token": token,
        }))?,
    }
    output::say(format_args!(
        "{} has its digest; the token isn't shown again. A running `serve` takes it over by SIGHUP",
        file.display()
    ));
    Ok(Exit::Ok)
}

fn remove(context: &Context, args: &Remove) -> Result<Exit, Failure> {
    let file = context.file_to_change();
    if remove_token(&file, &args.name)? {
        output::say("it counts no more once a running `serve` has got SIGHUP");
        return Ok(Exit::Ok);
    }
    let why = format!("there is no token `{}` in {}", args.name.escape_debug(), file.display());
    Err(Failure::new(Exit::NotFound, "usage", why).with_hint("`orchestrator token list` shows all"))
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let tokens = &config.server.tokens;
    match context.format {
        Format::Text => {
            let rows = tokens.iter().map(|token| [token.name.clone(), token.role.to_string()]);
            output::print(&output::table(["NAME", "ROLE"], rows))?;
        }
        Format::Json | Format::Jsonl => {
            let tokens: Vec<_> =
                tokens.iter().map(|token| json!({ "name": token.name, "role": token.role })).collect();
            output::json(&json!({ "$type": "orchestrator.tokens/1", "tokens": tokens }))?;
        }
    }
    Ok(Exit::Ok)
}
