//! Looking at a site, with repeats.

use crate::model::{FaultCode, RemotePath, Select};
use crate::transfer::ListItem;
use crate::transfer::fake::Rig;

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

async fn list(rig: &Rig, folder: &str, glob: Option<&str>, recursive: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut sink = |item| match item {
        ListItem::Entry(entry) => names.push(entry.path),
        ListItem::Unparsed(line) => panic!("{line}"),
    };
    rig.transfers().list(&rig.site, &path(folder), &Select::of(glob, recursive), &mut sink).await.unwrap();
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

/// It isn't even asked for: a folder that can't be entered would fail the listing.
#[tokio::test]
async fn an_excluded_folder_isnt_looked_into() {
    let rig = Rig::new();
    rig.server.put("in/a.csv", b"");
    rig.server.state().dirs.extend(["in", "in/sub"].map(str::to_owned));
    let own = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>();
    for (exclude, lists) in [(own(&[]), 2), (own(&["sub/"]), 1), (own(&["*.csv", "in/sub"]), 2)] {
        let select = Select { include: Vec::new(), exclude: exclude.clone(), recursive: true };
        let before = rig.server.state().lists;
        rig.transfers().list(&rig.site, &path("in"), &select, &mut |_| {}).await.unwrap();
        assert_eq!(rig.server.state().lists - before, lists, "{exclude:?}");
    }
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
    let listed = transfers.list(&rig.site, &path("none"), &Select::of(None, false), &mut |_| {}).await;
    assert_eq!(listed.unwrap_err().code, FaultCode::FtpNotFound);
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
