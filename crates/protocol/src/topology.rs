//! How topology transactions come to a domain, and how the domain tells its members.

mod distribution;
mod registration;

pub use distribution::DomainTopologyTransactionMessage;
pub use registration::{
    RegisterTopologyTransactionRequest, RegisterTopologyTransactionResponse, RegistrationResult,
    RegistrationState, TopologyRequestId,
};

use cantle_topology::SignedTopologyTransaction;

use crate::error::ParseError;

fn transactions(
    message: &'static str,
    transactions: &[Vec<u8>],
) -> Result<Vec<SignedTopologyTransaction>, ParseError> {
    let parsed = transactions.iter().map(|bytes| {
        SignedTopologyTransaction::from_bytes(bytes)
            .map_err(|source| ParseError::Topology { message, source: Box::new(source) })
    });
    parsed.collect()
}

fn transaction_bytes(transactions: &[SignedTopologyTransaction]) -> Vec<Vec<u8>> {
    transactions.iter().map(SignedTopologyTransaction::to_bytes).collect()
}
