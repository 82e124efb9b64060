//! The member's side of a sync domain: connecting, authentication, submission, subscription, topology.
//!
//! Participants, mediators and domain managers are members alike: [`SequencerClient`] follows the events of one and sends
//! what it submits, over a [`SequencerApi`] that is a gRPC connection or the sequencer in the same process. The client
//! knows the domain's topology ([`DomainTopologyClient`]), its time ([`DomainTimeTracker`]), and the member's keys by that
//! topology ([`SyncCrypto`]).
//!
//! Invariants: no event reaches a handler unchecked; nothing is signed by a key that the topology does not give to the
//! member; a token or a private key is never logged.
//! Source: Canton 2.10's public API and sequencer client, <https://docs.daml.com/canton/usermanual/connectivity.html>

mod api;
mod auth;
mod client;
mod connect;
mod connection;
mod crypto;
mod error;
mod grpc;
mod handler;
pub mod testing;
mod time;
mod topology;

pub use api::{
    API_NAME, AuthToken, Authentication, Caller, Challenge, EventStream, IssuedToken, ReceivedEvent,
    SequencerApi, SequencerIdentity, ServiceAgreement,
};
pub use auth::{AuthError, AuthOptions, AuthSubject, Authenticator, authentication_hash};
pub use client::{
    ClientError, ClientHealth, ClientOptions, ClientSendError, ClientSetup, ConnectionState, EventError,
    MemberSetup, OpenClientError, PendingSend, SendOutcome, SequencerClient, Submission,
};
pub use connect::{ConnectError, CryptoHandshakeError, SequencerInfo, check_crypto, sequencer_info};
pub use connection::{ConnectionError, Endpoint, SequencerConnection, TransportSecurity};
pub use crypto::{EncryptedFor, SyncCrypto, SyncEncryptError, SyncSignError, SyncVerifyError};
pub use error::{ApiError, AuthErrorCode, RefusalReason, SendError, SendRefusal, chain};
pub use grpc::{GrpcOptions, GrpcSequencer};
pub use handler::{Delivery, EventHandler, HandlerError, OpenEnvelope};
pub use time::{DomainTimeTracker, TimeOptions, TimeStopped, WantedTime};
pub use topology::{
    DomainTopologyClient, MessageError, SnapshotError, TopologyFeedError, TopologyHead, TopologySnapshot,
    stored_topology, topology_row,
};

pub use cantle_transport::ClientKeepAlive as KeepAlive;
