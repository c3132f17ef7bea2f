//! From what was typed to what was meant: defaults, bounds, and keys that must fit each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::error::line_of;
use super::proxy::TypedProxy;
use super::quantity::{TypedDuration, TypedSize};
use super::rate::{TypedRate, ZONE, is_zone};
use super::schedule::Schedule;
use super::{Error, SiteUrl, TransferSettings, WasmLimits, closest, typed};
use crate::model::{
    DataMode, Endpoint, Proxy, RateLimit, RetryPolicy, SecretRef, Servers, Site, SiteLimits, TlsMode,
    TlsPolicy, TlsVerify,
};
use crate::schedule::Definition;

/// A name that can stand in `NAME:PATH` and in a TOML header without quotes.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(format!(
            "the name `{}` isn't made of 1 to 64 letters, digits, `-` and `_`",
            name.escape_debug()
        ));
    }
    Ok(())
}

/// How old a backup may become, where the file doesn't say.
const BACKUP_EVERY: Duration = Duration::from_secs(3600);

/// The shortest heartbeat: a session that is asked more often has no time to be idle.
const HEARTBEAT_MIN: Duration = Duration::from_secs(1);

/// Most servers of a site.
const ENDPOINTS_MAX: usize = 64;

/// The largest share of a server.
const WEIGHT_MAX: u16 = 100;

/// Turns what was typed into what was meant, knowing where it stands.
pub(super) struct Reader<'a> {
    text: &'a str,
    file: &'a Path,
    base: &'a Path,
}

impl<'a> Reader<'a> {
    /// Reads what `text`, the content of `file`, says; relative paths are relative to `base`.
    pub(super) fn new(text: &'a str, file: &'a Path, base: &'a Path) -> Self {
        Self { text, file, base }
    }

    /// What relative paths are relative to.
    pub(super) fn base(&self) -> &Path {
        self.base
    }

    pub(super) fn wrong<T>(&self, at: &Spanned<T>, message: impl Into<String>) -> Error {
        Error::new(message).at(self.file, Some(line_of(self.text, at.span().start)))
    }

    fn path(&self, path: Option<&PathBuf>) -> Option<PathBuf> {
        path.map(|path| self.base.join(path))
    }

    /// A duration that would make every attempt fail when it is zero.
    fn deadline(
        &self,
        key: &str,
        typed: Option<&Spanned<TypedDuration>>,
        default: Duration,
    ) -> Result<Duration, Error> {
        match typed {
            None => Ok(default),
            Some(typed) if typed.get_ref().0.is_zero() => {
                Err(self.wrong(typed, format!("`{key}` must be longer than nothing")))
            }
            Some(typed) => Ok(typed.get_ref().0),
        }
    }

    fn size(&self, key: &str, typed: &Spanned<TypedSize>, min: u64, max: u64) -> Result<u64, Error> {
        let bytes = typed.get_ref().0;
        if (min..=max).contains(&bytes) {
            return Ok(bytes);
        }
        let bounds = format!("{} and {}", super::show_size(min), super::show_size(max));
        Err(self.wrong(typed, format!("`{key}` must lie between {bounds}")))
    }

    /// The zone whose clocks timetables go by.
    pub(super) fn zone<'t>(&self, typed: &'t typed::Transfer) -> Result<&'t str, Error> {
        match &typed.rate_limit_zone {
            None => Ok(ZONE),
            Some(zone) if is_zone(zone.get_ref()) => Ok(zone.get_ref()),
            Some(zone) => {
                let name = zone.get_ref().escape_debug();
                Err(self
                    .wrong(zone, format!("`rate_limit_zone`: there is no time zone `{name}`"))
                    .with_hint("write an IANA name, as `Europe/Berlin`, or `UTC`"))
            }
        }
    }

    fn rate(&self, typed: Option<&Spanned<TypedRate>>, zone: &str) -> Result<Option<RateLimit>, Error> {
        let meant = |typed: &Spanned<TypedRate>| {
            let limit = typed.get_ref().meant(zone);
            limit.map_err(|wrong| self.wrong(typed, format!("`rate_limit` {wrong}")))
        };
        typed.map(meant).transpose()
    }

    pub(super) fn transfer(&self, typed: &typed::Transfer) -> Result<TransferSettings, Error> {
        let default = TransferSettings::default();
        let size = |key, typed: &Option<Spanned<TypedSize>>, default, min, max| match typed {
            None => Ok(default),
            Some(typed) => self.size(key, typed, min, max),
        };
        Ok(TransferSettings {
            commit_bytes: size(
                "commit_bytes",
                &typed.commit_bytes,
                default.commit_bytes,
                512 << 10,
                1 << 40,
            )?,
            commit_interval: self.deadline(
                "commit_interval",
                typed.commit_interval.as_ref(),
                default.commit_interval,
            )?,
            // More than 1 MiB would be fetched again for nothing: what differs at all differs there.
            overlap: size("overlap", &typed.overlap, default.overlap, 4 << 10, 1 << 20)?,
            rate_limit: self.rate(typed.rate_limit.as_ref(), self.zone(typed)?)?,
            sessions: match &typed.sessions {
                Some(sessions) if *sessions.get_ref() == 0 => {
                    return Err(self.wrong(sessions, "`sessions` of [transfer] must be at least 1"));
                }
                sessions => sessions.as_ref().map(|sessions| *sessions.get_ref()),
            },
        })
    }

    pub(super) fn backup(&self, typed: &typed::State) -> Result<Option<(PathBuf, Duration)>, Error> {
        let every = self.deadline("backup_every", typed.backup_every.as_ref(), BACKUP_EVERY)?;
        Ok(self.path(typed.backup.as_ref()).map(|to| (to, every)))
    }

    pub(super) fn limits(&self, typed: &typed::Limits) -> Result<WasmLimits, Error> {
        let size = |key, typed: &Option<Spanned<TypedSize>>, min, max| {
            typed.as_ref().map(|typed| self.size(key, typed, min, max)).transpose()
        };
        Ok(WasmLimits {
            component_size: size("component_size", &typed.component_size, 1 << 10, 1 << 30)?,
            memory: size("memory", &typed.memory, 1 << 20, 4 << 30)?,
            fuel: typed.fuel,
        })
    }

    pub(super) fn retry(&self, name: &str, typed: &Spanned<typed::Retry>) -> Result<RetryPolicy, Error> {
        check_name(name).map_err(|wrong| self.wrong(typed, wrong))?;
        let default = RetryPolicy::default();
        let given = typed.get_ref();
        if given.attempts == Some(0) {
            return Err(self.wrong(typed, format!("`attempts` of [retry.{name}] must be at least 1")));
        }
        let millis = |duration: Option<TypedDuration>| {
            duration.map(|duration| u64::try_from(duration.0.as_millis()).unwrap_or(u64::MAX))
        };
        Ok(RetryPolicy {
            max_attempts: given.attempts.or(default.max_attempts),
            max_elapsed_ms: millis(given.max_elapsed).or(default.max_elapsed_ms),
            initial_delay_ms: millis(given.initial_delay).unwrap_or(default.initial_delay_ms),
            multiplier_percent: given.multiplier_percent.unwrap_or(default.multiplier_percent),
            max_delay_ms: millis(given.max_delay).unwrap_or(default.max_delay_ms),
            jitter: given.jitter.unwrap_or(default.jitter),
            non_retryable: given.non_retryable.clone().unwrap_or_default(),
            on_exhausted: given.on_exhausted.unwrap_or(default.on_exhausted),
        })
    }

    pub(super) fn schedule(
        &self,
        name: &str,
        typed: &Spanned<Schedule>,
        file: Option<&Path>,
    ) -> Result<Definition, Error> {
        typed.get_ref().meant(name, self.base, file).map_err(|(message, hint)| {
            let wrong = self.wrong(typed, format!("[schedule.{name}]: {message}"));
            match hint {
                Some(hint) => wrong.with_hint(hint),
                None => wrong,
            }
        })
    }

    pub(super) fn site(
        &self,
        name: &str,
        typed: &Spanned<typed::Site>,
        policies: &BTreeMap<String, RetryPolicy>,
        zone: &str,
    ) -> Result<Site, Error> {
        check_name(name).map_err(|wrong| self.wrong(typed, wrong))?;
        let given = typed.get_ref();
        let url = &given.url.0;
        if url.user.is_some() && given.user.is_some() {
            return Err(self.wrong(typed, format!("[site.{name}] has a user in `url` and one in `user`")));
        }
        let user = given.user.clone().or_else(|| url.user.clone());
        if user.as_ref().is_some_and(|user| user.chars().any(char::is_control)) {
            return Err(self.wrong(typed, format!("`user` of [site.{name}] has a control character")));
        }
        let tls = self.tls(name, typed)?;
        let port = url.port.unwrap_or(if tls.mode == TlsMode::Implicit { 990 } else { 21 });
        Ok(Site {
            name: name.to_owned(),
            host: url.host.clone(),
            port,
            user: user.unwrap_or_else(|| "anonymous".to_owned()),
            password: given.password.as_ref().map(|secret| self.secret(&secret.0)),
            root: url.root.clone(),
            tls,
            mode: given.mode.unwrap_or(DataMode::Passive),
            encoding: given.encoding.unwrap_or_default(),
            list_time_zone: self.time_zone(given.list_time_zone.as_ref())?,
            proxy: self.proxy(name, typed)?,
            servers: self.servers(name, given, port)?,
            limits: self.site_limits(given, zone)?,
            retry: self.site_retry(name, given, policies)?,
        })
    }

    /// The name of a zone that there is.
    fn time_zone(&self, typed: Option<&Spanned<String>>) -> Result<Option<String>, Error> {
        let Some(typed) = typed else {
            return Ok(None);
        };
        let name = typed.get_ref();
        match jiff::tz::TimeZone::get(name) {
            Ok(_) => Ok(Some(name.clone())),
            Err(_) => Err(self
                .wrong(typed, format!("`list_time_zone`: there is no time zone `{}`", name.escape_debug()))
                .with_hint("write its IANA name, as `Europe/Berlin`, `Asia/Shanghai` or `UTC`")),
        }
    }

    fn secret(&self, secret: &SecretRef) -> SecretRef {
        match secret {
            SecretRef::File(path) => SecretRef::File(self.base.join(path)),
            other => other.clone(),
        }
    }

    fn proxy(&self, name: &str, typed: &Spanned<typed::Site>) -> Result<Option<Proxy>, Error> {
        let given = typed.get_ref();
        let Some(proxy) = &given.proxy else {
            return match given.proxy_password {
                None => Ok(None),
                Some(_) => {
                    Err(self.wrong(typed, format!("[site.{name}] has `proxy_password` and no `proxy`")))
                }
            };
        };
        if given.mode == Some(DataMode::Active) {
            return Err(self
                .wrong(
                    proxy,
                    format!("[site.{name}] has a `proxy`, through which no server can connect to us"),
                )
                .with_hint("leave out `mode = \"active\"`"));
        }
        let TypedProxy { kind, user, host, port } = proxy.get_ref().clone();
        let password = given.proxy_password.as_ref().map(|secret| self.secret(&secret.0));
        if user.is_some() != password.is_some() {
            return Err(self.wrong(
                proxy,
                format!("[site.{name}] needs both a user in `proxy` and `proxy_password`, or neither"),
            ));
        }
        Ok(Some(Proxy { kind, host, port, user, password }))
    }

    fn tls(&self, name: &str, typed: &Spanned<typed::Site>) -> Result<TlsPolicy, Error> {
        let given = typed.get_ref();
        let mode = match (&given.tls, given.url.0.implicit_tls) {
            (None, false) => TlsMode::Explicit,
            (None, true) => TlsMode::Implicit,
            (Some(tls), true) if *tls.get_ref() != TlsMode::Implicit => {
                return Err(self
                    .wrong(tls, format!("[site.{name}] has an ftps:// URL, which means implicit TLS"))
                    .with_hint("write ftp:// for explicit TLS or for none"));
            }
            (Some(tls), _) => *tls.get_ref(),
        };
        if given.client_cert.is_some() != given.client_key.is_some() {
            return Err(self
                .wrong(typed, format!("[site.{name}] needs both `client_cert` and `client_key`, or none")));
        }
        Ok(TlsPolicy {
            mode,
            verify: given.tls_verify.unwrap_or(TlsVerify::Full),
            ca_file: self.path(given.ca_file.as_ref()),
            client_cert: self.path(given.client_cert.as_ref()),
            client_key: self.path(given.client_key.as_ref()),
        })
    }

    /// The servers of a site; `port` is that of one that names none.
    fn servers(&self, name: &str, given: &typed::Site, port: u16) -> Result<Servers, Error> {
        let Some(typed) = &given.endpoints else {
            let alone = |key: &str| format!("`{key}` of [site.{name}] says nothing without `endpoints`");
            return match (&given.balance, &given.shared_storage, &given.time_tolerance) {
                (Some(balance), ..) => Err(self.wrong(balance, alone("balance"))),
                (_, Some(shared), _) => Err(self.wrong(shared, alone("shared_storage"))),
                (_, _, Some(tolerance)) => Err(self.wrong(tolerance, alone("time_tolerance"))),
                (None, None, None) => Ok(Servers::default()),
            };
        };
        let wrong = |why: String| self.wrong(typed, format!("`endpoints` of [site.{name}]: {why}"));
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for one in typed.get_ref() {
            let endpoint = Endpoint {
                host: one.host.clone(),
                port: one.port.unwrap_or(port),
                weight: one.weight.unwrap_or(1),
            };
            // What can't be the host and port of a URL is none.
            SiteUrl::parse(&format!("ftp://{endpoint}"))
                .map_err(|why| wrong(format!("`{}`: {why}", one.host.escape_debug())))?;
            if !(1..=WEIGHT_MAX).contains(&endpoint.weight) {
                return Err(wrong(format!("the `weight` of {endpoint} must lie between 1 and {WEIGHT_MAX}")));
            }
            if endpoints.iter().any(|other| (&other.host, other.port) == (&endpoint.host, endpoint.port)) {
                return Err(wrong(format!("{endpoint} stands there twice")));
            }
            endpoints.push(endpoint);
        }
        if !(2..=ENDPOINTS_MAX).contains(&endpoints.len()) {
            return Err(wrong(format!("there must be 2 to {ENDPOINTS_MAX} servers"))
                .with_hint("a site with one server has it in `url`"));
        }
        Ok(Servers {
            endpoints,
            balance: given.balance.as_ref().map(|typed| *typed.get_ref()).unwrap_or_default(),
            shared_storage: given.shared_storage.as_ref().is_some_and(|typed| *typed.get_ref()),
            time_tolerance: given.time_tolerance.as_ref().map_or(Duration::ZERO, |typed| typed.get_ref().0),
        })
    }

    fn site_limits(&self, given: &typed::Site, zone: &str) -> Result<SiteLimits, Error> {
        let default = SiteLimits::default();
        let sessions_max = match &given.sessions {
            None => default.sessions_max,
            Some(sessions) if *sessions.get_ref() == 0 => {
                return Err(self.wrong(sessions, "`sessions` must be at least 1"));
            }
            Some(sessions) => *sessions.get_ref(),
        };
        let commands_per_second = match &given.commands_per_second {
            Some(commands) if *commands.get_ref() == 0 => {
                return Err(self.wrong(commands, "`commands_per_second` must be at least 1"));
            }
            commands => commands.as_ref().map(|commands| *commands.get_ref()),
        };
        let idle = self.deadline("idle_timeout", given.idle_timeout.as_ref(), default.idle)?;
        Ok(SiteLimits {
            reply: self.deadline("timeout", given.timeout.as_ref(), default.reply)?,
            connect: self.deadline("connect_timeout", given.connect_timeout.as_ref(), default.connect)?,
            greeting: self.deadline("greeting_timeout", given.greeting_timeout.as_ref(), default.greeting)?,
            idle,
            min_speed: given.min_speed.map_or(default.min_speed, |typed| typed.0),
            // Who lets a server be silent for longer doesn't want to have it cut off for being slow.
            min_speed_time: self.deadline(
                "min_speed_time",
                given.min_speed_time.as_ref(),
                default.min_speed_time.max(idle),
            )?,
            transfer: given
                .transfer_timeout
                .as_ref()
                .map(|typed| self.deadline("transfer_timeout", Some(typed), default.reply))
                .transpose()?,
            final_reply: self.deadline(
                "final_reply_timeout",
                given.final_reply_timeout.as_ref(),
                default.final_reply,
            )?,
            settle: given.settle.map_or(default.settle, |typed| typed.0),
            sessions_max,
            session_idle: given.session_idle.map_or(default.session_idle, |typed| typed.0),
            rate: self.rate(given.rate_limit.as_ref(), zone)?,
            commands_per_second,
            idle_max: given.sessions_idle,
            session_age: given
                .session_age
                .as_ref()
                .map(|typed| self.deadline("session_age", Some(typed), default.session_idle))
                .transpose()?,
            heartbeat: match &given.heartbeat {
                Some(every) if every.get_ref().0 < HEARTBEAT_MIN => {
                    return Err(self.wrong(every, "`heartbeat` must be at least 1s"));
                }
                every => every.as_ref().map(|every| every.get_ref().0),
            },
        })
    }

    fn site_retry(
        &self,
        name: &str,
        given: &typed::Site,
        policies: &BTreeMap<String, RetryPolicy>,
    ) -> Result<RetryPolicy, Error> {
        let mut policy = match &given.retry {
            None => RetryPolicy::default(),
            Some(wanted) => policies.get(wanted.get_ref()).cloned().ok_or_else(|| {
                let wrong =
                    self.wrong(wanted, format!("there is no [retry.{}]", wanted.get_ref().escape_debug()));
                match closest(wanted.get_ref(), policies.keys().map(String::as_str)) {
                    Some(near) => wrong.with_hint(format!("did you mean `{near}`?")),
                    None => wrong,
                }
            })?,
        };
        if let Some(attempts) = &given.attempts {
            if *attempts.get_ref() == 0 {
                return Err(self.wrong(attempts, format!("`attempts` of [site.{name}] must be at least 1")));
            }
            policy.max_attempts = Some(*attempts.get_ref());
        }
        Ok(policy)
    }
}
