//! Handing in, as an agent does (`ingest.proto`): Hello, then batches from where the collector stands.

use std::time::Duration;

use remit_proto::v1::{
    self, ingest_service_client::IngestServiceClient, submit_request, submit_response::Message,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use super::tree::ProbeTree;
use crate::{
    client::{self, As},
    config::Config,
    exit::CliError,
};

/// Batches that may be under way without an answer (DESIGN.md section 3, "Submit").
const UNACKNOWLEDGED_MAX: usize = 8;
const MESSAGE_SIZE_MAX: usize = 1024 * 1024;
/// A collector that says nothing for so long is taken to be gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Heads are logged every second; an answer that takes longer is not waited for.
const LOGGED_WITHIN: Duration = Duration::from_secs(15);

/// Returns once everything is accepted; whether it is in the log too.
pub(super) async fn hand_in(config: &Config, tree: &ProbeTree) -> Result<bool, CliError> {
    if tree.size() == 0 {
        return Ok(true);
    }
    let channel = client::connect(config, As::Person).await?;
    let mut client = IngestServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_SIZE_MAX)
        .max_encoding_message_size(MESSAGE_SIZE_MAX);
    let (requests, outbound) = mpsc::channel(UNACKNOWLEDGED_MAX);
    let hello = v1::Hello {
        origin: tree.origin().to_string(),
        size: tree.size(),
        checkpoint_size: 0,
        public_key: tree.public_key(),
    };
    send(&requests, submit_request::Message::Hello(hello)).await?;
    let mut answers = open(&mut client, outbound).await?;
    let held = match answer(&mut answers, ANSWER_WITHIN).await? {
        Some(Message::Resume(v1::Resume { size })) => size,
        other => return Err(unexpected(other)),
    };
    let mut batches = tree.batches_at(held).ok_or_else(|| {
        CliError::Malformed(format!(
            "the collector holds {held} leaves of {}, and this directory {}: use the directory that sent \
             them, or enrol another node",
            tree.origin(),
            tree.size()
        ))
    })?;
    let mut accepted = held;
    let mut under_way = 0_usize;
    let mut logged = 0;
    while accepted < tree.size() {
        while under_way < UNACKNOWLEDGED_MAX
            && let Some((_, bytes)) = batches.next()
        {
            send(&requests, submit_request::Message::Batch(bytes.to_vec().into())).await?;
            under_way += 1;
        }
        match answer(&mut answers, ANSWER_WITHIN).await? {
            Some(Message::Accepted(v1::Accepted { size })) => {
                accepted = size;
                under_way = under_way.saturating_sub(1);
            }
            Some(Message::Logged(v1::Logged { size, .. })) => logged = logged.max(size),
            other => return Err(unexpected(other)),
        }
    }
    while logged < tree.size() {
        match timeout(LOGGED_WITHIN, answers.message()).await {
            Ok(Ok(Some(v1::SubmitResponse {
                message: Some(Message::Logged(v1::Logged { size, .. })),
            }))) => logged = logged.max(size),
            // It is accepted, which is what was to be reached.
            _ => return Ok(false),
        }
    }
    Ok(true)
}

async fn open(
    client: &mut IngestServiceClient<Channel>,
    outbound: mpsc::Receiver<v1::SubmitRequest>,
) -> Result<Streaming<v1::SubmitResponse>, CliError> {
    let opened = timeout(ANSWER_WITHIN, client.submit(ReceiverStream::new(outbound)));
    Ok(opened.await.map_err(|_| silent())??.into_inner())
}

async fn send(
    requests: &mpsc::Sender<v1::SubmitRequest>,
    message: submit_request::Message,
) -> Result<(), CliError> {
    let request = v1::SubmitRequest { message: Some(message) };
    requests.send(request).await.map_err(|_| silent())
}

async fn answer(
    answers: &mut Streaming<v1::SubmitResponse>,
    within: Duration,
) -> Result<Option<Message>, CliError> {
    let next = timeout(within, answers.message()).await.map_err(|_| silent())??;
    Ok(next.and_then(|response| response.message))
}

fn silent() -> CliError {
    CliError::Malformed("the collector does not answer; the same command again goes on".into())
}

fn unexpected(message: Option<Message>) -> CliError {
    CliError::Malformed(match message {
        Some(Message::Refused(refused)) => {
            let code = refused.code().as_str_name().trim_start_matches("REFUSAL_CODE_");
            format!(
                "the collector refuses: {} [{code}]; what was recorded is kept, and the same command sends \
                 it again",
                refused.detail
            )
        }
        None => "the collector closed the stream; the same command again goes on".into(),
        Some(_) => {
            "the collector answers something else than was asked; it is of another version".into()
        }
    })
}
