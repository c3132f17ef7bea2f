//! vsftpd's configuration.
//!
//! Local users would need a PAM service on the machine. So the user is `anonymous`, which may write
//! here, and whose passwords are those of a list: a wrong one is refused as for any other user.

use std::ffi::OsString;

use anyhow::Result;

use super::server::{PASSWORD, Place, Tls, WORKS_AS};

/// The user who may log in.
pub(super) const USER: &str = "anonymous";

/// Writes the configuration and gives the program's arguments.
pub(super) fn prepare(place: &Place<'_>) -> Result<Vec<OsString>> {
    let file = |name: &str| place.home.join(name);
    let passwords = file("passwords");
    std::fs::write(&passwords, format!("{PASSWORD}\n"))?;
    let empty = file("empty");
    std::fs::create_dir_all(&empty)?;
    let mut text = format!(
        "listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_root={root}
ftp_username={WORKS_AS}
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
anon_max_rate={rate}
mdtm_write=YES
secure_email_list_enable=YES
email_password_file={passwords}
secure_chroot_dir={empty}
pasv_address=127.0.0.1
xferlog_enable=YES
log_ftp_protocol=YES
vsftpd_log_file={log}
utf8_filesystem=YES
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
",
        port = place.port,
        root = place.chroot.display(),
        rate = place.options.bytes_per_second.unwrap_or(0),
        passwords = passwords.display(),
        empty = empty.display(),
        log = file("vsftpd.log").display(),
    );
    if place.options.tls != Tls::None {
        text += &format!(
            "ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse=YES
ssl_ciphers=HIGH
implicit_ssl={implicit}
rsa_cert_file={chain}
rsa_private_key_file={key}
",
            implicit = if place.options.tls == Tls::Implicit { "YES" } else { "NO" },
            chain = place.certificate.chain.display(),
            key = place.certificate.key.display(),
        );
    }
    for line in place.options.settings {
        text += &format!("{line}\n");
    }
    let configuration = file("vsftpd.conf");
    std::fs::write(&configuration, text)?;
    Ok(vec![configuration.into()])
}
