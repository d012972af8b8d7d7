//! A collector for tests: the witness rule and a log, both in memory, with faults on demand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests: each file uses its part, and what fails should fail loudly"
)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use evidence::batch;
use prost::Message as _;
use remit_proto::v1::{
    self, RefusalCode,
    ingest_service_server::{IngestService, IngestServiceServer},
    submit_request, submit_response,
};
use tlog::{MemoryTree, checkpoint::Checkpoint, consistency_proof, inclusion_proof, leaf_hash};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Identity, Server, ServerTlsConfig},
};

use crate::common::{NOW_S, key, log_key};

/// What the collector holds, and how it misbehaves.
#[derive(Default)]
pub struct Held {
    pub trees: Vec<batch::Tree>,
    pub batches: Vec<v1::Batch>,
    pub chunks: usize,
    pub log: MemoryTree,
    pub hellos: Vec<v1::Hello>,
    /// Close the stream after so many accepted batches.
    pub hang_up_after: Option<usize>,
    /// Refuse everything with this.
    pub refuse: Option<RefusalCode>,
    pub retry_after_s: u32,
    /// Claim to hold this much.
    pub resume: Option<u64>,
    /// Sign checkpoints with another key.
    pub wrong_key: bool,
    /// Never write receipts of the log.
    pub silent_log: bool,
    pub second_copy: Option<u64>,
}

impl Held {
    pub fn size(&self) -> u64 {
        self.trees.last().map_or(0, |tree| tree.edge.size())
    }
}

/// In its certificate.
pub const NAME: &str = "collector.example";

#[derive(Clone, Default)]
pub struct Collector(pub Arc<Mutex<Held>>);

impl Collector {
    /// Serves on loopback, until the runtime ends. With the address: whom to believe that it is
    /// [`NAME`], PEM. Clients need no certificate.
    pub async fn serve(&self) -> (SocketAddr, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = IngestServiceServer::new(self.clone());
        let own = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let authority = own.cert.pem();
        let identity = Identity::from_pem(&authority, own.signing_key.serialize_pem());
        tokio::spawn(
            Server::builder()
                .tls_config(ServerTlsConfig::new().identity(identity))
                .unwrap()
                .add_service(service)
                .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
        );
        (address, authority)
    }

    pub fn with<T>(&self, of: impl FnOnce(&mut Held) -> T) -> T {
        of(&mut self.0.lock().unwrap())
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Held) -> bool) {
        for _ in 0..1500 {
            if self.with(|held| is_so(held)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came: {what}");
    }

    fn answer(&self, request: v1::SubmitRequest) -> (Vec<submit_response::Message>, bool) {
        let mut held = self.0.lock().unwrap();
        let size = held.size();
        match request.message.unwrap() {
            submit_request::Message::Hello(hello) => {
                let origin = hello.origin.parse().unwrap();
                held.hellos.push(hello);
                if held.trees.last().is_none_or(|tree| tree.origin != origin) {
                    held.trees.push(batch::Tree::new(origin));
                }
                let size = held.resume.unwrap_or(held.size());
                (vec![submit_response::Message::Resume(v1::Resume { size })], false)
            }
            submit_request::Message::Chunk(bytes) => {
                held.chunks += 1;
                let digest = evidence::chunk::chunk_id(&bytes).0.to_vec();
                (vec![submit_response::Message::ChunkStored(v1::ChunkStored { digest })], false)
            }
            submit_request::Message::Batch(bytes) => {
                let refused = |code: RefusalCode, detail: String| {
                    let retry_after_s = held.retry_after_s;
                    let refused = v1::Refused { code: code.into(), size, detail, retry_after_s };
                    (vec![submit_response::Message::Refused(refused)], false)
                };
                if let Some(code) = held.refuse {
                    return refused(code, "as told".into());
                }
                let tree = held.trees.last().unwrap().clone();
                let verifier = key().signer(&tree.origin).unwrap().verifier();
                let checked = match batch::check_bytes(&bytes, &tree, &verifier) {
                    Ok(checked) => checked,
                    Err(batch::BatchError::WrongSize { .. }) => {
                        return refused(RefusalCode::WrongSize, String::new());
                    }
                    Err(error) => return refused(RefusalCode::Fork, error.to_string()),
                };
                let size = checked.tree.edge.size();
                *held.trees.last_mut().unwrap() = checked.tree;
                let batch = v1::Batch::decode(bytes).unwrap();
                let note = batch.note.clone();
                held.batches.push(batch);
                let mut answers = vec![submit_response::Message::Accepted(v1::Accepted { size })];
                if !held.silent_log {
                    answers.push(logged(&mut held, note, size));
                }
                let accepted = held.batches.len();
                let hang_up = held.hang_up_after.is_some_and(|after| accepted >= after);
                if hang_up {
                    held.hang_up_after = None;
                }
                (answers, hang_up)
            }
        }
    }
}

/// Puts a head into the log and proves it.
pub fn logged(held: &mut Held, note: Vec<u8>, size: u64) -> submit_response::Message {
    let entry = v1::LogEntry {
        format: 1,
        logged_at_s: NOW_S,
        entry: Some(v1::log_entry::Entry::AgentHead(v1::AgentHead { note })),
    }
    .encode_to_vec();
    let old_size = held.log.size();
    held.log.append(leaf_hash(&entry));
    let log_size = held.log.size();
    let key = if held.wrong_key {
        tlog::note::SigningKey::new(log_key().name().clone(), [6; 32])
    } else {
        log_key()
    };
    let head = Checkpoint::new("example.net/log/1", log_size, held.log.root());
    let wire = |proof: Vec<tlog::Hash>| proof.iter().map(|hash| hash.0.to_vec()).collect();
    submit_response::Message::Logged(v1::Logged {
        size,
        log_index: log_size - 1,
        inclusion: wire(inclusion_proof(&held.log, log_size - 1, log_size).unwrap()),
        entry,
        checkpoint: head.sign(&key).unwrap().encode(),
        consistency: if old_size == 0 {
            vec![]
        } else {
            wire(consistency_proof(&held.log, old_size, log_size).unwrap())
        },
        safe_below: held.second_copy.unwrap_or(0),
        second_copy: held.second_copy.is_some(),
    })
}

#[tonic::async_trait]
impl IngestService for Collector {
    async fn enrol(
        &self,
        _: Request<v1::EnrolRequest>,
    ) -> Result<Response<v1::EnrolResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn renew(
        &self,
        _: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    type SubmitStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<v1::SubmitResponse, Status>> + Send>>;

    async fn submit(
        &self,
        request: Request<Streaming<v1::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let mut requests = request.into_inner();
        let (sender, receiver) = mpsc::channel(64);
        let collector = self.clone();
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                let (answers, hang_up) = collector.answer(request);
                for message in answers {
                    let response = v1::SubmitResponse { message: Some(message) };
                    if sender.send(Ok(response)).await.is_err() {
                        return;
                    }
                }
                if hang_up {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
