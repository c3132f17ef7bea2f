//! pure-ftpd's virtual user and command line.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::server::{PASSWORD, Place, Tls, WORKS_AS_UID};

/// Writes the user's database and gives the program's arguments.
pub(super) fn prepare(place: &Place<'_>) -> Result<Vec<OsString>> {
    let (users, database) = (place.home.join("users"), place.home.join("users.pdb"));
    let root = place.chroot.display();
    // Written by hand, since pure-pw's own hash takes a second for each login.
    let line = format!("mirror:{}:{WORKS_AS_UID}:{WORKS_AS_UID}::{root}/./::::::::::::\n", crypt(PASSWORD)?);
    std::fs::write(&users, line)?;
    let mut make = Command::new(place.installed.file("usr/bin/pure-pw"));
    make.env("LD_LIBRARY_PATH", place.installed.library_path());
    run(make.arg("mkdb").arg(&database).arg("-f").arg(&users))?;

    let mut arguments: Vec<OsString> =
        ["--chrooteveryone", "--noanonymous", "--dontresolve"].map(Into::into).into();
    let mut add = |name: &str, value: String| {
        arguments.push(name.into());
        arguments.push(value.into());
    };
    add("--bind", format!("127.0.0.1,{}", place.port));
    add("--login", format!("puredb:{}", database.display()));
    add("--minuid", WORKS_AS_UID.to_string());
    add("--maxclientsnumber", "100".into());
    add("--maxclientsperip", "100".into());
    add("--syslogfacility", "none".into());
    add("--altlog", format!("clf:{}", place.home.join("transfers.log").display()));
    add("--pidfile", place.home.join("pid").display().to_string());
    if let Some(rate) = place.options.bytes_per_second {
        add("--userbandwidth", rate.div_ceil(1024).to_string());
    }
    match place.options.tls {
        Tls::None => add("--tls", "0".into()),
        // 3 refuses data connections in clear as well.
        Tls::Explicit => add("--tls", "3".into()),
        Tls::Implicit => bail!("pure-ftpd has no implicit TLS"),
    }
    if place.options.tls != Tls::None {
        add("--certfile", place.certificate.both.display().to_string());
    }
    arguments.extend(place.options.settings.iter().map(OsString::from));
    Ok(arguments)
}

/// The password as crypt(3) with MD5: quick to check, which is all that a test needs.
pub(super) fn crypt(password: &str) -> Result<String> {
    let mut openssl = Command::new("openssl");
    Ok(run(openssl.args(["passwd", "-1", password]))?.trim().to_owned())
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{:?}: {}", command.get_program(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}
