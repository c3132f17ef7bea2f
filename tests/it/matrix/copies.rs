//! Files that are copied within the server, and what transfers do beside the content.

use anyhow::{Result, ensure};
use orchestrator_host::model::{Fault, FaultCode, HashAlgorithm, IfExists, Proof, Receipt, TransferOptions};
use orchestrator_host::transfer::{Errand, Job, SiteFile};
use testkit::scripted::catalogue::noise;

use super::ground::{Ground, fails};

const SHA256: HashAlgorithm = HashAlgorithm::Sha256;

super::scenarios! {
    "copy nothing at all" => |ground| sized(ground, 0);
    "copy one byte" => |ground| sized(ground, 1);
    "copy nine MiB" => |ground| sized(ground, 9 << 20);
    "copy into new folders" => new_folders;
    "copy what is not there" => missing;
    "copy and fail" => fail;
    "copy and read back" => read_back;
    "copy after a kill" => killed;
    "fetch by its sidecar" => by_sidecar;
    "send with a sidecar" => with_sidecar;
    "send and fetch with its mode" => mode;
}

/// Copies a file to another name.
async fn copy(ground: &Ground, from: &str, to: &str, options: TransferOptions) -> Result<Receipt, Fault> {
    let job = ground.job(to, "unused", options);
    let from = SiteFile { site: job.site.clone(), path: ground.remote(from) };
    ground.client.transfers.copy(errand(job), from).await
}

fn errand(job: Job<'_>) -> Errand<'_> {
    let Job { site, remote, options, part, log, watch, stop, .. } = job;
    Errand { site, remote, options, part, log, watch, stop }
}

async fn sized(ground: &Ground, length: usize) -> Result<()> {
    let data = noise(length, 5);
    ground.put("in/a.bin", &data);
    let receipt = copy(ground, "in/a.bin", "in/b.bin", TransferOptions::default()).await?;
    ensure!(receipt.bytes.0 == length as u64 && receipt.resent.0 == 0, "{receipt:?}");
    ensure!(ground.on_server("in/b.bin") == Some(data), "the copy differs");
    Ok(())
}

async fn new_folders(ground: &Ground) -> Result<()> {
    ground.put("a", b"deep");
    copy(ground, "a", "new/sub/b", TransferOptions::default()).await?;
    ensure!(ground.on_server("new/sub/b") == Some(b"deep".to_vec()));
    Ok(())
}

async fn missing(ground: &Ground) -> Result<()> {
    let outcome = copy(ground, "none", "b", TransferOptions::default()).await;
    ensure!(outcome.as_ref().is_err_and(|fault| fault.message.starts_with("site peer: ")), "{outcome:?}");
    fails(outcome, FaultCode::FtpNotFound)
}

async fn fail(ground: &Ground) -> Result<()> {
    ground.put("a", b"new");
    ground.put("b", b"old");
    let options = TransferOptions { if_exists: IfExists::Fail, ..TransferOptions::default() };
    fails(copy(ground, "a", "b", options).await, FaultCode::FtpExists)?;
    ensure!(ground.on_server("b") == Some(b"old".to_vec()));
    Ok(())
}

async fn read_back(ground: &Ground) -> Result<()> {
    ground.put("a", &noise(300_000, 6));
    let options = TransferOptions { read_back: true, ..TransferOptions::default() };
    let receipt = copy(ground, "a", "b", options).await?;
    ensure!(matches!(receipt.proof, Proof::ReadBack | Proof::DigestOfServer), "{receipt:?}");
    Ok(())
}

/// Dropped in the middle, and gone on with by a process that has just started.
async fn killed(ground: &Ground) -> Result<()> {
    let data = noise(12 << 20, 7);
    ground.put("a", &data);
    let slow = TransferOptions { rate_limit: Some(8 << 20), ..TransferOptions::default() };
    let job = ground.job("b", "unused", slow);
    let from = SiteFile { site: job.site.clone(), path: ground.remote("a") };
    let again = ground.job("b", "unused", TransferOptions::default());
    let again = Job { log: job.log.clone(), part: job.part.clone(), ..again };
    tokio::select! {
        outcome = ground.client.transfers.copy(errand(job), from.clone()) => {
            anyhow::bail!("it was done before the kill: {outcome:?}")
        }
        () = ground.part_has(9 << 20, ground.here()) => {}
    }
    let transfers = crate::client::Client::transfers();
    let receipt = transfers.copy(errand(again), from).await?;
    transfers.close().await;
    ensure!(receipt.resumed_from.0 > 8 << 20, "it began again: {receipt:?}");
    ensure!(ground.on_server("b") == Some(data), "the copy differs");
    Ok(())
}

async fn by_sidecar(ground: &Ground) -> Result<()> {
    ground.put("a b", b"hello");
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    ground.put("a b.sha256", format!("{hello} *a b\n").as_bytes());
    let options = || TransferOptions { check_sidecar: Some(SHA256), ..TransferOptions::default() };
    let receipt = ground.pull_with("a b", options()).await?;
    ensure!(matches!(receipt.proof, Proof::Sidecar | Proof::DigestOfServer), "{receipt:?}");
    ground.put("c", b"hello, too");
    fails(ground.pull_with("c", options()).await, FaultCode::FtpNotFound)?;
    ground.put("c.sha256", hello.as_bytes());
    fails(ground.pull_with("c", options()).await, FaultCode::VerifyDigest)?;
    ensure!(ground.read("c").is_none());
    Ok(())
}

async fn with_sidecar(ground: &Ground) -> Result<()> {
    ground.write("a", b"hello");
    ground.put("a.md5", b"old");
    let options = TransferOptions { write_sidecar: Some(HashAlgorithm::Md5), ..TransferOptions::default() };
    ground.push_with("a", options).await?;
    ensure!(ground.on_server("a.md5") == Some(b"5d41402abc4b2a76b9719d911017c592  a\n".to_vec()));
    Ok(())
}

/// Where the server shows modes, or sets them; that one can't is no failure.
async fn mode(ground: &Ground) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let options = || TransferOptions { keep_mode: true, ..TransferOptions::default() };
    let mode = |path: &std::path::Path| std::fs::metadata(path).map(|meta| meta.permissions().mode() & 0o777);
    let set = |path: &std::path::Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640));
    ground.write("a", b"up");
    set(&ground.there().join("a"))?;
    let receipt = ground.push_with("a", options()).await?;
    if let Some(told) = receipt.mode {
        ensure!(told == 0o640 && mode(&ground.here().join("a"))? == told, "{told:o}");
    }
    ground.put("b", b"down");
    set(&ground.here().join("b"))?;
    let receipt = ground.pull_with("b", options()).await?;
    if let Some(told) = receipt.mode {
        ensure!(told == 0o640 && mode(&ground.there().join("b"))? == told, "{told:o}");
    }
    Ok(())
}
