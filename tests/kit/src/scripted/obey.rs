//! What commands do when nothing is wrong (RFC 959, 2228, 2389, 2428, 3659, 4217).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use sha2::{Digest as _, Sha256};

use super::data::Source;
use super::files::Refusal;
use super::listing;
use super::plan::{GREETING, RestOfRetr, Size};
use super::server::{PASSWORD, USER};
use super::session::Session;

fn refusal(refusal: Refusal, path: &str) -> String {
    match refusal {
        Refusal::NotFound => format!("550 {path}: No such file or directory"),
        Refusal::Exists => format!("553 {path}: File exists"),
        Refusal::NotEmpty => format!("550 {path}: Directory not empty"),
        Refusal::IsFolder => format!("550 {path}: Is a directory"),
        Refusal::NoRestart => "504 No REST before STOR".to_owned(),
        Refusal::BadOffset => "554 Restart position beyond the end".to_owned(),
    }
}

/// The form with the text in place of `{}`.
fn filled(form: &[u8], text: &str) -> Vec<u8> {
    let at = form.windows(2).position(|pair| pair == b"{}").unwrap_or(form.len());
    [&form[..at], text.as_bytes(), form.get(at + 2..).unwrap_or_default()].concat()
}

impl Session {
    /// Does what a line asks for.
    pub(super) fn obey(&mut self, line: &str) -> io::Result<()> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = verb.to_ascii_uppercase();
        if line == GREETING {
            return self.reply("220 ready");
        }
        match verb.as_str() {
            "USER" => {
                self.user_given = rest == USER;
                return self.reply("331 and the password?");
            }
            "PASS" => {
                self.logged_in = self.user_given && rest == PASSWORD;
                return self.reply(if self.logged_in { "230 in" } else { "530 Login incorrect." });
            }
            "AUTH" => return self.auth(),
            "FEAT" => return self.feat(),
            "QUIT" => {
                self.over = true;
                return self.reply("221 bye");
            }
            "PBSZ" | "NOOP" | "OPTS" | "CLNT" => return self.reply("200 fine"),
            "PROT" => {
                self.protected = rest == "P" && self.line.is_secure();
                return self.reply(if self.protected || rest == "C" { "200 so be it" } else { "503 no TLS" });
            }
            _ if !self.logged_in => return self.reply("530 Please log in"),
            _ => {}
        }
        let path = self.path(rest);
        match verb.as_str() {
            "SYST" => self.reply("215 UNIX Type: L8"),
            "TYPE" => {
                self.binary = rest == "I";
                self.reply("200 type")
            }
            "PWD" => self.reply(&format!("257 \"{}\" is it", self.folder.clone())),
            "CWD" => self.enter(path),
            "CDUP" => self.enter(self.path("..")),
            "REST" => self.restart(rest),
            "EPSV" | "PASV" => self.listen(&verb),
            "EPRT" | "PORT" => self.dial_later(&verb, rest),
            "RETR" => self.retrieve(&path),
            "STOR" | "APPE" => self.store(&path, verb == "APPE"),
            "LIST" | "NLST" | "MLSD" => self.list(&verb, rest),
            "MLST" => self.facts(&path),
            "SIZE" => self.size(&path),
            "MDTM" => self.time(&path),
            "MFMT" => self.set_time(rest),
            "HASH" if self.shared.plan.quirks.hash => self.hash(&path),
            "RNFR" => {
                let known = self.shared.files.status(&path).is_some();
                let reply = if known { "350 to what?".to_owned() } else { refusal(Refusal::NotFound, &path) };
                self.rename_from = known.then_some(path);
                self.reply(&reply)
            }
            "RNTO" => {
                let Some(from) = self.rename_from.take() else { return self.reply("503 RNFR first") };
                let refuse = self.shared.plan.quirks.rename_refuses;
                let done = self.shared.files.rename(&from, &path, refuse);
                self.done(done, &path)
            }
            "DELE" => self.done(self.shared.files.remove(&path, false), &path),
            "RMD" => self.done(self.shared.files.remove(&path, true), &path),
            "MKD" => match self.shared.files.make(&path) {
                Ok(()) => self.reply(&format!("257 \"{path}\" made")),
                Err(why) => self.reply(&refusal(why, &path)),
            },
            _ => self.reply("502 not here"),
        }
    }

    fn done(&mut self, outcome: Result<(), Refusal>, path: &str) -> io::Result<()> {
        match outcome {
            Ok(()) => self.reply("250 done"),
            Err(why) => self.reply(&refusal(why, path)),
        }
    }

    /// An argument as an absolute path.
    fn path(&self, argument: &str) -> String {
        let whole = if argument.starts_with('/') {
            argument.to_owned()
        } else {
            format!("{}/{argument}", self.folder)
        };
        let mut names: Vec<&str> = Vec::new();
        for name in whole.split('/').filter(|name| !name.is_empty() && *name != ".") {
            match name {
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        format!("/{}", names.join("/"))
    }

    fn auth(&mut self) -> io::Result<()> {
        let Some(configs) = self.configs.clone() else { return self.reply("502 no TLS here") };
        self.reply("234 begin")?;
        self.line.secure(configs.control)
    }

    fn feat(&mut self) -> io::Result<()> {
        let quirks = &self.shared.plan.quirks;
        if let Some(whole) = &quirks.feat {
            let whole = whole.clone();
            return self.reply(&whole);
        }
        let mut lines =
            vec!["211-what there is", " REST STREAM", " SIZE", " MDTM", " MFMT", " UTF8", " EPSV"];
        if quirks.mlst {
            lines.push(" MLST type*;size*;modify*;unique*;");
        }
        if quirks.hash {
            lines.push(" HASH SHA-256*");
        }
        lines.push("211 end");
        self.reply(&lines.join("\r\n"))
    }

    fn enter(&mut self, path: String) -> io::Result<()> {
        match self.shared.files.status(&path) {
            Some(status) if status.is_folder => {
                self.folder = path;
                self.reply("250 there")
            }
            // Whatever is in a listing that was made up is there.
            None if self.shared.plan.quirks.listing.is_some() && path.starts_with("/in/") => {
                self.folder = path;
                self.reply("250 there")
            }
            _ => self.reply("550 Failed to change directory."),
        }
    }

    fn restart(&mut self, offset: &str) -> io::Result<()> {
        if let RestOfRetr::Refused(reply) = &self.shared.plan.quirks.rest_retr {
            let reply = reply.clone();
            return self.reply(&reply);
        }
        match offset.parse() {
            Ok(offset) => {
                self.rest = Some(offset);
                self.reply(&format!("350 from {offset}"))
            }
            Err(_) => self.reply("501 no number"),
        }
    }

    fn listen(&mut self, verb: &str) -> io::Result<()> {
        let quirks = &self.shared.plan.quirks;
        if quirks.rest_retr == RestOfRetr::ForgottenByPasv {
            self.rest = None;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        self.active = None;
        let [a, b, c, d] = quirks.pasv_address.unwrap_or([127, 0, 0, 1]);
        let numbers = format!("{a},{b},{c},{d},{},{}", port >> 8, port & 255);
        let reply = match verb {
            "EPSV" => format!("229 extended (|||{port}|)").into_bytes(),
            _ => filled(&quirks.pasv_form, &numbers),
        };
        if quirks.pasv_address.is_some() {
            self.watch_elsewhere(port);
        }
        self.passive = Some(listener);
        self.line.write(&[&reply, &b"\r\n"[..]].concat())
    }

    fn dial_later(&mut self, verb: &str, argument: &str) -> io::Result<()> {
        let port = if verb == "EPRT" {
            argument.split('|').nth(3).and_then(|port| port.parse().ok())
        } else {
            let numbers: Vec<u16> = argument.split(',').filter_map(|number| number.parse().ok()).collect();
            numbers.get(4..6).map(|port| port[0] << 8 | port[1])
        };
        match port {
            Some(port) => {
                self.passive = None;
                self.active = Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
                self.reply("200 will connect")
            }
            None => self.reply("501 no address"),
        }
    }

    fn retrieve(&mut self, path: &str) -> io::Result<()> {
        let Some(status) = self.shared.files.status(path).filter(|status| !status.is_folder) else {
            self.rest = None;
            return self.reply(&refusal(Refusal::NotFound, path));
        };
        let rest = self.rest.take().unwrap_or(0);
        let from = if self.shared.plan.quirks.rest_retr == RestOfRetr::Ignored { 0 } else { rest };
        if from > status.size {
            return self.reply(&refusal(Refusal::BadOffset, path));
        }
        self.send(Source::File { path: path.to_owned(), from })
    }

    fn store(&mut self, path: &str, append: bool) -> io::Result<()> {
        let rest = self.rest.take();
        match self.shared.files.open(path, append, rest, &self.shared.plan.quirks) {
            Ok(writer) => self.take(path, writer),
            Err(why) => self.reply(&refusal(why, path)),
        }
    }

    fn list(&mut self, verb: &str, argument: &str) -> io::Result<()> {
        let quirks = &self.shared.plan.quirks;
        if verb == "MLSD" && !quirks.mlst {
            return self.reply("502 not here");
        }
        let source = match (&quirks.endless_listing, &quirks.listing) {
            (Some(again), _) => Source::Endless(again.clone()),
            (None, Some(lines)) => Source::Bytes(lines.clone()),
            (None, None) => {
                let folder = self.path(argument.trim_start_matches("-a").trim_start());
                Source::Bytes(listing::of(verb, &folder, &self.shared.files, quirks))
            }
        };
        self.send(source)
    }

    fn facts(&mut self, path: &str) -> io::Result<()> {
        if !self.shared.plan.quirks.mlst {
            return self.reply("502 not here");
        }
        match self.shared.files.status(path) {
            Some(status) => {
                let facts = listing::facts(path, &status);
                self.reply(&format!("250-facts\r\n {facts}\r\n250 end"))
            }
            None => self.reply(&refusal(Refusal::NotFound, path)),
        }
    }

    fn size(&mut self, path: &str) -> io::Result<()> {
        let found = self.shared.files.status(path).filter(|status| !status.is_folder);
        let reply = match (self.shared.plan.quirks.size, found) {
            (Size::Missing, _) => "502 not here".to_owned(),
            (Size::OnlyInBinary, _) if !self.binary => "550 SIZE not allowed in ASCII mode".to_owned(),
            (Size::Refused, Some(_)) => "550 Could not get file size.".to_owned(),
            (Size::Wraps, Some(status)) => format!("213 {}", status.size & 0xffff_ffff),
            (_, Some(status)) => format!("213 {}", status.size),
            (_, None) => refusal(Refusal::NotFound, path),
        };
        self.reply(&reply)
    }

    fn time(&mut self, path: &str) -> io::Result<()> {
        let found = self.shared.files.status(path).filter(|status| !status.is_folder);
        let reply = match found.map(|status| listing::told(status.modified, &self.shared.plan.quirks)) {
            Some(Some(told)) => format!("213 {told}"),
            Some(None) => "502 not here".to_owned(),
            None => refusal(Refusal::NotFound, path),
        };
        self.reply(&reply)
    }

    fn set_time(&mut self, argument: &str) -> io::Result<()> {
        let Some((at, path)) = argument.split_once(' ') else { return self.reply("501 time and path") };
        let path = self.path(path);
        let Some(at) = listing::unstamp(at) else { return self.reply("501 no time") };
        match self.shared.files.set_modified(&path, at) {
            Ok(()) => self.reply("213 set"),
            Err(why) => self.reply(&refusal(why, &path)),
        }
    }

    fn hash(&mut self, path: &str) -> io::Result<()> {
        let reply = match self.shared.files.get(path) {
            Some(data) => {
                let digest: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
                format!("213 SHA-256 0-{} {digest} {path}", data.len())
            }
            None => refusal(Refusal::NotFound, path),
        };
        self.reply(&reply)
    }
}
