//! What the tests stand on.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | where things lie under the repository and its target folder |
//! | [`servers`] | vsftpd, ProFTPD and pure-ftpd on free loopback ports, each with its own folder |
//! | [`proxies`] | microsocks and tinyproxy on free loopback ports |
//! | [`far`] | a relay that puts a server as far away as one likes |
//! | [`witness`] | what the kernel saw happen in a server's folder: each rename and delete, once |
//! | [`scripted`] | a server that goes wrong as real ones do, by a plan |
//! | [`environment`] | the built program with a home, a state and a configuration of its own |
//! | [`oracle`] | the files of every crash test, and what must hold after it |
//! | [`journey`] | what the guest `oracle` does to these files, told beforehand |
//! | [`chance`] | seeded randomness, so that a failure can be repeated |
//!
//! It knows nothing of the host's library: what it judges, it judges from outside.

pub mod chance;
pub mod environment;
pub mod far;
pub mod journey;
pub mod layout;
pub mod oracle;
pub mod proxies;
pub mod scripted;
pub mod servers;
pub mod witness;
