//! The HTTP API of the built program.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::environment::{Environment, Finished};
use testkit::oracle;
use testkit::servers::{Kind, Options, Server};

use super::serving::{Serving, WITHIN, eventually, statuses};
use crate::support::{document, environment, guest};

/// A place that listens at a free port, with the workflows of the tests in its folder.
fn place(more: &str) -> Environment {
    let mut environment = environment();
    let workflows = environment.make_folder("workflows").unwrap();
    for name in ["hello", "mirror", "misbehaving"] {
        std::fs::copy(guest(name), workflows.join(format!("{name}.wasm"))).unwrap();
    }
    let text = "[server]\nlisten = \"127.0.0.1:0\"\nworkflows = \"workflows\"\nfolders = [\".\"]\n";
    environment.configure(&format!("{text}{more}")).unwrap();
    environment
}

/// Where a `serve` listens.
fn address(serving: &Serving) -> SocketAddr {
    let url = serving.said["url"].as_str().unwrap();
    url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

/// A response.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends a request over a connection of its own, and reads the response to its end.
fn ask(serving: &Serving, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address(serving)).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{kind}{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn get(serving: &Serving, path: &str) -> Answer {
    ask(serving, "GET", path, "", "")
}

/// The value of a metric with all of its labels.
fn metric(serving: &Serving, name: &str) -> f64 {
    let text = get(serving, "/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("there is no {name} in\n{text}")).parse().unwrap()
}

#[test]
fn a_run_is_begun_once_for_each_key_also_after_a_kill() {
    let environment = place("");
    let serving = Serving::start(&environment);
    let body = json!({ "workflow": "hello", "input": { "name": "Ada" } }).to_string();
    let submit =
        |serving: &Serving, body: &str| ask(serving, "POST", "/v1/runs", "Idempotency-Key: k1\r\n", body);
    let first = submit(&serving, &body);
    assert_eq!(first.status, 201, "{}", first.body);
    let run = first.json()["run"].as_str().unwrap().to_owned();
    assert!(
        first.head.contains(&format!("location: /v1/runs/{}", run.to_ascii_lowercase())),
        "{}",
        first.head
    );
    eventually("it is done", || get(&serving, &format!("/v1/runs/{run}")).json()["status"] == "done");
    let details = get(&serving, &format!("/v1/runs/{run}")).json();
    assert!(details["output"].to_string().contains("Hello, Ada!"), "{details}");
    serving.kill();

    let serving = Serving::start(&environment);
    let again = submit(&serving, &body);
    assert_eq!((again.status, again.json()["run"].as_str()), (200, Some(run.as_str())));
    let other = submit(&serving, &json!({ "workflow": "hello" }).to_string());
    assert_eq!((other.status, other.json()["code"].as_str()), (409, Some("http.key-reused")));
    assert_eq!(statuses(&environment), ["done"]);
    // One that was forgotten isn't begun anew by an answer that comes late.
    assert_eq!(ask(&serving, "DELETE", &format!("/v1/runs/{run}"), "", "").status, 204);
    assert_eq!(submit(&serving, &body).json()["again"], true);
    assert!(statuses(&environment).is_empty());
}

#[test]
fn runs_are_listed_page_by_page_cancelled_and_resumed() {
    let environment = place("");
    let serving = Serving::start(&environment);
    for _ in 0..3 {
        let begun = ask(&serving, "POST", "/v1/runs", "", &json!({ "workflow": "hello" }).to_string());
        assert_eq!(begun.status, 201, "{}", begun.body);
    }
    let input = json!({ "how": "sleep", "count": 600 });
    let body = json!({ "workflow": "misbehaving", "input": input }).to_string();
    let sleeping = ask(&serving, "POST", "/v1/runs", "", &body).json()["run"].as_str().unwrap().to_owned();
    eventually("they are done", || {
        get(&serving, "/v1/runs?status=done").json()["runs"].as_array().unwrap().len() == 3
    });
    let mut seen = Vec::new();
    let mut path = "/v1/runs?limit=3".to_owned();
    loop {
        let page = get(&serving, &path).json();
        seen.extend(page["runs"].as_array().unwrap().iter().map(|run| run["run"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/runs?limit=3&before={next}");
    }
    seen.dedup();
    assert_eq!(seen.len(), 4, "{seen:?}");
    let named = get(&serving, "/v1/runs?workflow=misbehaving&status=running").json();
    assert_eq!(named["runs"][0]["run"], sleeping.as_str(), "{named}");
    let resumed = ask(&serving, "POST", &format!("/v1/runs/{sleeping}/resume"), "", "");
    assert_eq!(resumed.status, 202, "{}", resumed.body);
    assert_eq!(ask(&serving, "POST", &format!("/v1/runs/{sleeping}/cancel"), "", "").status, 202);
    let path = format!("/v1/runs/{sleeping}");
    eventually("it is cancelled", || get(&serving, &path).json()["status"] == "cancelled");
    let again = ask(&serving, "POST", &format!("{path}/cancel"), "", "");
    assert_eq!((again.status, again.json()["code"].as_str()), (409, Some("run.closed")));
}

#[test]
fn a_stream_tells_a_run_to_its_end_and_goes_on_where_it_was() {
    let mut environment = place("");
    let slow = Options { bytes_per_second: Some(1 << 20), ..Options::default() };
    let server = Server::start(Kind::Vsftpd, &slow).unwrap();
    for file in &oracle::files() {
        server.put(&format!("in/{}", file.name), &file.content).unwrap();
    }
    environment.configure(&server.site("peer")).unwrap();
    let data = environment.make_folder("data").unwrap();
    let serving = Serving::start(&environment);
    let body = json!({
        "workflow": "mirror",
        "input": { "site": "peer", "from": "in", "to": "data" },
        "sites": ["peer"],
        "folders": [{ "name": "data", "path": data }],
    });
    let begun = ask(&serving, "POST", "/v1/runs", "", &body.to_string());
    assert_eq!(begun.status, 201, "{}", begun.body);
    let run = begun.json()["run"].as_str().unwrap().to_owned();
    let path = format!("/v1/runs/{run}/events");
    let whole = get(&serving, &path).body;
    let ids = |text: &str| -> Vec<u64> {
        text.lines().filter_map(|line| line.strip_prefix("id:")?.trim().parse().ok()).collect()
    };
    let all = ids(&whole);
    assert!(all.len() > 3 && all.iter().zip(1..).all(|(id, n)| *id == n), "{all:?}");
    for told in
        ["event: transfer-started", "event: transfer-progress", "event: transfer-finished", "event: end"]
    {
        assert!(whole.contains(told), "{told} isn't in\n{whole}");
    }
    let rest = ask(&serving, "GET", &path, &format!("Last-Event-ID: {}\r\n", all.len() - 2), "").body;
    assert_eq!(ids(&rest), all[all.len() - 2..]);
    oracle::judge_folder(&oracle::files(), &data).unwrap();

    let bytes = oracle::total(&oracle::files());
    assert_eq!(metric(&serving, "transfer_success{site=\"peer\"}"), bytes as f64);
    assert_eq!(metric(&serving, "transfer_errors{site=\"peer\"}"), 0.0);
    assert_eq!(metric(&serving, "latency_seconds_count{site=\"peer\"}"), oracle::files().len() as f64);
    assert!(metric(&serving, "latency_seconds_sum{site=\"peer\"}") > 1.0);
    assert!(metric(&serving, "orchestrator_journal_commits_total") > 1.0);
    let site = get(&serving, "/v1/sites/peer");
    assert!(site.json()["servers"][0]["logins"].as_u64().unwrap() > 0, "{}", site.body);
    let tested = ask(&serving, "POST", "/v1/sites/peer/test", "", "");
    assert_eq!(tested.json()["servers"][0]["ok"], true, "{}", tested.body);
}

#[test]
fn slow_clients_keep_nobody_waiting_and_are_let_go() {
    let environment = place("");
    let serving = Serving::start(&environment);
    // More than the process takes: each says half of a request and no more.
    let mut slow: Vec<TcpStream> = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(address(&serving)).unwrap();
        stream.write_all(b"POST /v1/runs HTTP/1.1\r\nHost: loc").unwrap();
        slow.push(stream);
    }
    let asked = Instant::now();
    assert_eq!(get(&serving, "/readyz").status, 200);
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
    // All places taken: one more is told so, at once.
    for _ in 0..300 {
        slow.push(TcpStream::connect(address(&serving)).unwrap());
    }
    let full = slow.last_mut().unwrap();
    full.set_read_timeout(Some(WITHIN)).unwrap();
    let mut line = String::new();
    BufReader::new(full).read_line(&mut line).unwrap();
    assert!(line.contains("503"), "{line}");
    // Whoever takes too long loses its place.
    eventually("there is room again", || {
        let mut stream = TcpStream::connect(address(&serving)).unwrap();
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut text = String::new();
        stream.read_to_string(&mut text).is_ok() && text.contains("200 OK")
    });
}

#[test]
fn tokens_are_made_shown_once_and_taken_over_by_a_hangup() {
    let environment = place("");
    let serving = Serving::start(&environment);
    assert_eq!(get(&serving, "/v1/runs").status, 200);
    let made = environment.run(&["token", "add", "ops", "--role", "read"]).unwrap().expect_code(0);
    let token = made.stdout.trim();
    let text = std::fs::read_to_string(environment.path("orchestrator.toml")).unwrap();
    assert!(token.len() >= 43 && !text.contains(token), "{text}");
    environment.run(&["token", "add", "ops", "--role", "read"]).unwrap().expect_code(2);
    let listed = environment.run(&["token", "list"]).unwrap().expect_code(0);
    assert!(listed.stdout.contains("ops") && !listed.stdout.contains(token), "{listed}");
    serving.signal("HUP");
    eventually("it was read", || get(&serving, "/v1/runs").status == 401);
    let shown = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(ask(&serving, "GET", "/v1/runs", &shown, "").status, 200);
    assert_eq!(ask(&serving, "POST", "/v1/purge", &shown, r#"{"keep": 1}"#).status, 403);
    assert_eq!(get(&serving, "/livez").status, 200);
    assert!(!serving.log().contains(token));
    environment.run(&["token", "remove", "ops"]).unwrap().expect_code(0);
    environment.run(&["token", "remove", "ops"]).unwrap().expect_code(3);
}

#[test]
fn others_than_this_machine_are_not_let_in_by_chance() {
    let environment = place("");
    let refused = environment.run(&["serve", "--listen", "0.0.0.0:0"]).unwrap().expect_code(2);
    assert!(refused.stderr.contains("needs a token and TLS"), "{refused}");
    let serving = Serving::start(&environment);
    let taken = address(&serving).to_string();
    let mut other = environment.bare();
    other.arg("--state").arg(environment.path("other")).args(["serve", "--listen", &taken]);
    let refused = Finished::of(&mut other).unwrap().expect_code(1);
    assert!(refused.stderr.contains(&format!("listen on {taken}")), "{refused}");
}

#[test]
fn health_and_metrics_are_told_also_without_http() {
    let environment = place("");
    let hello = guest("hello");
    let file = environment.path("work/run.prom");
    let run = [Path::new("run"), &hello, Path::new("--metrics-file"), &file];
    environment.run(&run).unwrap().expect_code(0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("orchestrator_runs_ended_total{outcome=\"done\",workflow=\"hello\"} 1"), "{text}");
    assert_eq!(
        std::fs::read_dir(environment.path("work")).unwrap().count(),
        1,
        "something is left beside it"
    );

    let serving = Serving::start(&environment);
    let health = document(&environment.run(&["health", "-o", "json"]).unwrap().expect_code(0));
    assert_eq!((&health["ready"], &health["pid"]), (&true.into(), &serving.said["pid"]), "{health}");
    let told = environment.run(&["metrics"]).unwrap().expect_code(0);
    assert!(told.stdout.contains("orchestrator_build_info{version="), "{told}");
}
