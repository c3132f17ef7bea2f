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
    input["include"] = json!("*.csv");
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
fn what_is_excluded_is_neither_copied_nor_deleted() {
    let host = host();
    for path in ["acme/old.csv", "acme/own/deep/x", "acme/own/y.csv", "acme/gone/x", "acme/gone/tmp/y"] {
        host.folder("got").write(path, "mine");
    }
    let mut input = pull();
    input["exclude"] = json!(["sub/", "tmp/", "own/y.csv"]);
    input["delete"] = json!("extra");
    let report = host.run(run, input).unwrap();
    // `sub`, with what is in it, isn't looked into.
    assert_eq!((report.files, report.seen.folders), (4, 2));
    // The folders `own` and `gone` still hold what is excluded.
    assert_eq!((report.deleted, report.kept), (4, 2));
    assert_eq!(
        host.folder("got").paths(),
        [
            "acme",
            "acme/a.csv",
            "acme/b c.txt",
            "acme/empty",
            "acme/gone",
            "acme/gone/tmp",
            "acme/gone/tmp/y",
            "acme/own",
            "acme/own/y.csv",
            "acme/sub.csv",
            "acme/über",
            "acme/über/é.csv",
        ]
    );
}

#[test]
fn deletes_come_last_and_only_within_their_bound() {
    let host = host();
    for n in 0..3 {
        host.folder("got").write(&format!("acme/none/{n}"), "mine");
    }
    let mut input = pull();
    input["delete"] = json!("extra");
    input["max_delete"] = json!(3);
    let error = host.run(run, input.clone()).unwrap_err();
    assert_eq!((error.code.as_str(), host.count("files.remove")), ("mirror.max-delete", 0));
    input["max_delete"] = json!(4);
    host.site("acme").write("out/new", "1");
    host.fail("ftp.download", "out/new", Error::new("ftp.denied", "no"));
    assert!(host.run(run, input.clone()).unwrap_err().is("ftp.denied"));
    assert_eq!(host.count("files.remove"), 0, "not all was copied");
    host.site("acme").garble("?????");
    assert!(host.run(run, input.clone()).unwrap_err().is("mirror.unparsed"));
    assert_eq!(host.count("files.remove"), 0, "it may be one of them");
    let push = json!({"site": "acme", "from": "got/acme", "to": "out", "direction": "push",
        "delete": "extra", "exclude": "none/"});
    host.site("acme").write("out/more/x", "1");
    let report = host.run(run, push).unwrap();
    assert_eq!((report.deleted, report.kept, host.count("ftp.remove-dir")), (2, 0, 1));
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let host = host();
    host.folder("got").write("acme/none", "mine");
    let mut input = pull();
    input["dry_run"] = json!("true");
    input["delete"] = json!("extra");
    let report = host.run(run, input).unwrap();
    assert_eq!((report.files, report.bytes, report.seen.folders, report.deleted), (5, 10, 4, 1));
    assert!(report.dry_run && host.log().contains(&"info would delete path=got/acme/none".to_owned()));
    assert_eq!(host.folder("got").paths(), ["acme", "acme/none"]);
    let calls = host.calls();
    assert!(
        calls.iter().all(|call| call.starts_with("ftp.open") || call.contains(".list-dir ")),
        "{calls:?}"
    );
}

#[test]
fn young_files_wait_and_targets_are_left_as_they_should_be() {
    let host = host();
    host.site("acme").write_at("out/a.csv", "new", Timestamp(host.now().0 - 60_000));
    host.folder("got").write("acme/a.csv", "old");
    host.folder("got").write("acme/sub.csv", "mine");
    let mut input = pull();
    (input["min_age"], input["delete"]) = (json!("10m"), json!("extra"));
    input["if_exists"] = json!("skip");
    let report = host.run(run, input).unwrap();
    assert_eq!((report.files, report.left, report.deleted), (3, 0, 0));
    assert_eq!((report.seen.young, report.seen.unchanged), (1, 1), "sub.csv has its size and isn't older");
    host.folder("got").write_at("acme/sub.csv", "mine, too", Timestamp(0));
    let mut input = pull();
    input["if_exists"] = json!("skip");
    let report = host.run(run, input).unwrap();
    assert_eq!((report.files, report.left), (0, 2));
    assert_eq!(host.folder("got").read("acme/a.csv").unwrap(), b"old");
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
