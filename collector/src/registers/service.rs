//! `remit.v1.RegisterService`: writes go to the log's writer, reads to `query`.

use std::{
    sync::{Arc, mpsc::SyncSender},
    time::Duration,
};

use remit_proto::v1::{
    AppendStatementRequest, AppendStatementResponse, ApproveStatementRequest,
    ApproveStatementResponse, DecideRequest, DecideResponse, DeclareNodeRequest,
    DeclareNodeResponse, ErasePartsRequest, ErasePartsResponse, GetListRequest, GetListResponse,
    GetRequestRequest, GetRequestResponse, ListAdoptedRequest, ListAdoptedResponse,
    ListEntriesRequest, ListEntriesResponse, ListFilesRequest, ListFilesResponse, ListListsRequest,
    ListListsResponse, ListRequestsRequest, ListRequestsResponse, ListTargetsRequest,
    ListTargetsResponse, PreviewStatementRequest, PreviewStatementResponse, PutChunkRequest,
    PutChunkResponse, RefusalCode, register_service_server::RegisterService,
};
use tokio::sync::Semaphore;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::{
    access::{Caller, Operation, clearance},
    ingest::ask,
    log::command::{Command, Refusal},
    query::{
        QueryEdge, QueryError, QueryHandle,
        service::{interrupted, off_the_runtime},
    },
    registers::SecondPersonFor,
    status::refuse,
};

/// Parts of a preview that wait to be read; whoever sends more waits too.
const PARTS_WAITING: usize = 2;

/// So long the parts of a preview may take to come, before another one gets its turn; and half as long somebody waits
/// for a turn.
const UPLOAD_WAIT: Duration = Duration::from_secs(240);
const TURN_WAIT: Duration = Duration::from_secs(120);

pub struct RegisterEdge {
    pub writer: SyncSender<Command>,
    pub questions: QueryEdge,
    pub second_person_for: SecondPersonFor,
    /// A preview has a register of its own and all of its items in memory: one at a time.
    pub previewing: Arc<Semaphore>,
}

fn status(refusal: Refusal) -> Status {
    let Refusal { code, reason, size: _, detail, retry_after_s: _ } = refusal;
    let grpc = match (code, reason) {
        (RefusalCode::StorageFull, _) => Code::ResourceExhausted,
        (_, "NOT_AUTHORISED" | "NOT_THE_AUTHOR" | "UNKNOWN_PERSON") => Code::PermissionDenied,
        (
            _,
            "MISSING_CHUNK"
            | "REFUSED_BY_REGISTER"
            | "REFUSED_BY_CASES"
            | "NOT_ERASABLE"
            | "NEEDS_APPROVAL",
        ) => Code::FailedPrecondition,
        _ => Code::InvalidArgument,
    };
    refuse(grpc, reason, detail, &[])
}

fn person(caller: Caller) -> Result<evidence::PersonId, Status> {
    match caller {
        Caller::Person { id, role: _, key: _ } => Ok(id),
        Caller::Agent { .. } | Caller::Nobody => {
            let message = "only a person makes statements".to_owned();
            Err(refuse(Code::PermissionDenied, "NOT_AUTHORISED", message, &[]))
        }
    }
}

#[tonic::async_trait]
impl RegisterService for RegisterEdge {
    async fn put_chunk(
        &self,
        request: Request<PutChunkRequest>,
    ) -> Result<Response<PutChunkResponse>, Status> {
        self.questions.access.check(&request, Operation::WriteRegister)?;
        let bytes = request.into_inner().chunk;
        let id =
            ask(&self.writer, |reply| Command::Chunk { node: None, bytes: bytes.into(), reply })
                .await?;
        let digest = id.map_err(status)?.0.to_vec();
        Ok(Response::new(PutChunkResponse { digest }))
    }

    async fn append_statement(
        &self,
        request: Request<AppendStatementRequest>,
    ) -> Result<Response<AppendStatementResponse>, Status> {
        let caller = person(self.questions.access.check(&request, Operation::WriteRegister)?)?;
        let bytes = request.into_inner().signed_statement;
        let size = ask(&self.writer, |reply| Command::Statement { bytes, caller, reply }).await?;
        let register_size = size.map_err(status)?;
        let index = register_size.saturating_sub(1);
        Ok(Response::new(AppendStatementResponse { index, register_size }))
    }

    async fn approve_statement(
        &self,
        request: Request<ApproveStatementRequest>,
    ) -> Result<Response<ApproveStatementResponse>, Status> {
        let caller = person(self.questions.access.check(&request, Operation::WriteRegister)?)?;
        let ApproveStatementRequest { statement, digest } = request.into_inner();
        let size = ask(&self.writer, |reply| Command::Approve { statement, digest, caller, reply })
            .await?;
        let register_size = size.map_err(status)?;
        let index = register_size.saturating_sub(1);
        Ok(Response::new(ApproveStatementResponse { index, register_size }))
    }

    async fn erase_parts(
        &self,
        request: Request<ErasePartsRequest>,
    ) -> Result<Response<ErasePartsResponse>, Status> {
        let caller = person(self.questions.access.check(&request, Operation::WriteRegister)?)?;
        let ErasePartsRequest { request_id, parts } = request.into_inner();
        let (log_index, count) =
            ask(&self.writer, |reply| Command::Erase { request_id, parts, caller, reply })
                .await?
                .map_err(status)?;
        Ok(Response::new(ErasePartsResponse { log_index, count }))
    }

    async fn declare_node(
        &self,
        request: Request<DeclareNodeRequest>,
    ) -> Result<Response<DeclareNodeResponse>, Status> {
        let caller = person(self.questions.access.check(&request, Operation::WriteRegister)?)?;
        let bytes = request.into_inner().signed_facts;
        let index = ask(&self.writer, |reply| Command::NodeFacts { bytes, caller, reply }).await?;
        Ok(Response::new(DeclareNodeResponse { log_index: index.map_err(status)? }))
    }

    async fn decide(
        &self,
        request: Request<DecideRequest>,
    ) -> Result<Response<DecideResponse>, Status> {
        let caller = self.questions.access.check(&request, Operation::WriteCases)?;
        // Nobody decides on what is not shown to them.
        let query = self.questions.query.seen_by(clearance(&caller));
        let caller = person(caller)?;
        let DecideRequest { signed_statement: bytes, note_chunk } = request.into_inner();
        off_the_runtime(query, bytes.clone(), QueryHandle::knows_finding).await?;
        let size =
            ask(&self.writer, |reply| Command::Decision { bytes, note_chunk, caller, reply })
                .await?;
        let case_log_size = size.map_err(status)?;
        let index = case_log_size.saturating_sub(1);
        Ok(Response::new(DecideResponse { index, case_log_size }))
    }

    async fn preview_statement(
        &self,
        request: Request<Streaming<PreviewStatementRequest>>,
    ) -> Result<Response<PreviewStatementResponse>, Status> {
        // What a statement would change, or why it would be refused, tells of every request that it can name:
        // it is for those who may enter it.
        let caller = self.questions.access.check(&request, Operation::WriteRegister)?;
        let query = self.questions.query.seen_by(clearance(&caller));
        let turn = tokio::time::timeout(TURN_WAIT, self.previewing.clone().acquire_owned());
        let turn = turn.await.map_err(|_| QueryError::Busy)?.map_err(|_| interrupted())?;
        let policy = self.second_person_for.clone();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(PARTS_WAITING);
        let mut answer = tokio::spawn(off_the_runtime(query, turn, move |query, turn| {
            // The end is said: a stream that broke off has none.
            let parts = std::iter::from_fn(|| {
                receiver.blocking_recv().unwrap_or(Some(Err(QueryError::BrokenOff)))
            });
            let answer = query.preview_statement(parts, &policy);
            drop(turn);
            answer
        }));
        let mut parts = request.into_inner();
        let until = tokio::time::Instant::now() + UPLOAD_WAIT;
        loop {
            let part = tokio::select! {
                part = tokio::time::timeout_at(until, parts.message()) => part,
                // It is refused before all of it has come.
                refused = &mut answer => return refused.map_err(|_| interrupted())?,
            };
            let part = part.map_err(|_| QueryError::BrokenOff)??;
            let is_last = part.is_none();
            // Nobody takes it in any more: the answer says why.
            if sender.send(part.map(Ok)).await.is_err() || is_last {
                break;
            }
        }
        answer.await.map_err(|_| interrupted())?
    }

    async fn list_requests(
        &self,
        request: Request<ListRequestsRequest>,
    ) -> Result<Response<ListRequestsResponse>, Status> {
        self.questions.answer(request, Operation::Query, QueryHandle::list_requests).await
    }

    async fn get_request(
        &self,
        request: Request<GetRequestRequest>,
    ) -> Result<Response<GetRequestResponse>, Status> {
        self.questions.answer(request, Operation::Query, QueryHandle::get_request).await
    }

    async fn list_targets(
        &self,
        request: Request<ListTargetsRequest>,
    ) -> Result<Response<ListTargetsResponse>, Status> {
        self.questions.answer(request, Operation::Query, QueryHandle::list_targets).await
    }

    async fn list_files(
        &self,
        request: Request<ListFilesRequest>,
    ) -> Result<Response<ListFilesResponse>, Status> {
        self.questions.answer(request, Operation::Query, QueryHandle::list_files).await
    }

    async fn list_adopted(
        &self,
        request: Request<ListAdoptedRequest>,
    ) -> Result<Response<ListAdoptedResponse>, Status> {
        self.questions.answer(request, Operation::Query, QueryHandle::list_adopted).await
    }

    async fn list_lists(
        &self,
        request: Request<ListListsRequest>,
    ) -> Result<Response<ListListsResponse>, Status> {
        self.questions.answer(request, Operation::Query, QueryHandle::list_lists).await
    }

    async fn get_list(
        &self,
        request: Request<GetListRequest>,
    ) -> Result<Response<GetListResponse>, Status> {
        self.questions.answer(request, Operation::Query, QueryHandle::get_list).await
    }

    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        self.questions.answer(request, Operation::Query, QueryHandle::list_entries).await
    }
}
