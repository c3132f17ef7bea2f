//! The process is killed at every crash point: each journal append, flush and fsync, each part,
//! chunk and rename, each remote command and reply.
//!
//! One run passes them all and counts them. Then for every n a fresh run is killed at its n-th
//! point, resumed, and judged by the oracle. Three files are enough to take every path: an empty
//! one, one of an odd length, and one of several commits.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use testkit::environment::{End, Environment};
use testkit::journey::Journey;
use testkit::oracle::{self, Sample};

use crate::embedded::Embedded;
use crate::support::{environment, guest};

/// The points are shared out among as many tests, which run side by side.
const SHARES: usize = 4;

const LIFE: Duration = Duration::from_secs(120);

macro_rules! shares {
    ($($name:ident: $job:ident $share:literal;)*) => {
        $(#[test]
        fn $name() {
            kill_at_every_point($job, $share);
        })*
    };
}

shares! {
    pull_share_0: PULL 0;
    pull_share_1: PULL 1;
    pull_share_2: PULL 2;
    pull_share_3: PULL 3;
    push_share_0: PUSH 0;
    push_share_1: PUSH 1;
    push_share_2: PUSH 2;
    push_share_3: PUSH 3;
    journey_share_0: JOURNEY 0;
    journey_share_1: JOURNEY 1;
    journey_share_2: JOURNEY 2;
    journey_share_3: JOURNEY 3;
}

/// What is done, and what must be true afterwards.
struct Job {
    workflow: &'static str,
    inputs: &'static [&'static str],
    /// Puts the files where the run finds them: on the server, or in the local folder.
    prepare: fn(server: &Path, local: &Path),
    judge: fn(server: &Embedded, local: &Path) -> anyhow::Result<()>,
}

const PULL: Job = Job {
    workflow: "mirror",
    inputs: &["direction=pull", "from=in", "to=data/got"],
    prepare: |server, _| oracle::write(&FEW, &server.join("in")).unwrap(),
    judge: |server, local| {
        oracle::judge_folder(&FEW, &server.root().join("in"))?;
        oracle::judge_folder(&FEW, &local.join("got"))
    },
};

const PUSH: Job = Job {
    workflow: "mirror",
    inputs: &["direction=push", "from=data/source", "to=out"],
    prepare: |_, local| oracle::write(&FEW, &local.join("source")).unwrap(),
    judge: |server, local| {
        oracle::judge_folder(&FEW, &local.join("source"))?;
        oracle::judge_folder(&FEW, &server.root().join("out"))?;
        oracle::judge_effects(&server.seen(""))
    },
};

const JOURNEY: Job = Job {
    workflow: "oracle",
    inputs: &["from=in", "done=done", "out=out", "local=data"],
    prepare: |server, _| oracle::write(&FEW, &server.join("in")).unwrap(),
    judge: |server, local| {
        let journey = Journey::of(FEW.clone());
        journey.judge_end(&server.root(), local)?;
        journey.judge_effects(&server.seen(""))
    },
};

/// Sorted by name, as [`Journey`] wants them.
static FEW: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let chosen = ["above-64k.bin", "empty", "three-mib.bin"];
    oracle::flat().into_iter().filter(|file| chosen.contains(&file.name.as_str())).collect()
});

/// A server and an environment of its own for one run.
struct Place {
    server: Embedded,
    environment: Environment,
}

impl Place {
    /// `cache` is a folder of compiled workflows, so that not every run compiles its own.
    fn new(job: &Job, cache: Option<&Path>) -> Self {
        let server = Embedded::start(false);
        let mut environment = environment();
        environment.configure(&server.site("peer")).unwrap();
        environment.configure("settle = \"50ms\"").unwrap();
        environment.configure("[transfer]\ncommit_bytes = \"1MiB\"\noverlap = \"16KiB\"").unwrap();
        let local = environment.make_folder("data").unwrap();
        (job.prepare)(&server.root(), &local);
        if let Some(cache) = cache {
            let own = environment.make_folder("state/cache").unwrap();
            // Nobody else may have had access to what is loaded as machine code.
            for folder in [environment.state(), own.clone()] {
                std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
            }
            for entry in std::fs::read_dir(cache).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), own.join(entry.file_name())).unwrap();
            }
        }
        Self { server, environment }
    }

    fn run(&self, job: &Job) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["run".into(), guest(job.workflow).into()];
        arguments.extend(["--site", "peer", "--dir"].map(OsString::from));
        arguments.push(format!("data={}", self.environment.path("data").display()).into());
        for input in ["site=peer", "parallel=2"].iter().chain(job.inputs) {
            arguments.extend(["-i".into(), OsString::from(input)]);
        }
        arguments
    }

    /// Lets the program live with this crash setting.
    fn live(&self, arguments: &[OsString], name: &str, value: &str) -> End {
        let mut command = self.environment.command();
        self.environment.live(command.args(arguments).env(name, value), LIFE).unwrap()
    }

    fn judge(&self, job: &Job) -> anyhow::Result<()> {
        (job.judge)(&self.server, &self.environment.path("data"))
    }
}

/// Has a whole run write down the names of the points that it passes, in order.
fn points(job: &Job, place: &Place) -> Vec<String> {
    let trace = place.environment.path("trace");
    match place.live(&place.run(job), "ORCHESTRATOR_CRASH_TRACE", trace.to_str().unwrap()) {
        End::Finished(finished) => drop(finished.expect_code(0)),
        End::Killed => panic!("the run did not end in {LIFE:?}"),
    }
    place.judge(job).unwrap();
    std::fs::read_to_string(&trace).unwrap().lines().map(str::to_owned).collect()
}

fn kill_at_every_point(job: Job, share: usize) {
    let whole = Place::new(&job, None);
    let points = points(&job, &whole);
    let cache = whole.environment.state().join("cache");
    assert!(points.len() > 50, "a run passes only {} crash points", points.len());
    let mut faults = Vec::new();
    // The two transfers that go on side by side pass their points in any order, so that another
    // run may pass a few more.
    let most = points.len() + 8;
    for n in (1..=most).filter(|n| n % SHARES == share) {
        if let Err(fault) = kill_at(&job, n, &cache) {
            let name = points.get(n - 1).map_or("past the counted ones", String::as_str);
            faults.push(format!("point {n} ({name}): {fault:#}"));
        }
    }
    assert!(faults.is_empty(), "of {most} points {} failed:\n{}", faults.len(), faults.join("\n"));
}

/// Kills a run at its n-th point, resumes it and judges.
fn kill_at(job: &Job, n: usize, cache: &Path) -> anyhow::Result<()> {
    let place = Place::new(job, Some(cache));
    let run = place.run(job);
    let resume = ["resume", "--last"].map(OsString::from);
    let killed = match place.live(&run, "ORCHESTRATOR_CRASH_AT", &n.to_string()) {
        End::Killed => true,
        End::Finished(finished) if finished.code == Some(0) => false,
        End::Finished(finished) => anyhow::bail!("the run was not killed but failed: {finished}"),
    };
    if killed {
        match place.environment.live(place.environment.command().args(&resume), LIFE)? {
            End::Finished(finished) if finished.code == Some(0) => {}
            // Before the run was durable there is nothing to resume: then it begins anew. After its
            // last entry there is nothing to resume either, and the oracle tells.
            End::Finished(finished) if finished.code == Some(3) => {
                if place.judge(job).is_err() {
                    let again = place.environment.run(&run)?;
                    anyhow::ensure!(again.code == Some(0), "a new run failed: {again}");
                }
            }
            End::Finished(finished) => anyhow::bail!("the resumed run failed: {finished}"),
            End::Killed => anyhow::bail!("the resumed run did not end"),
        }
    }
    place.judge(job)?;
    let check = place.environment.run(&["state", "check"])?;
    anyhow::ensure!(check.code == Some(0), "the state is not clean: {check}");
    Ok(())
}
