//! What is measured when somebody asks: sessions, the journal, the state folder, the process.

use std::time::Duration;

use prometheus::{Counter, Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::metrics::{counters, gauges};

/// How a process stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Runs that it drives.
    pub runs_live: usize,
    /// Sessions with the servers of its sites.
    pub servers: Vec<ServerStanding>,
    /// What it has written to its journal.
    pub journal: JournalStanding,
    /// What became of the times at which its schedules were due.
    pub schedules: ScheduleStanding,
    /// How long the files of the state are, in bytes.
    pub state_bytes: u64,
    /// Bytes that are free on the disk of the state.
    pub state_free_bytes: u64,
    /// Memory that it has, in bytes.
    pub memory_bytes: u64,
    /// Time that it has computed.
    pub cpu: Duration,
    /// Descriptors that it has open.
    pub descriptors: u64,
    /// Descriptors that it may have.
    pub descriptors_max: u64,
    /// When it began, in seconds since 1970.
    pub began_at_seconds: u64,
}

/// The sessions with one server of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStanding {
    /// The site.
    pub site: String,
    /// `host:port`.
    pub server: String,
    /// Whether it counts as answering.
    pub up: bool,
    /// Sessions that lie unused.
    pub idle: usize,
    /// Sessions in use.
    pub leased: usize,
    /// Steps that wait for one.
    pub waiting: usize,
    /// Logins since the process began.
    pub logins: u64,
    /// Sessions that were used again.
    pub reuses: u64,
    /// Logins that failed, and sessions that no longer answered.
    pub failures: u64,
}

/// What became of the times at which schedules were due, since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleStanding {
    /// Runs that were begun.
    pub fired: u64,
    /// Firings that were left out, because the last run was under way.
    pub skipped: u64,
    /// Firings that fell into a downtime and aren't made up for.
    pub missed: u64,
    /// Runs that couldn't be begun.
    pub refused: u64,
    /// Runs that failed or stopped for somebody to look.
    pub failed: u64,
    /// Times by which a run was expected and hadn't succeeded.
    pub late: u64,
}

/// What a process has written to its journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStanding {
    /// Commits: each is one sync of the disk.
    pub commits: u64,
    /// Appends and other writes, which share commits.
    pub writes: u64,
    /// Time that the commits took.
    pub took: Duration,
}

#[derive(Debug)]
pub(super) struct Gauges {
    runs_live: IntGauge,
    sessions: IntGaugeVec,
    up: IntGaugeVec,
    logins: IntCounterVec,
    reuses: IntCounterVec,
    failures: IntCounterVec,
    commits: IntCounter,
    writes: IntCounter,
    commit_seconds: Counter,
    schedules: [IntCounter; 6],
    state_bytes: IntGauge,
    state_free: IntGauge,
    memory: IntGauge,
    cpu: Counter,
    descriptors: IntGauge,
    descriptors_max: IntGauge,
    began_at: Gauge,
}

impl Gauges {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let seconds = |name: &str, help: &str| -> prometheus::Result<Counter> {
            let counter = Counter::with_opts(Opts::new(name, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let began_at = Gauge::with_opts(Opts::new(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970.",
        ))?;
        registry.register(Box::new(began_at.clone()))?;
        let build =
            gauges(registry, "orchestrator_build_info", "The version, with the value 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let of_servers = ["site", "server"];
        Ok(Self {
            runs_live: gauge("orchestrator_runs_live", "Runs that this process drives.")?,
            sessions: gauges(
                registry,
                "orchestrator_site_sessions",
                "Sessions with a server of a site: idle, leased, and steps that are waiting for one.",
                &["site", "server", "state"],
            )?,
            up: gauges(
                registry,
                "orchestrator_site_up",
                "1 where a server of a site answered last, 0 where it is down.",
                &of_servers,
            )?,
            logins: counters(registry, "orchestrator_site_logins_total", "Logins.", &of_servers)?,
            reuses: counters(
                registry,
                "orchestrator_site_session_reuses_total",
                "Sessions that were used again.",
                &of_servers,
            )?,
            failures: counters(
                registry,
                "orchestrator_site_session_failures_total",
                "Logins that failed, and sessions that no longer answered.",
                &of_servers,
            )?,
            commits: counter("orchestrator_journal_commits_total", "Commits: each is one sync of the disk.")?,
            writes: counter(
                "orchestrator_journal_writes_total",
                "Writes to the journal, which share commits.",
            )?,
            commit_seconds: seconds(
                "orchestrator_journal_commit_seconds_total",
                "Time that commits took; by orchestrator_journal_commits_total it is their mean latency.",
            )?,
            schedules: [
                counter("orchestrator_schedule_fired_total", "Runs that schedules began.")?,
                counter(
                    "orchestrator_schedule_skipped_total",
                    "Firings that were left out, because the last run was under way.",
                )?,
                counter(
                    "orchestrator_schedule_missed_total",
                    "Firings that fell into a downtime and aren't made up for.",
                )?,
                counter("orchestrator_schedule_refused_total", "Runs that schedules couldn't begin.")?,
                counter(
                    "orchestrator_schedule_failed_total",
                    "Runs of schedules that failed or stopped for somebody to look.",
                )?,
                counter(
                    "orchestrator_schedule_late_total",
                    "Times by which a run was expected and hadn't succeeded.",
                )?,
            ],
            state_bytes: gauge("orchestrator_state_bytes", "How long the files of the state are.")?,
            state_free: gauge(
                "orchestrator_state_free_bytes",
                "Bytes that are free on the disk of the state.",
            )?,
            memory: gauge("process_resident_memory_bytes", "Memory that the process has.")?,
            cpu: seconds("process_cpu_seconds_total", "Time that the process has computed.")?,
            descriptors: gauge("process_open_fds", "Descriptors that the process has open.")?,
            descriptors_max: gauge("process_max_fds", "Descriptors that the process may have.")?,
            began_at,
        })
    }

    pub(super) fn set(&self, standing: &Standing) {
        self.runs_live.set(int(standing.runs_live));
        // A site that was taken out of the configuration isn't told of any more.
        self.sessions.reset();
        self.up.reset();
        for family in [&self.logins, &self.reuses, &self.failures] {
            family.reset();
        }
        for server in &standing.servers {
            let labels = [server.site.as_str(), server.server.as_str()];
            for (state, count) in
                [("idle", server.idle), ("leased", server.leased), ("waiting", server.waiting)]
            {
                self.sessions.with_label_values(&[labels[0], labels[1], state]).set(int(count));
            }
            self.up.with_label_values(&labels).set(i64::from(server.up));
            self.logins.with_label_values(&labels).inc_by(server.logins);
            self.reuses.with_label_values(&labels).inc_by(server.reuses);
            self.failures.with_label_values(&labels).inc_by(server.failures);
        }
        count_to(&self.commits, standing.journal.commits);
        count_to(&self.writes, standing.journal.writes);
        seconds_to(&self.commit_seconds, standing.journal.took);
        let ScheduleStanding { fired, skipped, missed, refused, failed, late } = standing.schedules;
        for (counter, total) in self.schedules.iter().zip([fired, skipped, missed, refused, failed, late]) {
            count_to(counter, total);
        }
        seconds_to(&self.cpu, standing.cpu);
        self.state_bytes.set(signed(standing.state_bytes));
        self.state_free.set(signed(standing.state_free_bytes));
        self.memory.set(signed(standing.memory_bytes));
        self.descriptors.set(signed(standing.descriptors));
        self.descriptors_max.set(signed(standing.descriptors_max));
        self.began_at.set(Duration::from_secs(standing.began_at_seconds).as_secs_f64());
    }
}

fn count_to(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn seconds_to(counter: &Counter, total: Duration) {
    counter.inc_by((total.as_secs_f64() - counter.get()).max(0.0));
}

fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
