//! What is changed on the server besides the content of files.

use anyhow::{Result, ensure};
use orchestrator_host::model::{FaultCode, ItemId, RunId, StepSeq, Timestamp};
use orchestrator_host::transfer::PartName;

use super::ground::{Ground, fails};

super::scenarios! {
    "make a folder" => make;
    "make folders in one another" => make_deep;
    "make a folder that is there" => make_again;
    "remove a file" => remove;
    "remove what is not there" => remove_missing;
    "remove a folder" => remove_folder;
    "remove a folder with something in it" => remove_full;
    "rename a file" => rename;
    "rename a file into another folder" => rename_away;
    "rename a folder" => rename_folder;
    "rename what is not there" => rename_missing;
    "rename names that are hard to say" => rename_names;
    "put a small file" => put;
    "put over a small file" => put_again;
    "set a file's time, or say that it can't be" => set_time;
}

async fn make(ground: &Ground) -> Result<()> {
    make_dir(ground, "new").await?;
    ensure!(ground.here().join("new").is_dir());
    Ok(())
}

async fn make_dir(ground: &Ground, name: &str) -> Result<(), orchestrator_host::model::Fault> {
    let (transfers, site, path) = (&ground.client.transfers, &ground.client.site, ground.remote(name));
    let evidence = transfers.plan_make_dir(site, &path).await?;
    transfers.make_dir(site, &path, &evidence, false).await
}

async fn make_deep(ground: &Ground) -> Result<()> {
    make_dir(ground, "a/b c/d").await?;
    ensure!(ground.here().join("a/b c/d").is_dir());
    Ok(())
}

async fn make_again(ground: &Ground) -> Result<()> {
    ground.put_folder("there");
    fails(make_dir(ground, "there").await, FaultCode::FtpExists)
}

async fn remove(ground: &Ground) -> Result<()> {
    ground.put("a b", b"x");
    let (transfers, site, path) = (&ground.client.transfers, &ground.client.site, ground.remote("a b"));
    let evidence = transfers.plan_remove(site, &path, None).await?;
    transfers.remove(site, &path, &evidence, false).await?;
    ensure!(ground.on_server("a b").is_none());
    Ok(())
}

async fn remove_missing(ground: &Ground) -> Result<()> {
    let (transfers, site) = (&ground.client.transfers, &ground.client.site);
    fails(transfers.plan_remove(site, &ground.remote("none"), None).await, FaultCode::FtpNotFound)
}

async fn remove_dir(ground: &Ground, name: &str) -> Result<(), orchestrator_host::model::Fault> {
    let (transfers, site, path) = (&ground.client.transfers, &ground.client.site, ground.remote(name));
    let evidence = transfers.plan_remove_dir(site, &path).await?;
    transfers.remove_dir(site, &path, &evidence, false).await
}

async fn remove_folder(ground: &Ground) -> Result<()> {
    ground.put_folder("sub");
    remove_dir(ground, "sub").await?;
    ensure!(!ground.here().join("sub").exists());
    Ok(())
}

async fn remove_full(ground: &Ground) -> Result<()> {
    ground.put("sub/file", b"x");
    ensure!(remove_dir(ground, "sub").await.is_err(), "it succeeded");
    ensure!(ground.on_server("sub/file").is_some());
    Ok(())
}

async fn move_name(ground: &Ground, from: &str, to: &str) -> Result<(), orchestrator_host::model::Fault> {
    let (transfers, site) = (&ground.client.transfers, &ground.client.site);
    let (from, to) = (ground.remote(from), ground.remote(to));
    let evidence = transfers.plan_rename(site, &from, &to, None).await?;
    transfers.rename(site, &from, &to, &evidence, false).await
}

async fn rename(ground: &Ground) -> Result<()> {
    ground.put("old", b"x");
    move_name(ground, "old", "new").await?;
    ensure!(ground.on_server("old").is_none() && ground.on_server("new").is_some());
    Ok(())
}

async fn rename_away(ground: &Ground) -> Result<()> {
    ground.put("in/a", b"x");
    ground.put_folder("done");
    move_name(ground, "in/a", "done/a").await?;
    ensure!(ground.on_server("in/a").is_none() && ground.on_server("done/a").is_some());
    Ok(())
}

async fn rename_folder(ground: &Ground) -> Result<()> {
    ground.put("old/a", b"x");
    move_name(ground, "old", "new").await?;
    ensure!(ground.on_server("new/a").is_some());
    Ok(())
}

async fn rename_missing(ground: &Ground) -> Result<()> {
    fails(move_name(ground, "none", "new").await, FaultCode::FtpNotFound)
}

async fn rename_names(ground: &Ground) -> Result<()> {
    for name in super::looks::NAMES {
        ground.put("plain", b"x");
        move_name(ground, "plain", name).await?;
        ensure!(ground.on_server(name).is_some(), "{name}");
    }
    Ok(())
}

async fn put_small(ground: &Ground, name: &str, bytes: &[u8]) -> Result<()> {
    let (transfers, site, path) = (&ground.client.transfers, &ground.client.site, ground.remote(name));
    let part = PartName { run: RunId::new(Timestamp(0), [1; 10]), step: StepSeq(1), item: ItemId(0) };
    let evidence = transfers.plan_put(site, &path).await?;
    transfers.put_bytes(site, &path, bytes, &part, &evidence, false).await?;
    ensure!(ground.on_server(name).as_deref() == Some(bytes));
    Ok(())
}

async fn put(ground: &Ground) -> Result<()> {
    put_small(ground, "done.flag", b"").await?;
    put_small(ground, "sub/rows.txt", b"rows=3\r\n").await
}

async fn put_again(ground: &Ground) -> Result<()> {
    ground.put("rows.txt", b"rows=2 and more");
    put_small(ground, "rows.txt", b"rows=3").await
}

async fn set_time(ground: &Ground) -> Result<()> {
    ground.put("a b", b"x");
    let can = ground.sets_times("a b").await?;
    let kept = std::fs::metadata(ground.here().join("a b"))?.modified()?;
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    ensure!(!can || kept == at, "{kept:?}");
    Ok(())
}
