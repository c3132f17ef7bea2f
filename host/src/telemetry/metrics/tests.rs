//! What the metrics say, and that everything that is shipped names only what there is.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::{JournalStanding, Metrics, ServerStanding, Standing};
use crate::clock::SystemClock;
use crate::model::{
    ByteCount, Direction, Fault, FaultClass, FaultCode, FileInfo, FileKind, ItemId, Listener, Proof, Receipt,
    RunEvent, RunId, RunOutcome, StepSeq, Timestamp, TransferId,
};

fn run() -> RunId {
    RunId::new(Timestamp(0), [0; 10])
}

fn ended(outcome: Result<Receipt, Fault>) -> RunEvent {
    RunEvent::TransferFinished {
        transfer: TransferId { step: StepSeq(1), item: ItemId(0) },
        site: "acme".to_owned(),
        direction: Direction::Download,
        latency_ms: 1500,
        outcome,
    }
}

fn receipt(bytes: u64) -> Receipt {
    let file =
        FileInfo { path: "a".to_owned(), kind: FileKind::File, size: None, modified: None, unique: None };
    Receipt {
        bytes: ByteCount(bytes),
        resumed_from: ByteCount(30),
        resent: ByteCount(4),
        attempts: 3,
        elapsed_ms: 1,
        digests: Vec::new(),
        proof: Proof::SizeOnly,
        skipped: false,
        file,
    }
}

fn standing() -> Standing {
    let server = ServerStanding {
        site: "acme".to_owned(),
        server: "h:21".to_owned(),
        up: true,
        leased: 2,
        logins: 5,
        ..ServerStanding::default()
    };
    let journal = JournalStanding { commits: 7, writes: 9, took: std::time::Duration::from_millis(1500) };
    Standing { servers: vec![server], journal, ..Standing::default() }
}

/// Metrics that have heard one of everything.
fn heard() -> Metrics {
    let metrics = Metrics::new(Arc::new(SystemClock::new())).unwrap();
    metrics.declare(["acme"].into_iter());
    let hear = |event| metrics.hear(&run(), "mirror", &event);
    hear(RunEvent::Started { run: run(), workflow: "mirror".to_owned(), resumed: false });
    hear(RunEvent::StepFinished { step: StepSeq(1), kind: "ftp.download".to_owned(), fault: None });
    hear(ended(Ok(receipt(100))));
    hear(ended(Ok(Receipt { skipped: true, ..receipt(1_000) })));
    hear(ended(Err(Fault::new(FaultCode::FtpDenied, "no"))));
    hear(ended(Err(Fault::new(FaultCode::RunCancelled, "no").with_class(FaultClass::Cancelled))));
    hear(RunEvent::Ended { run: run(), outcome: RunOutcome::Done { output: "{}".to_owned() } });
    metrics
}

#[track_caller]
fn assert_says(text: &str, line: &str) {
    assert!(text.lines().any(|said| said == line), "{line} isn't in\n{text}");
}

#[test]
fn counters_of_a_site_begin_at_0() {
    let metrics = Metrics::new(Arc::new(SystemClock::new())).unwrap();
    metrics.declare(["acme"].into_iter());
    let text = metrics.text(&Standing::default()).unwrap();
    for line in [
        "transfer_success{site=\"acme\"} 0",
        "transfer_errors{site=\"acme\"} 0",
        "latency_seconds_count{site=\"acme\"} 0",
        "orchestrator_transfer_bytes_total{direction=\"upload\",site=\"acme\"} 0",
    ] {
        assert_says(&text, line);
    }
}

#[test]
fn what_is_heard_is_counted_once() {
    let text = heard().text(&standing()).unwrap();
    for line in [
        // The one that was left as it was moved nothing; the cancelled one failed nobody.
        "transfer_success{site=\"acme\"} 100",
        "transfer_errors{site=\"acme\"} 1",
        "latency_seconds_count{site=\"acme\"} 3",
        "latency_seconds_sum{site=\"acme\"} 4.5",
        "orchestrator_transfer_success_total{direction=\"download\",site=\"acme\",workflow=\"mirror\"} 2",
        "orchestrator_transfer_errors_total{class=\"permanent\",site=\"acme\",workflow=\"mirror\"} 1",
        "orchestrator_transfer_resumed_bytes_total{direction=\"download\",site=\"acme\"} 30",
        "orchestrator_transfer_resent_bytes_total{direction=\"download\",site=\"acme\"} 4",
        "orchestrator_transfer_retries_total{direction=\"download\",site=\"acme\"} 4",
        "orchestrator_runs_ended_total{outcome=\"done\",workflow=\"mirror\"} 1",
    ] {
        assert_says(&text, line);
    }
}

#[test]
fn what_is_measured_is_set_anew_each_time() {
    let metrics = heard();
    metrics.text(&standing()).unwrap();
    let text = metrics.text(&standing()).unwrap();
    assert_says(&text, "orchestrator_site_sessions{server=\"h:21\",site=\"acme\",state=\"leased\"} 2");
    assert_says(&text, "orchestrator_site_logins_total{server=\"h:21\",site=\"acme\"} 5");
    assert_says(&text, "orchestrator_journal_commits_total 7");
    assert_says(&text, "orchestrator_journal_commit_seconds_total 1.5");
    let text = metrics.text(&Standing::default()).unwrap();
    assert!(!text.contains("h:21"), "{text}");
}

/// Names of metrics in a text: of ours, of the aliases, of the process.
fn named(text: &str) -> BTreeSet<String> {
    let word = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_');
    let ours = |name: &&str| {
        ["orchestrator_", "process_"].iter().any(|prefix| name.starts_with(prefix))
            || ["transfer_success", "transfer_errors"].contains(name)
            || name.starts_with("latency_seconds")
    };
    text.split(word).filter(ours).map(str::to_owned).collect()
}

#[test]
fn what_is_shipped_names_only_metrics_that_there_are() {
    let text = heard().text(&standing()).unwrap();
    let there: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap_or_default())
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "deploy/prometheus/orchestrator.rules.yml",
        "deploy/grafana/orchestrator.json",
        "../docs/operations.md",
    ] {
        let shipped = std::fs::read_to_string(root.join(file)).unwrap();
        let names = named(&shipped);
        assert!(names.len() > 5, "{file} names {names:?}");
        for name in names {
            // A histogram is named as a whole in prose.
            let known = there.contains(name.as_str()) || there.contains(format!("{name}_count").as_str());
            assert!(known, "{file} names {name}, which there isn't");
        }
    }
}

#[test]
fn every_metric_is_in_the_documentation() {
    let text = heard().text(&standing()).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(page.contains(&format!("`{name}`")), "docs/operations.md doesn't name {name}");
    }
}
