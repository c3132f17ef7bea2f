//! What holds for every request: its host and origin, the load, the time that it may take, headers.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use super::app::App;
use super::problem::Problem;

/// How long a request may take until its response begins: a test of a site waits for its server.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Refuses what no handler should see, and what would be too much.
pub(super) async fn shield(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match pass(&app, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn pass(app: &App, request: Request, next: Next) -> Result<Response, Problem> {
    let config = app.config();
    check_host(request.headers(), &config.server.hosts, app.address())?;
    // A process that is full still says that it lives.
    let _permit = if request.uri().path() == "/livez" {
        None
    } else {
        let permit = app.requests().clone().try_acquire_owned();
        Some(permit.map_err(|_| Problem::busy("too many requests are under way"))?)
    };
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(ANSWER_WITHIN, answering).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => {
            let why = "a fault of this program; its log says more";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "host.bug", why))
        }
        Err(_) => Err(Problem::busy(format!("it took longer than {} s", ANSWER_WITHIN.as_secs()))),
    }
}

/// Refuses requests that a page of somebody else's had a browser send: those for a name that isn't ours
/// (it was made to lead here: DNS rebinding), and those of another origin.
fn check_host(headers: &HeaderMap, hosts: &[String], address: SocketAddr) -> Result<(), Problem> {
    let refuse = |why: String| Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "http.host", why));
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return refuse("the request names no host".to_owned());
    };
    if !is_ours(host, hosts, address) {
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "http.host",
            format!("the request is for `{}`, which isn't a name of this server", host.escape_debug()),
        )
        .with_hint("add the name to `hosts` of [server]")
        .into_err();
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let same = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host));
    if same { Ok(()) } else { Problem::forbidden("the request comes from another origin").into_err() }
}

impl Problem {
    fn into_err<T>(self) -> Result<T, Self> {
        Err(self)
    }
}

fn is_ours(host: &str, hosts: &[String], address: SocketAddr) -> bool {
    let name = name_of(host);
    if let Ok(ip) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        // An address leads nowhere else. A wildcard has all of those of the machine.
        return ip == address.ip() || ip.is_loopback() || address.ip().is_unspecified();
    }
    name.eq_ignore_ascii_case("localhost") || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// `name:port` without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        check_host(&headers, &["files.example".to_owned()], "127.0.0.1:8420".parse().unwrap()).is_ok()
    }

    #[test]
    fn only_our_names_are_answered() {
        for host in ["127.0.0.1:8420", "localhost:8420", "LOCALHOST", "[::1]:8420", "[::1]", "files.example"]
        {
            assert!(check(host, None), "{host}");
        }
        for host in ["evil.example:8420", "localhost.evil.example", "10.0.0.1", "", "1.2.3.4.5"] {
            assert!(!check(host, None), "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        assert!(check("localhost:8420", Some("http://localhost:8420")));
        for origin in ["http://localhost:9999", "https://evil.example", "null"] {
            assert!(!check("localhost:8420", Some(origin)), "{origin}");
        }
    }
}
