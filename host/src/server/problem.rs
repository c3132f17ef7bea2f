//! Errors as `application/problem+json` (RFC 9457), with the codes that `orchestrator explain` knows.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Fault, FaultCode};
use crate::node;

/// Why a request wasn't done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Names the kind of problem: `urn:orchestrator:` and the code.
    #[schema(value_type = String, example = "urn:orchestrator:run.not-found")]
    r#type: Box<str>,
    /// What the status means.
    title: &'static str,
    /// The status of the response.
    #[schema(value_type = u16, example = 404)]
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    /// What we were doing, to what, and what came of it.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// What `orchestrator explain` has a page for.
    #[schema(value_type = String, example = "run.not-found")]
    code: Box<str>,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    hint: Option<Box<str>>,
    /// After how many seconds the same may work.
    #[serde(skip)]
    retry_after: Option<u64>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:orchestrator:{code}").into(),
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: detail.into().into(),
            code: code.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// The request can't be meant.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "call.invalid", detail)
    }

    /// It may not be done by this caller.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "http.forbidden", detail)
    }

    /// Too much is asked of the process now.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "http.busy", detail).retry_after(1)
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into());
        self
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A problem has nothing in it that can't be JSON.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<node::Error> for Problem {
    fn from(error: node::Error) -> Self {
        use node::Error as E;
        let status = match &error {
            E::NoSuchRun { .. } | E::NothingToResume => StatusCode::NOT_FOUND,
            E::Ambiguous { .. } | E::Closed { .. } => StatusCode::CONFLICT,
            E::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            E::Fault { fault } => status_of(fault),
            E::InUse { .. } | E::Held { .. } | E::OtherVersion { .. } | E::Lost { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        let mut problem = Self::new(status, error.code(), error.to_string());
        problem.hint = error.hint().map(Into::into);
        if status == StatusCode::SERVICE_UNAVAILABLE { problem.retry_after(5) } else { problem }
    }
}

/// What a fault is to who asked.
fn status_of(fault: &Fault) -> StatusCode {
    use FaultCode as C;
    match &fault.code {
        C::InputInvalid | C::CallInvalid => StatusCode::BAD_REQUEST,
        C::ConfigInvalid => StatusCode::UNPROCESSABLE_ENTITY,
        C::GrantRefused => StatusCode::FORBIDDEN,
        C::FileNotFound => StatusCode::NOT_FOUND,
        C::StateUnwritable | C::StateDamaged | C::RunInterrupted | C::FileNoSpace => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        C::Other(code) if code == "run.not-found" => StatusCode::NOT_FOUND,
        C::Other(code) if code == "run.closed" || code == "http.key-reused" => StatusCode::CONFLICT,
        C::Other(code) if code.starts_with("workflow.") => StatusCode::UNPROCESSABLE_ENTITY,
        code if code.as_str().starts_with("ftp.") => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        node::Error::from(fault).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_what_rfc_9457_says() {
        let error = node::Error::NoSuchRun { wanted: "01X".to_owned() };
        let problem = Problem::from(error);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:orchestrator:run.not-found");
        assert_eq!((&json["status"], &json["title"]), (&404.into(), &"Not Found".into()));
        let response = problem.into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn what_may_work_later_says_when() {
        let response = Problem::busy("x").into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let fault = Fault::new(FaultCode::StateUnwritable, "x");
        assert_eq!(Problem::from(fault).into_response().headers()[header::RETRY_AFTER], "5");
    }
}
