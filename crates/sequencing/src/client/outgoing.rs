//! What a client sends: submissions, questions for the time, acknowledgements.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{MutexGuard, PoisonError};

use cantle_protocol::{
    AcknowledgeRequest, MessageId, Signable, SignedContent, SubmissionRequest, TimeProof, TraceContext,
};
use cantle_types::CantonTimestamp;

use super::error::ClientSendError;
use super::{Inner, MemberSide};
use crate::api::Caller;
use crate::auth::AuthError;
use crate::crypto::SyncSignError;
use crate::error::{ApiError, SendError, chain};

/// How many of its own questions for the time a client remembers that were not answered.
const MAX_TICKS: usize = 64;

impl Inner {
    /// The client's own check spares a refusal. What the domain allows is asked of the topology.
    pub(super) fn check_size(&self, request: &SubmissionRequest) -> Result<(), ClientSendError> {
        let max = match (self.options.override_max_request_size, &self.side) {
            (Some(max), _) => max,
            (None, Some(side)) => {
                let parameters = side.topology.approximate().view.parameters();
                usize::try_from(parameters.max_request_size).unwrap_or(usize::MAX)
            }
            (None, None) => return Ok(()),
        };
        let size = request.bytes().len();
        if size > max {
            return Err(ClientSendError::TooLarge { message_id: request.message_id().clone(), size, max });
        }
        Ok(())
    }

    /// Signs and sends. Nothing is sent twice, except that a token which the sequencer has forgotten is replaced once.
    pub(super) async fn hand_in(
        &self,
        request: SubmissionRequest,
        trace: &TraceContext,
    ) -> Result<(), ClientSendError> {
        let message_id = request.message_id().clone();
        let failed =
            |error| ClientSendError::Send { message_id: message_id.clone(), source: Box::new(error) };
        let Some(side) = &self.side else {
            let caller = self.caller().await?;
            return self.api.send_unauthenticated(&caller, &request, trace).await.map_err(failed);
        };
        let signed = side.sign(request).await.map_err(|(at, error)| ClientSendError::Sign {
            message_id: message_id.clone(),
            at,
            source: Box::new(error),
        })?;
        let caller = self.caller().await?;
        match self.api.send(&caller, &signed, trace).await {
            Err(SendError::Api(error)) if error.is_unauthenticated() => {
                side.authenticator.invalidate(&caller);
                if !error.is_missing_token() {
                    return Err(failed(error.into()));
                }
                let caller = self.caller().await?;
                self.api.send(&caller, &signed, trace).await.map_err(failed)
            }
            sent => sent.map_err(failed),
        }
    }

    /// The member, with what proves it.
    pub(super) async fn caller(&self) -> Result<Caller, AuthError> {
        match &self.side {
            Some(side) => side.authenticator.caller().await,
            None => {
                Ok(Caller { member: self.member.clone(), domain: self.identity.domain.clone(), token: None })
            }
        }
    }

    pub(super) async fn keep_asking_for_the_time(&self) -> Infallible {
        if self.side.is_none() {
            // Nobody would tell it.
            return std::future::pending().await;
        }
        self.time.keep_asking(|| self.ask_for_the_time()).await
    }

    async fn ask_for_the_time(&self) -> Result<(), ClientSendError> {
        let request = TimeProof::request(self.member.clone());
        let id = request.message_id().clone();
        {
            let mut ticks = self.ticks();
            if ticks.len() >= MAX_TICKS {
                ticks.clear();
            }
            ticks.insert(id.clone());
        }
        let sent = self.hand_in(request, &TraceContext::root().unwrap_or_default()).await;
        match sent {
            Err(ClientSendError::Send { source, .. }) if source.may_have_happened() => Ok(()),
            Err(error) => {
                self.ticks().remove(&id);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether an event answers a question of this client for the time.
    pub(super) fn is_own_tick(&self, id: Option<&MessageId>) -> bool {
        id.is_some_and(|id| self.ticks().remove(id))
    }

    fn ticks(&self) -> MutexGuard<'_, HashSet<MessageId>> {
        self.ticks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the sequencer from time to time what is done with. Nothing depends on it here.
    pub(super) async fn keep_acknowledging(&self) -> Infallible {
        let Some(side) = &self.side else { return std::future::pending().await };
        let mut acknowledged = None;
        loop {
            let clean = *self.clean.borrow();
            if let Some(timestamp) = clean.filter(|_| clean != acknowledged) {
                match self.acknowledge(side, timestamp).await {
                    Ok(()) => acknowledged = clean,
                    Err(error) => {
                        tracing::debug!(member = %self.member, error = %chain(&*error), "nothing could be acknowledged yet");
                    }
                }
            }
            tokio::time::sleep(self.options.acknowledgement_interval).await;
        }
    }

    async fn acknowledge(
        &self,
        side: &MemberSide,
        timestamp: CantonTimestamp,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let request = AcknowledgeRequest::new(self.member.clone(), timestamp);
        let signed = side.sign(request).await.map_err(|(_, error)| error)?;
        let caller = self.caller().await?;
        let done = self.api.acknowledge(&caller, &signed).await;
        if done.as_ref().is_err_and(ApiError::is_unauthenticated) {
            side.authenticator.invalidate(&caller);
        }
        Ok(done?)
    }
}

impl MemberSide {
    /// Signs by the topology of the last time that was seen, and says which time that is.
    async fn sign<T: Signable>(
        &self,
        content: T,
    ) -> Result<SignedContent<T>, (CantonTimestamp, SyncSignError)> {
        let snapshot = self.topology.approximate();
        let signature =
            self.crypto.sign(&snapshot.view, &content.hash()).await.map_err(|error| (snapshot.at, error))?;
        Ok(SignedContent::assemble(content, signature, Some(snapshot.at)))
    }
}
