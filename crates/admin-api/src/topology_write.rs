//! `topology.admin.v0.TopologyManagerWriteService`: changes to a node's topology.
//!
//! A request becomes a mapping here; whether it may be, who signs it and that it is stored is the topology manager's
//! business. Every answer is the signed transaction, wrapped, byte for byte as it is stored.
//! Source: <https://docs.daml.com/canton/usermanual/identity_management.html>

use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_identity::TopologyManager;
use cantle_proto::topology::admin::v0::{
    AdditionSuccess, AuthorizationData, AuthorizationSuccess, CheckOnlyPackagesAuthorization,
    DomainParametersChangeAuthorization, IdentifierDelegationAuthorization, MediatorDomainStateAuthorization,
    NamespaceDelegationAuthorization, OwnerToKeyMappingAuthorization, ParticipantDomainStateAuthorization,
    PartyToParticipantAuthorization, SignedTopologyTransactionAddition, VettedPackagesAuthorization,
    domain_parameters_change_authorization::Parameters,
    topology_manager_write_service_server::TopologyManagerWriteService,
};
use cantle_topology::{
    ChangeOptions, DomainParametersChange, DynamicDomainParameters, IdentifierDelegation, IsRootDelegation,
    MediatorDomainState, NamespaceDelegation, OwnerToKeyMapping, PackageId, Packages, ParticipantPermission,
    ParticipantState, PartyToParticipant, RequestSide, SignedTopologyTransaction, TopologyChangeOp,
    TopologyMapping, TrustLevel,
};
use cantle_types::{DomainId, Fingerprint, Member, Namespace, ParticipantId, PartyId, UniqueIdentifier};
use cantle_vault::Vault;
use tonic::{Request, Response, Status};

use crate::{
    parse::{participant, text},
    status::{ToStatus, invalid, missing, unsupported},
};

/// The service of one node.
#[derive(Debug)]
pub(crate) struct TopologyWrite {
    manager: TopologyManager,
    vault: Vault,
}

/// What every request says about the change.
struct Change {
    op: TopologyChangeOp,
    signed_by: Option<Fingerprint>,
    options: ChangeOptions,
}

impl Change {
    fn read(data: Option<AuthorizationData>) -> Result<Self, Status> {
        let data = data.ok_or_else(|| missing("authorization"))?;
        let signed_by = match data.signed_by.as_str() {
            "" => None,
            fingerprint => Some(text("authorization.signed_by", fingerprint)?),
        };
        Ok(Self {
            op: TopologyChangeOp::from_proto(data.change)
                .map_err(|error| invalid("authorization.change", &error))?,
            signed_by,
            options: ChangeOptions { force: data.force_change.into(), replace: data.replace_existing.into() },
        })
    }
}

impl TopologyWrite {
    pub(crate) fn new(manager: TopologyManager, vault: Vault) -> Self {
        Self { manager, vault }
    }

    async fn authorize(
        &self,
        change: Change,
        mapping: TopologyMapping,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let signed = self
            .manager
            .authorize(change.op, mapping, change.signed_by, change.options)
            .await
            .map_err(|error| error.to_status())?;
        Ok(Response::new(AuthorizationSuccess { serialized: signed.to_bytes() }))
    }

    async fn public_key(&self, field: &str, fingerprint: &str) -> Result<PublicKey, Status> {
        let fingerprint: Fingerprint = text(field, fingerprint)?;
        match self.vault.public_key(&fingerprint).await.map_err(|error| error.to_status())? {
            Some(stored) => Ok(stored.key),
            None => Err(Status::not_found(format!(
                "PUBLIC_KEY_NOT_IN_STORE: this node does not know key {fingerprint}; make or register it here, or \
                 import it with keys.public.upload"
            ))),
        }
    }

    async fn signing_key(&self, field: &str, fingerprint: &str) -> Result<SigningPublicKey, Status> {
        match self.public_key(field, fingerprint).await? {
            PublicKey::Signing(key) => Ok(key),
            PublicKey::Encryption(_) => Err(Status::invalid_argument(format!(
                "INVALID_ARGUMENT: {field} {fingerprint} is an encryption key; a delegation is to a signing key"
            ))),
        }
    }
}

/// A mapping that must not exist is the request's fault.
fn wrong(error: &cantle_topology::MappingError) -> Status {
    Status::invalid_argument(format!("INVALID_ARGUMENT: {}", crate::status::chain(error)))
}

fn side(number: i32) -> Result<RequestSide, Status> {
    RequestSide::from_proto(number).map_err(|error| invalid("side", &error))
}

fn permission(number: i32) -> Result<ParticipantPermission, Status> {
    ParticipantPermission::from_proto(number).map_err(|error| invalid("permission", &error))
}

fn packages(participant_text: &str, package_ids: &[String]) -> Result<Packages, Status> {
    let package_ids = package_ids
        .iter()
        .map(|id| id.parse::<PackageId>().map_err(|error| invalid("package_ids", &error)))
        .collect::<Result<_, _>>()?;
    Ok(Packages { participant: participant("participant", participant_text)?, package_ids })
}

#[tonic::async_trait]
impl TopologyManagerWriteService for TopologyWrite {
    async fn authorize_namespace_delegation(
        &self,
        request: Request<NamespaceDelegationAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let namespace = Namespace::new(text("namespace", &request.namespace)?);
        let field = "fingerprint_of_authorized_key";
        let target = self.signing_key(field, &request.fingerprint_of_authorized_key).await?;
        // As in Canton: a namespace's own key has root rights, whatever the request says.
        let root = request.is_root_delegation || namespace.fingerprint() == target.fingerprint();
        let delegation = NamespaceDelegation::new(namespace, target, IsRootDelegation::from(root))
            .map_err(|error| wrong(&error))?;
        self.authorize(change, TopologyMapping::NamespaceDelegation(delegation)).await
    }

    async fn authorize_identifier_delegation(
        &self,
        request: Request<IdentifierDelegationAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let identifier: UniqueIdentifier = text("identifier", &request.identifier)?;
        let field = "fingerprint_of_authorized_key";
        let target = self.signing_key(field, &request.fingerprint_of_authorized_key).await?;
        let mapping = TopologyMapping::IdentifierDelegation(IdentifierDelegation { identifier, target });
        self.authorize(change, mapping).await
    }

    async fn authorize_owner_to_key_mapping(
        &self,
        request: Request<OwnerToKeyMappingAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let owner: Member = text("key_owner", &request.key_owner)?;
        // The key itself tells its purpose; Canton ignores the request's as well.
        let key = self.public_key("fingerprint_of_key", &request.fingerprint_of_key).await?;
        self.authorize(change, TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping { owner, key })).await
    }

    async fn authorize_party_to_participant(
        &self,
        request: Request<PartyToParticipantAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let party: PartyId = PartyId::new(text("party", &request.party)?);
        let participant: ParticipantId = participant("participant", &request.participant)?;
        let (side, permission) = (side(request.side)?, permission(request.permission)?);
        let mapping =
            PartyToParticipant::new(side, party, participant, permission).map_err(|error| wrong(&error))?;
        self.authorize(change, TopologyMapping::PartyToParticipant(mapping)).await
    }

    async fn authorize_vetted_packages(
        &self,
        request: Request<VettedPackagesAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let mapping = packages(&request.participant, &request.package_ids)?;
        self.authorize(change, TopologyMapping::VettedPackages(mapping)).await
    }

    async fn authorize_check_only_packages(
        &self,
        request: Request<CheckOnlyPackagesAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let mapping = packages(&request.participant, &request.package_ids)?;
        self.authorize(change, TopologyMapping::CheckOnlyPackages(mapping)).await
    }

    async fn authorize_domain_parameters_change(
        &self,
        request: Request<DomainParametersChangeAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let domain = DomainId::new(text("domain", &request.domain)?);
        let parameters = match request.parameters.ok_or_else(|| missing("parameters"))? {
            Parameters::ParametersV0(_) => {
                return Err(unsupported(
                    "domain parameters of protocol version 3; send parameters_v1 or parameters_v2",
                ));
            }
            Parameters::ParametersV1(parameters) => DynamicDomainParameters::from_proto_v1(&parameters),
            Parameters::ParametersV2(parameters) => DynamicDomainParameters::from_proto_v2(&parameters),
        };
        let parameters = parameters.map_err(|error| invalid("parameters", &error))?;
        let mapping = TopologyMapping::DomainParametersChange(DomainParametersChange { domain, parameters });
        // Parameters are replaced, whatever the request calls it.
        self.authorize(Change { op: TopologyChangeOp::Replace, ..change }, mapping).await
    }

    async fn authorize_participant_domain_state(
        &self,
        request: Request<ParticipantDomainStateAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let domain = DomainId::new(text("domain", &request.domain)?);
        let participant = participant("participant", &request.participant)?;
        let trust_level =
            TrustLevel::from_proto(request.trust_level).map_err(|error| invalid("trust_level", &error))?;
        let (side, permission) = (side(request.side)?, permission(request.permission)?);
        let mapping = ParticipantState::new(side, domain, participant, permission, trust_level)
            .map_err(|error| wrong(&error))?;
        self.authorize(change, TopologyMapping::ParticipantState(mapping)).await
    }

    async fn authorize_mediator_domain_state(
        &self,
        request: Request<MediatorDomainStateAuthorization>,
    ) -> Result<Response<AuthorizationSuccess>, Status> {
        let request = request.into_inner();
        let change = Change::read(request.authorization)?;
        let mapping = MediatorDomainState {
            side: side(request.side)?,
            domain: DomainId::new(text("domain", &request.domain)?),
            mediator: crate::parse::member_uid("mediator", &request.mediator)?,
        };
        self.authorize(change, TopologyMapping::MediatorDomainState(mapping)).await
    }

    async fn add_signed_topology_transaction(
        &self,
        request: Request<SignedTopologyTransactionAddition>,
    ) -> Result<Response<AdditionSuccess>, Status> {
        let signed = SignedTopologyTransaction::from_bytes(&request.into_inner().serialized)
            .map_err(|error| invalid("serialized", &error))?;
        self.manager.add(signed).await.map_err(|error| error.to_status())?;
        Ok(Response::new(AdditionSuccess {}))
    }
}
