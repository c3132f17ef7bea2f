//! Files that are sent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_host::model::{FaultCode, IfExists, Proof, TransferOptions};
use testkit::scripted::catalogue::noise;

use super::ground::{Ground, fails};
use super::looks::NAMES;

super::scenarios! {
    "send nothing at all" => |ground| sized(ground, 0);
    "send one byte" => |ground| sized(ground, 1);
    "send 64 KiB" => |ground| sized(ground, 65_536);
    "send over a MiB" => |ground| sized(ground, (1 << 20) + 1);
    "send nine MiB" => |ground| sized(ground, 9 << 20);
    "send names that are hard to say" => names;
    "send every byte there is" => every_byte;
    "send what is not there" => missing;
    "send into new folders" => new_folders;
    "send with its time" => time;
    "send and replace" => |ground| existing(ground, IfExists::Replace);
    "send and fail" => fail;
    "send and skip" => |ground| existing(ground, IfExists::Skip);
    "send and read back" => read_back;
    "send after a kill" => killed;
    "send forty in a row" => forty;
    "send thirty-two at a time" => many;
    "send and cancel" => cancelled;
    "send over a folder" => over_a_folder;
}

async fn sized(ground: &Ground, length: usize) -> Result<()> {
    ground.write("a.bin", &noise(length, 1));
    let receipt = ground.push("a.bin").await?;
    ensure!(receipt.bytes.0 == length as u64 && receipt.resent.0 == 0, "{receipt:?}");
    Ok(())
}

async fn names(ground: &Ground) -> Result<()> {
    for name in NAMES {
        ground.write(name, name.as_bytes());
        ground.push(name).await.with_context(|| (*name).to_owned())?;
    }
    Ok(())
}

async fn every_byte(ground: &Ground) -> Result<()> {
    let mut data: Vec<u8> = (0..=255).collect();
    data.extend_from_slice(b"\r\n\n\r\xff\xf4\xff\xf2\x1a\0");
    ground.write("bytes", &data.repeat(100));
    ground.push("bytes").await.map(drop)
}

async fn missing(ground: &Ground) -> Result<()> {
    fails(ground.push_with("none", TransferOptions::default()).await, FaultCode::FileNotFound)?;
    ensure!(ground.on_server("none").is_none());
    Ok(())
}

async fn new_folders(ground: &Ground) -> Result<()> {
    ground.write("a/b/c.txt", b"deep");
    ground.push("a/b/c.txt").await.map(drop)
}

/// Where the server can: one that can't leaves the time of the upload.
async fn time(ground: &Ground) -> Result<()> {
    ground.write("old", b"x");
    let at = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    std::fs::File::options().write(true).open(ground.there().join("old"))?.set_modified(at)?;
    ground.push("old").await?;
    let kept = std::fs::metadata(ground.here().join("old"))?.modified()?;
    ensure!(kept == at || !ground.sets_times("old").await?, "{kept:?}");
    Ok(())
}

async fn existing(ground: &Ground, if_exists: IfExists) -> Result<()> {
    ground.put("a", b"of the server");
    ground.write("a", b"own");
    let receipt = ground.push_with("a", TransferOptions { if_exists, ..TransferOptions::default() }).await?;
    let wanted: &[u8] = if if_exists == IfExists::Skip { b"of the server" } else { b"own" };
    ensure!(ground.on_server("a").as_deref() == Some(wanted));
    ensure!(receipt.skipped == (if_exists == IfExists::Skip));
    Ok(())
}

async fn fail(ground: &Ground) -> Result<()> {
    ground.put("a", b"of the server");
    ground.write("a", b"own");
    let options = TransferOptions { if_exists: IfExists::Fail, ..TransferOptions::default() };
    fails(ground.push_with("a", options).await, FaultCode::FtpExists)?;
    ensure!(ground.on_server("a").as_deref() == Some(&b"of the server"[..]));
    Ok(())
}

async fn read_back(ground: &Ground) -> Result<()> {
    ground.write("a.bin", &noise(300_000, 4));
    let options = TransferOptions { read_back: true, ..TransferOptions::default() };
    let receipt = ground.push_with("a.bin", options).await?;
    ensure!(matches!(receipt.proof, Proof::ReadBack | Proof::DigestOfServer), "{receipt:?}");
    Ok(())
}

/// The client is gone in the middle, and another goes on from its log.
async fn killed(ground: &Ground) -> Result<()> {
    let data = noise(3 << 20, 2);
    ground.write("a.bin", &data);
    let slow = TransferOptions { rate_limit: Some(2 << 20), ..TransferOptions::default() };
    let first = ground.job("a.bin", "a.bin", slow);
    let (log, part) = (first.log.clone(), first.part.clone());
    let client = &ground.client;
    tokio::select! {
        outcome = client.transfers.upload(first) => anyhow::bail!("it was done before the kill: {outcome:?}"),
        () = ground.part_has(1 << 20, ground.here()) => {}
    }
    let job = ground.job("a.bin", "a.bin", TransferOptions::default());
    let receipt = crate::client::Client::transfers()
        .upload(orchestrator_host::transfer::Job { log, part, ..job })
        .await?;
    ensure!(ground.on_server("a.bin").as_ref() == Some(&data), "it arrived otherwise than it is");
    ensure!(receipt.resumed_from.0 > 0, "it began again: {receipt:?}");
    Ok(())
}

/// More than a control connection has tickets for under TLS 1.3.
async fn forty(ground: &Ground) -> Result<()> {
    for number in 0..40 {
        let name = format!("{number}.bin");
        ground.write(&name, &noise(1000, number));
        ground.push(&name).await.with_context(|| name.clone())?;
    }
    Ok(())
}

async fn many(ground: &Ground) -> Result<()> {
    let names: Vec<String> = (0..32).map(|number| format!("{number}.bin")).collect();
    names.iter().enumerate().for_each(|(seed, name)| ground.write(name, &noise(50_000, seed as u64)));
    let all = futures::future::join_all(names.iter().map(|name| ground.push(name))).await;
    all.into_iter().try_for_each(|one| one.map(drop))
}

async fn cancelled(ground: &Ground) -> Result<()> {
    ground.write("a.bin", &noise(3 << 20, 3));
    let slow = TransferOptions { rate_limit: Some(1 << 20), ..TransferOptions::default() };
    let job = ground.job("a.bin", "a.bin", slow);
    let stop = job.stop.clone();
    let (outcome, ()) = tokio::join!(ground.client.transfers.upload(job), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    });
    fails(outcome, FaultCode::RunCancelled)?;
    ensure!(ground.on_server("a.bin").is_none());
    Ok(())
}

async fn over_a_folder(ground: &Ground) -> Result<()> {
    ground.put("name/inside.txt", b"x");
    ground.write("name", b"a file");
    ensure!(ground.push_with("name", TransferOptions::default()).await.is_err(), "it succeeded");
    ensure!(ground.on_server("name/inside.txt").is_some(), "the folder is gone");
    Ok(())
}
