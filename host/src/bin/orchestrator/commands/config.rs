//! `config show|check|schema|path`

mod server;

use std::path::Path;

use orchestrator_host::config::{Config, Origin, find, show_duration, show_rate, show_size};
use orchestrator_host::model::{
    Balance, DataMode, Endpoint, Proxy, RateLimit, SecretRef, Site, TlsMode, TlsVerify,
};
use orchestrator_host::transfer::ftp;
use serde_json::{Value, json};

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
    /// Print the settings in force; passwords only as references
    Show,
    /// Read all of it, and look whether every file and password that it names can be read
    Check,
    /// Print the JSON schema of the file, for editors
    Schema,
    /// Print which file is read
    Path,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Show => show(context),
        Command::Check => check(context),
        Command::Schema => {
            output::print(&format!("{:#}\n", Config::schema()))?;
            Ok(Exit::Ok)
        }
        Command::Path => path(context),
    }
}

fn path(context: &Context) -> Result<Exit, Failure> {
    match find(&context.flags, &context.environment, &context.folder) {
        Some(found) => {
            output::line(found.path.display())?;
            Ok(Exit::Ok)
        }
        None => Err(Failure::new(
            Exit::NotFound,
            "config.invalid",
            "there is no configuration file; defaults hold",
        )
        .with_hint("`orchestrator site add NAME URL` makes one, or write orchestrator.toml here")),
    }
}

fn show(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    match context.format {
        Format::Text => output::print(&text(&config))?,
        Format::Json | Format::Jsonl => output::json(&document(&config))?,
    }
    Ok(Exit::Ok)
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Default => "by default",
        Origin::File => "from the file",
        Origin::Environment => "from the environment",
        Origin::Flag => "from the command line",
    }
}

fn text(config: &Config) -> String {
    let file = config.file.as_deref().map_or("none".to_owned(), |file| file.display().to_string());
    let backup = config.backup.as_ref().map_or(String::new(), |(to, every)| {
        format!("backup {} (never older than {})\n", to.display(), show_duration(*every))
    });
    let mut text = format!(
        "file   {file}\nstate  {} ({})\n{backup}\n[transfer]\ncommit_bytes = \"{}\"\ncommit_interval = \"{}\"\noverlap = \"{}\"\n",
        config.state.0.display(),
        origin(config.state.1),
        show_size(config.transfer.commit_bytes),
        show_duration(config.transfer.commit_interval),
        show_size(config.transfer.overlap),
    );
    if let Some(limit) = &config.transfer.rate_limit {
        text.push_str(&format!("rate_limit = {}\n", show_rate(limit)));
    }
    let limits = config.sites.values().map(|site| &site.limits.rate).chain([&config.transfer.rate_limit]);
    let zone = limits.flatten().find_map(|limit| match limit {
        RateLimit::Timetable(table) => Some(&table.zone),
        RateLimit::Fixed(_) => None,
    });
    if let Some(zone) = zone {
        text.push_str(&format!("rate_limit_zone = \"{zone}\"\n"));
    }
    if let Some(sessions) = config.transfer.sessions {
        text.push_str(&format!("sessions = {sessions}\n"));
    }
    text.push_str(&server::text(&config.server));
    for site in config.sites.values() {
        text.push_str(&format!("\n{}", site_text(site)));
    }
    text
}

/// A site as it would stand in the file, with every default written out.
pub(crate) fn site_text(site: &Site) -> String {
    let mut text = format!("[site.{}]\nurl = \"{}\"\n", site.name, url(site));
    if let Some(password) = &site.password {
        text.push_str(&format!("password = {}\n", password_text(password)));
    }
    let tls = &site.tls;
    text.push_str(&format!("tls = \"{}\"\n", tls_mode(tls.mode)));
    if tls.mode != TlsMode::None {
        text.push_str(&format!("tls_verify = \"{}\"\n", tls_verify(tls.verify)));
    }
    for (key, path) in
        [("ca_file", &tls.ca_file), ("client_cert", &tls.client_cert), ("client_key", &tls.client_key)]
    {
        if let Some(path) = path {
            text.push_str(&format!("{key} = {}\n", quoted(path)));
        }
    }
    let limits = &site.limits;
    text.push_str(&format!("mode = \"{}\"\n", mode(site.mode)));
    text.push_str(&format!("encoding = \"{}\"\n", site.encoding.as_str()));
    if let Some(zone) = &site.list_time_zone {
        text.push_str(&format!("list_time_zone = \"{zone}\"\n"));
    }
    if let Some(proxy) = &site.proxy {
        text.push_str(&format!("proxy = \"{}\"\n", proxy_url(proxy)));
        if let Some(password) = &proxy.password {
            text.push_str(&format!("proxy_password = {}\n", password_text(password)));
        }
    }
    for (key, duration) in [
        ("timeout", Some(limits.reply)),
        ("connect_timeout", Some(limits.connect)),
        ("greeting_timeout", Some(limits.greeting)),
        ("idle_timeout", Some(limits.idle)),
        ("min_speed_time", Some(limits.min_speed_time)),
        ("transfer_timeout", limits.transfer),
        ("final_reply_timeout", Some(limits.final_reply)),
        ("settle", Some(limits.settle)),
        ("session_idle", Some(limits.session_idle)),
        ("session_age", limits.session_age),
        ("heartbeat", limits.heartbeat),
    ] {
        if let Some(duration) = duration {
            text.push_str(&format!("{key} = \"{}\"\n", show_duration(duration)));
        }
    }
    text.push_str(&format!("min_speed = \"{}\"\n", show_size(limits.min_speed)));
    if let Some(limit) = &limits.rate {
        text.push_str(&format!("rate_limit = {}\n", show_rate(limit)));
    }
    if let Some(commands) = limits.commands_per_second {
        text.push_str(&format!("commands_per_second = {commands}\n"));
    }
    text.push_str(&format!("sessions = {}\n", limits.sessions_max));
    if let Some(idle_max) = limits.idle_max {
        text.push_str(&format!("sessions_idle = {idle_max}\n"));
    }
    let servers = &site.servers;
    if !servers.endpoints.is_empty() {
        let one = |e: &Endpoint| {
            format!("    {{ host = \"{}\", port = {}, weight = {} }},\n", e.host, e.port, e.weight)
        };
        let all: String = servers.endpoints.iter().map(one).collect();
        text.push_str(&format!(
            "endpoints = [\n{all}]\nbalance = \"{}\"\nshared_storage = {}\ntime_tolerance = \"{}\"\n",
            balance(servers.balance),
            servers.shared_storage,
            show_duration(servers.time_tolerance),
        ));
    }
    if let Some(attempts) = site.retry.max_attempts {
        text.push_str(&format!("attempts = {attempts}\n"));
    }
    text
}

fn url(site: &Site) -> String {
    let host = if site.host.contains(':') { format!("[{}]", site.host) } else { site.host.clone() };
    format!("ftp://{}@{host}:{}/{}", encode(&site.user, "-._~"), site.port, encode(&site.root, "-._~/"))
}

/// Percent-encodes all but letters, digits and what is in `keep` (RFC 3986, 2.1).
fn encode(text: &str, keep: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}

/// A proxy as it would stand in the file, with its user.
fn proxy_url(proxy: &Proxy) -> String {
    let plain = proxy.to_string();
    match (&proxy.user, plain.split_once("://")) {
        (Some(user), Some((scheme, rest))) => format!("{scheme}://{}@{rest}", encode(user, "-._~")),
        _ => plain,
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().escape_default())
}

fn password_text(password: &SecretRef) -> String {
    match password {
        SecretRef::Env(name) => format!("{{ env = \"{}\" }}", name.escape_default()),
        SecretRef::File(path) => format!("{{ file = {} }}", quoted(path)),
        SecretRef::Command(command) => format!("{{ command = \"{}\" }}", command.escape_default()),
    }
}

fn tls_mode(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Explicit => "explicit",
        TlsMode::Implicit => "implicit",
        TlsMode::None => "none",
    }
}

fn tls_verify(verify: TlsVerify) -> &'static str {
    match verify {
        TlsVerify::Full => "full",
        TlsVerify::None => "none",
    }
}

fn balance(balance: Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "round-robin",
        Balance::LeastConnections => "least-connections",
        Balance::Weighted => "weighted",
        Balance::ConsistentHash => "consistent-hash",
    }
}

fn mode(mode: DataMode) -> &'static str {
    match mode {
        DataMode::Passive => "passive",
        DataMode::Active => "active",
    }
}

fn document(config: &Config) -> Value {
    let sites: serde_json::Map<String, Value> =
        config.sites.iter().map(|(name, site)| (name.clone(), site_document(site))).collect();
    json!({
        "$type": "orchestrator.config/1",
        "file": config.file,
        "state": { "path": config.state.0, "origin": config.state.1 },
        "backup": config.backup.as_ref().map(|(to, every)| json!({ "path": to, "every_ms": every.as_millis() })),
        "transfer": {
            "commit_bytes": config.transfer.commit_bytes,
            "commit_interval_ms": config.transfer.commit_interval.as_millis(),
            "overlap": config.transfer.overlap,
            "rate_limit": config.transfer.rate_limit,
            "sessions": config.transfer.sessions,
        },
        "server": server::document(&config.server),
        "site": sites,
    })
}

/// A site in JSON; the password only as a reference.
pub(crate) fn site_document(site: &Site) -> Value {
    let limits = &site.limits;
    json!({
        "name": site.name,
        "url": url(site),
        "password": site.password,
        "tls": tls_mode(site.tls.mode),
        "tls_verify": tls_verify(site.tls.verify),
        "ca_file": site.tls.ca_file,
        "client_cert": site.tls.client_cert,
        "client_key": site.tls.client_key,
        "mode": mode(site.mode),
        "encoding": site.encoding.as_str(),
        "list_time_zone": site.list_time_zone,
        "proxy": site.proxy.as_ref().map(proxy_url),
        "proxy_password": site.proxy.as_ref().and_then(|proxy| proxy.password.as_ref()),
        "timeout_ms": limits.reply.as_millis(),
        "connect_timeout_ms": limits.connect.as_millis(),
        "greeting_timeout_ms": limits.greeting.as_millis(),
        "idle_timeout_ms": limits.idle.as_millis(),
        "min_speed": limits.min_speed,
        "min_speed_time_ms": limits.min_speed_time.as_millis(),
        "transfer_timeout_ms": limits.transfer.map(|limit| limit.as_millis()),
        "final_reply_timeout_ms": limits.final_reply.as_millis(),
        "settle_ms": limits.settle.as_millis(),
        "sessions": limits.sessions_max,
        "rate_limit": limits.rate,
        "commands_per_second": limits.commands_per_second,
        "sessions_idle": limits.idle_max,
        "session_idle_ms": limits.session_idle.as_millis(),
        "session_age_ms": limits.session_age.map(|age| age.as_millis()),
        "heartbeat_ms": limits.heartbeat.map(|every| every.as_millis()),
        "endpoints": site.servers.endpoints,
        "balance": balance(site.servers.balance),
        "shared_storage": site.servers.shared_storage,
        "time_tolerance_ms": site.servers.time_tolerance.as_millis(),
        "attempts": site.retry.max_attempts,
    })
}

fn check(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let mut wrong = server::wrong(&config.server);
    for site in config.sites.values() {
        let unreadable = ftp::unreadable(site);
        wrong.extend(unreadable.into_iter().map(|(key, why)| format!("[site.{}] {key}: {why}", site.name)));
    }
    let file =
        config.file.as_deref().map_or("no file; defaults hold".to_owned(), |file| file.display().to_string());
    if context.format != Format::Text {
        output::json(&json!({
            "$type": "orchestrator.config-check/1", "file": config.file, "sites": config.sites.len(), "wrong": wrong,
        }))?;
    }
    if wrong.is_empty() {
        if context.format == Format::Text {
            output::line(format!("{file}: {} sites, nothing wrong", config.sites.len()))?;
        }
        return Ok(Exit::Ok);
    }
    Err(Failure::new(Exit::Usage, "config.invalid", format!("{file}: {}", wrong.join("; "))))
}
