//! What `remit-agent record` says to the agent, and what the agent answers: one protobuf message each way
//! over a Unix stream socket, ended by the end of the stream. Both are of one build; nothing of it is
//! kept.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use prost::Message as _;
use remit_proto::v1;

use crate::spool::state::DeedState;

/// A longer message is none.
pub const SIZE_MAX: u64 = 1024 * 1024;
/// The recorder answers when the leaf is durable: a disk may take its time.
pub const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, PartialEq, prost::Message)]
pub struct Order {
    #[prost(oneof = "Word", tags = "1, 2, 3, 4, 5")]
    pub word: Option<Word>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Word {
    #[prost(message, tag = "1")]
    Record(Record),
    /// Number of the deed.
    #[prost(uint64, tag = "2")]
    Confirm(u64),
    #[prost(message, tag = "3")]
    End(End),
    /// What stands or waits for a second person.
    #[prost(bool, tag = "4")]
    List(bool),
    /// The token of this line, for a request.
    #[prost(string, tag = "5")]
    Token(String),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    #[prost(enumeration = "v1::ServiceActionKind", tag = "1")]
    pub kind: i32,
    /// "<kind>:<value>"; empty for a line.
    #[prost(string, tag = "2")]
    pub target: String,
    /// As the operator knows it; goes no further than the agent.
    #[prost(string, tag = "3")]
    pub line: String,
    /// 0: now.
    #[prost(int64, tag = "4")]
    pub from_s: i64,
    /// 0: not ended.
    #[prost(int64, tag = "5")]
    pub until_s: i64,
    /// 0: not known.
    #[prost(uint64, tag = "6")]
    pub rate_bits_per_s: u64,
    /// None of them: it claims nothing.
    #[prost(string, repeated, tag = "7")]
    pub claims: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct End {
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// 0: now.
    #[prost(int64, tag = "2")]
    pub until_s: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    /// What is wrong, and what to do; empty: it was done, and is durable.
    #[prost(string, tag = "1")]
    pub refused: String,
    #[prost(message, repeated, tag = "2")]
    pub deeds: Vec<DeedState>,
    #[prost(message, optional, tag = "3")]
    pub token: Option<v1::Target>,
}

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(
        "no agent takes records at {}: start remit-agent with a section [sources.person], or say where \
         its socket is with --socket",
        path.display()
    )]
    NoAgent {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the agent did not answer; `remit-agent record list` shows what it recorded")]
    NoAnswer(#[source] io::Error),
    #[error("the agent refused: {0}")]
    Refused(String),
}

/// Gives an order to the agent behind a socket.
pub fn ask(path: &Path, order: &Order) -> Result<Answer, AskError> {
    let no_agent = |source| AskError::NoAgent { path: path.to_owned(), source };
    let mut stream = UnixStream::connect(path).map_err(no_agent)?;
    let answer = (|| {
        stream.set_read_timeout(Some(2 * PATIENCE))?;
        stream.write_all(&order.encode_to_vec())?;
        stream.shutdown(Shutdown::Write)?;
        let mut bytes = Vec::new();
        (&stream).take(SIZE_MAX).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Answer::decode(bytes.as_slice()).map_err(io::Error::other)
    })();
    let answer = answer.map_err(AskError::NoAnswer)?;
    match answer.refused.as_str() {
        "" => Ok(answer),
        refused => Err(AskError::Refused(refused.to_owned())),
    }
}
