//! What a transfer does beside the content: sidecars that are checked and written, and modes that are kept.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::model::{FaultCode, HashAlgorithm, IfExists, Proof, TransferOptions};
use crate::transfer::fake::{Rig, noise, sha256};

const SHA256: HashAlgorithm = HashAlgorithm::Sha256;

fn checking() -> TransferOptions {
    TransferOptions { check_sidecar: Some(SHA256), ..TransferOptions::default() }
}

fn writing(algorithm: HashAlgorithm) -> TransferOptions {
    TransferOptions { write_sidecar: Some(algorithm), ..TransferOptions::default() }
}

/// A file on the server.
fn there(length: usize) -> (Rig, Vec<u8>) {
    let rig = Rig::new();
    let data = noise(length);
    rig.server.put("a.bin", &data);
    (rig, data)
}

/// A file in the folder.
fn here(length: usize) -> (Rig, Vec<u8>) {
    let rig = Rig::new();
    let data = noise(length);
    std::fs::write(rig.folder.path().join("a.bin"), &data).unwrap();
    (rig, data)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_sidecar_beside_the_source_is_a_proof_of_the_content() {
    let (rig, data) = there(70_000);
    rig.server.put("a.bin.sha256", format!("{}  a.bin\n", sha256(&data)).as_bytes());
    let receipt = rig.download("a.bin", "a.bin", checking()).await.unwrap().unwrap();
    assert_eq!((receipt.proof, rig.read("a.bin").unwrap() == data), (Proof::Sidecar, true));

    let (rig, data) = here(70_000);
    let sidecar = format!("SHA256 (a.bin) = {}\n", sha256(&data));
    std::fs::write(rig.folder.path().join("a.bin.sha256"), sidecar).unwrap();
    let receipt = rig.upload("a.bin", "a.bin", checking()).await.unwrap().unwrap();
    assert_eq!((receipt.proof, rig.server.get("a.bin").unwrap() == data), (Proof::Sidecar, true));
}

#[tokio::test]
async fn a_sidecar_that_says_something_else_leaves_the_target_as_it_was() {
    let zeros = format!("{}  a.bin\n", "0".repeat(64));
    let (rig, _) = there(70_000);
    rig.server.put("a.bin.sha256", zeros.as_bytes());
    std::fs::write(rig.folder.path().join("a.bin"), "old").unwrap();
    let fault = rig.download("a.bin", "a.bin", checking()).await.unwrap().unwrap_err();
    assert_eq!((fault.code, fault.attempts), (FaultCode::VerifyDigest, 2), "once may be an accident");
    assert_eq!(rig.read("a.bin").unwrap(), b"old");
    assert_eq!(rig.names(), ["a.bin"]);

    let (rig, _) = here(70_000);
    std::fs::write(rig.folder.path().join("a.bin.sha256"), zeros).unwrap();
    let fault = rig.upload("a.bin", "a.bin", checking()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::VerifyDigest);
    assert_eq!(rig.server.names(), Vec::<String>::new());
}

#[tokio::test]
async fn without_its_sidecar_nothing_is_moved() {
    let (rig, _) = there(3 << 20);
    let fault = rig.download("a.bin", "a.bin", checking()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::FtpNotFound);
    assert!(fault.message.contains("sidecar") && fault.message.contains("a.bin.sha256"), "{fault}");
    assert_eq!((rig.server.state().sent, rig.names().len()), (0, 0));
    rig.server.put("a.bin.sha256", b"<html>");
    let fault = rig.download("a.bin", "a.bin", checking()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::VerifyDigest);

    let (rig, _) = here(3 << 20);
    let fault = rig.upload("a.bin", "a.bin", checking()).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::FileNotFound);
    assert_eq!(rig.server.state().taken, 0);
}

#[tokio::test]
async fn a_sidecar_is_written_after_the_file_and_replaced() {
    for (algorithm, name) in [(SHA256, "a.bin.sha256"), (HashAlgorithm::Md5, "a.bin.md5")] {
        let (rig, data) = here(70_000);
        rig.server.put(name, b"old");
        rig.server.state().faults.rnto_refuses = true;
        let receipt = rig.upload("a.bin", "a.bin", writing(algorithm)).await.unwrap().unwrap();
        let digest = receipt.digests.iter().find(|digest| digest.algorithm == algorithm).unwrap();
        assert_eq!(rig.server.get(name).unwrap(), format!("{}  a.bin\n", digest.hex).into_bytes());
        assert_eq!((rig.server.get("a.bin").unwrap() == data, rig.server.names().len()), (true, 2));
        let renamed: Vec<_> = rig.server.state().effects.clone();
        let at =
            |end: &str| renamed.iter().position(|effect| effect.starts_with("RNTO") && effect.ends_with(end));
        assert!(at("-> a.bin") < at(&format!("-> {name}")), "{renamed:?}");

        let (rig, _) = there(70_000);
        let receipt = rig.download("a.bin", "a.bin", writing(algorithm)).await.unwrap().unwrap();
        let digest = receipt.digests.iter().find(|digest| digest.algorithm == algorithm).unwrap();
        assert_eq!(rig.read(name).unwrap(), format!("{}  a.bin\n", digest.hex).into_bytes());
        assert_eq!(rig.names(), ["a.bin", name]);
    }
}

#[tokio::test]
async fn killed_at_every_step_the_sidecar_is_there_in_the_end() {
    for up in [true, false] {
        let make = || if up { here(10_000) } else { there(10_000) };
        let go = async |rig: &Rig| match up {
            true => rig.upload("a.bin", "a.bin", writing(SHA256)).await,
            false => rig.download("a.bin", "a.bin", writing(SHA256)).await,
        };
        let (probe, _) = make();
        go(&probe).await.unwrap().unwrap();
        let steps = probe.fuse.passed();
        for step in 1..=steps {
            let (rig, data) = make();
            rig.fuse.set(step);
            let first = go(&rig).await;
            rig.fuse.set(0);
            if first.is_none() {
                go(&rig).await.unwrap().unwrap();
            }
            let line = format!("{}  a.bin\n", sha256(&data)).into_bytes();
            let (written, names) = match up {
                true => (rig.server.get("a.bin.sha256"), rig.server.names()),
                false => (rig.read("a.bin.sha256"), rig.names()),
            };
            assert_eq!(written, Some(line), "up {up}, killed at {step} of {steps}");
            assert_eq!(names, ["a.bin", "a.bin.sha256"], "up {up}, killed at {step} of {steps}");
        }
    }
}

#[tokio::test]
async fn what_is_skipped_gets_no_sidecar() {
    let (rig, _) = here(10);
    rig.server.put("a.bin", b"old");
    let options = TransferOptions { if_exists: IfExists::Skip, ..writing(SHA256) };
    assert!(rig.upload("a.bin", "a.bin", options).await.unwrap().unwrap().skipped);
    assert_eq!(rig.server.names(), ["a.bin"]);
}

#[tokio::test]
async fn modes_are_kept_where_both_sides_can_and_told() {
    let keep = || TransferOptions { keep_mode: true, ..TransferOptions::default() };
    let (rig, _) = there(10);
    rig.server.state().modes.insert("a.bin".to_owned(), 0o751);
    let receipt = rig.download("a.bin", "kept", keep()).await.unwrap().unwrap();
    assert_eq!((receipt.mode, mode(&rig.folder.path().join("kept"))), (Some(0o751), 0o751));

    let (rig, _) = there(10);
    let receipt = rig.download("a.bin", "a.bin", keep()).await.unwrap().unwrap();
    assert_eq!(receipt.mode, None, "a server that shows none is no failure");

    for can in [true, false] {
        let (rig, _) = here(10);
        let path = rig.folder.path().join("a.bin");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        rig.server.state().faults.no_chmod = !can;
        let receipt = rig.upload("a.bin", "a.bin", keep()).await.unwrap().unwrap();
        assert_eq!(receipt.mode, can.then_some(0o640));
        assert_eq!(rig.server.state().modes.get("a.bin").copied(), receipt.mode);
    }
    let (rig, _) = there(10);
    rig.server.state().modes.insert("a.bin".to_owned(), 0o777);
    let receipt = rig.download("a.bin", "a.bin", TransferOptions::default()).await.unwrap().unwrap();
    assert_eq!(receipt.mode, None);
    assert_ne!(mode(&rig.folder.path().join("a.bin")), 0o777, "unasked, nothing is changed");
}
