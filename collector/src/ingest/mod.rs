//! The gRPC edge for agents: who may, is it genuine, how much.
//!
//! **In**: `remit.v1.IngestService`. **Out**: commands to the log's writer; answers once durable.
//! Nothing is decided here about a batch's content; that is `evidence::batch` in the writer.

mod enrol;
mod session;
mod turns;

pub use enrol::{Again, Enrolment, EnrolmentError, issue_series, issue_token};
pub(crate) use session::{ask, tell};
pub use turns::Turns;

use std::{pin::Pin, sync::mpsc::SyncSender};

use remit_proto::v1::{
    EnrolRequest, EnrolResponse, RenewRequest, RenewResponse, SubmitRequest, SubmitResponse,
    ingest_service_server::IngestService,
};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::{
    access::{Access, Caller, Operation},
    log::{command::Command, publish::Exposed},
    status::refuse,
};

/// No message exceeds this (DESIGN.md section 3, "Submit"); some room for the framing around it.
pub const MESSAGE_SIZE_MAX: usize = 1024 * 1024 + 4096;

pub struct IngestEdge {
    pub access: Access,
    pub writer: SyncSender<Command>,
    pub published: watch::Receiver<Exposed>,
    pub enrolment: std::sync::Arc<Enrolment>,
    pub turns: Turns,
}

#[tonic::async_trait]
impl IngestService for IngestEdge {
    type SubmitStream = Pin<Box<dyn Stream<Item = Result<SubmitResponse, Status>> + Send>>;

    async fn enrol(
        &self,
        request: Request<EnrolRequest>,
    ) -> Result<Response<EnrolResponse>, Status> {
        let response =
            self.enrolment.enrol(request.into_inner(), &self.access, &self.writer).await?;
        Ok(Response::new(response))
    }

    async fn renew(
        &self,
        request: Request<RenewRequest>,
    ) -> Result<Response<RenewResponse>, Status> {
        let caller = self.access.check(&request, Operation::Renew)?;
        Ok(Response::new(self.enrolment.renew(&caller, request.into_inner())?))
    }

    async fn submit(
        &self,
        request: Request<Streaming<SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let caller = self.access.check(&request, Operation::Submit)?;
        let Caller::Agent { node, key } = caller.clone() else {
            let message = "only an agent submits".to_owned();
            return Err(refuse(Code::PermissionDenied, "NOT_AUTHORISED", message, &[]));
        };
        let Some(turn) = self.turns.stream(&node) else {
            let message = "this node has too many streams open; close some first".to_owned();
            return Err(refuse(Code::ResourceExhausted, "LIMIT", message, &[]));
        };
        let session = session::Session {
            turn,
            caller,
            node,
            bound_key: key,
            access: self.access.clone(),
            writer: self.writer.clone(),
            published: self.published.clone(),
        };
        Ok(Response::new(session.start(request.into_inner())))
    }
}
