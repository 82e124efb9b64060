//! Why a participant or a mediator rejects a request.
//!
//! A rejection is an error code with a category, a text, and sometimes the contracts or keys that it is about. The
//! codes are Canton's: <https://docs.daml.com/canton/reference/error_codes.html>

use std::borrow::Cow;
use std::collections::HashMap;

use cantle_proto::google::rpc;
use cantle_proto::protocol::{v1, v2};
use cantle_types::ProtocolVersion;
use prost::Message as _;

use crate::error::ParseError;
use crate::wire::field;

/// How an error is to be taken, by Canton's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCategory(pub u32);

impl ErrorCategory {
    /// The same request may succeed later: what it needs was in use.
    pub const CONTENTION_ON_SHARED_RESOURCES: Self = Self(2);
    /// A fault of a node.
    pub const SYSTEM_INTERNAL_ASSUMPTION_VIOLATED: Self = Self(4);
    /// A member misbehaves.
    pub const SECURITY_ALERT: Self = Self(5);
    /// The request does not go with the state of the system.
    pub const INVALID_GIVEN_CURRENT_SYSTEM_STATE_OTHER: Self = Self(9);
    /// What the request would make is there already.
    pub const INVALID_GIVEN_CURRENT_SYSTEM_STATE_RESOURCE_EXISTS: Self = Self(10);
    /// What the request needs is not there.
    pub const INVALID_GIVEN_CURRENT_SYSTEM_STATE_RESOURCE_MISSING: Self = Self(11);
}

/// Why a participant rejects a view, or the whole request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LocalReject {
    /// The beginning of the text, the same for all errors of one code.
    pub cause_prefix: String,
    /// What follows it.
    pub details: String,
    /// The contracts or keys that it is about.
    pub resources: Vec<String>,
    /// Canton's error code.
    pub error_code: String,
    /// Canton's error category.
    pub error_category: ErrorCategory,
}

/// The codes by which a participant says that the request itself is wrong.
const MALFORMED: [&str; 5] = [
    "LOCAL_VERDICT_MALFORMED_REQUEST",
    "LOCAL_VERDICT_MALFORMED_PAYLOAD",
    "LOCAL_VERDICT_FAILED_MODEL_CONFORMANCE_CHECK",
    "LOCAL_VERDICT_BAD_ROOT_HASH_MESSAGES",
    "LOCAL_VERDICT_CREATES_EXISTING_CONTRACTS",
];

impl LocalReject {
    /// The view uses contracts that another request uses just now.
    #[must_use]
    pub fn locked_contracts(contract_ids: Vec<String>) -> Self {
        Self {
            cause_prefix: "Rejected transaction is referring to locked contracts ".to_owned(),
            details: String::new(),
            resources: contract_ids,
            error_code: "LOCAL_VERDICT_LOCKED_CONTRACTS".to_owned(),
            error_category: ErrorCategory::CONTENTION_ON_SHARED_RESOURCES,
        }
    }

    /// The view uses contracts that are not active.
    #[must_use]
    pub fn inactive_contracts(contract_ids: Vec<String>) -> Self {
        Self {
            cause_prefix: "The transaction uses contracts that are not active: ".to_owned(),
            details: String::new(),
            resources: contract_ids,
            error_code: "LOCAL_VERDICT_INACTIVE_CONTRACTS".to_owned(),
            error_category: ErrorCategory::INVALID_GIVEN_CURRENT_SYSTEM_STATE_RESOURCE_MISSING,
        }
    }

    /// The ledger time is too far from the time of sequencing.
    #[must_use]
    pub fn ledger_time(details: String) -> Self {
        Self {
            cause_prefix: "The ledger time is too far from the time of sequencing: ".to_owned(),
            details,
            resources: Vec::new(),
            error_code: "LOCAL_VERDICT_LEDGER_TIME_OUT_OF_BOUND".to_owned(),
            error_category: ErrorCategory::CONTENTION_ON_SHARED_RESOURCES,
        }
    }

    /// The request as a whole is not one.
    #[must_use]
    pub fn malformed_request(details: String) -> Self {
        Self::malformed(MALFORMED[0], "", details)
    }

    /// A view cannot be read.
    #[must_use]
    pub fn malformed_payload(details: String) -> Self {
        Self::malformed(MALFORMED[1], "A view cannot be read: ", details)
    }

    /// A view does not follow from what it says it does.
    #[must_use]
    pub fn model_conformance(details: String) -> Self {
        Self::malformed(MALFORMED[2], "A view does not follow from its action: ", details)
    }

    /// The root hash messages do not fit the views.
    #[must_use]
    pub fn bad_root_hash_messages(details: String) -> Self {
        Self::malformed(MALFORMED[3], "The root hash messages do not fit the views: ", details)
    }

    fn malformed(error_code: &'static str, cause_prefix: &'static str, details: String) -> Self {
        Self {
            cause_prefix: cause_prefix.to_owned(),
            details,
            resources: Vec::new(),
            error_code: error_code.to_owned(),
            error_category: ErrorCategory::SECURITY_ALERT,
        }
    }

    /// Whether it says that the request itself is wrong; then it is not said for parties.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        MALFORMED.contains(&self.error_code.as_str())
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v1::LocalReject {
        v1::LocalReject {
            details: self.details.clone(),
            resource: self.resources.clone(),
            cause_prefix: self.cause_prefix.clone(),
            error_code: self.error_code.clone(),
            error_category: self.error_category.0,
        }
    }

    /// Reads the message. Codes that are not known here are kept.
    #[must_use]
    pub fn from_proto(message: v1::LocalReject) -> Self {
        Self {
            cause_prefix: message.cause_prefix,
            details: message.details,
            resources: message.resource,
            error_code: message.error_code,
            error_category: ErrorCategory(message.error_category),
        }
    }
}

/// Why a mediator rejects a request: as protocol version 5 says it, or as later ones do.
#[derive(Debug, Clone, PartialEq)]
pub enum MediatorReject {
    /// Of protocol version 5.
    V1 {
        /// A text for people.
        cause: String,
        /// Canton's error code.
        error_code: String,
        /// Canton's error category.
        error_category: ErrorCategory,
    },
    /// Of protocol version 7: a status of gRPC, never OK.
    V2(rpc::Status),
}

/// The mediator's error codes.
pub(crate) const TIMED_OUT: &str = "MEDIATOR_SAYS_TX_TIMED_OUT";
const INVALID: &str = "MEDIATOR_INVALID_MESSAGE";
const MALFORMED_REQUEST: &str = "MEDIATOR_RECEIVED_MALFORMED_MESSAGE";

impl MediatorReject {
    /// Not enough answers came in time.
    #[must_use]
    pub fn timed_out(cause: &str, version: ProtocolVersion) -> Self {
        Self::new(TIMED_OUT, ErrorCategory::CONTENTION_ON_SHARED_RESOURCES, cause, version)
    }

    /// The request does not go with the topology.
    #[must_use]
    pub fn invalid_message(cause: &str, version: ProtocolVersion) -> Self {
        Self::new(INVALID, ErrorCategory::INVALID_GIVEN_CURRENT_SYSTEM_STATE_OTHER, cause, version)
    }

    /// The request is not one that an honest participant makes.
    #[must_use]
    pub fn malformed_message(cause: &str, version: ProtocolVersion) -> Self {
        Self::new(MALFORMED_REQUEST, ErrorCategory::SECURITY_ALERT, cause, version)
    }

    /// A rejection with any code.
    #[must_use]
    pub fn new(code: &str, category: ErrorCategory, cause: &str, version: ProtocolVersion) -> Self {
        match version {
            ProtocolVersion::V5 => {
                Self::V1 { cause: cause.to_owned(), error_code: code.to_owned(), error_category: category }
            }
            ProtocolVersion::V7 => Self::V2(status(code, category, cause)),
        }
    }

    /// Canton's error code; at protocol version 7 it is in the details of the status, or what its text begins with.
    #[must_use]
    pub fn error_code(&self) -> Cow<'_, str> {
        match self {
            Self::V1 { error_code, .. } => error_code.into(),
            Self::V2(status) => match error_info(status) {
                Some(info) => info.reason.into(),
                None => status.message.split('(').next().unwrap_or("").into(),
            },
        }
    }

    /// Canton's error category; nothing when the rejection does not tell.
    #[must_use]
    pub fn error_category(&self) -> Option<ErrorCategory> {
        match self {
            Self::V1 { error_category, .. } => Some(*error_category),
            Self::V2(status) => error_info(status)?.metadata.get(CATEGORY)?.parse().ok().map(ErrorCategory),
        }
    }

    /// Whether the mediator says that not enough answers came in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.error_code() == TIMED_OUT
    }

    /// The text for people.
    #[must_use]
    pub fn cause(&self) -> &str {
        match self {
            Self::V1 { cause, .. } => cause,
            Self::V2(status) => &status.message,
        }
    }

    pub(super) fn from_proto_v1(message: v1::MediatorReject) -> Self {
        Self::V1 {
            cause: message.cause,
            error_code: message.error_code,
            error_category: ErrorCategory(message.error_category),
        }
    }

    pub(super) fn from_proto_v2(message: v2::MediatorReject) -> Result<Self, ParseError> {
        let status = field("MediatorReject", "reason").required(message.reason)?;
        if status.code == 0 {
            return Err(field("MediatorReject", "reason.code").number(0));
        }
        Ok(Self::V2(status))
    }

    /// The message of protocol version 5. A rejection in the other form is said in this one.
    pub(super) fn to_proto_v1(&self) -> v1::MediatorReject {
        let category = self.error_category().unwrap_or(ErrorCategory::SYSTEM_INTERNAL_ASSUMPTION_VIOLATED);
        v1::MediatorReject {
            cause: self.cause().to_owned(),
            error_code: self.error_code().into_owned(),
            error_category: category.0,
        }
    }

    /// The message of protocol version 7. A rejection in the other form is said in this one.
    pub(super) fn to_proto_v2(&self) -> v2::MediatorReject {
        let status = match self {
            Self::V2(status) => status.clone(),
            Self::V1 { cause, error_code, error_category } => status(error_code, *error_category, cause),
        };
        v2::MediatorReject { reason: Some(status) }
    }
}

/// The detail of a status that says which error it is.
///
/// Source: <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>
#[derive(Clone, PartialEq, prost::Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
/// Under which name Canton puts the category into the details.
const CATEGORY: &str = "category";

fn status(code: &str, category: ErrorCategory, cause: &str) -> rpc::Status {
    let info = ErrorInfo {
        reason: code.to_owned(),
        domain: String::new(),
        metadata: HashMap::from([(CATEGORY.to_owned(), category.0.to_string())]),
    };
    rpc::Status {
        code: status_code(category),
        message: format!("{code}({},0): {cause}", category.0),
        details: vec![prost_types::Any { type_url: ERROR_INFO.to_owned(), value: info.encode_to_vec() }],
    }
}

fn error_info(status: &rpc::Status) -> Option<ErrorInfo> {
    let detail = status.details.iter().find(|detail| detail.type_url == ERROR_INFO)?;
    ErrorInfo::decode(&detail.value[..]).ok()
}

/// The gRPC status code that goes with a category.
fn status_code(category: ErrorCategory) -> i32 {
    const ABORTED: i32 = 10;
    const INTERNAL: i32 = 13;
    const INVALID_ARGUMENT: i32 = 3;
    const FAILED_PRECONDITION: i32 = 9;
    const ALREADY_EXISTS: i32 = 6;
    const NOT_FOUND: i32 = 5;
    match category {
        ErrorCategory::CONTENTION_ON_SHARED_RESOURCES => ABORTED,
        ErrorCategory::SYSTEM_INTERNAL_ASSUMPTION_VIOLATED => INTERNAL,
        ErrorCategory::SECURITY_ALERT => INVALID_ARGUMENT,
        ErrorCategory::INVALID_GIVEN_CURRENT_SYSTEM_STATE_RESOURCE_EXISTS => ALREADY_EXISTS,
        ErrorCategory::INVALID_GIVEN_CURRENT_SYSTEM_STATE_RESOURCE_MISSING => NOT_FOUND,
        _ => FAILED_PRECONDITION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_of_participants_are_read_back() {
        let rejects = [
            LocalReject::locked_contracts(vec!["00ab".into()]),
            LocalReject::inactive_contracts(vec![]),
            LocalReject::ledger_time("(1 s)".into()),
            LocalReject::malformed_request("no view".into()),
            LocalReject::malformed_payload("x".into()),
            LocalReject::model_conformance("x".into()),
            LocalReject::bad_root_hash_messages("x".into()),
        ];
        for (place, reject) in rejects.into_iter().enumerate() {
            assert_eq!(reject.is_malformed(), place >= 3);
            assert_eq!(LocalReject::from_proto(reject.to_proto()), reject);
        }
    }

    #[test]
    fn rejections_of_mediators_are_read_back_at_their_version() {
        let five = MediatorReject::timed_out("late", ProtocolVersion::V5);
        assert_eq!(MediatorReject::from_proto_v1(five.to_proto_v1()), five);
        let seven = MediatorReject::timed_out("late", ProtocolVersion::V7);
        assert_eq!(MediatorReject::from_proto_v2(seven.to_proto_v2()).unwrap(), seven);
        for reject in [five, seven] {
            assert!(reject.is_timeout());
            assert_eq!(reject.error_code(), TIMED_OUT);
            assert_eq!(reject.error_category(), Some(ErrorCategory::CONTENTION_ON_SHARED_RESOURCES));
        }
        let malformed = MediatorReject::malformed_message("who knows", ProtocolVersion::V7);
        assert!(!malformed.is_timeout());
        assert!(malformed.cause().contains("who knows"));
    }

    #[test]
    fn a_rejection_is_said_in_the_other_form_too() {
        let five = MediatorReject::invalid_message("no", ProtocolVersion::V5);
        let said = MediatorReject::from_proto_v2(five.to_proto_v2()).unwrap();
        assert_eq!(said.error_code(), five.error_code());
        let back = MediatorReject::from_proto_v1(said.to_proto_v1());
        assert_eq!((back.error_code(), back.error_category()), (five.error_code(), five.error_category()));
    }

    #[test]
    fn a_status_without_details_is_known_by_its_text() {
        let message = format!("{TIMED_OUT}(2,0): late");
        let status = rpc::Status { code: 10, message, details: Vec::new() };
        let reject = MediatorReject::from_proto_v2(v2::MediatorReject { reason: Some(status) }).unwrap();
        assert!(reject.is_timeout());
        assert_eq!(reject.error_category(), None);
    }

    #[test]
    fn a_rejection_with_an_ok_status_is_refused() {
        let ok = v2::MediatorReject { reason: Some(rpc::Status::default()) };
        assert!(MediatorReject::from_proto_v2(ok).is_err());
        assert!(MediatorReject::from_proto_v2(v2::MediatorReject { reason: None }).is_err());
    }
}
