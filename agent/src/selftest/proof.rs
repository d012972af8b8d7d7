//! Asking the collector for the proof: what it holds of this node's tree, and whether that is in its log.
//!
//! In: the node's own TLS files, the origin of its tree. Out: the size that the collector holds, and receipts that
//! were checked against the pinned log key with `tlog`, by the very function by which the uplink checks them.
//!
//! A stream like the uplink's that says Hello and hands in nothing. It changes nothing at the collector, and needs
//! no word of the running agent, which has a stream of its own.

use std::time::Duration;

use evidence::AgentOrigin;
use remit_proto::v1::{
    self, ingest_service_client::IngestServiceClient, submit_request, submit_response,
};
use tlog::{checkpoint::Checkpoint, note::VerifierKey};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::uplink::{
    endpoint::Endpoint,
    receipts::{self, ReceiptError, Shown},
};

#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("{url} cannot be reached")]
    Connect {
        url: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error("the collector ended the stream: {}", .0.message())]
    Stream(Box<Status>),
    #[error("the collector does not answer within {} s", ANSWER_WITHIN.as_secs())]
    Silence,
    #[error("the collector refuses this node: {code} {detail}")]
    Refused { code: &'static str, detail: String },
    #[error("the collector closed the stream")]
    Closed,
}

/// A stream on which the collector tells what is logged of one tree.
pub(super) struct Asked {
    pub(super) url: String,
    /// Of the tree, durable at the collector.
    pub(super) held: u64,
    inbound: Streaming<v1::SubmitResponse>,
    /// As long as it is there, the collector does not end the stream.
    _outbound: mpsc::Sender<v1::SubmitRequest>,
}

/// What a receipt is checked by.
pub(super) struct Keys {
    pub(super) log: VerifierKey,
    pub(super) own: VerifierKey,
    pub(super) origin: AgentOrigin,
    /// The newest of the collector's log that was verified: what comes next has to continue it.
    pub(super) known: Option<Checkpoint>,
}

/// A receipt that holds, and where the head stands in the collector's log.
#[derive(Debug)]
pub(super) struct Logged {
    pub(super) shown: Shown,
    pub(super) log_index: u64,
}

impl Asked {
    /// The first of the collectors that can be reached.
    pub(super) async fn of(endpoints: &[Endpoint], keys: &Keys) -> Result<Self, AskError> {
        let mut failed = AskError::Closed;
        for endpoint in endpoints {
            match Self::one(endpoint, keys).await {
                Err(error @ (AskError::Connect { .. } | AskError::Silence)) => failed = error,
                asked => return asked,
            }
        }
        Err(failed)
    }

    async fn one(endpoint: &Endpoint, keys: &Keys) -> Result<Self, AskError> {
        let url = endpoint.url().to_owned();
        let channel = timeout(ANSWER_WITHIN, endpoint.connect()).await;
        let channel = channel.map_err(|_| AskError::Silence)?;
        let channel = channel.map_err(|source| AskError::Connect { url: url.clone(), source })?;
        let mut client = IngestServiceClient::new(channel);
        let (outbound, requests) = mpsc::channel(1);
        let hello = v1::Hello {
            origin: keys.origin.to_string(),
            size: 0,
            checkpoint_size: keys.known.as_ref().map_or(0, |checkpoint| checkpoint.size),
            public_key: keys.own.public_bytes().to_vec(),
        };
        let hello = v1::SubmitRequest { message: Some(submit_request::Message::Hello(hello)) };
        outbound.send(hello).await.map_err(|_| AskError::Closed)?;
        let inbound = timeout(ANSWER_WITHIN, client.submit(ReceiverStream::new(requests))).await;
        let inbound = inbound.map_err(|_| AskError::Silence)?.map_err(stream)?.into_inner();
        let mut asked = Self { url, held: 0, inbound, _outbound: outbound };
        match timeout(ANSWER_WITHIN, asked.answer()).await.map_err(|_| AskError::Silence)?? {
            submit_response::Message::Resume(v1::Resume { size }) => asked.held = size,
            _ => return Err(AskError::Closed),
        }
        Ok(asked)
    }

    /// The next receipt: at once for what is logged already, then with each publish that brings more.
    pub(super) async fn receipt(
        &mut self,
        keys: &mut Keys,
    ) -> Result<Result<Logged, ReceiptError>, AskError> {
        loop {
            if let submit_response::Message::Logged(receipt) = self.answer().await? {
                let log_index = receipt.log_index;
                let Keys { log, own, origin, known } = keys;
                let shown = receipts::check(&receipt, known.as_ref(), log, origin, own);
                return Ok(shown.map(|shown| {
                    *known = Some(shown.checkpoint.clone());
                    Logged { shown, log_index }
                }));
            }
        }
    }

    async fn answer(&mut self) -> Result<submit_response::Message, AskError> {
        let message = self.inbound.message().await.map_err(stream)?;
        match message.and_then(|message| message.message).ok_or(AskError::Closed)? {
            submit_response::Message::Refused(refused) => {
                let v1::Refused { detail, .. } = &refused;
                let code = refused.code().as_str_name();
                Err(AskError::Refused { code, detail: detail.clone() })
            }
            message => Ok(message),
        }
    }
}

fn stream(status: Status) -> AskError {
    AskError::Stream(Box::new(status))
}

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
