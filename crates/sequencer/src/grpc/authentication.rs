//! `SequencerAuthenticationService`: a nonce to sign, and a token for it.
//!
//! Failures are told within the answers, with a gRPC code each.

use cantle_crypto::Signature;
use cantle_proto::domain::api::v0::{
    authentication, challenge, sequencer_authentication_service_server::SequencerAuthenticationService,
};
use cantle_types::Member;
use tonic::{Code, Request, Response, Status};

use crate::auth::AuthFailure;
use crate::sequencer::Sequencer;

/// Versions that a member may name.
const VERSIONS: usize = 100;

/// The service of one sequencer.
#[derive(Debug, Clone)]
pub(super) struct Authentication(pub(super) Sequencer);

#[tonic::async_trait]
impl SequencerAuthenticationService for Authentication {
    async fn challenge(
        &self,
        request: Request<challenge::Request>,
    ) -> Result<Response<challenge::Response>, Status> {
        use challenge::response::Value;
        let request = request.into_inner();
        let failed = |code, reason| Value::Failure(challenge::Failure { code, reason });
        let value = match request.member.parse::<Member>() {
            Err(error) => failed(number(Code::InvalidArgument), error.to_string()),
            Ok(_) if request.member_protocol_versions.len() > VERSIONS => {
                failed(number(Code::InvalidArgument), "too many protocol versions".to_owned())
            }
            Ok(member) => match self.0.challenge(&member, &request.member_protocol_versions) {
                Ok(challenge) => Value::Success(challenge::Success {
                    domain_version: self.0.parameters().protocol_version.semantic().to_owned(),
                    nonce: challenge.nonce,
                    fingerprints: challenge.fingerprints.iter().map(ToString::to_string).collect(),
                }),
                Err(failure) => failed(number(failure.code()), shown(&failure)),
            },
        };
        Ok(Response::new(challenge::Response { value: Some(value) }))
    }

    async fn authenticate(
        &self,
        request: Request<authentication::Request>,
    ) -> Result<Response<authentication::Response>, Status> {
        use authentication::response::Value;
        let request = request.into_inner();
        let failed = |code, reason| Value::Failure(authentication::Failure { code: number(code), reason });
        let signature =
            request.signature.as_ref().and_then(|signature| Signature::from_proto(signature).ok());
        let value = match (request.member.parse::<Member>(), signature) {
            (Err(error), _) => failed(Code::InvalidArgument, error.to_string()),
            (Ok(_), None) => failed(Code::InvalidArgument, "the signature cannot be read".to_owned()),
            (Ok(member), Some(signature)) => match self.0.authenticate(&member, &signature, &request.nonce) {
                Ok(issued) => {
                    self.0.note_acceptance(&member, &signature).await;
                    Value::Success(authentication::Success {
                        token: issued.token.expose().to_vec(),
                        expires_at: Some(time(issued.expires)),
                    })
                }
                Err(failure) => failed(failure.code(), shown(&failure)),
            },
        };
        Ok(Response::new(authentication::Response { value: Some(value) }))
    }
}

/// Who fails to authenticate learns of its own fault, and of ours only that there is one.
fn shown(failure: &AuthFailure) -> String {
    if failure.code() == Code::Internal {
        tracing::info!(%failure, "a member could not authenticate itself");
    }
    failure.to_string()
}

fn number(code: Code) -> u32 {
    // Codes are 0 to 16.
    u32::try_from(i32::from(code)).unwrap_or_default()
}

/// Whole microseconds, as Canton writes times.
pub(crate) fn time(time: jiff::Timestamp) -> prost_types::Timestamp {
    const MICROS: i64 = 1_000_000;
    let micros = time.as_microsecond();
    prost_types::Timestamp {
        seconds: micros.div_euclid(MICROS),
        nanos: i32::try_from(micros.rem_euclid(MICROS) * 1000).unwrap_or_default(),
    }
}
