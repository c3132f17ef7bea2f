//! SIGKILL at random moments, against real servers.
//!
//! Each test moves the oracle's files while the process is killed again and again. Its seed is
//! printed; `TESTKIT_SEED` repeats it. On each server it is fifty kills and more, over plain FTP and
//! over TLS, pulling, pushing, copying to a second server, and with the guest that renames and removes.

mod jobs;
mod lives;

use testkit::servers::{Kind, Tls};

/// For each server, security and job.
const KILLS: usize = 9;

macro_rules! killed_at_random {
    ($($name:ident: $kind:ident $tls:ident $job:path;)*) => {
        $(#[test]
        fn $name() {
            $job(stringify!($name), Kind::$kind, Tls::$tls, KILLS);
        })*
    };
}

killed_at_random! {
    vsftpd_plain_pull: Vsftpd None jobs::pull;
    vsftpd_plain_push: Vsftpd None jobs::push;
    vsftpd_plain_journey: Vsftpd None jobs::journey;
    vsftpd_plain_relay: Vsftpd None jobs::relay;
    vsftpd_tls_pull: Vsftpd Explicit jobs::pull;
    vsftpd_tls_push: Vsftpd Explicit jobs::push;
    vsftpd_tls_journey: Vsftpd Explicit jobs::journey;
    proftpd_plain_pull: Proftpd None jobs::pull;
    proftpd_plain_push: Proftpd None jobs::push;
    proftpd_plain_journey: Proftpd None jobs::journey;
    proftpd_plain_relay: Proftpd None jobs::relay;
    proftpd_tls_pull: Proftpd Explicit jobs::pull;
    proftpd_tls_push: Proftpd Explicit jobs::push;
    proftpd_tls_journey: Proftpd Explicit jobs::journey;
    pure_ftpd_plain_pull: PureFtpd None jobs::pull;
    pure_ftpd_plain_push: PureFtpd None jobs::push;
    pure_ftpd_plain_journey: PureFtpd None jobs::journey;
    pure_ftpd_tls_pull: PureFtpd Explicit jobs::pull;
    pure_ftpd_tls_push: PureFtpd Explicit jobs::push;
    pure_ftpd_tls_journey: PureFtpd Explicit jobs::journey;
    pure_ftpd_tls_relay: PureFtpd Explicit jobs::relay;
}
