//! The socket, with a desk that needs no store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::client::{Client, Found};
use super::server::{Serve, Server};
use super::wire::Hello;
use super::{Access, Error, Hold, Reply, Request, address, frame};

/// Answers a list at once; a cancel only once it is interrupted.
#[derive(Default)]
struct Desk {
    served: AtomicUsize,
    interrupted: AtomicBool,
}

#[async_trait]
impl Serve for Desk {
    async fn serve(
        &self,
        request: Request,
        replies: mpsc::Sender<Reply>,
        mut interrupted: watch::Receiver<bool>,
    ) {
        if matches!(request, Request::Cancel { .. }) && interrupted.wait_for(|now| *now).await.is_ok() {
            self.interrupted.store(true, Ordering::SeqCst);
        }
        let _ = replies.send(Reply::Runs { runs: Vec::new() }).await;
        self.served.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Hold for Desk {
    async fn stop(&self) {}
}

const LIST: Request = Request::List { statuses: Vec::new(), workflow: None, before: None, max: 3 };

fn slow() -> Request {
    Request::Cancel { run: super::RunRef::Last }
}

async fn client(state: &Path) -> Client {
    match Client::find(state).await {
        Ok(Found::Client(client)) => client,
        _ => panic!("nobody listens"),
    }
}

#[tokio::test]
async fn a_request_goes_over_and_its_replies_come_back() {
    let state = tempfile::tempdir().unwrap();
    let desk = Arc::new(Desk::default());
    let server = Server::start(state.path(), desk.clone()).unwrap();
    let client = client(state.path()).await;
    let mut replies = client.ask(LIST, watch::channel(false).1);
    assert_eq!(replies.recv().await, Some(Reply::Runs { runs: Vec::new() }));
    assert_eq!(replies.recv().await, None);
    server.close().await;
    assert_eq!(desk.served.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_holder_stays_until_its_last_request_is_done() {
    let state = tempfile::tempdir().unwrap();
    let desk = Arc::new(Desk::default());
    let server = Server::start(state.path(), desk.clone()).unwrap();
    let (interrupt, interrupted) = watch::channel(false);
    let mut replies = client(state.path()).await.ask(slow(), interrupted);
    let closing = tokio::time::timeout(Duration::from_millis(100), server.close()).await;
    assert!(closing.is_err(), "it closed over a request");
    interrupt.send_replace(true);
    assert!(replies.recv().await.is_some_and(|reply| reply.is_last()));
    server.close().await;
    assert!(desk.interrupted.load(Ordering::SeqCst));
    assert!(matches!(Client::find(state.path()).await, Ok(Found::Nobody)), "a closed desk took a request");
}

#[tokio::test]
async fn a_client_that_is_killed_does_not_end_its_request() {
    let state = tempfile::tempdir().unwrap();
    let desk = Arc::new(Desk::default());
    let server = Server::start(state.path(), desk.clone()).unwrap();
    let mut stream = tokio::io::BufReader::new(address::connect(state.path()).await.unwrap());
    let hello: Hello = frame::read(&mut stream).await.unwrap().unwrap();
    assert!(!hello.closing);
    frame::write(&mut stream, &super::wire::Say::Request { request: slow() }).await.unwrap();
    drop(stream);
    let closing = tokio::time::timeout(Duration::from_millis(100), server.close()).await;
    assert!(closing.is_err(), "the request ended with its client");
    assert_eq!(desk.served.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stale_socket_is_nobody_and_is_replaced() {
    let state = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(state.path().join("socket")).unwrap());
    assert!(matches!(Client::find(state.path()).await, Ok(Found::Nobody)));
    let _server = Server::start(state.path(), Arc::new(Desk::default())).unwrap();
    client(state.path()).await;
}

#[tokio::test]
async fn the_socket_goes_with_its_server() {
    let state = tempfile::tempdir().unwrap();
    drop(Server::start(state.path(), Arc::new(Desk::default())).unwrap());
    assert!(!state.path().join("socket").exists());
}

#[tokio::test]
async fn a_path_longer_than_a_socket_address_works() {
    let state = tempfile::tempdir().unwrap();
    let deep = state.path().join("d".repeat(120)).join("e".repeat(60));
    std::fs::create_dir_all(&deep).unwrap();
    let _server = Server::start(&deep, Arc::new(Desk::default())).unwrap();
    client(&deep).await;
}

#[tokio::test]
async fn another_version_is_named() {
    let state = tempfile::tempdir().unwrap();
    let listener = address::listen(state.path()).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = Hello { protocol: 99, version: "9.9.9".to_owned(), pid: 4711, closing: false };
        frame::write(&mut stream, &hello).await.unwrap();
    });
    let error = Client::find(state.path()).await.err().unwrap();
    assert!(matches!(&error, Error::OtherVersion { pid: 4711, theirs, .. } if theirs == "9.9.9"), "{error}");
}

#[tokio::test]
async fn a_holder_that_dies_is_named() {
    let state = tempfile::tempdir().unwrap();
    let listener = address::listen(state.path()).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let hello = Hello { protocol: super::PROTOCOL, version: String::new(), pid: 4711, closing: false };
        frame::write(&mut stream, &hello).await.unwrap();
    });
    let mut replies = client(state.path()).await.ask(LIST, watch::channel(false).1);
    assert_eq!(replies.recv().await, Some(Reply::Error { error: Error::Lost { pid: 4711 } }));
}

#[tokio::test]
async fn the_second_command_talks_to_the_first() {
    let state = tempfile::tempdir().unwrap();
    let desk: Arc<Desk> = Arc::default();
    let open = async || Ok(desk.clone() as Arc<dyn Hold>);
    let refuse = async || panic!("the state was opened twice");
    let mut first = Access::open(state.path(), open).await.unwrap();
    let mut second = Access::open(state.path(), refuse).await.unwrap();
    assert!(matches!((&first, &second), (Access::Own(_), Access::Other(_))));
    for access in [&mut first, &mut second] {
        let reply = access.ask(LIST).await.unwrap().last().await;
        assert_eq!(reply, Ok(Reply::Runs { runs: Vec::new() }));
    }
    assert_eq!(desk.served.load(Ordering::SeqCst), 2);
    first.finish().await;
    drop(first);
    assert!(!state.path().join("socket").exists());
}

#[tokio::test]
async fn a_state_that_is_being_let_go_is_waited_for() {
    let state = tempfile::tempdir().unwrap();
    let desk: Arc<Desk> = Arc::default();
    let tries = AtomicUsize::new(0);
    let open = async || {
        if tries.fetch_add(1, Ordering::SeqCst) < 3 {
            return Err(Error::InUse { state: state.path().to_owned(), pid: Some(4711) });
        }
        Ok(desk.clone() as Arc<dyn Hold>)
    };
    assert!(matches!(Access::open(state.path(), open).await, Ok(Access::Own(_))));
    assert_eq!(tries.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_holder_that_does_not_answer_is_named() {
    let state = tempfile::tempdir().unwrap();
    // It takes connections and never says hello, as a stopped process does.
    let _listener = address::listen(state.path()).unwrap();
    let open = async || Err(Error::InUse { state: state.path().to_owned(), pid: Some(4711) });
    let error = Access::open(state.path(), open).await.err().unwrap();
    assert!(error.to_string().contains("in use by process 4711, which doesn't answer"), "{error}");
}
