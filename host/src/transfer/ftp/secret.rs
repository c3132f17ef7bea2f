//! Reads a password from where the configuration says that it is, at the moment a session needs it.
//!
//! The value lives in a [`SecretString`]: it prints as nothing, and its memory is wiped. suppaftp
//! writes every command line into its log, so it is never given the password: [`PasswordLine`] puts
//! it in place of a stand-in when the line is turned into bytes, after it was logged.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use suppaftp::Encoding;

use super::encoding;
use super::ready::unopened;
use crate::model::{Fault, FaultCode, NameEncoding, SecretRef};
use crate::transfer::local::blocking;

/// How long a command may take to print a password.
const COMMAND_WAIT: Duration = Duration::from_secs(30);

/// A password is one line; more than this is a file given by mistake.
const SECRET_BYTES_MAX: usize = 4096;

/// What stands for the password in the command that suppaftp is given.
pub(super) const STAND_IN: &str = "********";

/// The secret behind a reference, which stands at `key` of the site.
///
/// # Errors
/// `config.invalid`, naming the variable, file or command, never what it holds.
pub(super) async fn read(reference: &SecretRef, site: &str, key: &str) -> Result<SecretString, Fault> {
    let (place, found) = match reference {
        SecretRef::Env(name) => (
            format!("the environment variable `{name}`"),
            std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => "it is not set".to_owned(),
                std::env::VarError::NotUnicode(_) => "it is not UTF-8".to_owned(),
            }),
        ),
        SecretRef::File(path) => {
            let file = path.clone();
            // As the process ends, this is interrupted, which is no fault of the file's.
            let text = blocking(move || Ok(std::fs::read_to_string(file))).await?;
            (format!("the file {}", path.display()), text.map_err(|error| error.to_string()))
        }
        SecretRef::Command(command) => (format!("the command `{command}`"), run(command).await),
    };
    let invalid = |why: &str| {
        let message = format!("read the {key} of site `{site}` from {place}: {why}");
        Fault::new(FaultCode::ConfigInvalid, message)
            .with_hint(format!("set it, or change `{key}` under [site.{site}] in the configuration"))
    };
    let text = found.map_err(|why| invalid(&why))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |rest| rest.strip_suffix('\r').unwrap_or(rest));
    if line.len() > SECRET_BYTES_MAX {
        return Err(invalid("it is longer than 4,096 bytes"));
    }
    if line.chars().any(char::is_control) {
        return Err(invalid("it has a control character or more than one line"));
    }
    Ok(SecretString::from(line))
}

/// Why there is nothing behind a reference; `None` when there is, and for a command, which isn't run.
pub(super) fn absence(reference: &SecretRef) -> Option<String> {
    match reference {
        SecretRef::Env(name) if std::env::var_os(name).is_some() => None,
        SecretRef::Env(name) => Some(format!("the environment variable `{name}` is not set")),
        SecretRef::File(path) => unopened(path),
        SecretRef::Command(_) => None,
    }
}

/// What `sh -c command` prints on its standard output.
async fn run(command: &str) -> Result<String, String> {
    let child = tokio::process::Command::new("sh")
        .args(["-c", command])
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(COMMAND_WAIT, child)
        .await
        .map_err(|_| format!("it took longer than {} s", COMMAND_WAIT.as_secs()))?
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "what it prints is not UTF-8".to_owned())
}

/// The encoding of commands, as suppaftp takes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commands(pub(super) NameEncoding);

impl Encoding for Commands {
    fn decode(&self, bytes: &[u8]) -> String {
        // The wire has made UTF-8 of replies already.
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn encode(&self, text: &str) -> std::io::Result<Vec<u8>> {
        encoding::encode(self.0, text).map(std::borrow::Cow::into_owned).map_err(|_| {
            let why = format!("the command has a letter that {} has not", self.0.as_str());
            std::io::Error::new(std::io::ErrorKind::InvalidInput, why)
        })
    }
}

/// Turns `PASS` and the stand-in into `PASS` and the password; every other line is left as it is.
#[derive(Debug)]
pub(super) struct PasswordLine(pub(super) SecretString, pub(super) Commands);

impl Encoding for PasswordLine {
    fn decode(&self, bytes: &[u8]) -> String {
        self.1.decode(bytes)
    }

    fn encode(&self, text: &str) -> std::io::Result<Vec<u8>> {
        match text.strip_prefix("PASS ").and_then(|rest| rest.strip_prefix(STAND_IN)) {
            Some(end) => self.1.encode(&format!("PASS {}{end}", self.0.expose_secret())),
            None => self.1.encode(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_trailing_line_end_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "pass word\r\n").unwrap();
        let read_it = read(&SecretRef::File(file.clone()), "acme", "password").await.unwrap();
        assert_eq!(read_it.expose_secret(), "pass word");
        assert_eq!(
            read(&SecretRef::Command("printf 'a b\\n'".into()), "acme", "password")
                .await
                .unwrap()
                .expose_secret(),
            "a b"
        );
        std::fs::write(&file, "one\ntwo\n").unwrap();
        let fault = read(&SecretRef::File(file), "acme", "password").await.unwrap_err();
        assert_eq!(fault.code, FaultCode::ConfigInvalid);
        assert!(!fault.message.contains("two"), "{fault}");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_named() {
        let fault =
            read(&SecretRef::Env("NO_SUCH_VARIABLE_HERE".into()), "acme", "password").await.unwrap_err();
        assert!(fault.message.contains("`NO_SUCH_VARIABLE_HERE`"), "{fault}");
        let fault = read(&SecretRef::Command("exit 3".into()), "acme", "proxy_password").await.unwrap_err();
        assert!(fault.message.contains("`exit 3`") && fault.message.contains("proxy_password"), "{fault}");
    }

    #[test]
    fn only_the_password_line_changes() {
        let encoding = PasswordLine(SecretString::from("s3cret"), Commands(NameEncoding::Utf8));
        assert_eq!(encoding.encode("PASS ********\r\n").unwrap(), b"PASS s3cret\r\n");
        assert_eq!(encoding.encode("USER ********\r\n").unwrap(), b"USER ********\r\n");
        assert!(!format!("{encoding:?}").contains("s3cret"));
    }
}
