use orchestrator_sdk::testing::MockHost;
use serde_json::{Value, json};

use super::*;

/// The digest of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn host() -> MockHost {
    let host = MockHost::new().with_site("bank").with_site("shop");
    host.site("bank").write("outbox/a", "hello");
    host.site("bank").write("outbox/b", "12345678");
    host
}

fn input(sidecar: Option<&str>) -> Value {
    json!({"site_in": "bank", "from": "outbox", "site_out": "shop", "to": "inbox", "sidecar": sidecar})
}

#[test]
fn files_are_copied_and_renamed_once() {
    let host = host();
    let report = host.run(run, input(None)).unwrap();
    assert_eq!(report, Report { files: 2, bytes: 13, waiting: 0 });
    assert_eq!(host.site("shop").paths(), ["inbox", "inbox/a", "inbox/b"]);
    assert_eq!((host.count("ftp.copy"), host.count("ftp.rename")), (2, 2));
    assert_eq!(host.run(run, input(None)).unwrap(), Report::default());
}

#[test]
fn with_sidecars_only_what_is_complete_and_right_is_relayed() {
    let host = host();
    host.site("bank").write("outbox/a.sha256", format!("{HELLO}  a\n"));
    let report = host.run(run, input(Some("sha256"))).unwrap();
    assert_eq!(report, Report { files: 1, bytes: 5, waiting: 1 });
    assert_eq!(host.site("shop").paths(), ["inbox", "inbox/a", "inbox/a.sha256"]);
    host.site("bank").write("outbox/b.sha256", format!("{HELLO}  b\n"));
    assert!(host.run(run, input(Some("sha256"))).unwrap_err().is("verify.digest"));
    assert!(host.site("bank").read("outbox/b").is_some(), "it stays where it is");
}

#[test]
fn what_goes_wrong_at_the_target_leaves_the_source() {
    let host = host();
    host.fail("ftp.copy", "", Error::new("ftp.no-space", "site shop: 552"));
    assert!(host.run(run, input(None)).unwrap_err().is("ftp.no-space"));
    assert_eq!(host.count("ftp.rename"), 0);
    assert_eq!(host.run(run, input(None)).unwrap().files, 2, "the next run copies it");
}
