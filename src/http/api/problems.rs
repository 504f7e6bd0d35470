//! The problems that operations document: all of one shape, listed by status.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::super::problem::{PROBLEM_JSON, ProblemShown};

/// The name under `components/responses`.
pub(super) const RESPONSE: &str = "Problem";

pub(super) fn response() -> Response {
    let schema = Ref::from_schema_name(ProblemShown::name());
    ResponseBuilder::new()
        .description("The request was refused; `code` says why, `remedy` what to do.")
        .content(PROBLEM_JSON, Content::new(Some(schema)))
        .build()
}

type Responses = BTreeMap<String, RefOr<Response>>;

fn of(statuses: &[&str]) -> Responses {
    let problem = || RefOr::Ref(Ref::from_response_name(RESPONSE));
    statuses.iter().map(|status| ((*status).to_owned(), problem())).collect()
}

/// Of operations that only look.
pub(super) enum ReadProblems {}

impl IntoResponses for ReadProblems {
    fn responses() -> Responses {
        of(&["401", "403", "404", "422", "429", "500", "503"])
    }
}

/// Of operations that look by a protocol of its own version.
pub(super) enum VersionProblems {}

impl IntoResponses for VersionProblems {
    fn responses() -> Responses {
        let mut responses = ReadProblems::responses();
        responses.extend(of(&["412"]));
        responses
    }
}

/// Of operations that write.
pub(super) enum WriteProblems {}

impl IntoResponses for WriteProblems {
    fn responses() -> Responses {
        of(&[
            "400", "401", "402", "403", "404", "408", "409", "412", "413", "415", "422", "429",
            "500", "503", "507",
        ])
    }
}

/// Of operations that ask a network.
pub(super) enum NetworkProblems {}

impl IntoResponses for NetworkProblems {
    fn responses() -> Responses {
        let mut responses = WriteProblems::responses();
        responses.extend(of(&["502"]));
        responses
    }
}

/// Of operations on what another request may be writing to.
pub(super) enum UploadProblems {}

impl IntoResponses for UploadProblems {
    fn responses() -> Responses {
        let mut responses = WriteProblems::responses();
        responses.extend(of(&["423"]));
        responses
    }
}
