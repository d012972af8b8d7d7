//! One agent's stream: Hello, then chunks and batches, answered in order; receipts as they come.
//!
//! Batches are passed on before the ones ahead of them are answered, so that one commit of the writer
//! takes in several. Everything else waits until they are.

use std::{collections::VecDeque, pin::Pin, sync::mpsc::SyncSender};

use evidence::{AgentOrigin, NodeId};
use remit_proto::v1::{
    Accepted, ChunkStored, Hello, Logged, RefusalCode, Refused, Resume, SubmitRequest,
    SubmitResponse, submit_request, submit_response::Message,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Status, Streaming};

use super::{
    MESSAGE_SIZE_MAX,
    turns::{BATCHES, StreamTurn},
};
use crate::{
    access::{Access, Caller},
    log::{
        command::{Command, Refusal, Reply},
        publish::Exposed,
    },
    metrics,
    status::refuse,
};

/// Answers that may wait for a slow agent; when full, its own stream stops being read.
const ANSWERS: usize = 16;

type Answers = mpsc::Sender<Result<SubmitResponse, Status>>;

pub(super) struct Session {
    pub turn: StreamTurn,
    pub caller: Caller,
    pub node: NodeId,
    pub bound_key: [u8; 32],
    pub access: Access,
    pub writer: SyncSender<Command>,
    pub published: watch::Receiver<Exposed>,
}

/// What Hello has settled.
struct Greeted {
    origin: AgentOrigin,
    public_key: [u8; 32],
}

impl Session {
    pub(super) fn start(
        self,
        requests: Streaming<SubmitRequest>,
    ) -> Pin<Box<dyn Stream<Item = Result<SubmitResponse, Status>> + Send>> {
        let (answers, stream) = mpsc::channel(ANSWERS);
        tokio::spawn(async move {
            if let Err(status) = self.run(requests, &answers).await {
                // The agent may be gone; then nobody needs the reason.
                drop(answers.send(Err(status)).await);
            }
        });
        Box::pin(ReceiverStream::new(stream))
    }

    async fn run(
        mut self,
        mut requests: Streaming<SubmitRequest>,
        answers: &Answers,
    ) -> Result<(), Status> {
        let mut greeted: Option<Greeted> = None;
        let mut checkpoint_size = 0;
        let mut logged_size = 0;
        let mut batches = Batches::default();
        loop {
            tokio::select! {
                biased;
                // First, since it is ready once in a while and requests may always be: an agent
                // that catches up would learn only at the end what it may release. And before
                // Hello too, so that nobody holds up the end of the collector.
                changed = self.published.changed() => {
                    if changed.is_err() {
                        return Err(stopped());
                    }
                    // A stream that only listens learns of a revocation by the publish that follows it.
                    if self.access.is_revoked(&self.caller) {
                        batches.settle(answers).await?;
                        return send(answers, revoked()).await;
                    }
                    if let Some(Greeted { origin, .. }) = &greeted {
                        batches.settle(answers).await?;
                        let origin = origin.clone();
                        let from = checkpoint_size;
                        let receipt = self.ask(|reply| {
                            Command::Receipt { origin, checkpoint_size: from, reply }
                        }).await?;
                        if let Ok(Some(receipt)) = receipt
                            && receipt.size > logged_size
                        {
                            logged_size = receipt.size;
                            checkpoint_size = receipt.checkpoint_size;
                            send(answers, Message::Logged(Logged {
                                size: receipt.size,
                                log_index: receipt.log_index,
                                inclusion: receipt.inclusion,
                                entry: receipt.entry,
                                checkpoint: receipt.checkpoint,
                                consistency: receipt.consistency,
                                // No second copy is configured: this does not bind.
                                safe_below: 0,
                                second_copy: false,
                            })).await?;
                        }
                    }
                }
                answer = batches.next_answer() => send(answers, answer?).await?,
                // When as many are with the writer as may be, the stream is not read.
                request = requests.next(), if batches.0.len() < BATCHES => {
                    let Some(request) = request else { return batches.settle(answers).await };
                    let message = request.map_err(too_large)?.message;
                    if !matches!(message, Some(submit_request::Message::Batch(_))) {
                        batches.settle(answers).await?;
                    }
                    if self.access.is_revoked(&self.caller) {
                        return send(answers, revoked()).await;
                    }
                    match message {
                        Some(submit_request::Message::Hello(hello)) => {
                            checkpoint_size = hello.checkpoint_size;
                            logged_size = 0;
                            greeted = self.hello(hello, answers).await?;
                        }
                        Some(submit_request::Message::Batch(batch)) => match &greeted {
                            Some(Greeted { origin, public_key }) => {
                                let (origin, public_key) = (origin.clone(), *public_key);
                                let turn = self.turn.batch().await;
                                let (reply, answer) = oneshot::channel();
                                let command =
                                    Command::Batch { origin, public_key, batch, reply, turn };
                                if !tell(&self.writer, command).await {
                                    return Err(stopped());
                                }
                                batches.0.push_back(answer);
                            }
                            None => {
                                batches.settle(answers).await?;
                                let detail = "the first message of a stream is Hello";
                                let no_hello = refused(RefusalCode::NoHello, 0, detail);
                                send(answers, no_hello).await?;
                            }
                        },
                        Some(submit_request::Message::Chunk(bytes)) => {
                            let node = Some(self.node.clone());
                            let stored =
                                self.ask(|reply| Command::Chunk { node, bytes, reply }).await?;
                            let message = stored.map_or_else(refused_by, |id| {
                                Message::ChunkStored(ChunkStored { digest: id.0.to_vec() })
                            });
                            send(answers, message).await?;
                        }
                        None => {
                            let message = "message is missing".to_owned();
                            let field = [("field", "message")];
                            let code = Code::InvalidArgument;
                            return Err(refuse(code, "FIELD_MISSING", message, &field));
                        }
                    }
                }
            }
        }
    }

    async fn hello(&mut self, hello: Hello, answers: &Answers) -> Result<Option<Greeted>, Status> {
        let Hello { origin, size: _, checkpoint_size: _, public_key } = hello;
        let parsed: Option<AgentOrigin> = origin.parse().ok();
        let (Some(origin), Ok(public_key)) =
            (parsed.filter(|o| o.node == self.node), <[u8; 32]>::try_from(public_key))
        else {
            let detail = "origin and public_key of Hello must be those of the certificate's node";
            send(answers, refused(RefusalCode::UnknownOrigin, 0, detail)).await?;
            return Ok(None);
        };
        let bound_key = self.bound_key;
        let asked = origin.clone();
        let resumed = self
            .ask(|reply| Command::Hello { origin: asked, public_key, bound_key, reply })
            .await?;
        match resumed {
            Ok(size) => {
                send(answers, Message::Resume(Resume { size })).await?;
                // The receipt for what is logged already comes at once.
                self.published.mark_changed();
                Ok(Some(Greeted { origin, public_key }))
            }
            Err(refusal) => {
                send(answers, refused_by(refusal)).await?;
                Ok(None)
            }
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<Result<T, Refusal>, Status> {
        ask(&self.writer, command).await
    }
}

/// The batches of a stream that are with the writer, oldest first.
#[derive(Default)]
struct Batches(VecDeque<oneshot::Receiver<Result<u64, Refusal>>>);

impl Batches {
    /// The answer to the oldest; never, if there is none. Dropping this future loses nothing.
    async fn next_answer(&mut self) -> Result<Message, Status> {
        let Some(oldest) = self.0.front_mut() else { return std::future::pending().await };
        let answer = oldest.await;
        self.0.pop_front();
        let accepted = answer.map_err(|_| stopped())?;
        Ok(accepted.map_or_else(refused_by, |size| Message::Accepted(Accepted { size })))
    }

    async fn settle(&mut self, answers: &Answers) -> Result<(), Status> {
        while !self.0.is_empty() {
            let answer = self.next_answer().await?;
            send(answers, answer).await?;
        }
        Ok(())
    }
}

fn stopped() -> Status {
    let message = "the collector is stopping; try again later".to_owned();
    refuse(Code::Unavailable, "STOPPING", message, &[])
}

/// Sends a command to the writer and waits until its effect is durable.
pub(crate) async fn ask<T>(
    writer: &SyncSender<Command>,
    command: impl FnOnce(Reply<T>) -> Command,
) -> Result<Result<T, Refusal>, Status> {
    let (reply, answer) = oneshot::channel();
    if !tell(writer, command(reply)).await {
        return Err(stopped());
    }
    answer.await.map_err(|_| stopped())
}

/// Puts a command into the writer's queue. `false`: the writer has ended.
pub(crate) async fn tell(writer: &SyncSender<Command>, mut command: Command) -> bool {
    // The queue is short and the writer is quick; waiting here is the back-pressure.
    loop {
        match writer.try_send(command) {
            Ok(()) => return true,
            Err(std::sync::mpsc::TrySendError::Full(back)) => {
                command = back;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return false,
        }
    }
}

async fn send(answers: &Answers, message: Message) -> Result<(), Status> {
    let response = SubmitResponse { message: Some(message) };
    // A closed channel means that the agent left; the next read ends the session.
    drop(answers.send(Ok(response)).await);
    Ok(())
}

/// A message above the limit is not read, and what comes behind it cannot be.
fn too_large(status: Status) -> Status {
    if status.code() != Code::OutOfRange {
        return status;
    }
    let message = format!(
        "message: above the limit of {MESSAGE_SIZE_MAX} bytes; send several batches, and a set in more \
         chunks"
    );
    refuse(Code::OutOfRange, "TOO_LARGE", message, &[("field", "message")])
}

fn refused_by(refusal: Refusal) -> Message {
    let Refusal { code, reason: _, size, detail, retry_after_s } = refusal;
    count_refusal(code);
    Message::Refused(Refused { code: code.into(), size, detail, retry_after_s })
}

fn refused(code: RefusalCode, size: u64, detail: &str) -> Message {
    count_refusal(code);
    let detail = detail.to_owned();
    Message::Refused(Refused { code: code.into(), size, detail, retry_after_s: 0 })
}

fn revoked() -> Message {
    refused(RefusalCode::RevokedKey, 0, "the key of this node was revoked; enrol the node again")
}

fn count_refusal(code: RefusalCode) {
    metrics::refused(code.as_str_name().trim_start_matches("REFUSAL_CODE_"));
}
