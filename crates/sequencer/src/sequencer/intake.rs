//! How a submission is taken: checked, given its place in the order, and waited for until it is stored.

use std::sync::{Arc, PoisonError};

use cantle_protocol::{
    Batch, CompressedBatch, DomainTopologyTransactionMessage, SignedContent, SubmissionRequest, TraceContext,
};
use cantle_sequencing::{RefusalReason, SendRefusal};
use cantle_store::ForwardedId;
use cantle_topology::SignedTopologyTransaction;
use cantle_types::Member;

use super::Inner;
use crate::checks::{Entrance, check_request, check_signature, refuse};
use crate::error::{BootstrapError, SubmitError};
use crate::follow::followed;
use crate::order::{OrderError, Prepared, Sequenced, Unit};
use crate::rate::TooMany;

/// What is stored of a submission that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// Its events.
    WithEvents,
    /// Nothing: its maximum sequencing time was over.
    Nothing,
}

impl Inner {
    /// Takes a signed submission.
    pub(crate) async fn submit(
        &self,
        caller: &Member,
        submission: &SignedContent<SubmissionRequest>,
        trace: &TraceContext,
        forwarded: Option<ForwardedId>,
    ) -> Result<Stored, SubmitError> {
        let batch = self.check(caller, submission.content(), Entrance::Authenticated)?;
        let request = submission.content();
        check_signature(&self.topology, self.now(), request.sender(), submission)
            .map_err(|fault| refuse(RefusalReason::RequestRefused, &fault))?;
        self.sequence(request, batch, trace, forwarded).await
    }

    /// Takes the submission of a member that cannot sign yet.
    pub(crate) async fn submit_unauthenticated(
        &self,
        caller: &Member,
        submission: &SubmissionRequest,
        trace: &TraceContext,
        forwarded: Option<ForwardedId>,
    ) -> Result<Stored, SubmitError> {
        let batch = self.check(caller, submission, Entrance::Unauthenticated)?;
        self.sequence(submission, batch, trace, forwarded).await
    }

    /// Begins the domain with a topology.
    pub(crate) async fn bootstrap(
        &self,
        transactions: &[SignedTopologyTransaction],
        forwarded: Option<ForwardedId>,
    ) -> Result<(), BootstrapError> {
        let place = self.in_flight.enter(self.manager.member(), 1).ok_or(BootstrapError::Unavailable)?;
        let now = self.now();
        let put = self.line.with_order(|order, entry| {
            if self.topology.latest().is_initialized() {
                return Err(BootstrapError::Begun);
            }
            let unit = order.seed(transactions, now, &self.topology).map_err(|error| match error {
                OrderError::Topology(error) => BootstrapError::Timeline(error),
                OrderError::Refused(_) => BootstrapError::Unavailable,
            })?;
            Ok(entry.put(Unit { forwarded, ..unit }, &self.signer, place))
        });
        let answered = put.ok_or(BootstrapError::Unavailable)??;
        match answered.await {
            Ok(Ok(_)) if self.topology.latest().state().is_empty() => Err(BootstrapError::Nothing),
            Ok(Ok(_)) => Ok(()),
            _ => Err(BootstrapError::Lost),
        }
    }

    /// All checks that need no signature.
    fn check(
        &self,
        caller: &Member,
        request: &SubmissionRequest,
        entrance: Entrance,
    ) -> Result<Batch, SendRefusal> {
        if self.stop.is_cancelled() {
            return Err(refuse(RefusalReason::ShuttingDown, "The sequencer is shutting down"));
        }
        if self.disabled.contains(caller) {
            return Err(refuse(RefusalReason::RequestRefused, &format!("{caller} was disabled")));
        }
        let now = self.now();
        let moment =
            self.topology.at(now).map_err(|error| refuse(RefusalReason::Internal, &error.to_string()))?;
        let parameters = moment.parameters();
        let batch = check_request(caller, request, entrance, parameters.max_request_size)?;
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let max_rate = parameters.max_rate_per_participant;
        rates.take(request, entrance, max_rate, &self.options, self.clock.now()).map_err(
            |TooMany(rate)| {
                refuse(RefusalReason::Overloaded, &format!("Submission rate exceeds rate limit of {rate}/s."))
            },
        )?;
        Ok(batch)
    }

    /// Gives the submission its place in the order, and waits until it is stored.
    async fn sequence(
        &self,
        request: &SubmissionRequest,
        batch: Batch,
        trace: &TraceContext,
        forwarded: Option<ForwardedId>,
    ) -> Result<Stored, SubmitError> {
        let place = self
            .in_flight
            .enter(request.sender(), request.bytes().len())
            .ok_or_else(|| refuse(RefusalReason::Overloaded, "Too many submissions are being sequenced"))?;
        self.check_signing_key(request).await?;
        let prepared = Prepared { forwarded, ..self.prepare(request, &batch, trace)? };
        let now = self.now();
        let put = self.line.with_order(|order, entry| {
            Ok(match order.sequence(prepared, now, &self.topology)? {
                Sequenced::Unit(unit) => Some(entry.put(*unit, &self.signer, place)),
                Sequenced::Expired => None,
            })
        });
        let unavailable = || refuse(RefusalReason::Unavailable, "The sequencer cannot store events just now");
        let answered = match put.ok_or_else(unavailable)? {
            Ok(Some(answered)) => answered,
            Ok(None) => return Ok(Stored::Nothing),
            Err(OrderError::Refused(refusal)) => return Err(refusal.into()),
            Err(OrderError::Topology(error)) => {
                return Err(refuse(RefusalReason::Internal, &error.to_string()).into());
            }
        };
        match answered.await {
            Ok(answer) => answer.map(|_| Stored::WithEvents),
            Err(_) => Err(SubmitError::Lost),
        }
    }

    /// Makes sure that the events can be signed, before others stand in line behind them.
    async fn check_signing_key(&self, request: &SubmissionRequest) -> Result<(), SendRefusal> {
        let unavailable = |message: &str| refuse(RefusalReason::Unavailable, message);
        let now = self.now();
        let moment = self.topology.at(now).map_err(|error| unavailable(&error.to_string()))?;
        if moment.signing_keys(self.sequencer.member()).is_empty() {
            return Err(unavailable("The sequencer has no signing key in the topology of its domain yet"));
        }
        let Some(at) = request.timestamp_of_signing_key() else { return Ok(()) };
        // Too early a time is for the order to judge.
        let Ok(named) = self.topology.at(at) else { return Ok(()) };
        if Arc::ptr_eq(&named, &moment) || self.signer.has_key(&named).await {
            return Ok(());
        }
        Err(refuse(
            RefusalReason::RequestRefused,
            &format!("The sequencer has no signing key of the time {at} any more"),
        ))
    }

    /// Divides the batch among its recipients.
    fn prepare(
        &self,
        request: &SubmissionRequest,
        batch: &Batch,
        trace: &TraceContext,
    ) -> Result<Prepared, SendRefusal> {
        let sender = request.sender().clone();
        let followed_by = [self.sequencer.member(), self.manager.member()];
        let topology: Vec<DomainTopologyTransactionMessage> = if sender == *self.manager.member() {
            let version = self.topology.parameters().protocol_version;
            followed(batch, &followed_by, version)
                .map_err(|error| refuse(RefusalReason::RequestInvalid, &error.to_string()))?
        } else {
            Vec::new()
        };
        let mut made: Vec<(Batch, CompressedBatch)> = Vec::new();
        let shares = batch
            .members()
            .into_iter()
            .filter(|member| *member != self.sequencer.member())
            .map(|member| {
                let share = batch.for_member(member);
                if share == *batch {
                    return (member.clone(), request.batch().clone());
                }
                // Members of one group see the same.
                let compressed = match made.iter().find(|(known, _)| *known == share) {
                    Some((_, compressed)) => compressed.clone(),
                    None => {
                        let compressed = share.compress();
                        made.push((share, compressed.clone()));
                        compressed
                    }
                };
                (member.clone(), compressed)
            })
            .collect();
        Ok(Prepared {
            sender,
            message_id: request.message_id().clone(),
            max_sequencing_time: request.max_sequencing_time(),
            timestamp_of_signing_key: request.timestamp_of_signing_key(),
            shares,
            topology,
            trace: trace.clone(),
            forwarded: None,
        })
    }
}
