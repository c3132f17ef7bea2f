//! The lives of one process after another, until its run is done.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::chance::Chance;
use testkit::environment::{End, Environment, Finished};

use crate::support::{document, guest};

/// What a life may take that isn't to be cut short; a run that hangs is a fault.
const WHOLE_LIFE: Duration = Duration::from_secs(180);

/// Kills that are still to come.
pub struct Reaper {
    chance: Chance,
    kills_left: usize,
    /// Kills that hit a run under way, and not a process that had yet to begin one.
    hits: usize,
    /// What one run took that was left alone: kills fall evenly into a time like this.
    whole_run: Option<Duration>,
    /// Runs that have been started in this environment.
    runs: usize,
}

impl Reaper {
    /// Has the workflow compiled by a run that fails for want of inputs, so that the time a whole
    /// run takes is that of what it does.
    pub fn new(purpose: &str, kills: usize, environment: &Environment, workflow: &str) -> Self {
        let workflow = guest(workflow);
        environment.run(&[Path::new("run"), &workflow]).unwrap().expect_code(2);
        let runs = statuses(environment).len();
        Self { chance: Chance::new(purpose), kills_left: kills, hits: 0, whole_run: None, runs }
    }

    /// True until all kills are done.
    pub fn is_busy(&self) -> bool {
        self.kills_left > 0
    }

    /// Kills that hit a run under way.
    pub fn hits(&self) -> usize {
        self.hits
    }

    /// Starts a run and brings it to its end, killing it on the way while there are kills left; the
    /// first run of all is left alone, and measured. `at_kill` looks at what each kill left behind.
    /// Gives how often it was killed.
    pub fn bring_to_its_end(
        &mut self,
        environment: &Environment,
        run: &[OsString],
        mut at_kill: impl FnMut(),
    ) -> usize {
        let resume: Vec<OsString> = ["resume", "--last", "-o", "json"].map(Into::into).into();
        let (mut kills, mut begun) = (0, false);
        loop {
            let life = match self.whole_run {
                Some(whole) if self.is_busy() => self.chance.between(Duration::ZERO, whole),
                _ => WHOLE_LIFE,
            };
            let arguments = if begun { &resume } else { run };
            let began = Instant::now();
            match environment.live(environment.command().args(arguments), life).unwrap() {
                End::Killed => {
                    assert!(life < WHOLE_LIFE, "the run did not end in {WHOLE_LIFE:?}");
                    self.kills_left -= 1;
                    kills += 1;
                    at_kill();
                    begun = statuses(environment).len() > self.runs;
                    self.hits += usize::from(begun);
                }
                End::Finished(finished) => {
                    self.expect_end(environment, begun, finished);
                    self.whole_run.get_or_insert(began.elapsed());
                    self.runs += 1;
                    return kills;
                }
            }
        }
    }

    fn expect_end(&self, environment: &Environment, begun: bool, finished: Finished) {
        if begun && finished.code == Some(3) {
            // It was killed after its last entry: there was nothing left to resume.
            let statuses = statuses(environment);
            assert_eq!(statuses.first().map(String::as_str), Some("done"), "{statuses:?}\n{finished}");
        } else {
            finished.expect_code(0);
        }
    }
}

/// The status of every run in the state, the latest first.
fn statuses(environment: &Environment) -> Vec<String> {
    let list = environment.run(&["list", "-o", "json"]).unwrap().expect_code(0);
    let document = document(&list);
    let runs = document["runs"].as_array().unwrap_or_else(|| panic!("no runs in the list\n{list}"));
    runs.iter().map(|run| run["status"].as_str().unwrap_or_default().to_owned()).collect()
}
