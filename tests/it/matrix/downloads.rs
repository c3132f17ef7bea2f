//! Files that are fetched.

use std::time::Duration;

use anyhow::{Result, ensure};
use orchestrator_host::model::{Digest, FaultCode, HashAlgorithm, IfExists, Proof, TransferOptions};
use testkit::scripted::catalogue::noise;

use super::ground::{Ground, fails};
use super::looks::NAMES;

super::scenarios! {
    "fetch nothing at all" => |ground| sized(ground, 0);
    "fetch one byte" => |ground| sized(ground, 1);
    "fetch 64 KiB" => |ground| sized(ground, 65_536);
    "fetch over a MiB" => |ground| sized(ground, (1 << 20) + 1);
    "fetch nine MiB" => |ground| sized(ground, 9 << 20);
    "fetch names that are hard to say" => names;
    "fetch every byte there is" => every_byte;
    "fetch what is not there" => missing;
    "fetch a folder" => folder;
    "fetch into new folders" => new_folders;
    "fetch with its time" => time;
    "fetch and replace" => |ground| existing(ground, IfExists::Replace);
    "fetch and fail" => fail;
    "fetch and skip" => |ground| existing(ground, IfExists::Skip);
    "fetch what must have a digest" => expected;
    "fetch what has another digest" => unexpected;
    "fetch what must have so many lines" => records;
    "fetch after a kill" => killed;
    "fetch thirty-two at a time" => many;
    "fetch and cancel" => cancelled;
}

async fn sized(ground: &Ground, length: usize) -> Result<()> {
    let data = noise(length, 1);
    ground.put("a.bin", &data);
    let receipt = ground.pull("a.bin").await?;
    ensure!(receipt.bytes.0 == length as u64 && receipt.resent.0 == 0, "{receipt:?}");
    Ok(())
}

async fn names(ground: &Ground) -> Result<()> {
    for name in NAMES {
        ground.put(name, name.as_bytes());
        ground.pull(name).await?;
    }
    Ok(())
}

async fn every_byte(ground: &Ground) -> Result<()> {
    let mut data: Vec<u8> = (0..=255).collect();
    data.extend_from_slice(b"\r\n\n\r\xff\xf4\xff\xf2\x1a\0");
    ground.put("bytes", &data.repeat(100));
    ground.pull("bytes").await.map(drop)
}

async fn missing(ground: &Ground) -> Result<()> {
    fails(ground.pull_with("none", TransferOptions::default()).await, FaultCode::FtpNotFound)
}

async fn folder(ground: &Ground) -> Result<()> {
    ground.put_folder("sub");
    ensure!(ground.pull_with("sub", TransferOptions::default()).await.is_err());
    ensure!(!ground.there().join("sub").exists());
    Ok(())
}

async fn new_folders(ground: &Ground) -> Result<()> {
    ground.put("a/b/c.txt", b"deep");
    ground.pull("a/b/c.txt").await.map(drop)
}

async fn time(ground: &Ground) -> Result<()> {
    ground.put("old", b"x");
    let at = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    std::fs::File::options().write(true).open(ground.here().join("old"))?.set_modified(at)?;
    ground.pull("old").await?;
    let kept = std::fs::metadata(ground.there().join("old"))?.modified()?;
    ensure!(kept == at, "{kept:?}");
    Ok(())
}

async fn existing(ground: &Ground, if_exists: IfExists) -> Result<()> {
    ground.put("a", b"of the server");
    ground.write("a", b"own");
    let receipt = ground.pull_with("a", TransferOptions { if_exists, ..TransferOptions::default() }).await?;
    let wanted: &[u8] = if if_exists == IfExists::Skip { b"own" } else { b"of the server" };
    ensure!(ground.read("a").as_deref() == Some(wanted));
    ensure!(receipt.skipped == (if_exists == IfExists::Skip));
    Ok(())
}

async fn fail(ground: &Ground) -> Result<()> {
    ground.put("a", b"of the server");
    ground.write("a", b"own");
    let options = TransferOptions { if_exists: IfExists::Fail, ..TransferOptions::default() };
    fails(ground.pull_with("a", options).await, FaultCode::FileExists)?;
    ensure!(ground.read("a").as_deref() == Some(&b"own"[..]));
    Ok(())
}

fn expecting(hex: &str) -> TransferOptions {
    let expect = Some(Digest { algorithm: HashAlgorithm::Md5, hex: hex.to_owned() });
    TransferOptions { expect, ..TransferOptions::default() }
}

async fn expected(ground: &Ground) -> Result<()> {
    ground.put("abc", b"abc");
    let receipt = ground.pull_with("abc", expecting("900150983cd24fb0d6963f7d28e17f72")).await?;
    ensure!(matches!(receipt.proof, Proof::DigestExpected | Proof::DigestOfServer), "{receipt:?}");
    Ok(())
}

async fn unexpected(ground: &Ground) -> Result<()> {
    ground.put("abc", b"abd");
    let outcome = ground.pull_with("abc", expecting("900150983cd24fb0d6963f7d28e17f72")).await;
    fails(outcome, FaultCode::VerifyDigest)?;
    ensure!(ground.read("abc").is_none());
    Ok(())
}

async fn records(ground: &Ground) -> Result<()> {
    ground.put("three", b"a\nb\nc\n");
    let lines = |count| TransferOptions { expect_records: Some(count), ..TransferOptions::default() };
    fails(ground.pull_with("three", lines(4)).await, FaultCode::VerifyRecords)?;
    ground.pull_with("three", lines(3)).await?;
    Ok(())
}

/// The client is gone in the middle, and another goes on from its log.
async fn killed(ground: &Ground) -> Result<()> {
    let data = noise(3 << 20, 2);
    ground.put("a.bin", &data);
    let slow = TransferOptions { rate_limit: Some(2 << 20), ..TransferOptions::default() };
    let first = ground.job("a.bin", "a.bin", slow);
    let (log, part) = (first.log.clone(), first.part.clone());
    let client = &ground.client;
    tokio::select! {
        outcome = client.transfers.download(first) => anyhow::bail!("it was done before the kill: {outcome:?}"),
        () = ground.part_has(1 << 20, ground.there()) => {}
    }
    let job = ground.job("a.bin", "a.bin", TransferOptions::default());
    let receipt = crate::client::Client::transfers()
        .download(orchestrator_host::transfer::Job { log, part, ..job })
        .await?;
    ensure!(ground.read("a.bin").as_ref() == Some(&data), "it came otherwise than it is");
    ensure!(receipt.resumed_from.0 > 0, "it began again: {receipt:?}");
    Ok(())
}

async fn many(ground: &Ground) -> Result<()> {
    let names: Vec<String> = (0..32).map(|number| format!("{number}.bin")).collect();
    names.iter().enumerate().for_each(|(seed, name)| ground.put(name, &noise(50_000, seed as u64)));
    let all = futures::future::join_all(names.iter().map(|name| ground.pull(name))).await;
    all.into_iter().try_for_each(|one| one.map(drop))
}

async fn cancelled(ground: &Ground) -> Result<()> {
    ground.put("a.bin", &noise(3 << 20, 3));
    let slow = TransferOptions { rate_limit: Some(1 << 20), ..TransferOptions::default() };
    let job = ground.job("a.bin", "a.bin", slow);
    let stop = job.stop.clone();
    let (outcome, ()) = tokio::join!(ground.client.transfers.download(job), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    });
    fails(outcome, FaultCode::RunCancelled)?;
    ensure!(ground.read("a.bin").is_none());
    Ok(())
}
