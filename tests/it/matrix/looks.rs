//! What a client is told of files and folders.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_host::model::{FaultCode, FileKind, Select};
use orchestrator_host::transfer::{MemoryLog, Stop, Wait};

use super::ground::{Ground, fails};
use crate::client::path;

/// Names that are hard to say.
pub(super) const NAMES: &[&str] = &[
    "two  blanks.txt",
    "-dash",
    "[x] {y} (z)",
    "quote'and\"quote",
    "semi;colon=1",
    "hundred%20+percent",
    "größe.txt",
    "数据.csv",
    "star*and?",
    ".hidden",
    "tilde~",
    "hash#at@",
];

super::scenarios! {
    "an empty folder" => empty;
    "files with their sizes" => sizes;
    "names that are hard to say" => names;
    "folders in folders" => deep;
    "a folder that is not there" => missing_folder;
    "a thousand names" => thousand;
    "a pattern" => pattern;
    "look at a file" => stat_file;
    "look at a folder" => stat_folder;
    "look at nothing" => stat_nothing;
    "look at the root" => stat_root;
    "look again after a change" => stat_changed;
    "read a small file" => read_small;
    "a file too large to read at once" => read_large;
    "wait for a file" => wait;
    "wait in vain" => wait_in_vain;
    "what the server can do" => features;
    "the server's digest" => digest;
}

async fn empty(ground: &Ground) -> Result<()> {
    ensure!(ground.list("", false).await?.is_empty());
    Ok(())
}

async fn sizes(ground: &Ground) -> Result<()> {
    ground.put("a", b"");
    ground.put("b", &[7; 70_000]);
    let client = &ground.client;
    let mut found = Vec::new();
    let mut sink = |item| found.push(item);
    client.transfers.list(&client.site, &ground.remote(""), &Select::of(None, false), &mut sink).await?;
    let sizes: Vec<_> = found
        .iter()
        .map(|item| match item {
            orchestrator_host::transfer::ListItem::Entry(entry) => entry.size.map(|size| size.0),
            orchestrator_host::transfer::ListItem::Unparsed(_) => None,
        })
        .collect();
    ensure!(sizes.len() == 2 && sizes.contains(&Some(0)) && sizes.contains(&Some(70_000)), "{sizes:?}");
    Ok(())
}

async fn names(ground: &Ground) -> Result<()> {
    NAMES.iter().for_each(|name| ground.put(name, b"x"));
    let mut wanted: Vec<_> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    wanted.sort();
    let found = ground.list("", false).await?;
    ensure!(found == wanted, "{found:?}");
    Ok(())
}

async fn deep(ground: &Ground) -> Result<()> {
    ground.put("a/b/c/d/e.txt", b"x");
    ground.put("f.txt", b"x");
    let found = ground.list("", true).await?;
    ensure!(found == ["a", "b", "c", "d", "e.txt", "f.txt"], "{found:?}");
    Ok(())
}

async fn missing_folder(ground: &Ground) -> Result<()> {
    let client = &ground.client;
    let mut sink = |_| ();
    let listed = client
        .transfers
        .list(&client.site, &ground.remote("none"), &Select::of(None, false), &mut sink)
        .await;
    fails(listed, FaultCode::FtpNotFound)
}

async fn thousand(ground: &Ground) -> Result<()> {
    (0..1000).for_each(|number| ground.put(&format!("{number:04}"), b""));
    ensure!(ground.list("", false).await?.len() == 1000);
    Ok(())
}

async fn pattern(ground: &Ground) -> Result<()> {
    ["a.csv", "b.txt", "sub/c.csv"].iter().for_each(|name| ground.put(name, b"x"));
    let client = &ground.client;
    let mut found = 0;
    let mut sink = |_| found += 1;
    client
        .transfers
        .list(&client.site, &ground.remote(""), &Select::of(Some("*.csv"), true), &mut sink)
        .await?;
    ensure!(found == 2, "{found}");
    Ok(())
}

async fn stat_file(ground: &Ground) -> Result<()> {
    ground.put("a b.bin", &[1; 12_345]);
    let client = &ground.client;
    let found = client.transfers.stat(&client.site, &ground.remote("a b.bin")).await?.context("nothing")?;
    ensure!(found.kind == FileKind::File && found.size.map(|size| size.0) == Some(12_345), "{found:?}");
    ensure!(found.modified.is_some(), "no time");
    Ok(())
}

async fn stat_folder(ground: &Ground) -> Result<()> {
    ground.put_folder("sub");
    let client = &ground.client;
    let found = client.transfers.stat(&client.site, &ground.remote("sub")).await?.context("nothing")?;
    ensure!(found.kind == FileKind::Dir, "{found:?}");
    Ok(())
}

async fn stat_nothing(ground: &Ground) -> Result<()> {
    let client = &ground.client;
    for name in ["none", "none/in/none"] {
        let found = client.transfers.stat(&client.site, &ground.remote(name)).await?;
        ensure!(found.is_none(), "{found:?}");
    }
    Ok(())
}

async fn stat_root(ground: &Ground) -> Result<()> {
    let client = &ground.client;
    let found = client.transfers.stat(&client.site, &path("")).await?.context("nothing")?;
    ensure!(found.kind == FileKind::Dir, "{found:?}");
    Ok(())
}

async fn stat_changed(ground: &Ground) -> Result<()> {
    let client = &ground.client;
    for length in [10_usize, 20, 5] {
        ground.put("a", &vec![0; length]);
        let found = client.transfers.stat(&client.site, &ground.remote("a")).await?.context("nothing")?;
        ensure!(found.size.map(|size| size.0) == Some(length as u64), "{found:?}");
    }
    Ok(())
}

async fn read_small(ground: &Ground) -> Result<()> {
    ground.put("control.txt", b"rows=3\r\n");
    let client = &ground.client;
    let read = client.transfers.read_small(&client.site, &ground.remote("control.txt"), 100).await?;
    ensure!(read == b"rows=3\r\n", "{read:?}");
    Ok(())
}

async fn read_large(ground: &Ground) -> Result<()> {
    ground.put("large", &[0; 200_000]);
    let client = &ground.client;
    let read = client.transfers.read_small(&client.site, &ground.remote("large"), 1000).await;
    fails(read, FaultCode::FileTooLarge)
}

async fn wait(ground: &Ground) -> Result<()> {
    ground.put("late", b"here");
    let found = wait_for(ground, "late", Duration::from_secs(20)).await?.context("never seen")?;
    ensure!(found.size.map(|size| size.0) == Some(4), "{found:?}");
    Ok(())
}

async fn wait_in_vain(ground: &Ground) -> Result<()> {
    ensure!(wait_for(ground, "never", Duration::from_millis(300)).await?.is_none());
    Ok(())
}

async fn wait_for(
    ground: &Ground,
    name: &str,
    timeout: Duration,
) -> Result<Option<orchestrator_host::model::FileInfo>> {
    let client = &ground.client;
    let wait = Wait { settle: Duration::from_millis(100), timeout };
    let (log, stop) = (MemoryLog::default(), Stop::new());
    Ok(client.transfers.wait_for(&client.site, &ground.remote(name), wait, &log, &stop).await?)
}

async fn features(ground: &Ground) -> Result<()> {
    let features = ground.client.transfers.features(&ground.client.site).await?;
    ensure!(features.rest && features.size, "{features:?}");
    Ok(())
}

/// Right where the server can, and refused in words where it can't.
async fn digest(ground: &Ground) -> Result<()> {
    ground.put("abc", b"abc");
    let client = &ground.client;
    let algorithm = orchestrator_host::model::HashAlgorithm::Sha256;
    match client.transfers.digest(&client.site, &ground.remote("abc"), algorithm).await {
        Ok(digest) => ensure!(digest.hex.starts_with("ba7816bf8f01cfea"), "{digest:?}"),
        Err(fault) => ensure!(fault.code == FaultCode::FtpUnsupported, "{fault}"),
    }
    Ok(())
}
