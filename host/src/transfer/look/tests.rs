//! Looking at a site, with repeats.

use std::time::Duration;

use crate::model::{FaultCode, RemotePath};
use crate::transfer::fake::Rig;
use crate::transfer::{ListItem, Stop};

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

async fn list(rig: &Rig, folder: &str, glob: Option<&str>, recursive: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut sink = |item| match item {
        ListItem::Entry(entry) => names.push(entry.path),
        ListItem::Unparsed(line) => panic!("{line}"),
    };
    rig.transfers().list(&rig.site, &path(folder), glob, recursive, &mut sink).await.unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn lists_are_filtered_and_go_down_where_asked() {
    let rig = Rig::new();
    for name in ["in/a.csv", "in/b.txt", "in/sub/c.csv", "in/sub/deep/d.csv", "other/e.csv"] {
        rig.server.put(name, b"");
    }
    rig.server.state().dirs.extend(["in", "in/sub", "in/sub/deep", "other"].map(str::to_owned));
    assert_eq!(list(&rig, "in", None, false).await, ["in/a.csv", "in/b.txt", "in/sub"]);
    assert_eq!(list(&rig, "in", Some("*.csv"), false).await, ["in/a.csv"]);
    assert_eq!(
        list(&rig, "in", Some("*.csv"), true).await,
        ["in/a.csv", "in/sub/c.csv", "in/sub/deep/d.csv"]
    );
    assert_eq!(list(&rig, "in", Some("sub/*"), true).await, ["in/sub/c.csv", "in/sub/deep"]);
    assert_eq!(list(&rig, "", Some("other/**"), true).await, ["other/e.csv"]);
}

#[tokio::test]
async fn a_listing_that_breaks_off_gives_no_entry_twice() {
    let rig = Rig::new();
    for n in 0..10 {
        rig.server.put(&format!("f{n}"), b"");
    }
    rig.server.state().faults.broken_lists = 2;
    assert_eq!(list(&rig, "", None, false).await.len(), 10);
}

#[tokio::test]
async fn a_missing_folder_is_a_fault_and_no_empty_list() {
    let rig = Rig::new();
    let transfers = rig.transfers();
    let listed = transfers.list(&rig.site, &path("none"), None, false, &mut |_| {}).await;
    assert_eq!(listed.unwrap_err().code, FaultCode::FtpNotFound);
}

#[tokio::test]
async fn waiting_ends_when_a_file_has_settled_or_time_is_up() {
    let rig = Rig::new();
    let (transfers, stop) = (rig.transfers(), Stop::new());
    let file = path("a");
    let (settle, timeout) = (Duration::from_secs(5), Duration::from_secs(60));
    let wait = transfers.wait_for(&rig.site, &file, settle, timeout, &stop);
    assert_eq!(wait.await.unwrap(), None);
    rig.server.put("a", b"there");
    let wait = transfers.wait_for(&rig.site, &file, settle, timeout, &stop);
    assert_eq!(wait.await.unwrap().unwrap().size.unwrap().0, 5);
    stop.interrupt();
    let wait = transfers.wait_for(&rig.site, &file, settle, timeout, &stop);
    assert_eq!(wait.await.unwrap_err().code, FaultCode::RunInterrupted);
}

#[tokio::test]
async fn small_files_are_read_whole_or_not_at_all() {
    let rig = Rig::new();
    rig.server.put("a", b"content");
    let transfers = rig.transfers();
    rig.server.state().faults.truncate = Some(3);
    assert_eq!(transfers.read_small(&rig.site, &path("a"), 7).await.unwrap(), b"content");
    let fault = transfers.read_small(&rig.site, &path("a"), 6).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FileTooLarge);
    let fault = transfers.read_small(&rig.site, &path("none"), 6).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpNotFound);
}
