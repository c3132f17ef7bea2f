//! One control connection: lines in, rules first, and else what the command asks for.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::data::Bent;
use super::effects::Effect;
use super::line::Line;
use super::plan::{Act, GREETING};
use super::server::Shared;
use super::tls::Configs;

/// What a client has said so far.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u32,
    pub(super) line: Line,
    pub(super) shared: Arc<Shared>,
    /// Replies aren't sent.
    pub(super) mute: bool,
    pub(super) over: bool,
    pub(super) rest: Option<u64>,
    pub(super) passive: Option<TcpListener>,
    pub(super) active: Option<SocketAddr>,
    /// Data connections are under TLS (PROT P).
    pub(super) protected: bool,
    pub(super) binary: bool,
    pub(super) rename_from: Option<String>,
    pub(super) folder: String,
    pub(super) user_given: bool,
    pub(super) logged_in: bool,
    pub(super) configs: Option<Configs>,
    /// How the transfer of this command strays.
    pub(super) bent: Bent,
}

impl Session {
    pub(super) fn new(number: u32, line: Line, shared: Arc<Shared>) -> Self {
        Self {
            number,
            line,
            shared,
            mute: false,
            over: false,
            rest: None,
            passive: None,
            active: None,
            protected: false,
            binary: false,
            rename_from: None,
            folder: "/".to_owned(),
            user_given: false,
            logged_in: false,
            configs: None,
            bent: Bent::default(),
        }
    }

    /// Serves the client until one of both has enough. `others` sessions were open before.
    pub(super) fn serve(mut self, others: usize) -> io::Result<()> {
        let plan = &self.shared.plan;
        if let Some((most, reply)) = &plan.quirks.sessions_max
            && others >= *most
        {
            let reply = reply.clone();
            return self.reply(&reply);
        }
        if let (Some(tls), Some(identity)) = (&plan.tls, &self.shared.identity) {
            self.configs = Some(identity.configs(tls).map_err(io::Error::other)?);
        }
        self.answer(GREETING)?;
        while !self.over {
            let Some(line) = self.line.read()? else { break };
            let private = self.line.is_secure();
            self.shared.log.add(Effect::Command { session: self.number, line: line.clone(), private });
            self.answer(&line)?;
        }
        self.line.hang_up();
        Ok(())
    }

    fn answer(&mut self, line: &str) -> io::Result<()> {
        let Some(acts) = self.shared.acts(line) else { return self.obey(line) };
        for act in acts {
            self.act(act, line)?;
        }
        Ok(())
    }

    fn act(&mut self, act: Act, line: &str) -> io::Result<()> {
        match act {
            Act::Say(bytes) => self.line.write(&bytes),
            Act::SaySlowly(bytes) => {
                bytes.iter().try_for_each(|byte| self.line.write(std::slice::from_ref(byte)))
            }
            Act::SayBelowTls(bytes) => self.line.write_below(&bytes),
            Act::SayForEver(bytes) => loop {
                self.line.write(&bytes)?;
            },
            Act::Wait(time) => {
                std::thread::sleep(time);
                Ok(())
            }
            Act::HangUp => {
                self.over = true;
                self.line.hang_up();
                Ok(())
            }
            Act::Obey => self.obey(line),
            Act::ObeyMutely => {
                self.mute = true;
                let done = self.obey(line);
                self.mute = false;
                done
            }
            Act::Transfer(twists) => {
                self.bent = Bent::of(&twists);
                let done = self.obey(line);
                self.bent = Bent::default();
                done
            }
            Act::Replace(path, data) => {
                self.shared.files.put(&path, &data);
                Ok(())
            }
            Act::Remove(path) => {
                self.shared.files.take_away(&path);
                Ok(())
            }
        }
    }

    /// Sends a reply, without its line end; not while the session is mute.
    pub(super) fn reply(&mut self, text: &str) -> io::Result<()> {
        if self.mute || text.is_empty() {
            return Ok(());
        }
        self.line.write(format!("{text}\r\n").as_bytes())
    }
}
