//! `site copy`, from one server to another.

use crate::embedded::Embedded;
use crate::support::{document, environment};

#[test]
fn a_file_is_copied_from_site_to_site_and_a_failure_names_its_side() {
    let (from, to) = (Embedded::start(false), Embedded::start(true));
    let mut environment = environment();
    environment.configure(&from.site("from")).unwrap();
    environment.configure(&to.site("to")).unwrap();
    std::fs::create_dir(from.root().join("in")).unwrap();
    std::fs::write(from.root().join("in/a b"), "hello").unwrap();

    let copied =
        environment.run(&["site", "copy", "from:in/a b", "to:out/", "-o", "json"]).unwrap().expect_code(0);
    let told = document(&copied);
    assert_eq!((&told["receipt"]["bytes"], &told["remote"]), (&5.into(), &"out/a b".into()), "{copied}");
    assert_eq!(std::fs::read(to.root().join("out/a b")).unwrap(), b"hello");
    assert!(from.root().join("in/a b").exists(), "the source stays");

    for (source, target, words) in [
        ("from:none", "to:out/none", "site from: "),
        ("from:in/a b", "from:in/a b", "onto itself"),
        ("from:", "to:out/", "the path of a file is missing"),
    ] {
        let refused = environment.run(&["site", "copy", source, target]).unwrap().expect_stderr(words);
        assert_ne!(refused.code, Some(0), "{refused}");
    }
}
