//! The pages of the codes of the HTTP API, which no command ends with.

use super::codes::Page;
use crate::exit::Exit;

const ASKED: &str = "It is about a request over HTTP; a command that fails for the same reason would have:";

const fn page(code: &'static str, exit: Exit, means: &'static str, action: &'static str) -> Page {
    Page { code, exit, class: ASKED, means, action }
}

/// Codes of the HTTP API.
pub(crate) const HTTP: &[Page] = &[
    page(
        "http.unauthorized",
        Exit::Login,
        "the request shows no token, or one that isn't known (401)",
        "Send the token as `Authorization: Bearer TOKEN`. `orchestrator token add NAME --role read` makes one and \
         shows it once; SIGHUP has a running `serve` take it over.",
    ),
    page(
        "http.forbidden",
        Exit::Usage,
        "the token's role may not do this, or the request comes from a page of another origin (403)",
        "The message names the role that is needed. Only the role admin may name workflows by their path and \
         grant any folder; the role run has what `workflows` and `folders` of [server] name.",
    ),
    page(
        "http.host",
        Exit::Usage,
        "the request is for a host name that isn't this server's (421)",
        "Add the name to `hosts` of [server]. Other names are refused so that no web page can reach the API by a \
         name that was made to lead here.",
    ),
    page(
        "http.not-found",
        Exit::NotFound,
        "there is nothing at this path, or it can't be done with it (404, 405)",
        "`/openapi.json` says what there is.",
    ),
    page(
        "http.too-large",
        Exit::Usage,
        "the body is over 1 MiB (413)",
        "Put large inputs into a file in a granted folder, and name that.",
    ),
    page(
        "http.too-many",
        Exit::Temporary,
        "the caller asks more often than it may (429)",
        "Wait as long as `Retry-After` says. `requests_per_second` of [server] is the limit; a stream of events \
         (`/v1/runs/RUN/events`) spares asking again and again.",
    ),
    page(
        "http.busy",
        Exit::Temporary,
        "more requests, streams or connections than the process takes at a time, or a request took too long (503)",
        "Wait as long as `Retry-After` says, and ask again.",
    ),
    page(
        "http.key-reused",
        Exit::Usage,
        "the `Idempotency-Key` was used before, for something else (409)",
        "Take a new key for each run that is wanted, and the same one only for repeating the same request.",
    ),
    page(
        "workflow.not-found",
        Exit::NotFound,
        "there is no workflow of this name in the folder `workflows` of [server] (404)",
        "`GET /v1/workflows` lists those that there are. A workflow NAME is the file NAME.wasm in that folder.",
    ),
];
