//! What is shipped for Prometheus, and what it would read, judged by Prometheus's own promtool.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use testkit::layout;

use super::serving::Serving;
use crate::support::environment;

#[track_caller]
fn promtool() -> PathBuf {
    let program = layout::promtool();
    assert!(program.is_file(), "{} isn't there; run `cargo xtask servers fetch`", program.display());
    program
}

#[test]
fn the_rules_and_the_sample_can_be_read() {
    let folder = layout::root().join("host/deploy/prometheus");
    for (what, file) in [("rules", "orchestrator.rules.yml"), ("config", "prometheus.yml")] {
        let checked = Command::new(promtool()).args(["check", what]).arg(folder.join(file)).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn the_metrics_are_as_prometheus_wants_them() {
    let mut environment = environment();
    environment.configure("[server]\nlisten = \"off\"\n[site.acme]\nurl = \"ftp://h/\"").unwrap();
    let _serving = Serving::start(&environment);
    let text = environment.run(&["metrics"]).unwrap().expect_code(0).stdout;
    assert!(text.contains("transfer_success{site=\"acme\"} 0"), "{text}");
    let mut check = Command::new(promtool());
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = check.wait_with_output().unwrap();
    let said = [checked.stdout, checked.stderr].concat();
    assert!(checked.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
