//! One session with the server in memory.

use async_trait::async_trait;
use bytes::Bytes;

use super::rig::Fuse;
use super::server::{Rest, Server, State, Zombie};
use crate::model::{Digest, Fault, FaultCode, FileInfo, HashAlgorithm, Offset, RemotePath, Site, Timestamp};
use crate::transfer::hash::Hasher;
use crate::transfer::remote::{Connect, Features, Finish, ListItem, Remote, StoreFrom};

/// The host of the second server.
pub(super) const SECOND: &str = "second";

/// Makes sessions with one server, or with a second one where a site names it; every step of theirs
/// passes the fuse.
pub(super) struct Dialer {
    pub(super) server: Server,
    pub(super) second: Server,
    pub(super) fuse: Fuse,
}

#[async_trait]
impl Connect for Dialer {
    async fn connect(&self, site: &Site) -> Result<Box<dyn Remote>, Fault> {
        self.fuse.step().await;
        let server = if site.host == SECOND { &self.second } else { &self.server };
        let mut state = server.state();
        state.asked += 1;
        if state.faults.down {
            return Err(Fault::new(FaultCode::FtpUnreachable, "connection refused"));
        }
        if let Some(fault) = state.faults.connect.pop() {
            return Err(fault);
        }
        if state.faults.sessions_max.is_some_and(|max| state.sessions >= max) {
            return Err(Fault::new(FaultCode::FtpTooMany, "421 too many").with_reply(421));
        }
        state.sessions += 1;
        state.logins += 1;
        let features = Features {
            rest: state.faults.rest != Rest::Refused,
            size: true,
            mdtm: true,
            mlst: true,
            set_mtime: true,
            utf8: true,
            hashes: state.faults.hashes.clone(),
            site_hashes: Vec::new(),
            tls: false,
        };
        Ok(Box::new(Session {
            server: server.clone(),
            fuse: self.fuse.clone(),
            features,
            poisoned: false,
            transfer: Transfer::None,
        }))
    }
}

struct Session {
    server: Server,
    fuse: Fuse,
    features: Features,
    poisoned: bool,
    transfer: Transfer,
}

enum Transfer {
    None,
    Send { data: Vec<u8>, at: usize, cut: Option<u64>, truncated: bool },
    Take { inode: u64, at: usize, waiting: Vec<u8>, cut: Option<u64>, refused: Option<Fault> },
}

impl Session {
    /// A command that may not be sent, or whose reply may not come, when the client is killed.
    async fn command<T>(&mut self, act: impl FnOnce(&mut State) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.poisoned {
            return Err(Fault::new(FaultCode::FtpConnectionLost, "the session is poisoned"));
        }
        self.fuse.step().await;
        if self.is_down() {
            return Err(self.lost());
        }
        let result = act(&mut self.server.state());
        self.fuse.step().await;
        result
    }

    fn is_down(&self) -> bool {
        self.server.state().faults.down
    }

    fn lost(&mut self) -> Fault {
        self.poisoned = true;
        let mut state = self.server.state();
        state.faults.down |= std::mem::take(&mut state.faults.dies);
        drop(state);
        Fault::new(FaultCode::FtpConnectionLost, "connection reset")
    }

    /// Writes what is under way, down to `keep` bytes.
    fn flush(&mut self, keep: usize) {
        let Transfer::Take { inode, at, waiting, refused, .. } = &mut self.transfer else { return };
        let length = waiting.len().saturating_sub(keep);
        let mut bytes: Vec<u8> = waiting.drain(..length).collect();
        let mut state = self.server.state();
        if let Some(full) = state.faults.full_at {
            let room = usize::try_from(full).unwrap().saturating_sub(*at);
            if bytes.len() > room {
                bytes.truncate(room);
                *refused = Some(Fault::new(FaultCode::FtpNoSpace, "552 disk full").with_reply(552));
            }
        }
        state.write(*inode, *at, &bytes);
        *at += bytes.len();
    }
}

impl Drop for Session {
    /// The client is gone: what it had sent is still written, bit by bit.
    fn drop(&mut self) {
        let mut state = self.server.state();
        state.sessions -= 1;
        if let Transfer::Take { inode, at, waiting, refused: None, .. } = &mut self.transfer {
            let rest = std::mem::take(waiting);
            if !rest.is_empty() {
                state.zombies.push(Zombie { inode: *inode, at: *at, rest });
            }
        }
    }
}

#[async_trait]
impl Remote for Session {
    fn features(&self) -> &Features {
        &self.features
    }

    fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    async fn probe(&mut self) -> bool {
        let mut state = self.server.state();
        state.probes += 1;
        self.poisoned |= state.faults.dead_probes > 0 || state.faults.down;
        state.faults.dead_probes = state.faults.dead_probes.saturating_sub(1);
        !self.poisoned
    }

    async fn stat(&mut self, path: &RemotePath) -> Result<Option<FileInfo>, Fault> {
        self.command(|state| {
            state.haunt();
            Ok(state.info(path.as_str()))
        })
        .await
    }

    async fn size(&mut self, path: &RemotePath) -> Result<Option<Offset>, Fault> {
        self.command(|state| {
            state.haunt();
            if state.faults.no_size {
                return Err(Fault::new(FaultCode::FtpUnsupported, "502 SIZE").with_reply(502));
            }
            Ok(state.files.get(path.as_str()).map(|file| Offset(file.data.len() as u64)))
        })
        .await
    }

    async fn list(
        &mut self,
        path: &RemotePath,
        sink: &mut (dyn FnMut(ListItem) + Send),
    ) -> Result<(), Fault> {
        let (entries, broken) = self
            .command(|state| {
                state.lists += 1;
                if !state.dir_exists(path.as_str()) {
                    return Err(State::missing(path.as_str()));
                }
                let inside = |name: &str| {
                    let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
                    parent == path.as_str()
                };
                let names: Vec<_> =
                    state.files.keys().chain(&state.dirs).filter(|name| inside(name)).cloned().collect();
                let broken = state.faults.broken_lists > 0;
                state.faults.broken_lists = state.faults.broken_lists.saturating_sub(1);
                Ok((names.iter().filter_map(|name| state.info(name)).collect::<Vec<_>>(), broken))
            })
            .await?;
        let length = if broken { entries.len() / 2 } else { entries.len() };
        entries.into_iter().take(length).for_each(|entry| sink(ListItem::Entry(entry)));
        if broken { Err(self.lost()) } else { Ok(()) }
    }

    async fn begin_retrieve(&mut self, path: &RemotePath, from: Offset) -> Result<(), Fault> {
        let transfer = self
            .command(|state| {
                let at = match state.faults.rest {
                    Rest::Refused if from.0 > 0 => {
                        return Err(Fault::new(FaultCode::FtpUnsupported, "502 REST").with_reply(502));
                    }
                    Rest::Ignored => 0,
                    _ => usize::try_from(from.0).unwrap(),
                };
                let Some(file) = state.files.get(path.as_str()) else {
                    return Err(State::missing(path.as_str()));
                };
                let mut data = file.data.clone();
                if std::mem::take(&mut state.faults.flip)
                    && let Some(byte) = data.get_mut(at)
                {
                    *byte ^= 1;
                }
                let truncated = state.faults.truncate.take();
                if let Some(length) = truncated {
                    data.truncate(usize::try_from(length).unwrap());
                }
                Ok(Transfer::Send { data, at, cut: state.faults.cuts.pop(), truncated: truncated.is_some() })
            })
            .await?;
        self.transfer = transfer;
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Fault> {
        self.fuse.step().await;
        if self.is_down() {
            return Err(self.lost());
        }
        let Transfer::Send { data, at, cut, .. } = &mut self.transfer else {
            return Err(self.lost());
        };
        let mut length = data.len().saturating_sub(*at).min(64 * 1024);
        if let Some(cut) = cut {
            length = length.min(usize::try_from(*cut).unwrap());
            *cut -= length as u64;
            if length == 0 && *at < data.len() {
                return Err(self.lost());
            }
        }
        let bytes = Bytes::copy_from_slice(&data[(*at).min(data.len())..][..length]);
        *at += length;
        self.server.state().sent += length as u64;
        Ok((length > 0).then_some(bytes))
    }

    async fn begin_store(&mut self, path: &RemotePath, from: StoreFrom) -> Result<(), Fault> {
        let transfer = self
            .command(|state| {
                let path = path.as_str();
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                if !state.dir_exists(parent) {
                    return Err(Fault::new(FaultCode::FtpBadName, "553 no such folder").with_reply(553));
                }
                let refused = matches!(state.faults.rest, Rest::Refused | Rest::RefusedForStore);
                let there = state.files.get(path).map(|file| (file.inode, file.data.len()));
                let (inode, at) = match (from, there) {
                    (StoreFrom::Restart(_), _) if refused => {
                        return Err(Fault::new(FaultCode::FtpUnsupported, "502 REST").with_reply(502));
                    }
                    (StoreFrom::Start, Some((inode, _))) => {
                        state.effects.push(format!("STOR {path}"));
                        let file = state.by_inode(inode).unwrap();
                        file.data.clear();
                        (inode, 0)
                    }
                    (StoreFrom::Restart(at), Some((inode, length))) => {
                        let at = usize::try_from(at.0).unwrap();
                        assert!(at <= length, "REST past the end leaves a hole");
                        state.effects.push(format!("STOR {path} at {at}"));
                        (inode, at)
                    }
                    (StoreFrom::Append, Some((inode, length))) => {
                        state.effects.push(format!("APPE {path} at {length}"));
                        (inode, length)
                    }
                    (_, None) => {
                        state.effects.push(format!("STOR {path}"));
                        (state.store(path, Vec::new()), 0)
                    }
                };
                Ok(Transfer::Take {
                    inode,
                    at,
                    waiting: Vec::new(),
                    cut: state.faults.cuts.pop(),
                    refused: None,
                })
            })
            .await?;
        self.transfer = transfer;
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.fuse.step().await;
        if self.is_down() {
            return Err(self.lost());
        }
        let Transfer::Take { waiting, cut, refused, .. } = &mut self.transfer else {
            return Err(self.lost());
        };
        if refused.is_some() {
            return Err(Fault::new(FaultCode::FtpConnectionLost, "broken pipe"));
        }
        let mut length = bytes.len();
        if let Some(cut) = cut {
            length = length.min(usize::try_from(*cut).unwrap());
            *cut -= length as u64;
        }
        waiting.extend_from_slice(&bytes[..length]);
        let keep = {
            let mut state = self.server.state();
            state.taken += length as u64;
            state.faults.in_flight
        };
        self.flush(keep);
        if length < bytes.len() {
            return Err(self.lost());
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<Finish, Fault> {
        self.fuse.step().await;
        if self.poisoned {
            return Ok(Finish::Unconfirmed(Fault::new(FaultCode::FtpConnectionLost, "no final reply")));
        }
        self.flush(0);
        let ended = std::mem::replace(&mut self.transfer, Transfer::None);
        self.fuse.step().await;
        let lost = {
            let mut state = self.server.state();
            let lost = state.faults.lost_final > 0;
            state.faults.lost_final = state.faults.lost_final.saturating_sub(1);
            lost
        };
        if lost {
            return Ok(Finish::Unconfirmed(self.lost()));
        }
        match ended {
            Transfer::None => Err(self.lost()),
            Transfer::Send { data, at, truncated, .. } if at >= data.len() || truncated => {
                Ok(Finish::Confirmed)
            }
            Transfer::Send { .. } => {
                let fault = Fault::new(FaultCode::FtpConnectionLost, "426 aborted").with_reply(426);
                Ok(Finish::Unconfirmed(fault))
            }
            Transfer::Take { refused: Some(fault), .. } => Ok(Finish::Unconfirmed(fault)),
            Transfer::Take { .. } => Ok(Finish::Confirmed),
        }
    }

    async fn abandon(&mut self) {
        self.poisoned = true;
    }

    async fn rename(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), Fault> {
        let lost = self
            .command(|state| {
                if !state.files.contains_key(from.as_str()) {
                    return Err(State::missing(from.as_str()));
                }
                if state.faults.rnto_refuses && state.files.contains_key(to.as_str()) {
                    return Err(Fault::new(FaultCode::FtpExists, "553 exists").with_reply(553));
                }
                let file = state.files.remove(from.as_str()).unwrap();
                state.files.insert(to.as_str().to_owned(), file);
                if let Some(mode) = state.modes.remove(from.as_str()) {
                    state.modes.insert(to.as_str().to_owned(), mode);
                }
                state.effects.push(format!("RNTO {from} -> {to}"));
                let lost = state.faults.lost_rnto > 0;
                state.faults.lost_rnto = state.faults.lost_rnto.saturating_sub(1);
                Ok(lost)
            })
            .await?;
        if lost { Err(self.lost()) } else { Ok(()) }
    }

    async fn remove(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.command(|state| {
            state.files.remove(path.as_str()).ok_or_else(|| State::missing(path.as_str()))?;
            state.effects.push(format!("DELE {path}"));
            Ok(())
        })
        .await
    }

    async fn make_dir(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.command(|state| {
            if state.info(path.as_str()).is_some() {
                return Err(Fault::new(FaultCode::FtpExists, "550 exists").with_reply(550));
            }
            let parent = path.parent();
            if !state.dir_exists(parent.as_str()) {
                return Err(State::missing(parent.as_str()));
            }
            state.dirs.insert(path.as_str().to_owned());
            state.effects.push(format!("MKD {path}"));
            Ok(())
        })
        .await
    }

    async fn remove_dir(&mut self, path: &RemotePath) -> Result<(), Fault> {
        self.command(|state| {
            if !state.dirs.remove(path.as_str()) {
                return Err(State::missing(path.as_str()));
            }
            state.effects.push(format!("RMD {path}"));
            Ok(())
        })
        .await
    }

    async fn set_modified(&mut self, path: &RemotePath, at: Timestamp) -> Result<bool, Fault> {
        self.command(|state| {
            let file = state.files.get_mut(path.as_str()).ok_or_else(|| State::missing(path.as_str()))?;
            file.modified = at.0 / 1000;
            Ok(true)
        })
        .await
    }

    async fn mode(&mut self, path: &RemotePath) -> Result<Option<u32>, Fault> {
        self.command(|state| Ok(state.modes.get(path.as_str()).copied())).await
    }

    async fn set_mode(&mut self, path: &RemotePath, mode: u32) -> Result<bool, Fault> {
        self.command(|state| {
            if !state.faults.no_chmod {
                state.modes.insert(path.as_str().to_owned(), mode);
            }
            Ok(!state.faults.no_chmod)
        })
        .await
    }

    async fn digest(&mut self, path: &RemotePath, algorithm: HashAlgorithm) -> Result<Option<Digest>, Fault> {
        self.command(|state| {
            if !state.faults.hashes.contains(&algorithm) {
                return Ok(None);
            }
            let file = state.files.get(path.as_str()).ok_or_else(|| State::missing(path.as_str()))?;
            let mut hasher = Hasher::new(&[algorithm]);
            hasher.update(&file.data);
            Ok(hasher.digests().into_iter().find(|digest| digest.algorithm == algorithm))
        })
        .await
    }

    async fn close(&mut self) {
        self.poisoned = true;
    }
}
