//! Names that scripts may use without a node: enumerations and constructors of identifiers, as Canton's console has them.

use cantle_types::MemberCode;

use super::files::read_function;
use super::ids::{self, domain_id, member_id, participant_id, party_id, uid_data};
use super::keys::{KeyFile, key_from_bytes};
use super::{CallArgs, Data, Function, Record};
use crate::failure::Failure;

/// (enumeration, its constants)
const ENUMERATIONS: &[(&str, &[&str])] = &[
    ("TopologyChangeOp", &["Add", "Remove", "Replace"]),
    ("HashAlgorithm", &["Sha256"]),
    ("DomainChoice", &["All"]),
    ("KeyPurpose", &["Signing", "Encryption"]),
    ("RequestSide", &["Both", "From", "To"]),
    ("ParticipantPermission", &["Submission", "Confirmation", "Observation", "Disabled"]),
    ("TrustLevel", &["Ordinary", "Vip"]),
    ("SigningKeyScheme", &["Ed25519", "EcDsaP256", "EcDsaP384"]),
    (
        "EncryptionKeyScheme",
        &["EciesP256HkdfHmacSha256Aes128Gcm", "EciesP256HmacSha256Aes128Cbc", "Rsa2048OaepSha256"],
    ),
    ("TimeQuery", &["HeadState"]),
    ("Level", &["ERROR", "WARN", "INFO", "DEBUG", "TRACE", "OFF"]),
    ("CryptoKeyFormat", &["Tink", "Der", "Raw", "Symbolic"]),
];

/// A constant of an enumeration.
pub(crate) fn enum_constant(enumeration: &'static str, constant: &'static str) -> Data {
    let fields = vec![("name", Data::text(constant)), ("enumeration", Data::text(enumeration))];
    Data::object(Record::text(enumeration, constant.to_owned(), fields))
}

/// The constants of an enumeration.
pub(crate) fn constants(enumeration: &str) -> &'static [&'static str] {
    ENUMERATIONS.iter().find(|(name, _)| *name == enumeration).map_or(&[], |(_, constants)| constants)
}

type FromUid = fn(&cantle_types::UniqueIdentifier) -> Data;

/// (constructor, what it makes of a unique identifier)
const IDS: &[(&str, FromUid)] = &[
    ("ParticipantId", participant_id),
    ("DomainId", domain_id),
    ("MediatorId", |uid| member_id("MediatorId", MemberCode::Mediator, uid)),
    ("SequencerId", |uid| member_id("SequencerId", MemberCode::Sequencer, uid)),
    ("DomainTopologyManagerId", |uid| {
        member_id("DomainTopologyManagerId", MemberCode::DomainTopologyManager, uid)
    }),
    ("PartyId", party_id),
];

/// All companions, by name.
pub(crate) fn companions() -> Vec<(&'static str, Data)> {
    let mut all = Vec::new();
    for (name, constants) in ENUMERATIONS {
        let holder = constants.iter().fold(Function::holder(name), |holder, constant| {
            holder.with(constant, enum_constant(name, constant))
        });
        let holder = match *name {
            "TimeQuery" => with_times(holder),
            // Scala's types of operations, for `collectOfType`.
            "TopologyChangeOp" => {
                holder.with("Positive", Data::text("Positive")).with("AddRemove", Data::text("AddRemove"))
            }
            _ => holder,
        };
        all.push((*name, Data::object(holder)));
    }
    for (name, make) in IDS {
        let make = *make;
        let from_uid = move |args: &CallArgs<'_>, signature: &str| -> Result<Data, Failure> {
            if let ([id, space], []) = (args.positional.as_slice(), args.named.as_slice()) {
                return ids::joined(id, space).map(|uid| make(&uid));
            }
            let data = args.one(signature, "uid")?;
            ids::unique_identifier(data).map(|uid| make(&uid)).map_err(|failure| named(signature, failure))
        };
        let signature = format!("{name}(uid: UniqueIdentifier)");
        let parse = format!("{name}.tryFromProtoPrimitive(uid: text)");
        let reader = Function::new(parse.clone(), move |args| from_uid(args, &parse));
        let shown = signature.clone();
        let function = Function::new(signature, move |args| from_uid(args, &shown))
            .with("tryFromProtoPrimitive", Data::object(reader.clone()))
            .with("tryFromString", Data::object(reader));
        all.push((*name, Data::object(function)));
    }
    all.extend([
        (
            "Fingerprint",
            Data::object(text_companion("Fingerprint", |data| {
                ids::checked_fingerprint(data).map(|text| ids::fingerprint(&text))
            })),
        ),
        (
            "Namespace",
            Data::object(text_companion("Namespace", |data| {
                ids::checked_fingerprint(data).map(|text| ids::namespace(&text))
            })),
        ),
        ("Identifier", Data::object(text_companion("Identifier", ids::checked_identifier))),
        ("UniqueIdentifier", Data::object(unique_identifier())),
        ("SigningPublicKey", Data::object(key_companion("SigningPublicKey", KeyFile::Signing))),
        ("EncryptionPublicKey", Data::object(key_companion("EncryptionPublicKey", KeyFile::Encryption))),
        ("DomainAlias", Data::object(text_companion("DomainAlias", name_text))),
        (
            "SequencerAlias",
            Data::object(
                text_companion("SequencerAlias", name_text)
                    .with("Default", Data::text(super::connection::DEFAULT_ALIAS)),
            ),
        ),
        super::files::companion(),
        super::transactions::companion(),
        super::snapshot::companion(),
    ]);
    all.extend(super::connection::companions());
    all.extend(super::domain_connection::companions());
    all.extend(super::parameters::companions());
    all.extend(super::duration::companions());
    all
}

/// A text that is a name.
fn name_text(data: &Data) -> Result<Data, Failure> {
    match ids::text_of(data) {
        Some(text) if !text.is_empty() => Ok(Data::text(text)),
        _ => Err(Failure::value(format!("a name is a text that is not empty, found: {}", data.kind()))),
    }
}

/// `TimeQuery.Snapshot(asOf)` and `TimeQuery.Range(from, until)`.
fn with_times(holder: Function) -> Function {
    const SNAPSHOT: &str = "TimeQuery.Snapshot(asOf: time)";
    const RANGE: &str = "TimeQuery.Range(from: Option(time), until: Option(time))";
    let snapshot = Function::new(SNAPSHOT, |args| {
        Ok(Data::object(Record::new("Snapshot", vec![("asOf", args.one(SNAPSHOT, "asOf")?.clone())])))
    });
    let range = Function::new(RANGE, |args| match args.positional.as_slice() {
        [from, until] if args.named.is_empty() => {
            Ok(Data::object(Record::new("Range", vec![("from", from.clone()), ("until", until.clone())])))
        }
        _ => Err(Failure::Arity {
            command: "TimeQuery.Range".to_owned(),
            cause: "takes two times".to_owned(),
            signature: RANGE.to_owned(),
        }),
    });
    holder.with("Snapshot", Data::object(snapshot)).with("Range", Data::object(range))
}

fn named(signature: &str, failure: Failure) -> Failure {
    Failure::Argument {
        command: signature.split('(').next().unwrap_or_default().to_owned(),
        argument: "uid".to_owned(),
        cause: failure.to_string(),
        signature: signature.to_owned(),
    }
}

fn text_companion(name: &'static str, make: fn(&Data) -> Result<Data, Failure>) -> Function {
    let function = |signature: String| {
        let shown = signature.clone();
        Function::new(signature, move |args| make(args.one(&shown, "str")?))
    };
    function(format!("{name}(str: text)"))
        .with("tryCreate", Data::object(function(format!("{name}.tryCreate(str: text)"))))
        .with(
            "tryFromProtoPrimitive",
            Data::object(function(format!("{name}.tryFromProtoPrimitive(str: text)"))),
        )
}

fn unique_identifier() -> Function {
    const MAKE: &str = "UniqueIdentifier(id: Identifier, namespace: Namespace)";
    const PARSE: &str = "UniqueIdentifier.tryFromProtoPrimitive(str: text)";
    let make = |args: &CallArgs<'_>| match (args.positional.as_slice(), args.named.as_slice()) {
        ([id, space], []) => ids::joined(id, space).map(|uid| uid_data(&uid)),
        _ => Err(Failure::Arity {
            command: "UniqueIdentifier".to_owned(),
            cause: "takes an identifier and a namespace".to_owned(),
            signature: MAKE.to_owned(),
        }),
    };
    let parse = Function::new(PARSE, |args| {
        ids::unique_identifier(args.one(PARSE, "str")?)
            .map(|uid| uid_data(&uid))
            .map_err(|failure| named(PARSE, failure))
    });
    Function::new(MAKE, make).with("tryFromProtoPrimitive", Data::object(parse)).with(
        "tryCreate",
        Data::object(Function::new("UniqueIdentifier.tryCreate(id: text, fingerprint: text)", make)),
    )
}

fn key_companion(name: &'static str, file: KeyFile) -> Function {
    Function::holder(name).with(
        "tryReadFromFile",
        read_function(name, move |bytes| key_from_bytes(bytes, file).map(Data::object)),
    )
}
