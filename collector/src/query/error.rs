//! Why a question is not answered, and whose fault it is.

use tonic::{Code, Status};

use crate::{status::refuse, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The question is wrong; the same one will be wrong again.
    #[error("{field}: {problem}")]
    Invalid { field: &'static str, problem: String },
    #[error(
        "page_token: not a token of this list with these filters; ask for the first page again"
    )]
    PageToken,
    #[error("the register holds no request of this id")]
    NoSuchRequest,
    #[error(
        "no finding of this id stands in the evidence, or is known to have stood; remit findings list shows \
         those that stand"
    )]
    NoSuchFinding,
    #[error("the register holds no list of this id; state one with `remit lists feed`")]
    NoSuchList,
    #[error("the list has no such version; `remit lists show` names them")]
    NoSuchListVersion,
    /// The caller is gone, or its stream broke.
    #[error("the question broke off before all of it had come")]
    BrokenOff,
    /// Previews take turns.
    #[error("another preview is under way; try again")]
    Busy,
    /// Try again soon.
    #[error("the collector is starting and still reading its log")]
    Starting,
    /// Our own state; the text stays here.
    #[error("the index could not be read")]
    Store(#[from] StoreError),
}

pub(super) fn invalid(field: &'static str, problem: impl Into<String>) -> QueryError {
    QueryError::Invalid { field, problem: problem.into() }
}

impl From<QueryError> for Status {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error {
            QueryError::Invalid { field, problem: _ } => {
                refuse(Code::InvalidArgument, "FIELD_INVALID", text, &[("field", field)])
            }
            QueryError::PageToken => refuse(
                Code::InvalidArgument,
                "PAGE_TOKEN_INVALID",
                text,
                &[("field", "page_token")],
            ),
            QueryError::NoSuchRequest => {
                refuse(Code::NotFound, "REQUEST_NOT_FOUND", text, &[("field", "id")])
            }
            QueryError::NoSuchFinding => {
                refuse(Code::NotFound, "FINDING_NOT_FOUND", text, &[("field", "id")])
            }
            QueryError::NoSuchList => {
                refuse(Code::NotFound, "LIST_NOT_FOUND", text, &[("field", "list_id")])
            }
            QueryError::NoSuchListVersion => {
                refuse(Code::NotFound, "LIST_VERSION_NOT_FOUND", text, &[("field", "version")])
            }
            QueryError::BrokenOff => refuse(Code::Cancelled, "BROKEN_OFF", text, &[]),
            QueryError::Busy => refuse(Code::Unavailable, "BUSY", text, &[]),
            QueryError::Starting => refuse(Code::Unavailable, "STARTING", text, &[]),
            QueryError::Store(error) => {
                tracing::error!(%error, "the index could not be read");
                refuse(Code::Internal, "INDEX_UNREADABLE", text, &[])
            }
        }
    }
}
