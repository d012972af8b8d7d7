//! Errors as `google.rpc.Status` with details: the one place that knows how a refusal looks on the
//! wire.
//!
//! Every error carries exactly one `google.rpc.ErrorInfo`. Its `reason` is a code in upper snake
//! case that programs may act on, its `domain` is always `remit.v1`, and its metadata names what was
//! wrong (`field`) and what would be right. The message is for people, and nobody parses it. Neither
//! may hold a target or anything about a subscriber: a refused name in a log is itself a leak.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::metrics;

/// Domain of every `ErrorInfo`.
pub const DOMAIN: &str = "remit.v1";

/// A refusal, counted: `reason` in upper snake case, `message` for people, `metadata` for programs.
pub fn refuse(code: Code, reason: &str, message: String, metadata: &[(&str, &str)]) -> Status {
    debug_assert!(
        reason.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'),
        "a reason is in upper snake case"
    );
    metrics::refused(reason);
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Status::with_error_details(
        code,
        message,
        ErrorDetails::with_error_info(reason, DOMAIN, metadata),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_one_error_info_and_nothing_else() {
        let status = refuse(
            Code::InvalidArgument,
            "FIELD_INVALID",
            "filter.until_s is not after filter.since_s".to_owned(),
            &[("field", "filter.until_s")],
        );
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details_vec();
        assert_eq!(details.len(), 1);
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("FIELD_INVALID", DOMAIN));
        assert_eq!(info.metadata.get("field").map(String::as_str), Some("filter.until_s"));
    }
}
