//! `remit.v1.QueryService` over a [`QueryHandle`].

use remit_proto::v1::{
    GetFindingRequest, GetFindingResponse, GetTargetRequest, GetTargetResponse, ListEventsRequest,
    ListEventsResponse, ListFindingsRequest, ListFindingsResponse, ListNodesRequest,
    ListNodesResponse, ListPointsRequest, ListPointsResponse, ListRulesRequest, ListRulesResponse,
    query_service_server::QueryService,
};
use tonic::{Code, Request, Response, Status};

use super::QueryHandle;
use crate::{
    access::{Access, Operation, clearance},
    status::refuse,
};

/// Who may ask is decided first; then the question is answered off the runtime's threads.
#[derive(Clone)]
pub struct QueryEdge {
    pub(crate) access: Access,
    pub(crate) query: QueryHandle,
}

impl QueryEdge {
    pub fn new(access: Access, query: QueryHandle) -> Self {
        Self { access, query }
    }

    /// Answers what the caller may ask, as far as the caller's clearance goes.
    pub(crate) async fn answer<Q, A, F>(
        &self,
        request: Request<Q>,
        operation: Operation,
        ask: F,
    ) -> Result<Response<A>, Status>
    where
        Q: Send + 'static,
        A: Send + 'static,
        F: FnOnce(&QueryHandle, Q) -> Result<A, Status> + Send + 'static,
    {
        let caller = self.access.check(&request, operation)?;
        let query = self.query.seen_by(clearance(&caller));
        off_the_runtime(query, request.into_inner(), ask).await
    }
}

/// Answers a question where blocking is allowed: it reads the index, and waits for the assessor. The handle
/// is one for the caller's clearance ([`QueryHandle::seen_by`]).
pub(crate) async fn off_the_runtime<Q, A, F>(
    query: QueryHandle,
    question: Q,
    ask: F,
) -> Result<Response<A>, Status>
where
    Q: Send + 'static,
    A: Send + 'static,
    F: FnOnce(&QueryHandle, Q) -> Result<A, Status> + Send + 'static,
{
    let answered = tokio::task::spawn_blocking(move || ask(&query, question)).await;
    answered.map_err(|_| interrupted())?.map(Response::new)
}

pub(crate) fn interrupted() -> Status {
    let message = "the question was interrupted; try again".to_owned();
    refuse(Code::Internal, "INTERRUPTED", message, &[])
}

#[tonic::async_trait]
impl QueryService for QueryEdge {
    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        self.answer(request, Operation::Query, QueryHandle::list_events).await
    }

    async fn list_rules(
        &self,
        request: Request<ListRulesRequest>,
    ) -> Result<Response<ListRulesResponse>, Status> {
        self.answer(request, Operation::Query, QueryHandle::list_rules).await
    }

    async fn list_findings(
        &self,
        request: Request<ListFindingsRequest>,
    ) -> Result<Response<ListFindingsResponse>, Status> {
        self.answer(request, Operation::Query, QueryHandle::list_findings).await
    }

    async fn get_finding(
        &self,
        request: Request<GetFindingRequest>,
    ) -> Result<Response<GetFindingResponse>, Status> {
        self.answer(request, Operation::Query, QueryHandle::get_finding).await
    }

    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        self.answer(request, Operation::Query, QueryHandle::list_nodes).await
    }

    async fn list_points(
        &self,
        request: Request<ListPointsRequest>,
    ) -> Result<Response<ListPointsResponse>, Status> {
        self.answer(request, Operation::Query, QueryHandle::list_points).await
    }

    async fn get_target(
        &self,
        request: Request<GetTargetRequest>,
    ) -> Result<Response<GetTargetResponse>, Status> {
        self.answer(request, Operation::Query, QueryHandle::get_target).await
    }
}
