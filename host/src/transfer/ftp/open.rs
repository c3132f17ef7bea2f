//! Opening a data connection: EPSV, PASV or a port of ours, then REST and the command.

use std::io;

use suppaftp::{FtpError, Mode, Status};

use super::dial::NoData;
use super::pace::Pace;
use super::replies::{self, Meaning, Reply};
use super::session::{Session, State, control_fault, reply_of};
use super::tls::tls_fault;
use super::transfer::{CLOSE_WAIT, Moving, Way};
use super::wire::Late;
use crate::crash;
use crate::model::{DataMode, Fault, FaultCode, Offset};

impl Session {
    /// Opens a data connection for `command`, at `rest`. Where EPSV fails, PASV is tried, and
    /// remembered for the site.
    pub(super) async fn open(
        &mut self,
        way: Way,
        command: &str,
        rest: Offset,
        doing: &str,
    ) -> Result<(), Fault> {
        self.check_letters(command, doing)?;
        if self.has_no_ticket() {
            self.learned.tls12.set();
            self.poison();
            let words = format!("{doing}: no TLS 1.3 ticket is left for a data connection");
            return Err(Fault::new(FaultCode::FtpNoDataConnection, words)
                .with_hint("the next session uses TLS 1.2, which needs none"));
        }
        loop {
            let mode = match self.mode {
                DataMode::Active => Mode::Active,
                DataMode::Passive if self.learned.no_epsv.is_set() => Mode::Passive,
                DataMode::Passive => Mode::ExtendedPassive,
            };
            match self.open_by(mode, way, command, rest, doing).await {
                Ok(()) => return Ok(()),
                Err(Refusal::AnotherWay) if mode == Mode::ExtendedPassive => self.learned.no_epsv.set(),
                Err(Refusal::AnotherWay) => {
                    let words = format!("{doing}: the server offers no data connection");
                    return Err(Fault::new(FaultCode::FtpNoDataConnection, words));
                }
                Err(Refusal::Fault(fault)) => return Err(*fault),
            }
        }
    }

    async fn open_by(
        &mut self,
        mode: Mode,
        way: Way,
        command: &str,
        rest: Offset,
        doing: &str,
    ) -> Result<(), Refusal> {
        // The port, the offset and the command itself.
        self.await_turn(if rest > Offset::ZERO { 3 } else { 2 }).await;
        self.take_turn(doing)?;
        self.signals.set_wait(self.limits.reply);
        let Some(control) = &mut self.control else {
            return Err(
                Fault::new(FaultCode::FtpConnectionLost, format!("{doing}: the session is closed")).into()
            );
        };
        control.set_mode(mode);
        if rest > Offset::ZERO {
            let offset = usize::try_from(rest.0).map_err(|_| {
                Fault::new(FaultCode::FtpUnsupported, format!("{doing}: offset {rest} is too large here"))
            })?;
            // suppaftp only notes the offset here; REST goes out right before the command (F33).
            control
                .resume_transfer(offset)
                .await
                .map_err(|error| control_fault(&error, doing, &self.place))?;
        }
        crash::point("ftp.command");
        let opened = control.custom_data_command(command, &[Status::AlreadyOpen, Status::AboutToSend]).await;
        crash::point("ftp.reply");
        let begun = match opened {
            Ok((_, stream)) => Ok(stream),
            // Done already, with nothing to send: an empty file or folder (F29).
            Err(error) => Err(self.refusal(error, way, rest, doing).await?.ok_or(Refusal::AnotherWay)?),
        };
        self.state = State::Moving(Box::new(Moving::begun(way, doing, Pace::new(&self.limits), begun)));
        Ok(())
    }

    /// What a data command's failure means: another way may work (`None`), all is done already, or a
    /// fault.
    async fn refusal(
        &mut self,
        error: FtpError,
        way: Way,
        rest: Offset,
        doing: &str,
    ) -> Result<Option<Reply>, Fault> {
        let verb = self.signals.verb();
        let asked_for_port = matches!(&verb, b"EPSV" | b"PASV" | b"EPRT" | b"PORT");
        if let FtpError::SecureError(_) = &error {
            return Err(self.tls_refused(doing).await);
        }
        if let FtpError::ConnectionError(io) = &error {
            let inner: Option<&NoData> = io.get_ref().and_then(|inner| inner.downcast_ref());
            if inner.is_some() {
                self.state = State::Idle;
                if let Some(refusal) = inner.and_then(|no_data| no_data.proxy.as_ref()) {
                    return Err(refusal.fault(&format!("{doing}: data connection"), &self.place.site));
                }
                if &verb == b"EPSV" {
                    return Ok(None);
                }
                let words = format!("{doing}: data connection: {io}");
                return Err(Fault::new(FaultCode::FtpNoDataConnection, words));
            }
            if self.mode == DataMode::Active
                && !asked_for_port
                && io.kind() == io::ErrorKind::TimedOut
                && !io.get_ref().is_some_and(|inner| inner.is::<Late>())
            {
                self.poison();
                let words = format!("{doing}: the server opened no data connection to us");
                return Err(Fault::new(FaultCode::FtpNoDataConnection, words)
                    .with_hint(format!("`mode = \"passive\"` under [site.{}]", self.place.site)));
            }
        }
        match reply_of(Err(error)) {
            Ok(reply) => {
                let meaning = replies::meaning(&reply);
                if matches!(reply.code, 226 | 250)
                    && way == Way::Retrieve
                    && !asked_for_port
                    && &verb != b"REST"
                {
                    return Ok(Some(reply));
                }
                if meaning.ends_session() {
                    self.poison();
                } else {
                    self.state = State::Idle;
                }
                if asked_for_port && !meaning.ends_session() && &verb == b"EPSV" {
                    return Ok(None);
                }
                if &verb == b"REST" || (rest > Offset::ZERO && meaning == Meaning::BadOffset) {
                    let words = format!(
                        "{doing}: the server refuses to begin at byte {rest}: \"{}\"",
                        reply.for_people()
                    );
                    return Err(Fault::new(FaultCode::FtpUnsupported, words).with_reply(reply.code));
                }
                self.blame_tls13(&reply);
                let fault = replies::fault(&reply, doing, false);
                Err(if asked_for_port {
                    Fault { code: FaultCode::FtpNoDataConnection, ..fault }
                } else {
                    fault
                })
            }
            Err(error) => {
                self.poison();
                Err(control_fault(&error, doing, &self.place))
            }
        }
    }

    /// TLS didn't come to stand on a data connection. The server's reply says more than our error.
    async fn tls_refused(&mut self, doing: &str) -> Fault {
        let failure = self.tls.as_ref().and_then(|tls| tls.take_failure());
        self.signals.set_wait(CLOSE_WAIT);
        let reply = match &mut self.control {
            Some(control) => reply_of(control.read_response_in(&[]).await.map(|_| ())).ok(),
            None => None,
        };
        if let Some(reply) = &reply {
            self.blame_tls13(reply);
        }
        self.poison();
        let ours = failure.map(|error| tls_fault(&error, doing, &self.place));
        match (reply, ours) {
            (Some(reply), Some(ours)) => {
                let words = format!("{}; the server says \"{}\"", ours.message, reply.for_people());
                Fault::new(FaultCode::FtpNoDataConnection, words).with_reply(reply.code)
            }
            (Some(reply), None) => replies::fault(&reply, doing, false),
            (None, Some(ours)) => ours,
            (None, None) => Fault::new(FaultCode::FtpNoDataConnection, format!("{doing}: TLS failed")),
        }
    }
}

/// Why a data connection wasn't opened.
enum Refusal {
    /// This way of opening it is not for this server; the session is as before.
    AnotherWay,
    Fault(Box<Fault>),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}
