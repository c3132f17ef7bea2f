//! `serve`: a process that is left running, killed, stopped, told to read its configuration again.

mod deploy;
mod http;
mod life;
mod serving;
