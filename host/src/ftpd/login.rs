//! The one user of the server.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use unftp_core::auth::{AuthenticationError, Authenticator, Credentials, Principal};

/// Lets in one user with one password.
#[derive(Debug)]
pub(super) struct OneUser {
    pub(super) user: String,
    pub(super) password: SecretString,
}

#[async_trait]
impl Authenticator for OneUser {
    async fn authenticate(&self, user: &str, given: &Credentials) -> Result<Principal, AuthenticationError> {
        // Hashes are compared, not passwords, so that the time taken tells nothing about how much
        // of a guess was right.
        let digest = |text: &str| blake3::hash(text.as_bytes());
        let expected = digest(self.password.expose_secret());
        let matches = given.password.as_deref().is_some_and(|password| digest(password) == expected);
        if user == self.user && matches {
            return Ok(Principal { username: user.to_owned() });
        }
        Err(AuthenticationError::BadPassword)
    }
}
