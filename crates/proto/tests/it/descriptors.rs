//! The descriptors served by reflection.

use cantle_proto::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::FileDescriptorSet;

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap()
}

#[test]
fn every_service_is_described() {
    let mut services: Vec<String> = descriptors()
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(|service| format!("{}.{}", file.package(), service.name())))
        .collect();
    services.sort();
    let canton = |name: &str| format!("com.digitalasset.canton.{name}");
    for name in [
        "crypto.admin.v0.VaultService",
        "topology.admin.v0.InitializationService",
        "topology.admin.v0.TopologyAggregationService",
        "topology.admin.v0.TopologyManagerReadService",
        "topology.admin.v0.TopologyManagerWriteService",
        "health.admin.v0.StatusService",
        "domain.api.v0.DomainService",
        "domain.api.v0.DomainTimeService",
        "domain.api.v0.SequencerAuthenticationService",
        "domain.api.v0.SequencerConnectService",
        "domain.api.v0.SequencerService",
        "domain.admin.v0.DomainInitializationService",
        "domain.admin.v0.DomainManagerStatusService",
        "domain.admin.v0.DomainService",
        "domain.admin.v0.DomainStatusService",
        "domain.admin.v0.EnterpriseSequencerConnectionService",
        "domain.admin.v0.MediatorInitializationService",
        "domain.admin.v0.MediatorStatusService",
        "domain.admin.v0.SequencerAdministrationService",
        "domain.admin.v0.SequencerInitializationService",
        "domain.admin.v0.SequencerStatusService",
        "domain.admin.v0.SequencerVersionService",
        "domain.admin.v0.TopologyBootstrapService",
        "participant.admin.v0.DomainConnectivityService",
        "participant.admin.v0.ParticipantStatusService",
        "participant.admin.v0.PartyNameManagementService",
        "participant.admin.v0.PingService",
        "connection.v30.ApiInfoService",
    ] {
        assert!(services.binary_search(&canton(name)).is_ok(), "no service {name}");
    }
    assert!(services.contains(&"cantle.admin.v1.KeyService".to_owned()));
}

#[test]
fn imports_are_described_too() {
    let descriptors = descriptors();
    let names: Vec<&str> = descriptors.file.iter().map(prost_types::FileDescriptorProto::name).collect();
    for file in &descriptors.file {
        for import in &file.dependency {
            assert!(names.contains(&import.as_str()), "{} imports {import}", file.name());
        }
    }
}

#[test]
fn generated_services_have_canton_s_names() {
    use cantle_proto::{crypto, topology};
    assert_eq!(
        crypto::admin::v0::vault_service_server::SERVICE_NAME,
        "com.digitalasset.canton.crypto.admin.v0.VaultService"
    );
    assert_eq!(
        topology::admin::v0::topology_manager_write_service_server::SERVICE_NAME,
        "com.digitalasset.canton.topology.admin.v0.TopologyManagerWriteService"
    );
}
