//! How sequencers are reached, as scripts see it: `SequencerConnection` and `SequencerConnections`.
//!
//! Files are Canton's: one connection is the versioned wrapper of the connection itself (version 0); several are version 1, which
//! Canton writes at unreleased protocol versions only. Source: <https://docs.daml.com/2.10.0/canton/usermanual/connectivity.html>.

use std::sync::Arc;

use cantle_proto::domain::api::v0 as wire;
use cantle_proto::domain::api::v0::sequencer_connection::{Grpc, Type};
use prost::Message;

use super::files::{read_function, write_function};
use super::{Data, Function, Instance, ids};
use crate::command::{Bound, Default, Signature, optional, required};
use crate::failure::Failure;

/// Canton's name for the one sequencer of a connection that names none.
pub(crate) const DEFAULT_ALIAS: &str = "DefaultSequencer";

/// The most endpoints and connections read from a file or given by a node.
const MAX_ENDPOINTS: usize = 1_000;

/// One sequencer: its endpoints, which share their security.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    endpoints: Vec<String>,
    secure: bool,
    trust: Option<Arc<[u8]>>,
    alias: String,
}

/// An endpoint's text with its port, and whether it speaks TLS.
fn endpoint(url: &str) -> Result<(String, bool), Failure> {
    let refuse = |why: &str| {
        Failure::value(format!(
            "\"{url}\" is no address of a sequencer: {why}; write `http://host:port` or `https://host:port`"
        ))
    };
    let (secure, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some(_) => return Err(refuse("only http and https are known")),
        None => return Err(refuse("its scheme is missing")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '@', ' ']) {
        return Err(refuse("only a host and a port can follow the scheme"));
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port: u16 = port.parse().map_err(|_| refuse("its port is no number up to 65535"))?;
            (host, port)
        }
        _ => (rest, if secure { 443 } else { 80 }),
    };
    if host.is_empty() || port == 0 {
        return Err(refuse("its host or port is missing"));
    }
    let scheme = if secure { "https" } else { "http" };
    Ok((format!("{scheme}://{host}:{port}"), secure))
}

impl Connection {
    /// A sequencer at one address.
    pub(crate) fn new(url: &str, trust: Option<Vec<u8>>) -> Result<Self, Failure> {
        let (endpoint, secure) = endpoint(url)?;
        Ok(Self {
            endpoints: vec![endpoint],
            secure,
            trust: trust.map(Arc::from),
            alias: DEFAULT_ALIAS.to_owned(),
        })
    }

    pub(crate) fn with_alias(self, alias: String) -> Self {
        Self { alias, ..self }
    }

    /// The same sequencer with the endpoints of another connection, too.
    fn joined(mut self, other: &Self) -> Result<Self, Failure> {
        if self.secure != other.secure {
            return Err(Failure::value(
                "some endpoints of this connection speak TLS and some do not: all must, or none",
            ));
        }
        for endpoint in &other.endpoints {
            if !self.endpoints.contains(endpoint) {
                self.endpoints.push(endpoint.clone());
            }
        }
        if self.trust.is_none() {
            self.trust.clone_from(&other.trust);
        }
        Ok(self)
    }

    /// All endpoints of several connections as one sequencer.
    pub(crate) fn merged(connections: &[Self]) -> Result<Self, Failure> {
        let (first, rest) =
            connections.split_first().ok_or_else(|| Failure::value("there is no sequencer connection"))?;
        rest.iter().try_fold(first.clone(), Self::joined)
    }

    /// All endpoints of what stands for connections as one sequencer.
    pub(crate) fn merged_from(items: &[Data]) -> Result<Self, Failure> {
        let connections = items.iter().map(Self::from_data).collect::<Result<Vec<_>, _>>()?;
        Self::merged(&connections)
    }

    /// A connection, an address, or a node that serves one.
    pub(crate) fn from_data(data: &Data) -> Result<Self, Failure> {
        if let Some(connection) = data.downcast::<Self>() {
            return Ok(connection.clone());
        }
        if let Some(connections) = data.downcast::<Connections>() {
            return Self::merged(&connections.connections);
        }
        if let Some(node) = crate::command::node_of(data) {
            return crate::commands::sequencer_connection_of(&node);
        }
        match data {
            Data::Text(url) => Self::new(url, None),
            other => Err(Failure::value(format!(
                "must be a sequencer connection, an address or a sequencer, found: {}",
                other.kind()
            ))),
        }
    }

    pub(crate) fn to_wire(&self) -> wire::SequencerConnection {
        let grpc = Grpc {
            connections: self.endpoints.clone(),
            transport_security: self.secure,
            custom_trust_certificates: self.trust.as_ref().map(|trust| trust.to_vec()),
        };
        wire::SequencerConnection { r#type: Some(Type::Grpc(grpc)), alias: self.alias.clone() }
    }

    pub(crate) fn from_wire(connection: wire::SequencerConnection) -> Result<Self, Failure> {
        let Some(Type::Grpc(grpc)) = connection.r#type else {
            return Err(Failure::value("this sequencer connection has no endpoints"));
        };
        if grpc.connections.is_empty() || grpc.connections.len() > MAX_ENDPOINTS {
            return Err(Failure::value("this sequencer connection has no endpoints, or too many"));
        }
        let alias = if connection.alias.is_empty() { DEFAULT_ALIAS.to_owned() } else { connection.alias };
        Ok(Self {
            endpoints: grpc.connections,
            secure: grpc.transport_security,
            trust: grpc.custom_trust_certificates.map(Arc::from),
            alias,
        })
    }

    fn data(self) -> Data {
        Data::object(self)
    }
}

fn one(args: &super::CallArgs<'_>, signature: &str, name: &str) -> Result<Data, Failure> {
    args.one(signature, name).cloned()
}

impl Instance for Connection {
    fn kind(&self) -> String {
        "GrpcSequencerConnection".to_owned()
    }

    fn text(&self) -> String {
        let endpoints = match self.endpoints.as_slice() {
            [only] => only.clone(),
            several => format!("Seq({})", several.join(", ")),
        };
        let trust = if self.trust.is_some() { ", customTrustCertificates" } else { "" };
        format!(
            "GrpcSequencerConnection(endpoints = {endpoints}, transportSecurity = {}{trust})",
            self.secure
        )
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        const ADD: &str = "addEndpoints(connection: text or SequencerConnection, …)";
        const TRUST: &str = "withCertificates(certificates: bytes)";
        const ALIAS: &str = "withAlias(alias: SequencerAlias)";
        let connection = self.clone();
        Ok(Some(match name {
            "endpoints" => Data::list(self.endpoints.iter().map(|url| Data::text(url.as_str())).collect()),
            "transportSecurity" => Data::Bool(self.secure),
            "customTrustCertificates" => {
                Data::option(self.trust.as_ref().map(|trust| Data::Bytes(Arc::clone(trust))))
            }
            "sequencerAlias" => Data::text(self.alias.as_str()),
            "addEndpoints" => Data::object(Function::new(ADD, move |args| {
                let others = args.positional.iter().map(Self::from_data).collect::<Result<Vec<_>, _>>()?;
                others.iter().try_fold(connection.clone(), Self::joined).map(Self::data)
            })),
            "withCertificates" => {
                Data::object(Function::new(TRUST, move |args| match one(args, TRUST, "certificates")? {
                    Data::Bytes(trust) => Ok(Self { trust: Some(trust), ..connection.clone() }.data()),
                    other => Err(Failure::value(format!("certificates are bytes, found: {}", other.kind()))),
                }))
            }
            "withAlias" => Data::object(Function::new(ALIAS, move |args| {
                let alias = ids::text_of(&one(args, ALIAS, "alias")?);
                let alias = alias.ok_or_else(|| Failure::value("an alias is a text"))?;
                Ok(connection.clone().with_alias(alias).data())
            })),
            _ => return Ok(None),
        }))
    }

    fn attr_names(&self) -> Vec<String> {
        let names = ["endpoints", "transportSecurity", "customTrustCertificates", "sequencerAlias"];
        let methods = ["addEndpoints", "withCertificates", "withAlias"];
        names.into_iter().chain(methods).map(str::to_owned).collect()
    }

    fn identity(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

/// The sequencers of a domain that a member connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connections {
    connections: Vec<Connection>,
    threshold: u32,
}

/// What version 1 of the file holds.
#[derive(Clone, PartialEq, Message)]
struct Several {
    #[prost(message, repeated, tag = "1")]
    connections: Vec<wire::SequencerConnection>,
    #[prost(uint32, tag = "2")]
    threshold: u32,
}

impl Connections {
    pub(crate) fn single(connection: Connection) -> Self {
        Self { connections: vec![connection], threshold: 1 }
    }

    /// Sequencers with names of their own; `threshold` of them must agree.
    pub(crate) fn many(connections: Vec<Connection>, threshold: u32) -> Result<Self, Failure> {
        for (index, connection) in connections.iter().enumerate() {
            if connections[..index].iter().any(|other| other.alias == connection.alias) {
                return Err(Failure::value(format!(
                    "two sequencers have the alias \"{}\": give them names with `.withAlias(…)`",
                    connection.alias
                )));
            }
        }
        let count = u32::try_from(connections.len()).unwrap_or(u32::MAX);
        if threshold == 0 || threshold > count {
            return Err(Failure::value(format!(
                "the trust threshold is {threshold}, and there are {count} sequencers"
            )));
        }
        Ok(Self { connections, threshold })
    }

    /// Connections, or what stands for one.
    pub(crate) fn from_data(data: &Data) -> Result<Self, Failure> {
        if let Some(connections) = data.downcast::<Self>() {
            return Ok(connections.clone());
        }
        if let Data::List(items) = data {
            return Connection::merged_from(items).map(Self::single);
        }
        Connection::from_data(data).map(Self::single)
    }

    /// All endpoints as one sequencer: what a member's own connection takes.
    pub(crate) fn merged(&self) -> Result<Connection, Failure> {
        Connection::merged(&self.connections)
    }

    /// A threshold of 0 stands for one that was not given.
    pub(crate) fn from_wire(
        connections: Vec<wire::SequencerConnection>,
        threshold: u32,
    ) -> Result<Option<Self>, Failure> {
        if connections.is_empty() {
            return Ok(None);
        }
        if connections.len() > MAX_ENDPOINTS {
            return Err(Failure::value("these are too many sequencer connections"));
        }
        let connections =
            connections.into_iter().map(Connection::from_wire).collect::<Result<Vec<_>, _>>()?;
        Self::many(connections, threshold.max(1)).map(Some)
    }

    pub(crate) fn to_wire(&self) -> (Vec<wire::SequencerConnection>, u32) {
        (self.connections.iter().map(Connection::to_wire).collect(), self.threshold)
    }

    fn file_bytes(&self) -> Vec<u8> {
        match self.connections.as_slice() {
            [only] => cantle_proto::versioned::wrap(&only.to_wire().encode_to_vec(), 0),
            _ => {
                let (connections, threshold) = self.to_wire();
                cantle_proto::versioned::wrap(&Several { connections, threshold }.encode_to_vec(), 1)
            }
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Data, Failure> {
        let unreadable = || Failure::value("these bytes are no sequencer connections");
        let (inner, version) = cantle_proto::versioned::unwrap(bytes).map_err(|_| unreadable())?;
        let found = match version {
            0 => {
                let one = wire::SequencerConnection::decode(inner.as_slice()).map_err(|_| unreadable())?;
                Some(Self::single(Connection::from_wire(one)?))
            }
            1 => {
                let several = Several::decode(inner.as_slice()).map_err(|_| unreadable())?;
                Self::from_wire(several.connections, several.threshold)?
            }
            other => {
                return Err(Failure::value(format!("version {other} of sequencer connections is not known")));
            }
        };
        found.map(Data::object).ok_or_else(unreadable)
    }

    /// The sequencer of this name, changed by `change`.
    fn changed(
        &self,
        alias: &str,
        change: impl FnOnce(Connection) -> Result<Connection, Failure>,
    ) -> Result<Data, Failure> {
        let mut changed = self.clone();
        let found = changed.connections.iter_mut().find(|connection| connection.alias == alias);
        let found = found
            .ok_or_else(|| Failure::value(format!("there is no sequencer with the alias \"{alias}\"")))?;
        *found = change(found.clone())?;
        Ok(Data::object(changed))
    }
}

impl Instance for Connections {
    fn kind(&self) -> String {
        "SequencerConnections".to_owned()
    }

    fn text(&self) -> String {
        let connections = self.connections.iter();
        let each: Vec<String> = connections
            .map(|connection| format!("Sequencer '{}' -> {}", connection.alias, connection.text()))
            .collect();
        each.join(", ")
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        const ADD: &str = "addEndpoints(sequencerAlias: SequencerAlias = SequencerAlias.Default, connection: text or SequencerConnection, …)";
        const TRUST: &str = "withCertificates(sequencerAlias: SequencerAlias, certificates: bytes)";
        let all = self.clone();
        Ok(Some(match name {
            "default" => match self.connections.first() {
                Some(first) => first.clone().data(),
                None => Data::None,
            },
            "connections" => {
                Data::list(self.connections.iter().map(|connection| connection.clone().data()).collect())
            }
            "aliasToConnection" => {
                let pairs = self.connections.iter().map(|connection| {
                    Data::list(vec![Data::text(connection.alias.as_str()), connection.clone().data()])
                });
                Data::list(pairs.collect())
            }
            "sequencerTrustThreshold" => Data::Int(i64::from(self.threshold)),
            "writeToFile" => Data::object(write_function(self.file_bytes().into())),
            "toByteString" => Data::bytes(self.file_bytes()),
            "addEndpoints" => Data::object(Function::new(ADD, move |args| {
                let (alias, others) = match args.positional.as_slice() {
                    [] => return Err(Failure::value(format!("addEndpoints needs a connection\n  {ADD}"))),
                    [Data::Text(text), others @ ..] if !text.contains("://") => (text.to_string(), others),
                    others => (DEFAULT_ALIAS.to_owned(), others),
                };
                let others = others.iter().map(Connection::from_data).collect::<Result<Vec<_>, _>>()?;
                all.changed(&alias, |connection| others.iter().try_fold(connection, Connection::joined))
            })),
            "withCertificates" => {
                Data::object(Function::new(TRUST, move |args| match args.positional.as_slice() {
                    [alias, Data::Bytes(trust)] => {
                        let alias = ids::text_of(alias).unwrap_or_default();
                        let trust = Some(Arc::clone(trust));
                        all.changed(&alias, |connection| Ok(Connection { trust, ..connection }))
                    }
                    _ => Err(Failure::value(format!("withCertificates takes an alias and bytes\n  {TRUST}"))),
                }))
            }
            _ => return Ok(None),
        }))
    }

    fn attr_names(&self) -> Vec<String> {
        let names = ["default", "connections", "aliasToConnection", "sequencerTrustThreshold"];
        let methods = ["writeToFile", "toByteString", "addEndpoints", "withCertificates"];
        names.into_iter().chain(methods).map(str::to_owned).collect()
    }

    fn identity(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

const TRY_CREATE: Signature = Signature {
    path: "GrpcSequencerConnection.tryCreate",
    params: &[
        required("connection", "text"),
        optional("customTrustCertificates", "Option(bytes)", Default::None),
        optional("sequencerAlias", "SequencerAlias", Default::Text(DEFAULT_ALIAS)),
    ],
};
const MANY: Signature = Signature {
    path: "SequencerConnections.many",
    params: &[
        required("connections", "Seq(SequencerConnection)"),
        optional("sequencerTrustThreshold", "int", Default::Int(1)),
    ],
};

fn try_create(bound: &Bound<'_>) -> Result<Data, Failure> {
    let trust = match bound.value("customTrustCertificates") {
        Data::None => None,
        Data::Bytes(trust) => Some(trust.to_vec()),
        other => {
            return Err(
                bound.refuse("customTrustCertificates", format!("must be bytes, found: {}", other.kind()))
            );
        }
    };
    let connection = Connection::new(&bound.text("connection")?, trust)
        .map_err(|failure| bound.refuse("connection", failure.to_string()))?;
    Ok(connection.with_alias(bound.text("sequencerAlias")?).data())
}

fn many(bound: &Bound<'_>) -> Result<Data, Failure> {
    let connections =
        bound.items("connections").iter().map(Connection::from_data).collect::<Result<Vec<_>, _>>()?;
    Connections::many(connections, bound.small("sequencerTrustThreshold")?).map(Data::object)
}

/// `GrpcSequencerConnection`, `SequencerConnection` and `SequencerConnections`.
pub(crate) fn companions() -> Vec<(&'static str, Data)> {
    const SINGLE: &str = "SequencerConnections.single(connection: SequencerConnection)";
    const MERGE: &str = "SequencerConnection.merge(connections: Seq(SequencerConnection))";
    let single = Function::new(SINGLE, |args| {
        Connection::from_data(args.one(SINGLE, "connection")?).map(Connections::single).map(Data::object)
    });
    let merge = Function::new(MERGE, |args| {
        Connections::from_data(args.one(MERGE, "connections")?)?.merged().map(Connection::data)
    });
    let grpc = Function::holder("GrpcSequencerConnection")
        .with("tryCreate", Data::object(Function::taking(TRY_CREATE, try_create)));
    let connections = Function::holder("SequencerConnections")
        .with("single", Data::object(single))
        .with("many", Data::object(Function::taking(MANY, many)))
        .with("tryMany", Data::object(Function::taking(MANY, many)))
        .with("tryReadFromFile", read_function("SequencerConnections", Connections::from_bytes));
    vec![
        ("GrpcSequencerConnection", Data::object(grpc)),
        (
            "SequencerConnection",
            Data::object(Function::holder("SequencerConnection").with("merge", Data::object(merge))),
        ),
        ("SequencerConnections", Data::object(connections)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(url: &str) -> Connection {
        Connection::new(url, None).unwrap()
    }

    #[test]
    fn addresses_get_their_port_and_security() {
        let cases = [
            ("http://h:5018", "http://h:5018", false),
            ("https://daml.com", "https://daml.com:443", true),
            ("http://h/", "http://h:80", false),
            ("http://[::1]:7", "http://[::1]:7", false),
            ("https://[::1]", "https://[::1]:443", true),
        ];
        for (url, shown, secure) in cases {
            assert_eq!(endpoint(url).unwrap(), (shown.to_owned(), secure), "{url}");
        }
        for url in
            ["h:1", "ftp://h:1", "http://", "http://h:99999", "http://h:0", "http://h:1/x", "http://u@h:1"]
        {
            assert!(endpoint(url).is_err(), "{url}");
        }
    }

    #[test]
    fn endpoints_are_joined_once_and_not_mixed() {
        let joined = Connection::merged(&[
            connection("http://a:1"),
            connection("http://b:1"),
            connection("http://a:1"),
        ]);
        assert_eq!(joined.unwrap().endpoints, ["http://a:1", "http://b:1"]);
        assert!(Connection::merged(&[connection("http://a:1"), connection("https://b:1")]).is_err());
        assert!(Connection::merged(&[]).is_err());
    }

    #[test]
    fn files_hold_one_or_several_sequencers() {
        let one = Connections::single(connection("http://a:1"));
        assert_eq!(cantle_proto::versioned::unwrap(&one.file_bytes()).unwrap().1, 0);
        let two = Connections::many(
            vec![connection("http://a:1"), connection("http://b:1").with_alias("b".to_owned())],
            2,
        );
        let two = two.unwrap();
        for connections in [one, two] {
            let read = Connections::from_bytes(&connections.file_bytes()).unwrap();
            assert_eq!(read.downcast::<Connections>(), Some(&connections));
        }
        for bytes in [&b""[..], b"\x0a\x00", b"\x0a\x02\x12\x00", b"\x0a\x00\x10\x09"] {
            assert!(Connections::from_bytes(bytes).is_err());
        }
    }

    #[test]
    fn sequencers_need_names_of_their_own() {
        let same = vec![connection("http://a:1"), connection("http://b:1")];
        assert!(Connections::many(same, 1).is_err());
        assert!(Connections::many(vec![connection("http://a:1")], 2).is_err());
    }
}
