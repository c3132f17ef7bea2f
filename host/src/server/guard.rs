//! Who calls, and whether they may: tokens, roles, the pace of a caller.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::app::App;
use super::listen::Peer;
use super::problem::Problem;
use crate::model::{Role, Token};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The token's name; `local` where none is configured.
    pub(super) name: String,
    /// What they may do.
    pub(super) role: Role,
}

/// Lets those through who have `role` or more, and not more often than they may.
pub(super) async fn guard(
    State((app, role)): State<(App, Role)>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&app, role, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn admit(app: &App, role: Role, request: &Request) -> Result<Caller, Problem> {
    let config = app.config();
    let settings = &config.server;
    let caller = identify(&settings.tokens, app.address().ip().is_loopback(), request.headers());
    // Who has no token, or a wrong one, is held to the pace of their address.
    let key = match (&caller, request.extensions().get::<Peer>()) {
        (Ok(caller), _) if caller.name != LOCAL => format!("token {}", caller.name),
        (_, Some(Peer(peer))) => format!("address {}", peer.ip()),
        (_, None) => "address unknown".to_owned(),
    };
    app.pace().take(&key, settings.requests_per_second, app.clock().monotonic()).map_err(|seconds| {
        let why = format!("more than {} requests per second", settings.requests_per_second);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "http.too-many", why).retry_after(seconds)
    })?;
    let caller = caller?;
    if caller.role < role {
        let why = format!("the token `{}` has the role {}; this needs {role}", caller.name, caller.role);
        return Err(Problem::forbidden(why)
            .with_hint(format!("`orchestrator token add NAME --role {role}` makes one that may")));
    }
    Ok(caller)
}

/// The caller where no token is configured.
const LOCAL: &str = "local";

/// Who shows which token. Every configured one is compared, in constant time, so that the time it takes
/// tells nothing of them.
fn identify(tokens: &[Token], loopback: bool, headers: &HeaderMap) -> Result<Caller, Problem> {
    if tokens.is_empty() && loopback {
        return Ok(Caller { name: LOCAL.to_owned(), role: Role::Admin });
    }
    let refused = |why: &str| Problem::new(StatusCode::UNAUTHORIZED, "http.unauthorized", why);
    let shown = bearer(headers)
        .ok_or_else(|| refused("a token is needed").with_hint("send it as `Authorization: Bearer TOKEN`"))?;
    let digest: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
    let mut found = None;
    for token in tokens {
        if bool::from(token.sha256.ct_eq(&digest)) {
            found = Some(token);
        }
    }
    let token = found.ok_or_else(|| refused("the token isn't known"))?;
    Ok(Caller { name: token.name.clone(), role: token.role })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn token(name: &str, role: Role, text: &str) -> Token {
        Token { name: name.to_owned(), role, sha256: Sha256::digest(text).into() }
    }

    fn with(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_token_is_known_by_its_digest() {
        let tokens = [token("a", Role::Read, "aaa"), token("b", Role::Admin, "bbb")];
        let found = identify(&tokens, true, &with("Bearer bbb")).unwrap();
        assert_eq!(found, Caller { name: "b".to_owned(), role: Role::Admin });
        for wrong in ["Bearer bb", "Bearer ", "Basic bbb", "bbb"] {
            assert!(identify(&tokens, true, &with(wrong)).is_err(), "{wrong}");
        }
        assert!(identify(&tokens, true, &HeaderMap::new()).is_err());
    }

    #[test]
    fn without_tokens_only_this_machine_may() {
        assert_eq!(identify(&[], true, &HeaderMap::new()).unwrap().role, Role::Admin);
        assert!(identify(&[], false, &HeaderMap::new()).is_err());
    }
}
