//! What must hold after a server has gone wrong.

use std::time::{Duration, Instant};

use orchestrator_host::model::{DataMode, Fault, Receipt};
use testkit::scripted::catalogue::{End, FILE_BYTES, Quirk, Security, Task, noise};
use testkit::scripted::{Effect, Plan, Scripted};

use super::{DEADLINE, FINAL_DEADLINE, client_of};
use crate::client::{Client, peak_memory};

/// The most memory that anything a server does may cost.
const MEMORY_BYTES_MAX: u64 = 64 << 20;
/// What a busy machine may take on top of all deadlines: only what hangs takes longer.
const SLACK: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 12;

#[allow(clippy::print_stdout, reason = "times and memory are asked of the output of a run")]
/// Plays a plan to a client with the task of these quirks, and judges what came of it.
pub fn judge(name: &str, plan: Plan, quirks: &[Quirk]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = Scripted::start(plan).unwrap();
    let first = quirks[0];
    let security = quirks.iter().any(|quirk| quirk.security == Security::Tls);
    let deadlines: u32 = quirks.iter().map(|quirk| quirk.deadlines).sum();
    let attempts = if quirks.len() == 1 { 4 } else { ATTEMPTS };
    let mut client = client_of(&server, security, attempts);
    match first.task {
        Task::PullActive => client = client.with_site(|site| site.mode = DataMode::Active),
        Task::PullByName => client = client.with_site(|site| site.host = "localhost".to_owned()),
        _ => {}
    }
    let ground = Ground::lay(server, client);
    let before = peak_memory();
    let begun = Instant::now();
    let allowed = (DEADLINE + FINAL_DEADLINE) * deadlines + Duration::from_secs(1) + SLACK;
    let played = runtime.block_on(async { tokio::time::timeout(allowed, ground.play(first.task)).await });
    let elapsed = begun.elapsed();
    let played = played.map_err(|_| format!("not done after {allowed:?}\n{}", ground.course()))?;
    ground.judge(first, played).map_err(|why| format!("{why}\n{}", ground.course()))?;
    let grown = peak_memory().saturating_sub(before);
    if grown > MEMORY_BYTES_MAX {
        return Err(format!("{grown} bytes more memory"));
    }
    println!("{name}: {} ms, {} KiB", elapsed.as_millis(), grown / 1024);
    Ok(())
}

/// What a client made of its task.
enum Played {
    Transfers(Vec<Result<Receipt, Fault>>),
    Listing(Result<(std::collections::BTreeSet<String>, usize), Fault>),
}

struct Ground {
    server: Scripted,
    client: Client,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Ground {
    fn lay(server: Scripted, client: Client) -> Self {
        let (old, new) = (noise(1000, 1), noise(FILE_BYTES, 2));
        for name in ["/in/a.bin", "/in/b.bin", "/in/c.bin"] {
            server
                .files()
                .put(name, &noise(FILE_BYTES, 3 + name.len() as u64 + u64::from(name.as_bytes()[4])));
        }
        server.files().put("/in/empty", b"");
        server.files().put("/out/a.bin", &old);
        client.write("new.bin", &new);
        Self { server, client, old, new }
    }

    async fn play(&self, task: Task) -> Played {
        let client = &self.client;
        let pull = |name: &str| {
            let (remote, local) = (format!("in/{name}"), name.to_owned());
            async move { client.pull(&remote, &local).await }
        };
        Played::Transfers(match task {
            Task::Pull | Task::PullActive | Task::PullByName => vec![pull("a.bin").await],
            Task::PullMissing => vec![pull("none").await],
            Task::PullEmpty => vec![pull("empty").await],
            Task::PullMany => {
                let (a, b, c) = tokio::join!(pull("a.bin"), pull("b.bin"), pull("c.bin"));
                vec![a, b, c]
            }
            Task::PullCancelled => {
                let job = client.job("in/a.bin", "a.bin", 1);
                let stop = job.stop.clone();
                let (outcome, ()) = tokio::join!(client.transfers.download(job), async {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    stop.cancel();
                });
                vec![outcome]
            }
            Task::Push => vec![client.push("new.bin", "out/a.bin").await],
            Task::PushMany => {
                let mut outcomes = Vec::new();
                for number in 0..6 {
                    outcomes.push(client.push("new.bin", &format!("out/{number}.bin")).await);
                }
                outcomes
            }
            Task::List => return Played::Listing(client.list("in", false).await),
            Task::ListDeep => return Played::Listing(client.list("in", true).await),
            Task::ListMissing => return Played::Listing(client.list("none", false).await),
        })
    }

    fn judge(&self, quirk: Quirk, played: Played) -> Result<(), String> {
        let log = self.server.log();
        if log.count(|effect| *effect == Effect::Strayed) > 0 {
            return Err("it went to another address".to_owned());
        }
        if quirk.security == Security::Tls && log.has_clear_password() {
            return Err("the password went in clear".to_owned());
        }
        if !log.commands("ABOR").is_empty() {
            return Err("it sent ABOR".to_owned());
        }
        if !self.client.names_outside().is_empty() {
            return Err(format!("written outside: {:?}", self.client.names_outside()));
        }
        match (quirk.end, played) {
            (End::Done, Played::Transfers(outcomes)) => {
                for outcome in &outcomes {
                    outcome.as_ref().map_err(|fault| format!("{fault} ({})", fault.code.as_str()))?;
                }
                self.judge_files(quirk.task)
            }
            (End::Fails(codes), Played::Transfers(outcomes)) => {
                outcomes.iter().try_for_each(|outcome| failed(outcome, codes))?;
                self.judge_nothing()?;
                // Somebody is to make room, and then it goes on.
                if codes == ["ftp.no-space"] { Ok(()) } else { self.judge_parts() }
            }
            (End::Fails(codes), Played::Listing(outcome)) => failed(&outcome, codes),
            (End::Lists(names, odd), Played::Listing(outcome)) => {
                let (found, lines) = outcome.map_err(|fault| fault.to_string())?;
                let wanted = names.iter().map(|name| (*name).to_owned()).collect();
                if found == wanted && lines == odd {
                    return Ok(());
                }
                Err(format!("it lists {found:?} and {lines} odd lines"))
            }
            _ => Err("the catalogue has an end that doesn't fit the task".to_owned()),
        }
    }

    /// Everything has arrived, once, and nothing else is there.
    fn judge_files(&self, task: Task) -> Result<(), String> {
        let (files, client) = (self.server.files(), &self.client);
        let pulled: &[&str] = match task {
            Task::PullMany => &["a.bin", "b.bin", "c.bin"],
            Task::PullEmpty => &["empty"],
            Task::Push | Task::PushMany => &[],
            _ => &["a.bin"],
        };
        for name in pulled {
            if client.read(name) != files.get(&format!("/in/{name}")) {
                return Err(format!("{name} isn't what the server has"));
            }
        }
        let mut wanted: Vec<String> = pulled.iter().map(|name| (*name).to_owned()).collect();
        wanted.push("new.bin".to_owned());
        if client.names() != wanted {
            return Err(format!("the folder has {:?}", client.names()));
        }
        let pushed: Vec<String> = match task {
            Task::Push => vec!["/out/a.bin".to_owned()],
            Task::PushMany => (0..6).map(|number| format!("/out/{number}.bin")).collect(),
            _ => Vec::new(),
        };
        for name in &pushed {
            if files.get(name).as_ref() != Some(&self.new) {
                return Err(format!(
                    "{name} isn't what was sent: {:?} bytes",
                    files.get(name).map(|data| data.len())
                ));
            }
            if self.server.log().arrivals(name) != 1 {
                return Err(format!("{name} arrived {} times", self.server.log().arrivals(name)));
            }
        }
        self.judge_parts()
    }

    /// Targets are as they were.
    fn judge_nothing(&self) -> Result<(), String> {
        if self.client.names() != ["new.bin"] {
            return Err(format!("the folder has {:?}", self.client.names()));
        }
        if self.server.files().get("/out/a.bin").as_ref() != Some(&self.old) {
            return Err("the target was touched".to_owned());
        }
        Ok(())
    }

    fn judge_parts(&self) -> Result<(), String> {
        let parts: Vec<_> =
            self.server.files().names().into_iter().filter(|name| name.ends_with(".part")).collect();
        if parts.is_empty() { Ok(()) } else { Err(format!("left on the server: {parts:?}")) }
    }

    /// What went over the control connections, for whoever has to find out.
    fn course(&self) -> String {
        let all = self.server.log().all();
        let lines = all.iter().filter(|effect| !matches!(effect, Effect::Wrote { .. }));
        let lines: Vec<_> = lines.map(|effect| format!("    {effect:?}")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

fn failed<T>(outcome: &Result<T, Fault>, codes: &[&str]) -> Result<(), String> {
    match outcome {
        Ok(_) => Err("it succeeded".to_owned()),
        Err(fault) if codes.contains(&fault.code.as_str()) => Ok(()),
        Err(fault) => Err(format!("it failed otherwise: {fault} ({})", fault.code.as_str())),
    }
}
