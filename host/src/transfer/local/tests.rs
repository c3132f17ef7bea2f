//! Files in a granted folder, on a real file system.

use crate::model::{FaultCode, FileKind, HashAlgorithm, Select};
use crate::transfer::LocalRoot;

fn root() -> (tempfile::TempDir, LocalRoot) {
    let folder = tempfile::tempdir().unwrap();
    let root = LocalRoot::open("dir", folder.path()).unwrap();
    (folder, root)
}

#[tokio::test]
async fn files_are_written_whole_renamed_and_removed() {
    let (folder, root) = root();
    root.write_atomic("new/sub/a", b"one".to_vec()).await.unwrap();
    root.write_atomic("new/sub/a", b"another".to_vec()).await.unwrap();
    assert_eq!(root.read("new/sub/a", 0, 100).await.unwrap(), b"another");
    assert_eq!(root.read("new/sub/a", 2, 3).await.unwrap(), b"oth");
    assert_eq!(root.read("new/sub/a", 100, 3).await.unwrap(), b"");
    root.rename("new/sub/a", "b").await.unwrap();
    let found = root.stat("b").await.unwrap().unwrap();
    assert_eq!((found.path.as_str(), found.kind, found.size.unwrap().0), ("dir/b", FileKind::File, 7));
    root.remove("b").await.unwrap();
    assert_eq!(root.remove("b").await.unwrap_err().code, FaultCode::FileNotFound);
    assert_eq!(root.stat("b").await.unwrap(), None);
    assert_eq!(root.remove("new").await.unwrap_err().code, FaultCode::FileDenied);
    root.remove("new/sub").await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 0, "nothing is left beside");
}

#[tokio::test]
async fn writers_of_one_name_do_not_mix() {
    let (folder, root) = root();
    let writers = (0..16u8).map(|n| {
        let root = root.clone();
        async move { root.write_atomic("a", vec![n; 100_000]).await }
    });
    for written in futures::future::join_all(writers).await {
        written.unwrap();
    }
    let content = std::fs::read(folder.path().join("a")).unwrap();
    assert!(content.len() == 100_000 && content.iter().all(|byte| *byte == content[0]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn folders_are_made_with_those_above() {
    let (_folder, root) = root();
    root.make_dir("a/b/c").await.unwrap();
    root.make_dir("a/b/c").await.unwrap();
    root.write_atomic("file", Vec::new()).await.unwrap();
    assert_eq!(root.make_dir("file").await.unwrap_err().code, FaultCode::FileExists);
}

#[tokio::test]
async fn a_name_longer_than_the_file_system_takes_is_refused_by_name() {
    let (folder, root) = root();
    for name in ["x".repeat(256), "\u{e9}".repeat(128)] {
        let fault = root.write_atomic(&name, Vec::new()).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::FileBadName, "F46: {fault}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn nothing_leads_out_of_the_folder() {
    let (folder, root) = root();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), b"secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
    assert!(root.read("out/secret", 0, 9).await.is_err());
    assert!(root.write_atomic("out/new", b"x".to_vec()).await.is_err());
    assert!(root.list("out", &Select::of(None, false)).await.is_err());
    assert_eq!(root.read("link", 0, 9).await.unwrap_err().code, FaultCode::FileDenied);
    assert_eq!(root.stat("link").await.unwrap().unwrap().kind, FileKind::Link);
    for bad in ["../x", "a/../../x", "a\nb"] {
        assert_eq!(root.read(bad, 0, 9).await.unwrap_err().code, FaultCode::FileBadName, "{bad:?}");
    }
    // Writing replaces the link itself, as a rename does; what it pointed to stays.
    root.write_atomic("link", b"mine".to_vec()).await.unwrap();
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert!(!outside.path().join("new").exists());
}

#[tokio::test]
async fn lists_hashes_and_records() {
    let (_folder, root) = root();
    root.write_atomic("in/a.csv", b"one\ntwo\n".to_vec()).await.unwrap();
    root.write_atomic("in/sub/b.csv", b"one\ntwo\nthree".to_vec()).await.unwrap();
    root.write_atomic("in/c.txt", b"abc".to_vec()).await.unwrap();
    let names = |found: Vec<crate::model::FileInfo>| found.into_iter().map(|f| f.path).collect::<Vec<_>>();
    assert_eq!(
        names(root.list("in", &Select::of(None, false)).await.unwrap()),
        ["dir/in/a.csv", "dir/in/c.txt", "dir/in/sub"]
    );
    assert_eq!(
        names(root.list("", &Select::of(Some("*.csv"), true)).await.unwrap()),
        ["dir/in/a.csv", "dir/in/sub/b.csv"]
    );
    assert_eq!(root.list("none", &Select::of(None, false)).await.unwrap_err().code, FaultCode::FileNotFound);
    assert_eq!(root.count_records("in/a.csv").await.unwrap(), 2);
    assert_eq!(root.count_records("in/sub/b.csv").await.unwrap(), 3);
    let digest = root.hash("in/c.txt", HashAlgorithm::Sha1).await.unwrap();
    assert_eq!(digest.hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
}
