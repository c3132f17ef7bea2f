//! Real proxies for tests, as Debian ships them: microsocks for SOCKS5, tinyproxy for HTTP's CONNECT.
//!
//! `cargo xtask servers` unpacks them under the target folder. [`Proxy::start`] runs one on a free
//! loopback port and stops it when it is dropped.

mod program;
mod proxy;

pub use program::Program;
pub use proxy::{LOGIN, Proxy};
