//! Every scenario on every server, plain and under TLS where the server can.
//!
//! The scenarios are one list; a server's exceptions are named, and one that passes after all fails the
//! test, so that no exception outlives its reason.

mod downloads;
mod effects;
mod ground;
mod looks;
mod uploads;

use std::pin::Pin;

use testkit::servers::{Kind, Tls};

use ground::Ground;

type Played<'g> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'g>>;

/// What is done, and what must come of it, in a folder of its own on each side.
struct Scenario {
    name: &'static str,
    play: for<'g> fn(&'g Ground) -> Played<'g>,
}

/// A list of scenarios: a name in words, and what is done on the ground.
macro_rules! scenarios {
    ($($name:literal => $play:expr;)*) => {
        pub(super) fn all() -> Vec<super::Scenario> {
            vec![$(super::Scenario { name: $name, play: |ground| Box::pin(($play)(ground)) }),*]
        }
    };
}
use scenarios;

fn all() -> Vec<Scenario> {
    [looks::all(), downloads::all(), uploads::all(), effects::all()].into_iter().flatten().collect()
}

/// Plays all of them to one server. `exceptions` are those in which this server can't do what the others
/// do, each with the reason.
fn play(server: ground::Server, exceptions: &[(&str, &str)]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut wrong = Vec::new();
    runtime.block_on(async {
        let mut ground = Ground::lay(server).await;
        for scenario in all() {
            ground.begin(scenario.name);
            let limit = std::time::Duration::from_secs(60);

            let played = tokio::time::timeout(limit, (scenario.play)(&ground)).await;
            let outcome = played.unwrap_or_else(|_| Err(anyhow::anyhow!("not done after {limit:?}")));
            let outcome = outcome.and_then(|()| ground.judge_tidy());
            let exception = exceptions.iter().find(|(name, _)| *name == scenario.name);
            match (outcome, exception) {
                (Ok(()), None) | (Err(_), Some(_)) => {}
                (Ok(()), Some((_, reason))) => {
                    wrong.push(format!("{} passes, although {reason}", scenario.name));
                }
                (Err(why), None) => wrong.push(format!("{}: {why:#}", scenario.name)),
            }
        }
        ground.end().await;
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all().len(), wrong.join("\n"));
}

#[test]
fn the_matrix_has_sixty_scenarios() {
    let names: std::collections::HashSet<_> = all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), all().len(), "two have one name");
    assert!(names.len() >= 60, "{}", names.len());
}

macro_rules! matrix {
    ($($test:ident: $server:expr, $exceptions:expr;)*) => {
        $(#[test]
        fn $test() {
            play($server, $exceptions);
        })*
    };
}

const VSFTPD: &[(&str, &str)] = &[];
const PROFTPD: &[(&str, &str)] = &[];
const PURE_FTPD: &[(&str, &str)] = &[];
const PYFTPDLIB: &[(&str, &str)] = &[];
const RCLONE: &[(&str, &str)] = &[];
const LIBUNFTP: &[(&str, &str)] = &[];

matrix! {
    vsftpd_plain: ground::Server::Real(Kind::Vsftpd, Tls::None), VSFTPD;
    vsftpd_tls: ground::Server::Real(Kind::Vsftpd, Tls::Explicit), VSFTPD;
    proftpd_plain: ground::Server::Real(Kind::Proftpd, Tls::None), PROFTPD;
    proftpd_tls: ground::Server::Real(Kind::Proftpd, Tls::Explicit), PROFTPD;
    pure_ftpd_plain: ground::Server::Real(Kind::PureFtpd, Tls::None), PURE_FTPD;
    pure_ftpd_tls: ground::Server::Real(Kind::PureFtpd, Tls::Explicit), PURE_FTPD;
    pyftpdlib_plain: ground::Server::Real(Kind::Pyftpdlib, Tls::None), PYFTPDLIB;
    pyftpdlib_tls: ground::Server::Real(Kind::Pyftpdlib, Tls::Explicit), PYFTPDLIB;
    rclone_plain: ground::Server::Real(Kind::Rclone, Tls::None), RCLONE;
    rclone_tls: ground::Server::Real(Kind::Rclone, Tls::Implicit), RCLONE;
    libunftp_plain: ground::Server::Embedded { tls: false }, LIBUNFTP;
    libunftp_tls: ground::Server::Embedded { tls: true }, LIBUNFTP;
}
