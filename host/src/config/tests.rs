//! Files as people write them, right and wrong.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{Config, Environment, Error, Flags, Origin, TransferSettings};
use crate::model::{
    Balance, DataMode, NameEncoding, Proxy, ProxyKind, RateLimit, RateWindow, SecretRef, SiteLimits,
    Timetable, TlsMode, TlsVerify,
};

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let home = [("HOME", "/home/u")];
    Environment::new(home.iter().chain(pairs).map(|(name, value)| ((*name).into(), (*value).into())))
}

fn read(text: &str) -> Result<Config, Error> {
    let file = Path::new("/etc/o/orchestrator.toml");
    Config::from_text(text, Some(file), &Flags::default(), &environment(&[]), Path::new("/here"))
}

/// The message of a file that isn't taken, with its place and its hint.
fn refusal(text: &str) -> String {
    let error = read(text).unwrap_err();
    format!("{error} | {}", error.hint.as_deref().unwrap_or_default())
}

#[test]
fn a_site_needs_only_a_url() {
    let config = read("[site.a]\nurl = 'ftp://h'").unwrap();
    let site = &config.sites["a"];
    assert_eq!((site.host.as_str(), site.port, site.user.as_str()), ("h", 21, "anonymous"));
    assert_eq!(
        (site.tls.mode, site.tls.verify, site.mode),
        (TlsMode::Explicit, TlsVerify::Full, DataMode::Passive)
    );
    assert_eq!(site.limits, SiteLimits::default());
    assert_eq!((site.encoding, site.list_time_zone.as_deref()), (NameEncoding::Utf8, None));
    assert_eq!(config.state.0, Path::new("/home/u/.local/state/orchestrator"));
}

#[test]
fn every_key_of_a_site_is_meant() {
    let config = read(
        r#"
        [retry.slow]
        attempts = 3
        initial_delay = "2s"
        on_exhausted = "pause"
        [site.bank]
        url = "ftp://jane@h:2121/in%20box"
        password = { file = "secret/pw" }
        tls = "none"
        tls_verify = "none"
        ca_file = "ca.pem"
        client_cert = "c.pem"
        client_key = "/k.pem"
        mode = "active"
        encoding = "gbk"
        list_time_zone = "Asia/Shanghai"
        timeout = "1s"
        connect_timeout = "2s"
        greeting_timeout = "7s"
        idle_timeout = "3s"
        min_speed = "1KiB"
        min_speed_time = "8s"
        rate_limit = "2 MiB"
        commands_per_second = 20
        transfer_timeout = "4s"
        final_reply_timeout = "5s"
        settle = "0s"
        sessions = 3
        session_idle = "6s"
        sessions_idle = 2
        session_age = "1h"
        heartbeat = "2s"
        attempts = 7
        retry = "slow"
        "#,
    )
    .unwrap();
    let site = &config.sites["bank"];
    assert_eq!((site.user.as_str(), site.root.as_str(), site.port), ("jane", "in box", 2121));
    assert_eq!(site.password, Some(SecretRef::File("/etc/o/secret/pw".into())));
    assert_eq!(site.tls.ca_file.as_deref(), Some(Path::new("/etc/o/ca.pem")));
    assert_eq!(site.tls.client_key.as_deref(), Some(Path::new("/k.pem")));
    assert_eq!((site.encoding, site.list_time_zone.as_deref()), (NameEncoding::Gbk, Some("Asia/Shanghai")));
    let secs = Duration::from_secs;
    assert_eq!(
        site.limits,
        SiteLimits {
            reply: secs(1),
            connect: secs(2),
            greeting: secs(7),
            idle: secs(3),
            min_speed: 1024,
            min_speed_time: secs(8),
            transfer: Some(secs(4)),
            final_reply: secs(5),
            settle: secs(0),
            sessions_max: 3,
            session_idle: secs(6),
            rate: Some(RateLimit::Fixed(2 << 20)),
            commands_per_second: Some(20),
            idle_max: Some(2),
            session_age: Some(secs(3600)),
            heartbeat: Some(secs(2)),
        }
    );
    assert_eq!((site.retry.max_attempts, site.retry.initial_delay_ms), (Some(7), 2000));
    assert_eq!(config.retry["slow"].max_attempts, Some(3));
}

#[test]
fn a_proxy_has_a_user_and_a_password_or_neither() {
    let config = read(
        "[site.a]\nurl = 'ftp://h'\nproxy = 'socks5://jane@gate:1080'\nproxy_password = { file = 'pw' }\n\
         [site.b]\nurl = 'ftp://h'\nproxy = 'http://[::1]:3128'",
    )
    .unwrap();
    let password = Some(SecretRef::File("/etc/o/pw".into()));
    let (host, user) = ("gate".to_owned(), Some("jane".to_owned()));
    let proxy = Proxy { kind: ProxyKind::Socks5, host, port: 1080, user, password };
    assert_eq!(proxy.to_string(), "socks5://gate:1080", "without the user");
    assert_eq!(config.sites["a"].proxy, Some(proxy));
    assert_eq!(config.sites["b"].proxy.as_ref().unwrap().to_string(), "http://[::1]:3128");
}

#[test]
fn a_timetable_has_windows_by_the_clocks_of_one_zone() {
    let config = read(
        "[transfer]\nrate_limit_zone = 'Europe/Berlin'\nrate_limit = [{ from = '08:00', to = '18:00', \
         days = ['mon', 'fri'], limit = '1 MiB' }, { limit = 5000000 }]\n\
         [site.a]\nurl = 'ftp://h'\nrate_limit = [{ from = '22:00', to = '06:00', limit = '8MiB' }]",
    )
    .unwrap();
    let window = |from, to, days, limit| RateWindow { from, to, days, limit };
    let days = [true, false, false, false, true, false, false];
    let zone = || "Europe/Berlin".to_owned();
    let windows = vec![window(480, 1080, days, 1 << 20), window(0, 1440, [true; 7], 5_000_000)];
    let limit = RateLimit::Timetable(Timetable { zone: zone(), windows });
    assert_eq!(
        super::show_rate(&limit),
        r#"[{ from = "08:00", to = "18:00", days = ["mon", "fri"], limit = "1MiB" }, "#.to_owned()
            + r#"{ from = "00:00", to = "24:00", limit = "5000000B" }]"#
    );
    assert_eq!(config.transfer.options().rate, Some(limit));
    let windows = vec![window(1320, 360, [true; 7], 8 << 20)];
    assert_eq!(
        config.sites["a"].limits.rate,
        Some(RateLimit::Timetable(Timetable { zone: zone(), windows }))
    );
}

#[test]
fn who_bears_a_long_silence_bears_a_slow_minute() {
    let config =
        read("[site.a]\nurl='ftp://h'\nidle_timeout='10m'\n[site.b]\nurl='ftp://h'\nidle_timeout='5s'");
    let config = config.unwrap();
    let time = |name: &str| config.sites[name].limits.min_speed_time.as_secs();
    assert_eq!((time("a"), time("b")), (600, 60));
}

#[test]
fn implicit_tls_has_its_own_port() {
    let config = read("[site.a]\nurl='ftps://h'\n[site.b]\nurl='ftp://h'\ntls='implicit'").unwrap();
    for name in ["a", "b"] {
        assert_eq!(
            (config.sites[name].tls.mode, config.sites[name].port),
            (TlsMode::Implicit, 990),
            "{name}"
        );
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    assert_eq!(
        refusal("# first\n[site.a]\nurl = 'ftp://h'\ntsl = 'none'\n"),
        "/etc/o/orchestrator.toml:4: unknown key `tsl` | did you mean `tls`?"
    );
    assert_eq!(
        refusal("[sites.a]\nurl = 'ftp://h'\n"),
        "/etc/o/orchestrator.toml:1: unknown key `sites` | did you mean `site`?"
    );
    assert_eq!(
        refusal("[site.a]\nurl = 'ftp://h'\ntls = 'explicitly'\n"),
        "/etc/o/orchestrator.toml:3: unknown value `explicitly` | did you mean `explicit`?"
    );
    assert_eq!(
        refusal("[site.a]\nurl = 'ftp://h'\nencoding = 'latin1'\n"),
        "/etc/o/orchestrator.toml:3: unknown value `latin1` | did you mean `latin-1`?"
    );
    let zone = refusal("[site.a]\nurl = 'ftp://h'\nlist_time_zone = 'Europe/Berln'\n");
    assert!(
        zone.starts_with(
            "/etc/o/orchestrator.toml:3: `list_time_zone`: there is no time zone `Europe/Berln`"
        )
    );
}

#[test]
fn what_cannot_be_meant_is_refused_where_it_stands() {
    for (text, part) in [
        ("[site.a]\n", ":1: missing field `url`"),
        ("[site.a]\nurl = 'h'", ":2: `url`: the URL has no scheme"),
        ("[site.'a:b']\nurl = 'ftp://h'", "the name `a:b`"),
        (
            "[site.a]\nurl = 'ftp://h'\ntimeout = 30",
            ":3: `timeout`: invalid type: integer `30`, expected a duration in quotes",
        ),
        ("[site.a]\nurl = 'ftp://h'\ntimeout = '0s'", ":3: `timeout` must be longer than nothing"),
        ("[site.a]\nurl = 'ftp://h'\nattempts = 0", ":3: `attempts` of [site.a] must be at least 1"),
        (
            "[site.a]\nurl = 'ftp://h'\nretry = 'slwo'\n[retry.slow]",
            ":3: there is no [retry.slwo] | did you mean `slow`?",
        ),
        ("[site.a]\nurl = 'ftps://h'\ntls = 'none'", ":3: [site.a] has an ftps:// URL"),
        ("[site.a]\nurl = 'ftp://h'\nclient_cert = 'c'", "needs both"),
        ("[transfer]\ncommit_bytes = '1B'", ":2: `commit_bytes` must lie between 512KiB and 1TiB"),
        ("[site.a]\nurl = 'ftp://h'\nproxy = 'https://p:1'", ":3: `proxy`: a proxy under TLS"),
        ("[site.a]\nurl = 'ftp://h'\nproxy = 'http://p'", ":3: `proxy`: the proxy has no port"),
        (
            "[site.a]\nurl = 'ftp://h'\nproxy = 'http://p:1'\nmode = 'active'",
            ":3: [site.a] has a `proxy`, through which no server",
        ),
        ("[site.a]\nurl = 'ftp://h'\nproxy = 'http://u@p:1'", ":3: [site.a] needs both a user in `proxy`"),
        ("[site.a]\nurl = 'ftp://h'\nproxy_password = { env = 'P' }", "`proxy_password` and no `proxy`"),
        (
            "[site.a]\nurl = 'ftp://h'\ncommands_per_second = 0",
            ":3: `commands_per_second` must be at least 1",
        ),
        ("[site.a]\nurl = 'ftp://h'\nmin_speed_time = '0s'", ":3: `min_speed_time` must be longer"),
        ("[site.a]\nurl = 'ftp://h'\ngreeting_timeout = '0s'", ":3: `greeting_timeout` must be longer"),
        ("[site.a]\nurl = 'ftp://h'\nmin_speed = 'slow'", ":3: `min_speed`: `slow` is not a size"),
        ("[transfer]\nrate_limit = '0B'", ":2: `rate_limit` must let pass at least 1 byte"),
        ("[transfer]\nrate_limit = []", ":2: `rate_limit` must have 1 to 64 windows"),
        ("[transfer]\nrate_limit = [{ from = '8:00', limit = 1 }]", "`8:00` is no time of day"),
        ("[transfer]\nrate_limit = [{ from = '08:00' }]", "missing field `limit`"),
        ("[transfer]\nrate_limit = [{ form = '08:00', limit = 1 }]", "unknown key `form`"),
        ("[transfer]\nrate_limit = [{ days = ['monday'], limit = 1 }]", "unknown value `monday`"),
        ("[transfer]\nrate_limit_zone = 'Berlin'", ":2: `rate_limit_zone`: there is no time zone `Berlin`"),
        ("[site.a\n", ":1: "),
    ] {
        let said = refusal(text);
        assert!(said.contains(part), "{text:?} gave {said:?}, not {part:?}");
    }
}

#[test]
fn a_password_in_clear_is_never_shown() {
    for text in [
        "[site.a]\nurl = 'ftp://h'\npassword = 'hunter2'",
        "[site.a]\nurl = 'ftp://h'\npassword = { plain = 'hunter2' }",
        "[site.a]\nurl = 'ftp://h'\npassword = ['hunter2']",
        "[site.a]\nurl = 'ftp://jane:hunter2@h'",
        "[site.a]\nurl = 'ftp://h'\npassword = { env = 'A', file = 'hunter2' }",
        "[site.a]\nurl = 'ftp://h'\npassword = 'hunter2",
        "[site.a]\nurl = 'ftp://h'\nproxy = 'socks5://jane:hunter2@p:1'",
        "[site.a]\nurl = 'ftp://h'\nproxy = 'http://u@p:1'\nproxy_password = 'hunter2'",
    ] {
        let said = refusal(text);
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn flags_come_before_the_environment_before_the_file_before_defaults() {
    let text = "[state]\npath = 's'\n[transfer]\ncommit_bytes = '1MiB'";
    let file = Path::new("/etc/o/orchestrator.toml");
    let load = |flags: &Flags, pairs: &[(&str, &str)]| {
        Config::from_text(text, Some(file), flags, &environment(pairs), Path::new("/here")).unwrap()
    };
    let of_file = load(&Flags::default(), &[]);
    assert_eq!(of_file.state, ("/etc/o/s".into(), Origin::File));
    assert_eq!(of_file.transfer.commit_bytes, 1 << 20);
    let variables = [("ORCHESTRATOR_STATE", "e"), ("ORCHESTRATOR_COMMIT_BYTES", "2MiB")];
    let of_environment = load(&Flags::default(), &variables);
    assert_eq!(of_environment.state, ("/here/e".into(), Origin::Environment));
    assert_eq!(of_environment.transfer.commit_bytes, 2 << 20);
    let flags = Flags { state: Some("f".into()), ..Flags::default() };
    assert_eq!(load(&flags, &variables).state, ("/here/f".into(), Origin::Flag));
}

#[test]
fn a_site_that_is_not_there_has_a_nearest_name() {
    let config = read("[site.partner]\nurl = 'ftp://h'").unwrap();
    let error = config.site("partnre").unwrap_err();
    assert_eq!(error.to_string(), "there is no site `partnre` in /etc/o/orchestrator.toml");
    assert_eq!(error.hint.as_deref(), Some("did you mean `partner`?"));
}

#[test]
fn the_schema_describes_every_key_and_takes_no_other() {
    fn keys(schema: &Value, at: &str, found: &mut Vec<String>) {
        let Some(properties) = schema["properties"].as_object() else { return };
        assert_eq!(schema["additionalProperties"], false, "{at} takes any key");
        for (key, property) in properties {
            let path = format!("{at}.{key}");
            assert!(property["description"].is_string(), "{path} isn't described");
            keys(property, &path, found);
            found.push(path);
        }
    }
    let (schema, mut found) = (Config::schema(), Vec::new());
    keys(&schema, "", &mut found);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        keys(definition, name, &mut found);
    }
    for key in [".transfer.commit_bytes", ".log.format", "Retry.on_exhausted", "Site.url", "Secret.env"] {
        assert!(found.iter().any(|found| found == key), "{key} is missing in {found:?}");
    }
    // What an editor offers is what is taken.
    for mode in schema["$defs"]["TlsMode"]["oneOf"].as_array().unwrap() {
        let mode = mode["const"].as_str().unwrap();
        read(&format!("[site.a]\nurl = 'ftp://h'\ntls = '{mode}'")).unwrap();
    }
}

#[test]
fn an_error_names_its_key_and_never_its_value() {
    let text = refusal("[site.a]\nurl = 'ftp://h'\nattempts = 'five'");
    assert!(text.contains("toml:3: `attempts`: "), "{text}");
    let text = refusal("[site.a]\nurl = 'ftp://h'\npassword = 'hunter2'");
    assert!(text.contains("`password`: ") && !text.contains("hunter2"), "{text}");
}

#[test]
fn the_documented_file_is_read_and_shows_the_defaults() {
    let page = include_str!("../../../docs/configuration.md");
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let config = read(&blocks.collect::<String>()).unwrap();
    let defaults = read("[site.acme]\nurl = 'ftp://h'").unwrap();
    let (shown, default) = (&config.sites["acme"].limits, &defaults.sites["acme"].limits);
    // What is no default by its nature: there is none.
    let unlimited = SiteLimits {
        transfer: None,
        rate: None,
        commands_per_second: None,
        idle_max: None,
        session_age: None,
        heartbeat: None,
        ..shown.clone()
    };
    assert_eq!(unlimited, *default);
    assert!(shown.rate.is_some() && shown.commands_per_second.is_some());
    assert!(matches!(config.transfer.rate_limit, Some(RateLimit::Timetable(_))));
    let unlimited = TransferSettings { rate_limit: None, sessions: None, ..config.transfer.clone() };
    assert_eq!(unlimited, defaults.transfer);
    assert_eq!(config.sites["partner"].servers.endpoints.len(), 3);
    assert_eq!(config.backup, Some(("/backup/orchestrator".into(), Duration::from_secs(3600))));
    assert_eq!(defaults.backup, None);
    let limits = crate::wasm::Limits::default();
    assert_eq!(config.limits.component_size, Some(limits.component_bytes_max));
    assert_eq!(config.limits.memory, Some(limits.memory_bytes_max));
    assert_eq!(config.limits.fuel, Some(limits.step_fuel));
}

#[test]
fn the_servers_of_a_site_are_read() {
    let config = read(
        r#"
        [site.a]
        url = "ftp://jane@site:2121/in"
        endpoints = [{ host = "one", weight = 3 }, { host = "::1", port = 21 }]
        balance = "consistent-hash"
        shared_storage = true
        time_tolerance = "2s"
        "#,
    )
    .unwrap();
    let servers = &config.sites["a"].servers;
    let shown: Vec<_> = servers.endpoints.iter().map(|e| (e.to_string(), e.weight)).collect();
    assert_eq!(shown, [("one:2121".to_owned(), 3), ("[::1]:21".to_owned(), 1)]);
    assert_eq!((servers.balance, servers.shared_storage), (Balance::ConsistentHash, true));
    assert_eq!(servers.time_tolerance, Duration::from_secs(2));
    let site = config.sites["a"].at(&servers.endpoints[1]);
    assert_eq!((site.host.as_str(), site.port, site.root.as_str()), ("::1", 21, "in"));
}

#[test]
fn servers_that_cannot_be_meant_are_refused_by_their_key() {
    for (keys, words) in [
        ("endpoints = [{ host = 'a' }]", "`endpoints` of [site.a]: there must be 2 to 64"),
        ("endpoints = [{ host = 'a' }, { host = 'a' }]", "a:21 stands there twice"),
        ("endpoints = [{ host = 'a' }, { host = 'b', weight = 0 }]", "the `weight` of b:21"),
        ("endpoints = [{ host = 'a' }, { host = 'b c' }]", "`b c`"),
        ("endpoints = [{ host = 'a' }, { hots = 'b' }]", "`hots`"),
        ("balance = 'weighted'", "`balance` of [site.a] says nothing without `endpoints`"),
        ("shared_storage = true", "`shared_storage`"),
        ("time_tolerance = '1s'", "`time_tolerance`"),
        ("heartbeat = '10ms'", "`heartbeat` must be at least 1s"),
        ("session_age = '0s'", "`session_age`"),
        ("balance = 'random'", "known here: round-robin, least-connections"),
    ] {
        let text = refusal(&format!("[site.a]\nurl = 'ftp://h'\n{keys}"));
        assert!(text.contains(words), "{keys}: {text}");
    }
    assert!(refusal("[transfer]\nsessions = 0").contains("`sessions` of [transfer]"));
}

#[test]
fn a_spill_is_in_the_state_folder_or_nowhere() {
    let spill = |text| read(text).unwrap().transfer_options().spill;
    let given = spill("[transfer]\nspill = '2MiB'").unwrap();
    assert_eq!(given.bytes_max.0, 2 << 20);
    assert!(given.folder.ends_with("spill"), "{given:?}");
    assert_eq!(spill("[transfer]\nspill = '0B'"), None);
    assert_eq!(spill("").unwrap().bytes_max.0, 1 << 30);
}
