//! From a greeting to a session that is ready: user and password, binary, features, the site's root.

use secrecy::{ExposeSecret, SecretString};

use super::encoding;
use super::features;
use super::names;
use super::replies::{self, Meaning, Reply};
use super::secret::{Commands, PasswordLine, STAND_IN};
use super::session::Session;
use crate::model::{Fault, FaultCode, NameEncoding, Site, TlsMode};

impl Session {
    pub(super) async fn log_in(&mut self, site: &Site, password: &SecretString) -> Result<(), Fault> {
        let doing = format!("log in to {} as `{}`", self.place, site.user.escape_debug());
        if site.user.chars().any(char::is_control) {
            return Err(Fault::new(
                FaultCode::ConfigInvalid,
                format!("{doing}: the name has a control character"),
            ));
        }
        let encoding = self.signals.encoding();
        for (what, text) in [("name", site.user.as_str()), ("password", password.expose_secret())] {
            if encoding::refusal(encoding, text).is_some() {
                let words = format!("{doing}: the {what} can't be written in {}", encoding.as_str());
                return Err(Fault::new(FaultCode::ConfigInvalid, words)
                    .with_hint(format!("see `encoding` under [site.{}]", site.name)));
            }
        }
        if let Some(control) = &mut self.control {
            control.set_encoding(Commands(encoding)).await;
        }
        if site.tls.mode == TlsMode::Implicit {
            // suppaftp does this only after AUTH TLS. A server that can't may still protect its data
            // connections; if not, their handshakes fail.
            for command in ["PBSZ 0", "PROT P"] {
                let reply = self.ask(command, &doing, self.limits.reply).await?;
                if !reply.is_completion() && replies::meaning(&reply) != Meaning::Unsupported {
                    return Err(self.refused(&reply, &doing));
                }
            }
        }
        let mut reply = self.ask(&format!("USER {}", site.user), &doing, self.limits.reply).await?;
        if reply.code == 331 {
            if let Some(control) = &mut self.control {
                control.set_encoding(PasswordLine(password.clone(), Commands(encoding))).await;
            }
            reply = self.ask(&format!("PASS {STAND_IN}"), &doing, self.limits.reply).await?;
            if let Some(control) = &mut self.control {
                control.set_encoding(Commands(encoding)).await;
            }
        }
        if matches!(reply.code, 230 | 202 | 232) {
            return Ok(());
        }
        let fault = replies::fault(&reply, &doing, false);
        self.poison();
        Err(match replies::meaning(&reply) {
            Meaning::Login | Meaning::Refused | Meaning::Denied | Meaning::OutOfStep => {
                let wants_account = reply.code == 332;
                let fault = Fault { code: FaultCode::FtpLogin, class: FaultCode::FtpLogin.class(), ..fault };
                fault.with_hint(if wants_account {
                    "the server wants an account (ACCT) beside the password, which isn't supported".to_owned()
                } else if site.tls.mode == TlsMode::None && mentions_tls(&reply) {
                    format!("the server wants TLS: `tls = \"explicit\"` under [site.{}]", site.name)
                } else {
                    format!("check the user in `url` and `password` under [site.{}]", site.name)
                })
            }
            _ => fault,
        })
    }

    /// Binary for good, and what the server can do.
    pub(super) async fn prepare(&mut self) -> Result<(), Fault> {
        let doing = format!("prepare the session with {}", self.place);
        let wait = self.limits.reply;
        let reply = self.ask("FEAT", &doing, wait).await?;
        let tls = self.tls.is_some();
        (self.features, self.set_mtime) = match reply.code {
            211 => features::parse(&reply.text, tls),
            _ => features::unannounced(tls),
        };
        self.features.set_mtime &= !self.learned.no_set_mtime.is_set();
        if self.features.utf8 {
            // A server that has it on, or off, for good may refuse the command.
            let switch = match self.signals.encoding() {
                NameEncoding::Utf8 => "OPTS UTF8 ON",
                NameEncoding::Latin1 | NameEncoding::Gbk => "OPTS UTF8 OFF",
            };
            self.ask(switch, &doing, wait).await?;
        }
        let reply = self.ask("TYPE I", &doing, wait).await?;
        if reply.is_completion() { Ok(()) } else { Err(self.refused(&reply, &doing)) }
    }

    /// Where the site's root is on the server (RFC 1738, 3.2.2): the folder of the login and the path
    /// of the URL from there, or the absolute path where the server has no such folder.
    pub(super) async fn find_root(&mut self, root: &str) -> Result<(), Fault> {
        let doing = format!("find the root of {}", self.place);
        if root.chars().any(char::is_control) {
            return Err(Fault::new(FaultCode::ConfigInvalid, format!("{doing}: it has a control character")));
        }
        if !root.is_empty() {
            let mut refused = self.enter(root, &doing).await?;
            if refused.is_some() && !root.starts_with('/') {
                refused = self.enter(&format!("/{root}"), &doing).await?;
            }
            if let Some(reply) = refused {
                let fault = replies::fault(&reply, &format!("{doing}, `{root}`"), false);
                return Err(Fault { code: FaultCode::FtpNotFound, ..fault }
                    .with_hint(format!("check the path in `url` under [site.{}]", self.place.site)));
            }
        }
        let reply = self.ask("PWD", &doing, self.limits.reply).await?;
        let encoding = self.signals.encoding();
        if reply.code == 257
            && encoding::decode(encoding, names::between_quotes(&self.signals.last_reply_bytes())).is_none()
        {
            let words = format!("{doing}: its path isn't {}: \"{}\"", encoding.as_str(), reply.for_people());
            return Err(Fault::new(FaultCode::FtpBadName, words)
                .with_hint(format!("see `encoding` under [site.{}]", self.place.site)));
        }
        let told = if reply.code == 257 { names::quoted(reply.words()) } else { None };
        let path = told.unwrap_or_else(|| format!("/{}", root.trim_start_matches('/')));
        if path.chars().any(char::is_control) {
            return Err(Fault::new(
                FaultCode::FtpProtocol,
                format!("{doing}: its path has a control character"),
            ));
        }
        self.base = path.trim_end_matches('/').to_owned();
        Ok(())
    }
}

fn mentions_tls(reply: &Reply) -> bool {
    let text = reply.text.to_lowercase();
    ["tls", "ssl", "encrypt", "secure"].iter().any(|word| text.contains(word))
}
