use orchestrator_sdk::testing::MockHost;
use serde_json::{Value, json};

use super::*;

fn host() -> MockHost {
    let host = MockHost::new().with_site("bank").with_site("shop").with_folder("work");
    host.site("bank").write("outbox/a.csv", "1\n2\n3\n");
    host.site("bank").write("outbox/a.csv.count", "3\n");
    host.site("bank").write("outbox/b.csv", "1\n2");
    host.site("bank").write("outbox/readme.txt", "not for us");
    host
}

fn input() -> Value {
    json!({"site_in": "bank", "from": "outbox", "site_out": "shop", "to": "inbox", "work": "work/bank"})
}

#[test]
fn files_are_carried_checked_and_renamed_once() {
    let host = host();
    let report = host.run(run, input()).unwrap();
    assert_eq!(report, Report { files: 2, bytes: 9, records: 5 });
    assert_eq!(host.site("shop").paths(), ["inbox", "inbox/a.csv", "inbox/b.csv"]);
    assert_eq!(host.folder("work").paths(), ["bank"], "nothing is left in between");
    let left = host.site("bank").paths();
    assert_eq!(left.iter().filter(|path| path.ends_with("-a.csv") || path.ends_with("-b.csv")).count(), 2);
    assert_eq!((host.count("ftp.rename"), host.count("ftp.upload")), (2, 2));
    assert_eq!(host.run(run, input()).unwrap(), Report::default());
}

#[test]
fn a_wrong_number_of_records_leaves_the_file_and_fails_the_run() {
    let host = host();
    host.site("bank").write("outbox/a.csv.count", "4");
    host.site("bank").write("outbox/c.csv", "");
    let error = host.run(run, input()).unwrap_err();
    assert!(error.is("verify.records"));
    assert_eq!(
        error.message,
        "1 carried, and rejected for their number of records: outbox/a.csv, outbox/c.csv"
    );
    assert_eq!(host.site("shop").paths(), ["inbox", "inbox/b.csv"]);
    assert!(host.site("bank").read("outbox/a.csv").is_some());
}

#[test]
fn what_goes_wrong_on_a_server_ends_the_run_before_the_rename() {
    let host = host();
    host.fail("ftp.upload", "", Error::new("ftp.no-space", "552"));
    assert!(host.run(run, input()).unwrap_err().is("ftp.no-space"));
    assert_eq!(host.count("ftp.rename"), 0);
    assert_eq!(host.run(run, input()).unwrap().files, 2, "the next run carries it");
}

#[test]
fn a_control_file_without_a_number_rejects_its_file() {
    let host = host();
    host.site("bank").write("outbox/a.csv.count", "three");
    assert!(host.run(run, input()).unwrap_err().is("verify.records"));
}
