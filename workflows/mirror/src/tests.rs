use orchestrator_sdk::clock::Timestamp;
use orchestrator_sdk::testing::MockHost;
use serde_json::{Value, json};

use super::*;

fn host() -> MockHost {
    let host = MockHost::new().with_site("acme").with_folder("got");
    for (path, content) in [
        ("out/a.csv", "1"),
        ("out/b c.txt", "22"),
        ("out/sub/deep/x.csv", "333"),
        ("out/sub.csv", "4444"),
        ("out/über/é.csv", ""),
        ("other/z", "no"),
    ] {
        host.site("acme").write(path, content);
    }
    host.site("acme").make_dir("out/empty");
    host
}

fn pull() -> Value {
    json!({"site": "acme", "from": "/out/", "to": "got/acme", "parallel": "2"})
}

#[test]
fn a_pull_copies_the_tree_with_its_empty_folders() {
    let host = host();
    let report = host.run(run, pull()).unwrap();
    assert_eq!((report.files, report.bytes, report.seen.folders, report.seen.unchanged), (5, 10, 4, 0));
    assert_eq!(report.proofs[&Proof::SizeOnly], 5);
    assert_eq!(
        host.folder("got").paths(),
        [
            "acme",
            "acme/a.csv",
            "acme/b c.txt",
            "acme/empty",
            "acme/sub",
            "acme/sub.csv",
            "acme/sub/deep",
            "acme/sub/deep/x.csv",
            "acme/über",
            "acme/über/é.csv",
        ]
    );
    assert_eq!(host.folder("got").read("acme/sub/deep/x.csv").unwrap(), b"333");
}

#[test]
fn a_second_run_moves_only_what_changed() {
    let host = host();
    host.run(run, pull()).unwrap();
    let again = host.run(run, pull()).unwrap();
    assert_eq!((again.files, again.seen.unchanged, again.seen.folders), (0, 5, 0));
    host.site("acme").write_at("out/a.csv", "9", Timestamp(host.now().0 + 5_000));
    host.site("acme").write("out/sub.csv", "55555");
    host.site("acme").write("out/new/n", "1");
    let third = host.run(run, pull()).unwrap();
    assert_eq!((third.files, third.seen.unchanged, third.seen.folders), (3, 3, 1));
    assert_eq!(host.folder("got").read("acme/a.csv").unwrap(), b"9");
}

#[test]
fn a_push_is_the_same_the_other_way_round() {
    let host = host();
    host.run(run, pull()).unwrap();
    let input = json!({"site": "acme", "from": "got/acme", "to": "back", "direction": "push"});
    let report = host.run(run, input.clone()).unwrap();
    assert_eq!((report.files, report.seen.folders), (5, 4));
    assert_eq!(host.site("acme").read("back/über/é.csv").unwrap(), b"");
    assert_eq!(host.run(run, input).unwrap().seen.unchanged, 5);
}

#[test]
fn a_glob_takes_matching_files_and_the_folders_that_they_need() {
    let host = host();
    let mut input = pull();
    input["glob"] = json!("*.csv");
    let report = host.run(run, input).unwrap();
    assert_eq!(report.files, 4);
    assert_eq!(
        host.folder("got").paths(),
        [
            "acme",
            "acme/a.csv",
            "acme/sub",
            "acme/sub.csv",
            "acme/sub/deep",
            "acme/sub/deep/x.csv",
            "acme/über",
            "acme/über/é.csv"
        ]
    );
}

#[test]
fn one_failed_file_does_not_stop_the_others_but_fails_the_run() {
    let host = host();
    host.fail("ftp.download", "out/a.csv", Error::new("ftp.denied", "downloading out/a.csv: no"));
    let error = host.run(run, pull()).unwrap_err();
    assert!(error.is("ftp.denied"));
    assert_eq!(error.message, "1 files failed and 4 were copied; the first: downloading out/a.csv: no");
    assert_eq!(host.log(), ["warn not copied: downloading out/a.csv: no path=out/a.csv"]);
    assert_eq!(host.run(run, pull()).unwrap().files, 1);
}

#[test]
fn links_and_unreadable_lines_are_told_of() {
    let host = host();
    host.site("acme").link("out/link");
    host.site("acme").garble("?????");
    let report = host.run(run, pull()).unwrap();
    assert_eq!((report.files, report.seen.ignored, report.seen.unparsed), (5, 1, 1));
    assert_eq!(host.log(), ["warn a line of the listing isn't understood line=?????"]);
}

#[test]
fn a_missing_source_or_a_wrong_input_fails_the_run() {
    let mut input = pull();
    input["from"] = json!("none");
    assert!(host().run(run, input).unwrap_err().is("ftp.not-found"));
    let mut input = pull();
    input["direction"] = json!("sideways");
    assert!(host().run(run, input).unwrap_err().message.contains("`direction` doesn't fit"));
}

#[test]
fn many_files_are_moved_in_bounded_slices() {
    let host = MockHost::new().with_site("acme").with_folder("got");
    for n in 0..5_000 {
        host.site("acme").write(&format!("out/{:02}/{n:04}", n % 50), "x");
    }
    let report = host.run(run, pull()).unwrap();
    assert_eq!((report.files, report.seen.folders), (5_000, 50));
    assert_eq!(host.run(run, pull()).unwrap().seen.unchanged, 5_000);
}
