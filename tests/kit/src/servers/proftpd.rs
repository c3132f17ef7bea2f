//! ProFTPD's configuration.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;

use super::pure_ftpd::crypt;
use super::server::{PASSWORD, Place, Tls, WORKS_AS, WORKS_AS_UID};

/// Writes the configuration and gives the program's arguments.
pub(super) fn prepare(place: &Place<'_>) -> Result<Vec<OsString>> {
    let file = |name: &str| place.home.join(name);
    let users = file("users");
    let root = place.chroot.display();
    let line = format!("mirror:{}:{WORKS_AS_UID}:{WORKS_AS_UID}::{root}:/bin/sh\n", crypt(PASSWORD)?);
    std::fs::write(&users, line)?;
    std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o600))?;
    let run = file("run");
    std::fs::create_dir_all(&run)?;

    let mut text = format!(
        "ModulePath {modules}
LoadModule mod_tls.c
LoadModule mod_digest.c
ServerType standalone
ServerName test
DefaultAddress 127.0.0.1
Port {port}
UseIPv6 off
UseReverseDNS off
User {WORKS_AS}
Group {WORKS_AS}
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
DefaultRoot ~
WtmpLog off
UseLastlog off
PidFile {run}/pid
ScoreboardFile {run}/scoreboard
DelayEngine off
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
MaxInstances none
TimeoutIdle 600
Umask 022
SystemLog {log}
LogFormat commands \"%{{iso8601}} %r -> %s, %b bytes\"
ExtendedLog {commands} ALL commands
",
        modules = place.installed.file("usr/lib/proftpd").display(),
        port = place.port,
        users = users.display(),
        run = run.display(),
        log = file("proftpd.log").display(),
        commands = file("commands.log").display(),
    );
    if let Some(rate) = place.options.bytes_per_second {
        text += &format!("TransferRate RETR,STOR,APPE {}\n", rate.div_ceil(1024));
    }
    if place.options.tls != Tls::None {
        text += &format!(
            "TLSEngine on
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {chain}
TLSECCertificateKeyFile {key}
TLSLog {log}
{implicit}",
            chain = place.certificate.chain.display(),
            key = place.certificate.key.display(),
            log = file("tls.log").display(),
            implicit = if place.options.tls == Tls::Implicit { "TLSOptions UseImplicitSSL\n" } else { "" },
        );
    }
    for line in place.options.settings {
        text += &format!("{line}\n");
    }
    let configuration = file("proftpd.conf");
    std::fs::write(&configuration, text)?;
    Ok(vec!["--nodaemon".into(), "--config".into(), configuration.into()])
}
