//! What is done while the process is killed, and what must be true afterwards.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::environment::Environment;
use testkit::journey::Journey;
use testkit::oracle::{self, Sample};
use testkit::servers::{Kind, Options, Server, Tls};
use testkit::witness::{Seen, Witness};

use super::lives::Reaper;
use crate::support::{environment, guest};

const KIB: u64 = 1024;
/// Small, so that a file of three MiB is committed a dozen times.
const COMMIT_BYTES: u64 = 512 * KIB;
const OVERLAP: u64 = 16 * KIB;
const PARALLEL: u64 = 4;
/// Slow enough for kills to fall into files, fast enough for a run to take a few seconds.
const BYTES_PER_SECOND: u64 = 4 * 1024 * KIB;
/// What else there is to say of a site.
const SITE: &str = "settle = \"200ms\"\ntimeout = \"20s\"\nattempts = 8";
/// What may have been written since a commit became due.
const BUFFER: u64 = 256 * KIB;
/// What lies in socket buffers when a client dies has been counted by the server.
const IN_FLIGHT: u64 = 192 * KIB;

/// Mirrors the files from the server.
pub fn pull(purpose: &str, kind: Kind, tls: Tls, kills: usize) {
    let (server, environment, mut reaper) = prepare(purpose, kind, tls, kills, "mirror");
    let files = oracle::files();
    for file in &files {
        server.put(&format!("in/{}", file.name), &file.content).unwrap();
    }
    let mut round = 0;
    while reaper.is_busy() {
        round += 1;
        let target = environment.make_folder(&format!("data/round-{round}")).unwrap();
        let inputs = ["direction=pull".into(), "from=in".into(), format!("to=data/round-{round}")];
        let mut parts = HashMap::new();
        let look = || parts = parts_in(&target, Path::new(""));
        reaper.bring_to_its_end(&environment, &mirror(&environment, &inputs), look);

        judge(&server, oracle::judge_folder(&files, &target));
        judge(&server, oracle::judge_folder(&files, &server.root().join("in")));
        judge_resumed(&server, &files, &parts);
    }
    judge_state(&environment, &reaper);
}

/// Mirrors the files to the server.
pub fn push(purpose: &str, kind: Kind, tls: Tls, kills: usize) {
    let (server, environment, mut reaper) = prepare(purpose, kind, tls, kills, "mirror");
    let files = oracle::files();
    let source = environment.make_folder("data/source").unwrap();
    oracle::write(&files, &source).unwrap();
    let mut round = 0;
    while reaper.is_busy() {
        round += 1;
        let inputs = ["direction=push".into(), "from=data/source".into(), format!("to=round-{round}")];
        let sent_before = moved(&server);
        let witness = Witness::watch(&server.root()).unwrap();
        let kills = reaper.bring_to_its_end(&environment, &mirror(&environment, &inputs), || ());

        let target = server.root().join(format!("round-{round}"));
        judge(&server, oracle::judge_folder(&files, &target));
        judge(&server, oracle::judge_folder(&files, &source));
        judge_bytes(&server, sent_before, oracle::total(&files), kills);
        let seen = witness.testimony().unwrap();
        judge(&server, oracle::judge_effects(&seen));
        for file in &files {
            judge_arrival(&seen, &format!("round-{round}/{}", file.name));
        }
    }
    judge_state(&environment, &reaper);
}

/// Takes the files through every kind of effect.
pub fn journey(purpose: &str, kind: Kind, tls: Tls, kills: usize) {
    let (server, environment, mut reaper) = prepare(purpose, kind, tls, kills, "oracle");
    let journey = Journey::of(oracle::flat());
    let mut round = 0;
    while reaper.is_busy() {
        round += 1;
        let folder = format!("round-{round}");
        for file in journey.files() {
            server.put(&format!("{folder}/in/{}", file.name), &file.content).unwrap();
        }
        let local = environment.make_folder(&format!("data/{folder}")).unwrap();
        let inputs = [
            format!("from={folder}/in"),
            format!("done={folder}/done"),
            format!("out={folder}/out"),
            format!("local=data/{folder}"),
        ];
        server.own(&server.root()).unwrap();
        let witness = Witness::watch(&server.root().join(&folder)).unwrap();
        reaper.bring_to_its_end(&environment, &run(&environment, "oracle", &inputs), || ());

        let seen = witness.testimony().unwrap();
        judge(&server, journey.judge_end(&server.root().join(&folder), &local));
        judge(&server, journey.judge_effects(&seen));
    }
    judge_state(&environment, &reaper);
}

/// Relays the files from one server to another.
pub fn relay(purpose: &str, kind: Kind, tls: Tls, kills: usize) {
    let (server, mut environment, mut reaper) = prepare(purpose, kind, tls, kills, "relay");
    let source = Server::start(kind, &options(tls)).unwrap();
    environment.configure(&source.site("source")).unwrap();
    environment.configure(SITE).unwrap();
    let files = oracle::flat();
    let mut round = 0;
    while reaper.is_busy() {
        round += 1;
        for file in &files {
            source.put(&format!("round-{round}/in/{}", file.name), &file.content).unwrap();
        }
        source.own(&source.root()).unwrap();
        let inputs = [
            "site_in=source".to_owned(),
            format!("from=round-{round}/in"),
            "site_out=peer".to_owned(),
            format!("to=round-{round}"),
        ];
        let arguments = granted("relay", &["peer", "source"], &inputs);
        let sent_before = moved(&server);
        let witness = Witness::watch(&server.root()).unwrap();
        let kills = reaper.bring_to_its_end(&environment, &arguments, || ());

        let target = server.root().join(format!("round-{round}"));
        judge(&server, oracle::judge_folder(&files, &target));
        // One file is under way at a time.
        judge_bytes(&server, sent_before, oracle::total(&files), kills);
        let seen = witness.testimony().unwrap();
        judge(&server, oracle::judge_effects(&seen));
        for file in &files {
            judge_arrival(&seen, &format!("round-{round}/{}", file.name));
        }
        let left = std::fs::read_dir(source.root().join(format!("round-{round}/in"))).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["done"], "everything that was relayed was renamed");
    }
    judge_state(&environment, &reaper);
}

fn prepare(
    purpose: &str,
    kind: Kind,
    tls: Tls,
    kills: usize,
    workflow: &str,
) -> (Server, Environment, Reaper) {
    let server = Server::start(kind, &options(tls)).unwrap();
    let mut environment = environment();
    environment.configure(&server.site("peer")).unwrap();
    environment.configure(SITE).unwrap();
    let transfer = format!(
        "[transfer]\ncommit_bytes = \"{COMMIT_BYTES}\"\ncommit_interval = \"1s\"\noverlap = \"{OVERLAP}\""
    );
    environment.configure(&transfer).unwrap();
    environment.make_folder("data").unwrap();
    let reaper = Reaper::new(purpose, kills, &environment, workflow);
    (server, environment, reaper)
}

fn options(tls: Tls) -> Options {
    Options { tls, bytes_per_second: Some(BYTES_PER_SECOND), ..Options::default() }
}

fn mirror(environment: &Environment, inputs: &[String]) -> Vec<OsString> {
    run(environment, "mirror", inputs)
}

fn run(environment: &Environment, workflow: &str, inputs: &[String]) -> Vec<OsString> {
    let data = format!("--dir=data={}", environment.path("data").display());
    let inputs: Vec<String> =
        ["site=peer".to_owned(), format!("parallel={PARALLEL}")].into_iter().chain(inputs.to_vec()).collect();
    let mut arguments = granted(workflow, &["peer"], &inputs);
    arguments.push(data.into());
    arguments
}

/// A run that may use these sites.
fn granted(workflow: &str, sites: &[&str], inputs: &[String]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["run".into(), guest(workflow).into(), "-o".into(), "json".into()];
    for site in sites {
        arguments.extend(["--site", site].map(OsString::from));
    }
    for input in inputs {
        arguments.extend(["-i".into(), OsString::from(input)]);
    }
    arguments
}

fn moved(server: &Server) -> u64 {
    server.moved().iter().map(|transfer| transfer.bytes).sum()
}

/// A verdict of the oracle, with the server's logs where it is a bad one.
#[track_caller]
fn judge(server: &Server, verdict: anyhow::Result<()>) {
    if let Err(fault) = verdict {
        panic!("{fault:#}\n{}", server.logs());
    }
}

#[track_caller]
fn judge_arrival(seen: &[Seen], name: &str) {
    let arrivals = seen.iter().filter(|event| matches!(event, Seen::Renamed(_, to) if to == Path::new(name)));
    assert_eq!(arrivals.count(), 1, "{name} came into being more or less than once");
}

/// At most one commit interval and overlap was sent again for each transfer under way at a kill.
#[track_caller]
fn judge_bytes(server: &Server, before: u64, needed: u64, kills: usize) {
    // Sessions that were cut are logged a moment later.
    std::thread::sleep(Duration::from_millis(300));
    let sent = moved(server) - before;
    let allowed = needed + kills as u64 * PARALLEL * (COMMIT_BYTES + OVERLAP + IN_FLIGHT);
    assert!(sent >= needed, "the server's log is short: {sent} of {needed} bytes\n{}", server.logs());
    assert!(sent <= allowed, "{sent} bytes went over the wire for {needed}, {kills} kills allow {allowed}");
}

/// The lengths of the unfinished files under a folder, by the paths that they will get in it.
fn parts_in(folder: &Path, inside: &Path) -> HashMap<PathBuf, u64> {
    let mut parts = HashMap::new();
    for entry in std::fs::read_dir(folder.join(inside)).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            parts.extend(parts_in(folder, &inside.join(entry.file_name())));
            continue;
        }
        let part = entry.file_name().to_string_lossy().into_owned();
        // `.NAME.RUN.STEP.ITEM.GENERATION.part`
        let name = part.strip_prefix('.').and_then(|part| part.rsplitn(6, '.').nth(5));
        if let (Some(name), Ok(metadata)) = (name, entry.metadata()) {
            parts.insert(inside.join(name), metadata.len());
        }
    }
    parts
}

/// Every download that was under way at the last kill went on at most one commit interval and
/// overlap before what it had on disk. Where it went on is what the server didn't send again.
#[track_caller]
fn judge_resumed(server: &Server, files: &[Sample], parts: &HashMap<PathBuf, u64>) {
    std::thread::sleep(Duration::from_millis(300));
    let moved = server.moved();
    for file in files {
        let (size, name) = (file.content.len() as u64, &file.name);
        let Some(&length) = parts.get(Path::new(name)).filter(|length| **length < size) else { continue };
        let last = moved.iter().rfind(|moved| moved.is_of(&format!("/in/{name}")));
        let sent = last.unwrap_or_else(|| panic!("{name} was never sent\n{}", server.logs())).bytes;
        let resumed_at = size.saturating_sub(sent);
        let again = length.saturating_sub(resumed_at);
        let allowed = COMMIT_BYTES + OVERLAP + BUFFER;
        assert!(
            again <= allowed,
            "{name}: {length} bytes were there, and it went on at {resumed_at}\n{}",
            server.logs()
        );
    }
}

fn judge_state(environment: &Environment, reaper: &Reaper) {
    assert!(reaper.hits() > 0, "no kill hit a run under way");
    environment.run(&["state", "check"]).unwrap().expect_code(0);
}
