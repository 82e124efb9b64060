//! `SequencerService`: submissions, subscriptions and acknowledgements.
//!
//! As with Canton 2.10, the versioned calls are the ones that work; the older ones say so.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cantle_proto::domain::api::v0::{
    AcknowledgeRequest as PlainAcknowledgeRequest, SendAsyncResponse, SendAsyncSignedResponse,
    SendAsyncUnauthenticatedVersionedRequest, SendAsyncVersionedRequest, SubscriptionRequest,
    SubscriptionResponse, VersionedSubscriptionResponse, sequencer_service_server::SequencerService,
};
use cantle_proto::protocol::v0;
use cantle_protocol::{SignedContent, SubmissionRequest, TraceContext};
use cantle_sequencing::{RefusalReason, chain};
use cantle_store::SequencerEvent;
use cantle_types::{Clock, Member};
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::caller::{KnownCaller, caller, trace};
use super::status::{
    of_acknowledgement, of_caller, of_end, signed_answer, unreadable, unsigned_answer, use_versioned,
};
use crate::checks::{Entrance, is_authenticated, refuse};
use crate::error::SubmitError;
use crate::sequencer::Sequencer;
use crate::subscription::{Subscription, SubscriptionEnd};

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service of one sequencer.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) sequencer: Sequencer,
    pub(super) clock: Arc<dyn Clock>,
}

#[tonic::async_trait]
impl SequencerService for Service {
    type SubscribeStream = Events<SubscriptionResponse>;
    type SubscribeVersionedStream = Events<VersionedSubscriptionResponse>;
    type SubscribeUnauthenticatedStream = Events<SubscriptionResponse>;
    type SubscribeUnauthenticatedVersionedStream = Events<VersionedSubscriptionResponse>;

    async fn send_async_versioned(
        &self,
        request: Request<SendAsyncVersionedRequest>,
    ) -> Result<Response<SendAsyncSignedResponse>, Status> {
        let caller = self.caller(&request)?;
        let trace = trace(request.metadata());
        let result = match SignedContent::from_bytes(request.into_inner().signed_submission_request) {
            Ok(submission) => self.sequencer.submit(&caller.member, &submission, &trace).await,
            Err(error) => Err(invalid(&error)),
        };
        signed_answer(result).map(Response::new)
    }

    async fn send_async_unauthenticated_versioned(
        &self,
        request: Request<SendAsyncUnauthenticatedVersionedRequest>,
    ) -> Result<Response<SendAsyncResponse>, Status> {
        let caller = self.caller(&request)?;
        let trace = trace(request.metadata());
        let result = match SubmissionRequest::from_bytes(request.into_inner().submission_request) {
            Ok(submission) => {
                self.sequencer.submit_unauthenticated(&caller.member, &submission, &trace).await
            }
            Err(error) => Err(invalid(&error)),
        };
        unsigned_answer(result).map(Response::new)
    }

    async fn subscribe_versioned(
        &self,
        request: Request<SubscriptionRequest>,
    ) -> Result<Response<Self::SubscribeVersionedStream>, Status> {
        self.open(&request, Entrance::Authenticated).await
    }

    async fn subscribe_unauthenticated_versioned(
        &self,
        request: Request<SubscriptionRequest>,
    ) -> Result<Response<Self::SubscribeUnauthenticatedVersionedStream>, Status> {
        self.open(&request, Entrance::Unauthenticated).await
    }

    async fn acknowledge_signed(&self, request: Request<v0::SignedContent>) -> Result<Response<()>, Status> {
        let caller = self.caller(&request)?;
        let acknowledgement =
            SignedContent::from_proto(request.into_inner()).map_err(|error| unreadable(&error))?;
        let done = self.sequencer.acknowledge(&caller.member, &acknowledgement).await;
        done.map(Response::new).map_err(|error| of_acknowledgement(&error))
    }

    async fn send_async(
        &self,
        _request: Request<v0::SubmissionRequest>,
    ) -> Result<Response<SendAsyncResponse>, Status> {
        Err(use_versioned("send"))
    }

    async fn send_async_signed(
        &self,
        _request: Request<v0::SignedContent>,
    ) -> Result<Response<SendAsyncSignedResponse>, Status> {
        Err(use_versioned("send"))
    }

    async fn send_async_unauthenticated(
        &self,
        _request: Request<v0::SubmissionRequest>,
    ) -> Result<Response<SendAsyncResponse>, Status> {
        Err(use_versioned("send"))
    }

    async fn subscribe(
        &self,
        _request: Request<SubscriptionRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(use_versioned("subscribe"))
    }

    async fn subscribe_unauthenticated(
        &self,
        _request: Request<SubscriptionRequest>,
    ) -> Result<Response<Self::SubscribeUnauthenticatedStream>, Status> {
        Err(use_versioned("subscribe"))
    }

    async fn acknowledge(&self, _request: Request<PlainAcknowledgeRequest>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented(
            "The signed acknowledgement endpoints must be used with this domain's protocol version",
        ))
    }
}

impl Service {
    fn caller<T>(&self, request: &Request<T>) -> Result<KnownCaller, Status> {
        caller(&self.sequencer, request.metadata()).map_err(|error| of_caller(&error))
    }

    async fn open(
        &self,
        request: &Request<SubscriptionRequest>,
        entrance: Entrance,
    ) -> Result<Response<Events<VersionedSubscriptionResponse>>, Status> {
        let caller = self.caller(request)?;
        let SubscriptionRequest { member, counter } = request.get_ref();
        let member: Member = member.parse().map_err(|error| unreadable(&error))?;
        check_subscriber(&caller, &member, entrance).map_err(|end| of_end(&end))?;
        if *counter < 0 {
            return Err(Status::invalid_argument(format!("{counter} is no counter: they begin at 0")));
        }
        let subscription =
            self.sequencer.subscribe_again(&member, *counter).await.map_err(|end| of_end(&end))?;
        // Whoever lost its token before the subscription was open was not told of it.
        self.caller(request)?;
        let left = caller.expires.map(|expires| until(self.clock.now(), expires));
        Ok(Response::new(delivered(subscription, left)))
    }
}

fn check_subscriber(
    caller: &KnownCaller,
    member: &Member,
    entrance: Entrance,
) -> Result<(), SubscriptionEnd> {
    let reason = if caller.member != *member {
        format!("{} cannot subscribe for {member}", caller.member)
    } else if is_authenticated(member) && entrance == Entrance::Unauthenticated {
        format!("Member {member} needs to use authenticated subscribe operation")
    } else if !is_authenticated(member) && entrance == Entrance::Authenticated {
        format!("Member {member} cannot use authenticated subscribe operation")
    } else {
        return Ok(());
    };
    Err(SubscriptionEnd::Refused { reason })
}

/// The events until the subscription ends or the token does.
fn delivered(subscription: Subscription, left: Option<Duration>) -> Events<VersionedSubscriptionResponse> {
    let over = async move {
        match left {
            Some(left) => tokio::time::sleep(left).await,
            None => std::future::pending().await,
        }
    };
    let state = Some((subscription, Box::pin(over)));
    let events = stream::unfold(state, |state| async {
        let (mut subscription, mut over) = state?;
        let next = tokio::select! {
            biased;
            () = &mut over => Err(SubscriptionEnd::TokenExpired),
            next = subscription.next() => next,
        };
        match next {
            Ok(event) => Some((Ok(response(&event)), Some((subscription, over)))),
            Err(end) => Some((Err(of_end(&end)), None)),
        }
    });
    events.boxed()
}

fn response(event: &SequencerEvent) -> VersionedSubscriptionResponse {
    let trace = event.traceparent.as_deref().map(TraceContext::from_traceparent).unwrap_or_default();
    VersionedSubscriptionResponse {
        signed_sequenced_event: event.signed.to_vec(),
        trace_context: Some(trace.to_proto()),
        traffic_state: None,
    }
}

fn until(now: Timestamp, time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(now)).unwrap_or_default()
}

fn invalid(error: &dyn std::error::Error) -> SubmitError {
    refuse(RefusalReason::RequestInvalid, &chain(error)).into()
}
