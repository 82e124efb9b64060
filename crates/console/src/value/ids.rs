//! Identifiers as scripts see them: fingerprints, namespaces, unique identifiers, and the ids of members and domains.
//!
//! Each prints as its text, equals the same text, and has Canton's attributes (`.uid`, `.namespace`, `.toProtoPrimitive`, …).

use cantle_types::{Fingerprint, Identifier, Member, MemberCode, Namespace, UniqueIdentifier};

use super::{Data, Record};
use crate::failure::Failure;

/// A key's fingerprint.
pub(crate) fn fingerprint(text: &str) -> Data {
    Data::object(Record::text("Fingerprint", text.to_owned(), Vec::new()))
}

/// A namespace.
pub(crate) fn namespace(text: &str) -> Data {
    Data::object(Record::text("Namespace", text.to_owned(), vec![("fingerprint", fingerprint(text))]))
}

fn identifier(text: &str) -> Data {
    Data::object(Record::text("Identifier", text.to_owned(), Vec::new()))
}

fn uid_fields(uid: &UniqueIdentifier) -> Vec<(&'static str, Data)> {
    let (id, space) = (uid.identifier().as_str(), uid.namespace().as_str());
    vec![("id", identifier(id)), ("identifier", identifier(id)), ("namespace", namespace(space))]
}

/// A unique identifier.
pub(crate) fn uid_data(uid: &UniqueIdentifier) -> Data {
    Data::object(Record::text("UniqueIdentifier", uid.to_string(), uid_fields(uid)).callable())
}

fn with_uid(kind: &'static str, text: String, uid: &UniqueIdentifier) -> Record {
    let mut fields = vec![("uid", uid_data(uid))];
    fields.extend(uid_fields(uid));
    fields.push(("unwrap", uid_data(uid)));
    fields.push(("filterString", Data::text(uid.to_string())));
    fields.push(("toProtoPrimitive", Data::text(text.as_str())));
    Record::text(kind, text, fields).callable()
}

/// A participant, which is also the party of its administrator.
pub(crate) fn participant_id(uid: &UniqueIdentifier) -> Data {
    member_id("ParticipantId", MemberCode::Participant, uid)
}

/// A member of the kind named.
pub(crate) fn member_id(kind: &'static str, code: MemberCode, uid: &UniqueIdentifier) -> Data {
    Data::object(with_uid(kind, Member::new(code, uid.clone()).to_string(), uid))
}

/// A member from its text with code; a text that is none stays one.
pub(crate) fn member_data(text: &str) -> Data {
    let Ok(member) = text.parse::<Member>() else { return Data::text(text) };
    let kind = match member.code() {
        MemberCode::Participant => "ParticipantId",
        MemberCode::Mediator => "MediatorId",
        MemberCode::Sequencer => "SequencerId",
        MemberCode::DomainTopologyManager => "DomainTopologyManagerId",
        _ => "UnauthenticatedMemberId",
    };
    member_id(kind, member.code(), member.uid())
}

/// A domain: its text has no code.
pub(crate) fn domain_id(uid: &UniqueIdentifier) -> Data {
    Data::object(with_uid("DomainId", uid.to_string(), uid))
}

/// A party.
pub(crate) fn party_id(uid: &UniqueIdentifier) -> Data {
    Data::object(with_uid("PartyId", uid.to_string(), uid))
}

/// The text of an identifier or of a plain text.
pub(crate) fn text_of(data: &Data) -> Option<String> {
    match data {
        Data::Text(text) => Some(text.to_string()),
        Data::Object(instance) => instance.as_text(),
        _ => None,
    }
}

/// The unique identifier that a value is or has, in any of its forms.
pub(crate) fn unique_identifier(data: &Data) -> Result<UniqueIdentifier, Failure> {
    let text = text_of(data)
        .ok_or_else(|| Failure::value(format!("must be an identifier, found: {}", data.kind())))?;
    let uid = match text.split_once("::") {
        Some(("PAR" | "MED" | "SEQ" | "DOM" | "UNM", rest)) if rest.contains("::") => rest,
        _ => text.as_str(),
    };
    uid.parse().map_err(|error: cantle_types::IdentifierError| Failure::value(error.to_string()))
}

/// The member that a value names: an id with its code, or a text with one.
pub(crate) fn member(data: &Data) -> Result<Member, Failure> {
    let text = text_of(data)
        .ok_or_else(|| Failure::value(format!("must be the owner of keys, found: {}", data.kind())))?;
    if let Some(record) = data.downcast::<Record>()
        && record.type_name() == "DomainId"
    {
        return Err(Failure::value(
            "is a domain: name its member, `DomainTopologyManagerId(id)`, `MediatorId(id)` or `SequencerId(id)`",
        ));
    }
    text.parse().map_err(|error: cantle_types::IdentifierError| Failure::value(error.to_string()))
}

/// A checked fingerprint from a text, a fingerprint or a namespace.
pub(crate) fn checked_fingerprint(data: &Data) -> Result<String, Failure> {
    if let Some(key) = data.downcast::<super::KeyRecord>() {
        return Err(Failure::value(format!(
            "is a key: write `.fingerprint` behind it ({})",
            key.fingerprint()
        )));
    }
    let text = text_of(data)
        .ok_or_else(|| Failure::value(format!("must be a fingerprint, found: {}", data.kind())))?;
    let parsed: Result<Fingerprint, _> = text.parse();
    parsed.map(|fingerprint| fingerprint.to_string()).map_err(|error| Failure::value(error.to_string()))
}

/// A checked identifier.
pub(crate) fn checked_identifier(data: &Data) -> Result<Data, Failure> {
    let text =
        text_of(data).ok_or_else(|| Failure::value(format!("must be a text, found: {}", data.kind())))?;
    let parsed: Result<Identifier, _> = text.parse();
    parsed.map(|parsed| identifier(parsed.as_str())).map_err(|error| Failure::value(error.to_string()))
}

/// A unique identifier from its two parts.
pub(crate) fn joined(id: &Data, space: &Data) -> Result<UniqueIdentifier, Failure> {
    let text = |data: &Data| {
        text_of(data).ok_or_else(|| {
            Failure::value(format!("found {}, which is no part of an identifier", data.kind()))
        })
    };
    let id: Identifier = text(id)?
        .parse()
        .map_err(|error: cantle_types::IdentifierError| Failure::value(error.to_string()))?;
    let space: Fingerprint = text(space)?
        .parse()
        .map_err(|error: cantle_types::IdentifierError| Failure::value(error.to_string()))?;
    Ok(UniqueIdentifier::new(id, Namespace::new(space)))
}
