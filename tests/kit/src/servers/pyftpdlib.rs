//! pyftpdlib's script.

use std::ffi::OsString;

use anyhow::{Result, bail};

use super::server::{PASSWORD, Place, Tls};

/// Writes the script and gives the arguments of Python.
pub(super) fn prepare(place: &Place<'_>) -> Result<Vec<OsString>> {
    let handler = match place.options.tls {
        Tls::None => "FTPHandler",
        Tls::Explicit => "TLS_FTPHandler",
        Tls::Implicit => bail!("pyftpdlib has no implicit TLS"),
    };
    let mut text = format!(
        "from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import {handler}, ThrottledDTPHandler
from pyftpdlib.servers import FTPServer
authorizer = DummyAuthorizer()
authorizer.add_user('mirror', '{PASSWORD}', '{root}', perm='elradfmwMT')
handler = {handler}
handler.authorizer = authorizer
handler.auth_failed_timeout = 0
",
        root = place.chroot.display(),
    );
    if let Some(rate) = place.options.bytes_per_second {
        text += &format!(
            "throttled = ThrottledDTPHandler
throttled.read_limit = throttled.write_limit = {rate}
handler.dtp_handler = throttled
"
        );
    }
    if place.options.tls == Tls::Explicit {
        text += &format!(
            "handler.certfile = '{}'
handler.tls_control_required = handler.tls_data_required = True
",
            place.certificate.both.display()
        );
    }
    text += &format!("FTPServer(('127.0.0.1', {}), handler).serve_forever()\n", place.port);
    let script = place.home.join("server.py");
    std::fs::write(&script, text)?;
    Ok(vec![script.into()])
}
