//! Who calls: the metadata `memberId`, `domainId` and `authToken-bin`, and the trace beside them.

use cantle_protocol::TraceContext;
use cantle_types::{DomainId, Member};
use jiff::Timestamp;
use tonic::metadata::{AsciiMetadataKey, MetadataMap};

use crate::checks::is_authenticated;
use crate::error::CallerError;
use crate::sequencer::Sequencer;

const MEMBER: &str = "memberid";
const DOMAIN: &str = "domainid";
const TOKEN: &str = "authtoken-bin";
const TRACEPARENT: &str = "traceparent";

/// A caller that is who it says, or says that it cannot prove it.
#[derive(Debug, Clone)]
pub(super) struct KnownCaller {
    pub(super) member: Member,
    /// Until when its token is good; none of a member that has not authenticated itself.
    pub(super) expires: Option<Timestamp>,
}

/// Finds out who calls a service that needs a caller.
pub(super) fn caller(sequencer: &Sequencer, metadata: &MetadataMap) -> Result<KnownCaller, CallerError> {
    let member = member(metadata)?;
    let meant = text(metadata, DOMAIN)?;
    let meant: DomainId = meant.parse().map_err(|_| CallerError::Unreadable { what: "the domain" })?;
    if !is_authenticated(&member) {
        return Ok(KnownCaller { member, expires: None });
    }
    let token = metadata.get_bin(TOKEN).ok_or(CallerError::Missing { what: "the token" })?;
    let token = token.to_bytes().map_err(|_| CallerError::Unreadable { what: "the token" })?;
    let expires = sequencer.gate().verify(&member, &meant, &token)?;
    Ok(KnownCaller { member, expires: Some(expires) })
}

/// Who says that it calls, without proof.
pub(super) fn member(metadata: &MetadataMap) -> Result<Member, CallerError> {
    text(metadata, MEMBER)?.parse().map_err(|_| CallerError::Unreadable { what: "the member" })
}

/// The trace of a call.
pub(super) fn trace(metadata: &MetadataMap) -> TraceContext {
    let header = metadata.get(TRACEPARENT).and_then(|header| header.to_str().ok());
    header.map(TraceContext::from_traceparent).unwrap_or_default()
}

fn text<'a>(metadata: &'a MetadataMap, key: &'static str) -> Result<&'a str, CallerError> {
    let what = if key == MEMBER { "the member" } else { "the domain" };
    let value = metadata.get(AsciiMetadataKey::from_static(key)).ok_or(CallerError::Missing { what })?;
    value.to_str().map_err(|_| CallerError::Unreadable { what })
}
