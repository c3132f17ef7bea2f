//! The API with a node that needs no store.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request as HttpRequest, Response, StatusCode, header};
use futures::StreamExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc, watch};
use tower::ServiceExt;

use super::app::App;
use super::router::{openapi, router, routes};
use crate::clock::SystemClock;
use crate::config::{Config, Environment, Flags};
use crate::model::{ByteCount, ItemId, Role, RunEvent, RunId, RunOutcome, StepSeq, Timestamp, TransferId};
use crate::node::{Check, Entry, Error, Health, Process, Reply, Request, RunRef, Serve};

const RUN: &str = "00000000000000000000000000";

/// Knows one run, of four entries, which is live: its last two come while it is watched.
struct OneRun {
    /// Requests wait for one of these.
    gate: Arc<Semaphore>,
}

fn run() -> RunId {
    RunId::new(Timestamp(0), [0; 10])
}

fn entry(seq: u64) -> Entry {
    let kind = if seq == 4 { "ended" } else { "step-finished" };
    Entry { seq, at: Timestamp(0), kind: kind.to_owned(), step: Some(StepSeq(seq)), detail: Value::Null }
}

fn known(which: &RunRef) -> Result<(), Box<Reply>> {
    match which {
        RunRef::Prefix(text) if text == RUN => Ok(()),
        _ => Err(Box::new(Reply::Error { error: Error::NoSuchRun { wanted: "x".to_owned() } })),
    }
}

#[async_trait]
impl Serve for OneRun {
    async fn serve(&self, request: Request, replies: mpsc::Sender<Reply>, _: watch::Receiver<bool>) {
        let _permit = self.gate.acquire().await.unwrap();
        let watched = matches!(request, Request::Watch { .. });
        let last = match request {
            Request::List { .. } | Request::Purge { .. } => Reply::Runs { runs: Vec::new() },
            Request::Submit { .. } => Reply::Begun { run: run(), again: false },
            Request::History { run: which, from, max } => match known(&which) {
                Ok(()) => {
                    let there = if from <= 2 { 2 } else { 4 };
                    let entries: Vec<Entry> = (from..=there).take(max).map(entry).collect();
                    Reply::Entries { run: run(), entries, next: None }
                }
                Err(reply) => *reply,
            },
            Request::Watch { .. } => {
                let _ = replies.send(Reply::Accepted { run: run() }).await;
                let transfer = TransferId { step: StepSeq(3), item: ItemId(0) };
                let event = RunEvent::TransferProgress { transfer, done: ByteCount(5), total: None };
                let _ = replies.send(Reply::Event { event }).await;
                Reply::Outcome { run: run(), outcome: RunOutcome::Cancelled }
            }
            Request::Show { run: which }
            | Request::Resume { run: which, .. }
            | Request::Cancel { run: which } => {
                known(&which).err().map_or(Reply::Accepted { run: run() }, |reply| *reply)
            }
            Request::Servers { .. } => Reply::Servers { servers: Vec::new() },
            Request::TestSite { .. } => Reply::Tested { servers: Vec::new() },
            Request::Metrics => Reply::Metrics { text: "# nothing\n".to_owned() },
            Request::Health => Reply::Health { health: Box::new(health()) },
            _ => Reply::Error { error: Error::unanswered() },
        };
        assert!(!watched || matches!(last, Reply::Outcome { .. }));
        let _ = replies.send(last).await;
    }
}

fn health() -> Health {
    Health {
        process: Process::default(),
        version: "0".to_owned(),
        uptime_ms: 0,
        state: "/secret/place".into(),
        state_bytes: 0,
        state_free_bytes: 0,
        runs_live: 0,
        sites: Vec::new(),
        checks: vec![Check { name: "disk".to_owned(), ok: false, detail: "full".to_owned() }],
    }
}

fn config(text: &str) -> Arc<Config> {
    let environment = Environment::new([("HOME".into(), "/h".into())]);
    let (flags, file) = (Flags::default(), Path::new("/etc/o.toml"));
    Arc::new(Config::from_text(text, Some(file), &flags, &environment, Path::new("/")).unwrap())
}

struct Api {
    router: Router,
    gate: Arc<Semaphore>,
}

impl Api {
    fn new(text: &str) -> Self {
        let gate = Arc::new(Semaphore::new(1000));
        let node = Arc::new(OneRun { gate: gate.clone() });
        let (_, config) = watch::channel(config(text));
        let address: SocketAddr = "127.0.0.1:8420".parse().unwrap();
        let app = App::new(node, config, Arc::new(SystemClock::new()), address);
        Self { router: router(app), gate }
    }

    async fn ask(&self, request: HttpRequest<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        document(self.ask(request(Method::GET, path, None, "")).await).await
    }
}

async fn document(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 22).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn request(method: Method, path: &str, token: Option<&str>, body: &str) -> HttpRequest<Body> {
    let mut request = HttpRequest::builder().method(method).uri(path).header(header::HOST, "localhost:8420");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

fn tokens() -> String {
    [Role::Read, Role::Run, Role::Admin]
        .map(|role| {
            let digest = Sha256::digest(format!("token of {role}"));
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("[server.token.{role}]\nrole = '{role}'\nsha256 = '{hex}'\n")
        })
        .concat()
}

/// All routes with their methods, as the API describes them.
fn described() -> BTreeSet<(String, String)> {
    let api = serde_json::to_value(openapi()).unwrap();
    let paths = api["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        let methods: Vec<_> =
            item.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase())).collect();
        methods
    };
    paths.iter().flat_map(methods).collect()
}

#[tokio::test]
async fn every_route_is_described_and_lets_in_who_may() {
    let described = described();
    // The description itself is the one route that it leaves out.
    assert_eq!(described.len() + 1, routes().len(), "{described:?}");
    let api = Api::new(&format!("[server]\nrequests_per_second = 100000\n{}", tokens()));
    for (path, method) in &described {
        let least = routes().into_iter().find(|(route, role, _)| {
            // A path with several methods has one row for each; the one that changes nothing comes first.
            route == path && (method == "GET" || *role != Some(Role::Read))
        });
        let (_, least, _) = least.unwrap_or_else(|| panic!("{method} {path} is in no row"));
        let path = path.replace("{run}", RUN).replace("{name}", "x");
        let method: Method = method.parse().unwrap();
        let status = async |token: Option<&str>| {
            let body = if method == Method::POST { r#"{"workflow": "x"}"# } else { "" };
            api.ask(request(method.clone(), &path, token, body)).await.status()
        };
        let Some(least) = least else {
            assert!(!matches!(status(None).await, StatusCode::UNAUTHORIZED), "{path}");
            continue;
        };
        assert_eq!(status(None).await, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(status(Some("token of nobody")).await, StatusCode::UNAUTHORIZED, "{method} {path}");
        for role in [Role::Read, Role::Run, Role::Admin] {
            let seen = status(Some(&format!("token of {role}"))).await;
            assert_eq!(seen == StatusCode::FORBIDDEN, role < least, "{method} {path} as {role}: {seen}");
            assert!(
                seen != StatusCode::METHOD_NOT_ALLOWED && seen != StatusCode::UNAUTHORIZED,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_problem_has_a_code_and_a_hint() {
    let api = Api::new("");
    let (status, problem) = api.get("/v1/runs/01X").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("run.not-found")));
    assert!(problem["hint"].is_string(), "{problem}");
    for (path, status, code) in [
        ("/nowhere", StatusCode::NOT_FOUND, "http.not-found"),
        ("/v1/purge", StatusCode::METHOD_NOT_ALLOWED, "http.not-found"),
        ("/v1/runs?limit=0", StatusCode::BAD_REQUEST, "call.invalid"),
        ("/v1/runs?limit=x", StatusCode::BAD_REQUEST, "call.invalid"),
        ("/v1/runs?status=lost", StatusCode::BAD_REQUEST, "call.invalid"),
        ("/v1/runs?color=red", StatusCode::BAD_REQUEST, "call.invalid"),
        ("/v1/runs?before=01", StatusCode::BAD_REQUEST, "call.invalid"),
        ("/v1/sites/nobody", StatusCode::NOT_FOUND, "config.invalid"),
        ("/v1/workflows/..%2fx", StatusCode::NOT_FOUND, "workflow.not-found"),
    ] {
        let (seen, problem) = api.get(path).await;
        assert_eq!((seen, problem["code"].as_str()), (status, Some(code)), "{path}: {problem}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_and_read_strictly() {
    let api = Api::new("");
    let large = format!(r#"{{"workflow": "{}"}}"#, "x".repeat(1 << 20));
    let purge = |body: &str| request(Method::POST, "/v1/purge", None, body);
    let submit = |body: &str| request(Method::POST, "/v1/runs", None, body);
    for (request, status) in [
        (submit(&large), StatusCode::PAYLOAD_TOO_LARGE),
        (submit("{"), StatusCode::BAD_REQUEST),
        (submit(r#"{"workflow": "x", "color": "red"}"#), StatusCode::BAD_REQUEST),
        (submit(r#"{"workflow": 3}"#), StatusCode::BAD_REQUEST),
        (purge("{}"), StatusCode::BAD_REQUEST),
        (purge(r#"{"older_than": "soon"}"#), StatusCode::BAD_REQUEST),
        (purge(r#"{"older_than": "30d"}"#), StatusCode::OK),
    ] {
        assert_eq!(document(api.ask(request).await).await.0, status);
    }
    let mut form = submit("a=b");
    form.headers_mut().insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
    assert_eq!(api.ask(form).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn only_admins_name_workflows_by_path_and_folders_at_will() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(place.join("granted/in")).unwrap();
    std::fs::create_dir(place.join("other")).unwrap();
    std::fs::write(place.join("mirror.wasm"), b"").unwrap();
    std::os::unix::fs::symlink(place.join("other"), place.join("granted/link")).unwrap();
    let text = format!(
        "[server]\nworkflows = '{0}'\nfolders = ['{0}/granted']\nrequests_per_second = 1000\n{1}",
        place.display(),
        tokens()
    );
    let api = Api::new(&text);
    let submit = async |role: Role, workflow: &str, path: &str| {
        let body = json!({ "workflow": workflow, "folders": [{ "name": "d", "path": place.join(path) }] });
        let token = format!("token of {role}");
        api.ask(request(Method::POST, "/v1/runs", Some(&token), &body.to_string())).await.status()
    };
    let absolute = place.join("mirror.wasm").display().to_string();
    for (role, workflow, path, status) in [
        (Role::Run, "mirror", "granted", 201),
        (Role::Run, "mirror.wasm", "granted/in", 201),
        (Role::Run, "mirror", "other", 403),
        (Role::Run, "mirror", "granted/link", 403),
        (Role::Run, "mirror", "granted/../other", 403),
        (Role::Run, "mirror", "nothing", 403),
        (Role::Run, absolute.as_str(), "granted", 403),
        (Role::Run, "../mirror", "granted", 404),
        (Role::Run, "other", "granted", 404),
        (Role::Admin, absolute.as_str(), "other", 201),
        (Role::Admin, "mirror", "nothing", 403),
    ] {
        let seen = submit(role, workflow, path).await.as_u16();
        assert_eq!(seen, status, "{role} {workflow} {path}");
    }
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let api = Api::new(&format!("[server]\nrequests_per_second = 1\n{}", tokens()));
    let get = async |token: &str| api.ask(request(Method::GET, "/v1/runs", Some(token), "")).await;
    for _ in 0..2 {
        assert_eq!(get("token of read").await.status(), StatusCode::OK);
    }
    let refused = get("token of read").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(get("token of admin").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_full_process_sheds_load_and_still_lives() {
    let api = Api::new("[server]\nrequests_per_second = 100000");
    // Nothing is answered any more, so that requests pile up.
    let held = api.gate.clone().acquire_many_owned(1000).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let router = api.router.clone();
        waiting.push(tokio::spawn(router.oneshot(request(Method::GET, "/v1/runs", None, ""))));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = api.ask(request(Method::GET, "/v1/runs", None, "")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(api.ask(request(Method::GET, "/livez", None, "")).await.status(), StatusCode::OK);
    drop(held);
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn probes_say_how_it_is_and_no_more() {
    let api = Api::new(&tokens());
    let (status, ready) = api.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready["checks"][0], json!({ "name": "disk", "ok": false }));
    assert!(!ready.to_string().contains("secret"), "{ready}");
    let response = api.ask(request(Method::GET, "/livez", None, "")).await;
    assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let api = Api::new("");
    let stream = async |last: Option<&str>| {
        let mut request = request(Method::GET, &format!("/v1/runs/{RUN}/events"), None, "");
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse().unwrap());
        }
        let response = api.ask(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut text = String::new();
        let mut body = response.into_body().into_data_stream();
        while let Some(part) = body.next().await {
            text.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
        }
        text
    };
    let ids = |text: &str| {
        let ids = text.lines().filter_map(|line| line.strip_prefix("id:")).map(|id| id.trim().parse::<u64>());
        ids.map(Result::unwrap).collect::<Vec<_>>()
    };
    let whole = stream(None).await;
    assert_eq!(ids(&whole), [1, 2, 3, 4], "{whole}");
    assert!(whole.contains("transfer-progress") && whole.contains(r#""done":5"#), "{whole}");
    assert!(whole.trim_end().ends_with("data: {}") && whole.contains("event: end"), "{whole}");
    assert_eq!(ids(&stream(Some("1")).await), [2, 3, 4]);
    assert_eq!(ids(&stream(Some("3")).await), [4]);
    let (status, _) = api.get("/v1/runs/01X/events").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn streams_are_bounded_and_their_places_come_back() {
    let api = Api::new("[server]\nrequests_per_second = 100000");
    let open = async || api.ask(request(Method::GET, &format!("/v1/runs/{RUN}/events"), None, "")).await;
    for _ in 0..2_000 {
        // Closed at once by whoever opened it.
        let opened = open().await;
        drop(opened);
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(open().await.status(), StatusCode::OK);
}
