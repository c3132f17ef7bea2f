//! Every scenario on every server, plain and under TLS where the server can.
//!
//! The scenarios are one list; a server's exceptions are named, and one that passes after all fails the
//! test, so that no exception outlives its reason.

mod copies;
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
    [reading(), uploads::all(), copies::all(), effects::all()].into_iter().flatten().collect()
}

/// Those that change nothing on the server.
fn reading() -> Vec<Scenario> {
    [looks::all(), downloads::all()].into_iter().flatten().collect()
}

/// Plays scenarios to one server. `exceptions` are those in which this server can't do what the others
/// do, each with the reason.
fn play(server: ground::Server, scenarios: Vec<Scenario>, exceptions: &[(&str, &str)]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut wrong = Vec::new();
    runtime.block_on(async {
        let mut ground = Ground::lay(server).await;
        for scenario in scenarios {
            ground.begin(scenario.name);
            let limit = std::time::Duration::from_secs(60);

            let played = tokio::time::timeout(limit, (scenario.play)(&ground)).await;
            let outcome = played.unwrap_or_else(|_| Err(anyhow::anyhow!("not done after {limit:?}")));
            let outcome = outcome.and_then(|()| ground.judge_tidy());
            ground.clear();
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
    assert!(wrong.is_empty(), "{} went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_matrix_has_sixty_scenarios() {
    let names: std::collections::HashSet<_> = all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), all().len(), "two have one name");
    assert!(names.len() >= 60, "{}", names.len());
}

macro_rules! matrix {
    ($($test:ident: $server:expr, $scenarios:path, $exceptions:expr;)*) => {
        $(#[test]
        fn $test() {
            play($server, $scenarios(), $exceptions);
        })*
    };
}

const NONE: &[(&str, &str)] = &[];

/// rclone serves files of a cloud, and its writes go through a layer for that: one that was cut off stays
/// open for seconds, forty in a row take more than a minute, and none can be gone on with. So it is asked
/// for files only. Under TLS its data connections are in clear, which we refuse at its 550 to PROT P.
const RCLONE: &[(&str, &str)] = &[("what the server can do", "its FEAT says nothing of REST and SIZE")];

matrix! {
    vsftpd_plain: ground::Server::Real(Kind::Vsftpd, Tls::None), all, NONE;
    vsftpd_tls: ground::Server::Real(Kind::Vsftpd, Tls::Explicit), all, NONE;
    proftpd_plain: ground::Server::Real(Kind::Proftpd, Tls::None), all, NONE;
    proftpd_tls: ground::Server::Real(Kind::Proftpd, Tls::Explicit), all, NONE;
    pure_ftpd_plain: ground::Server::Real(Kind::PureFtpd, Tls::None), all, NONE;
    pure_ftpd_tls: ground::Server::Real(Kind::PureFtpd, Tls::Explicit), all, NONE;
    pyftpdlib_plain: ground::Server::Real(Kind::Pyftpdlib, Tls::None), all, NONE;
    pyftpdlib_tls: ground::Server::Real(Kind::Pyftpdlib, Tls::Explicit), all, NONE;
    rclone_plain: ground::Server::Real(Kind::Rclone, Tls::None), reading, RCLONE;
    libunftp_plain: ground::Server::Embedded { tls: false }, all, NONE;
    libunftp_tls: ground::Server::Embedded { tls: true }, all, NONE;
}
