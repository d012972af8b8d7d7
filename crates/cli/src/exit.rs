//! What went wrong, as one sentence, and as an exit code. The one file that turns errors into codes.

use std::{fmt, io, path::PathBuf, process::ExitCode};

use tonic_types::StatusExt;

/// DESIGN.md section 6. If several apply, the first of 1, 2, 4, 3. Verdicts and findings change none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done; proven.
    Ok,
    /// The evidence is contradicted.
    Contradicted,
    /// Usage, input or output, malformed input, no connection.
    CouldNotCheck,
    /// Part of the evidence or the quorum is missing.
    Incomplete,
    /// The collector knows who asks and says no, or does not know who asks.
    NotAuthorised,
}

impl Code {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Contradicted => 1,
            Self::CouldNotCheck => 2,
            Self::Incomplete => 3,
            Self::NotAuthorised => 4,
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

impl From<verify::Outcome> for Code {
    fn from(outcome: verify::Outcome) -> Self {
        match outcome {
            verify::Outcome::Proven => Self::Ok,
            verify::Outcome::Contradicted => Self::Contradicted,
            verify::Outcome::CouldNotCheck => Self::CouldNotCheck,
            verify::Outcome::Incomplete => Self::Incomplete,
        }
    }
}

#[derive(Debug)]
pub(crate) enum CliError {
    /// Says what is wrong with the arguments or the configuration, and what would be right.
    Usage(String),
    File {
        path: PathBuf,
        doing: &'static str,
        source: io::Error,
    },
    /// Something that was given, or came back, is not what it should be.
    Malformed(String),
    /// Evidence that was to be used contradicts itself.
    Contradicted(String),
    Connect {
        url: String,
        source: tonic::transport::Error,
    },
    Refused(Refused),
    /// Something was to be entered, and the answer to that was lost.
    Unanswered {
        refused: Refused,
        /// The command that shows whether it was.
        see: String,
    },
    /// The person's certificate is over; nobody was asked.
    Expired {
        days: i64,
        person: String,
        role: String,
    },
    /// The answer cannot be written.
    Output(io::Error),
    /// The system gives no random numbers.
    Random,
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Malformed(text) | Self::Contradicted(text) => {
                f.write_str(text)
            }
            Self::File { path, doing, source: _ } => {
                write!(f, "{}: cannot {doing}", path.display())
            }
            Self::Connect { url, source } if is_about_certificates(source) => write!(
                f,
                "what answers at {url} is not the collector that you are enrolled with, or --ca is \
                 another authority's certificate"
            ),
            Self::Connect { url, source: _ } => write!(
                f,
                "cannot reach the collector at {url}; is it running, and is this its address?"
            ),
            Self::Refused(refused) => write!(f, "{refused}"),
            Self::Unanswered { refused: Refused { message, reason, .. }, see } => write!(
                f,
                "it is not known whether it was entered: the collector's answer was lost: {message} \
                 [{reason}]; before you enter it again, see whether it was: {see}"
            ),
            Self::Expired { days, person, role } => write!(
                f,
                "your certificate ended {days} day(s) ago; ask the operator for a token \
                 (remit-collector enrol person {person} --role {role} --renew) and give it to remit \
                 renew --token"
            ),
            Self::Output(_) => f.write_str("cannot write the answer"),
            Self::Random => f.write_str("no random numbers from the system"),
        }
    }
}

impl std::error::Error for CliError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Output(source) => Some(source),
            Self::Connect { source, .. } => Some(source),
            Self::Usage(_)
            | Self::Malformed(_)
            | Self::Contradicted(_)
            | Self::Refused(_)
            | Self::Unanswered { .. }
            | Self::Expired { .. }
            | Self::Random => None,
        }
    }
}

impl CliError {
    /// Of a call that enters something: whether it did is not known where no answer of the collector's came back.
    /// `see`: the command that shows whether it did.
    pub(crate) fn of_entry(status: tonic::Status, see: &str) -> Self {
        use tonic::Code as Grpc;
        let is_lost = matches!(
            status.code(),
            Grpc::Unavailable
                | Grpc::DeadlineExceeded
                | Grpc::Cancelled
                | Grpc::Unknown
                | Grpc::Internal
        );
        // What the collector itself refuses has a reason code of its own. One that stops no longer waits for its writer.
        let info = status.get_details_error_info();
        let is_lost = is_lost && info.is_none_or(|info| info.reason == "STOPPING");
        match Self::from(status) {
            Self::Refused(refused) if is_lost => Self::Unanswered { refused, see: see.to_owned() },
            other => other,
        }
    }

    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Refused(refused) if refused.not_authorised => Code::NotAuthorised,
            Self::Expired { .. } => Code::NotAuthorised,
            Self::Contradicted(_) => Code::Contradicted,
            // A reader that has seen enough (`| head`) is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Code::Ok,
            Self::Refused(_)
            | Self::Unanswered { .. }
            | Self::Usage(_)
            | Self::File { .. }
            | Self::Malformed(_)
            | Self::Connect { .. }
            | Self::Output(_)
            | Self::Random => Code::CouldNotCheck,
        }
    }
}

/// The collector's refusal in one sentence: what it says, its reason code, the remedy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    message: String,
    reason: String,
    remedy: String,
    not_authorised: bool,
}

impl Refused {
    pub(crate) fn is(&self, reason: &str) -> bool {
        self.reason == reason
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, reason, remedy, not_authorised: _ } = self;
        write!(f, "the collector refuses: {message} [{reason}]")?;
        if remedy.is_empty() { Ok(()) } else { write!(f, "; {remedy}") }
    }
}

/// What people type for the fields of a question, by the names that a collector has for them.
const FLAGS: [(&str, &str); 15] = [
    ("filter.since_s", "--since"),
    ("filter.until_s", "--until"),
    ("filter.nodes", "--node"),
    ("filter.target", "--target"),
    ("filter.techniques", "--technique"),
    ("filter.requests", "--request"),
    ("filter.authorities", "--authority"),
    ("filter.verdicts", "--verdict"),
    ("filter.undetermined", "--verdict"),
    ("filter.added", "--verdict"),
    ("filter.duties", "--verdict"),
    ("filter.integrity", "--verdict"),
    ("filter.entries", "--verdict"),
    ("filter.as_known_at_s", "--as-known-at"),
    ("as_known_at_s", "--as-known-at"),
];

fn as_typed(message: &str) -> String {
    FLAGS.iter().fold(message.to_owned(), |text, (field, flag)| text.replace(field, flag))
}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        use tonic::Code as Grpc;
        let info = status.get_details_error_info();
        let reason =
            info.as_ref().map_or_else(|| format!("{:?}", status.code()), |i| i.reason.clone());
        let field = info.as_ref().and_then(|i| i.metadata.get("field")).cloned();
        let stated = info.as_ref().and_then(|i| i.metadata.get("remedy")).cloned();
        let by_code = match status.code() {
            Grpc::Unauthenticated => "enrol with `remit enrol`, or use --dir for other credentials",
            // Other refusals of this kind name their own remedy.
            Grpc::PermissionDenied if reason == "NOT_AUTHORISED" => {
                "ask the operator for a token of a role that may"
            }
            Grpc::Unavailable | Grpc::DeadlineExceeded => "try again in a moment",
            Grpc::Unimplemented => "the collector is of another version than this program",
            _ => "",
        };
        let mut message = status.message().trim_end_matches('.').to_owned();
        if message.is_empty() {
            message = format!("{:?}", status.code());
        }
        if let Some(field) = field.filter(|field| !message.contains(field.as_str())) {
            message = format!("{message} (field {field})");
        }
        let message = as_typed(&message);
        let not_authorised =
            matches!(status.code(), Grpc::Unauthenticated | Grpc::PermissionDenied)
                || matches!(
                    reason.as_str(),
                    "NOT_AUTHORISED" | "UNKNOWN_PERSON" | "NOT_THE_AUTHOR"
                );
        let remedy = stated.unwrap_or_else(|| by_code.to_owned());
        Self::Refused(Refused { message, reason, remedy, not_authorised })
    }
}

/// Prints an error with everything that caused it, in one line, on stderr.
pub(crate) fn report(error: &CliError) {
    if error.code() != Code::Ok {
        eprintln!("remit: {}", crate::output::escape(&chain(error)));
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors say again what caused them.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn is_about_certificates(error: &dyn std::error::Error) -> bool {
    chain(error).contains("invalid peer certificate")
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn outcomes_and_their_numbers() {
        use verify::Outcome;
        for (outcome, number) in [
            (Outcome::Proven, 0),
            (Outcome::Contradicted, 1),
            (Outcome::CouldNotCheck, 2),
            (Outcome::Incomplete, 3),
        ] {
            assert_eq!(Code::from(outcome).number(), number, "{outcome}");
        }
    }

    #[test]
    fn of_several_the_first_of_1_2_3_speaks() {
        use verify::Outcome::{Contradicted, CouldNotCheck, Incomplete, Proven};
        assert_eq!(Incomplete.worse(Contradicted), Contradicted);
        assert_eq!(CouldNotCheck.worse(Contradicted), Contradicted);
        assert_eq!(Incomplete.worse(CouldNotCheck), CouldNotCheck);
        assert_eq!(Incomplete.worse(Proven), Incomplete);
    }

    #[test]
    fn a_refusal_is_one_sentence_with_reason_and_remedy() {
        let metadata = [("field", "filter.until_s"), ("remedy", "give a later time")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        let status = tonic::Status::with_error_details(
            tonic::Code::InvalidArgument,
            "not after since",
            ErrorDetails::with_error_info("FIELD_INVALID", "remit.v1", metadata),
        );
        let error = CliError::from(status);
        assert_eq!(
            error.to_string(),
            "the collector refuses: not after since (field --until) [FIELD_INVALID]; give a later time"
        );
        assert_eq!(error.code().number(), 2);
    }

    #[test]
    fn who_may_not_exits_with_4() {
        for code in [tonic::Code::PermissionDenied, tonic::Code::Unauthenticated] {
            assert_eq!(CliError::from(tonic::Status::new(code, "no")).code().number(), 4);
        }
    }

    #[test]
    fn an_entry_whose_answer_was_lost_may_have_been_entered() {
        for code in
            [tonic::Code::Unavailable, tonic::Code::DeadlineExceeded, tonic::Code::Cancelled]
        {
            let error =
                CliError::of_entry(tonic::Status::new(code, "broken pipe"), "remit lists show a");
            let text = error.to_string();
            assert!(text.starts_with("it is not known whether it was entered"), "{text}");
            assert!(text.ends_with("see whether it was: remit lists show a"), "{text}");
            assert_eq!(error.code().number(), 2);
        }
        let refused = |reason| {
            let details = ErrorDetails::with_error_info(reason, "remit.v1", []);
            let code = tonic::Code::Unavailable;
            CliError::of_entry(tonic::Status::with_error_details(code, "wait", details), "")
                .to_string()
        };
        assert!(refused("STARTING").contains("refuses: wait [STARTING]"));
        assert!(refused("STOPPING").starts_with("it is not known"));
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let error = CliError::Output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(error.code().number(), 0);
    }
}
