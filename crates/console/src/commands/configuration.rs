//! `config`: what scripts ask of a node's configuration.

use crate::command::{Call, Kinds, Spec, Style};
use crate::failure::Failure;
use crate::node::ApiSettings;
use crate::value::{Data, Record};

pub(super) const COMMANDS: &[Spec] = &[Spec {
    path: "config",
    kinds: Kinds::ALL,
    style: Style::Property,
    params: &[],
    run: config,
    doc: "The node's configuration as far as scripts ask for it: adminApi, publicApi, init.",
}];

fn api(kind: &'static str, api: &ApiSettings) -> Data {
    let tls = if api.tls {
        let trust = api.trust.as_ref().map(|trust| Data::bytes(trust.clone()));
        Some(Data::object(Record::new("TlsConfig", vec![("trustCollectionFile", Data::option(trust))])))
    } else {
        None
    };
    let fields = vec![
        ("address", Data::text(api.address.as_str())),
        ("port", api.port.map_or(Data::None, |port| Data::Int(i64::from(port)))),
        ("tls", Data::option(tls)),
    ];
    Data::object(Record::new(kind, fields))
}

fn config(call: &Call<'_>) -> Result<Data, Failure> {
    let settings = &call.node.settings;
    let mut fields = vec![("adminApi", api("AdminServerConfig", &settings.admin_api))];
    if let Some(public) = &settings.public_api {
        fields.push(("publicApi", api("PublicServerConfig", public)));
    }
    if let Some(version) = settings.protocol_version {
        let parameters = Record::new(
            "DomainParametersConfig",
            vec![("initialProtocolVersion", Data::Int(i64::from(version)))],
        );
        let init = Record::new("InitConfig", vec![("domainParameters", Data::object(parameters))]);
        fields.push(("init", Data::object(init)));
    }
    Ok(Data::object(Record::new("NodeConfig", fields)))
}
