//! `remit.v1.QueryService` over a [`QueryHandle`].

use remit_proto::v1::{
    GetFindingRequest, GetFindingResponse, GetTargetRequest, GetTargetResponse, ListEventsRequest,
    ListEventsResponse, ListFindingsRequest, ListFindingsResponse, ListNodesRequest,
    ListNodesResponse, ListPointsRequest, ListPointsResponse, ListRulesRequest, ListRulesResponse,
    query_service_server::QueryService,
};
use tonic::{Code, Request, Response, Status};

use super::{
    QueryHandle,
    veil::{Veil, Veiled},
};
use crate::{
    access::{Access, Caller, Operation, clearance},
    status::refuse,
};

/// Who may ask is decided first; then the question is answered off the runtime's threads.
pub struct QueryEdge {
    access: Access,
    query: QueryHandle,
}

impl QueryEdge {
    pub fn new(access: Access, query: QueryHandle) -> Self {
        Self { access, query }
    }

    async fn answer<Q, A, F>(&self, request: Request<Q>, ask: F) -> Result<Response<A>, Status>
    where
        Q: Send + 'static,
        A: Veiled + Send + 'static,
        F: FnOnce(&QueryHandle, Q) -> Result<A, Status> + Send + 'static,
    {
        let caller = self.access.check(&request, Operation::Query)?;
        veiled(&self.query, &caller, request.into_inner(), ask).await
    }
}

/// As [`off_the_runtime`], without what the caller has no clearance for.
pub(crate) async fn veiled<Q, A, F>(
    query: &QueryHandle,
    caller: &Caller,
    question: Q,
    ask: F,
) -> Result<Response<A>, Status>
where
    Q: Send + 'static,
    A: Veiled + Send + 'static,
    F: FnOnce(&QueryHandle, Q) -> Result<A, Status> + Send + 'static,
{
    with_veil(query, caller, question, |query, question, _| ask(query, question)).await
}

/// The same for a question that by itself could find out what is hidden.
pub(crate) async fn with_veil<Q, A, F>(
    query: &QueryHandle,
    caller: &Caller,
    question: Q,
    ask: F,
) -> Result<Response<A>, Status>
where
    Q: Send + 'static,
    A: Veiled + Send + 'static,
    F: FnOnce(&QueryHandle, Q, &Veil) -> Result<A, Status> + Send + 'static,
{
    let clearance = clearance(caller);
    off_the_runtime(query, question, move |query, question| {
        let veil = query.veil(clearance)?;
        let mut answer = ask(query, question, &veil)?;
        answer.veil(&veil);
        Ok(answer)
    })
    .await
}

/// Answers a question where blocking is allowed: it reads the index, and waits for the assessor.
pub(crate) async fn off_the_runtime<Q, A, F>(
    query: &QueryHandle,
    question: Q,
    ask: F,
) -> Result<Response<A>, Status>
where
    Q: Send + 'static,
    A: Send + 'static,
    F: FnOnce(&QueryHandle, Q) -> Result<A, Status> + Send + 'static,
{
    let query = query.clone();
    let answered = tokio::task::spawn_blocking(move || ask(&query, question)).await;
    let interrupted = |_| {
        let message = "the question was interrupted; try again".to_owned();
        refuse(Code::Internal, "INTERRUPTED", message, &[])
    };
    answered.map_err(interrupted)?.map(Response::new)
}

#[tonic::async_trait]
impl QueryService for QueryEdge {
    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        self.answer(request, QueryHandle::list_events).await
    }

    async fn list_rules(
        &self,
        request: Request<ListRulesRequest>,
    ) -> Result<Response<ListRulesResponse>, Status> {
        self.answer(request, QueryHandle::list_rules).await
    }

    async fn list_findings(
        &self,
        request: Request<ListFindingsRequest>,
    ) -> Result<Response<ListFindingsResponse>, Status> {
        self.answer(request, QueryHandle::list_findings).await
    }

    async fn get_finding(
        &self,
        request: Request<GetFindingRequest>,
    ) -> Result<Response<GetFindingResponse>, Status> {
        self.answer(request, QueryHandle::get_finding).await
    }

    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        self.answer(request, QueryHandle::list_nodes).await
    }

    async fn list_points(
        &self,
        request: Request<ListPointsRequest>,
    ) -> Result<Response<ListPointsResponse>, Status> {
        self.answer(request, QueryHandle::list_points).await
    }

    async fn get_target(
        &self,
        request: Request<GetTargetRequest>,
    ) -> Result<Response<GetTargetResponse>, Status> {
        self.answer(request, QueryHandle::get_target).await
    }
}
