//! What a hash is for. The number goes into the hash, so that equal bytes hash differently by purpose.
//!
//! Complete for Canton 2.10; id 18 is unused there.
//! Source: `HashPurpose` of Canton 2.10, <https://github.com/digital-asset/canton/tree/release-line-2.10>

/// Defines the enum, its numbers and the list of all.
macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// What a hash is for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum HashPurpose {
            $($(#[$doc])* $name,)*
        }

        impl HashPurpose {
            /// Every purpose, by rising id.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number that is hashed in front of everything else.
            #[must_use]
            pub fn id(self) -> i32 {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// The name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

purposes! {
    /// An event signed by a sequencer.
    SequencedEventSignature = 1,
    /// A keyed hash.
    Hmac = 2,
    /// An inner node of a Merkle tree.
    MerkleTreeInnerNode = 3,
    /// A discriminator of contract ids.
    Discriminator = 4,
    /// Metadata of the submitter of a transaction.
    SubmitterMetadata = 5,
    /// Metadata that all see.
    CommonMetadata = 6,
    /// Metadata that participants see.
    ParticipantMetadata = 7,
    /// The part of a view that the mediator sees.
    ViewCommonData = 8,
    /// The part of a view that participants see.
    ViewParticipantData = 9,
    /// The verdict on a malformed mediator request.
    MalformedMediatorRequestResult = 10,
    /// A signature of a topology transaction.
    TopologyTransactionSignature = 11,
    /// The fingerprint of a public key.
    PublicKeyFingerprint = 12,
    /// The id of a DAR.
    DarIdentifier = 13,
    /// A sequencer's authentication challenge.
    AuthenticationToken = 14,
    /// The id of a domain's service agreement.
    AgreementId = 15,
    /// A signature of a mediator response.
    MediatorResponseSignature = 16,
    /// A signature of a transaction result.
    TransactionResultSignature = 17,
    /// A signature of a transfer result.
    TransferResultSignature = 19,
    /// A signature of a participant's state.
    ParticipantStateSignature = 20,
    /// A signature of a domain topology transaction message.
    DomainTopologyTransactionMessageSignature = 21,
    /// A commitment to the active contracts.
    AcsCommitment = 22,
    /// The stakeholders of a contract.
    Stakeholders = 23,
    /// The common data of a transfer-out.
    TransferOutCommonData = 24,
    /// The view of a transfer-out.
    TransferOutView = 25,
    /// The common data of a transfer-in.
    TransferInCommonData = 26,
    /// The view of a transfer-in.
    TransferInView = 27,
    /// The seed of a transfer view tree.
    TransferViewTreeMessageSeed = 28,
    /// The unique part of a contract id.
    Unicum = 29,
    /// The id of a repair transaction.
    RepairTransactionId = 30,
    /// A mediator's change of leadership.
    MediatorLeadershipEvent = 31,
    /// A claim of a legal identity.
    LegalIdentityClaim = 32,
    /// The id of a database lock.
    DbLockId = 33,
    /// A commitment to active contracts as stored.
    AcsCommitmentDb = 34,
    /// A signature of a submission request.
    SubmissionRequestSignature = 35,
    /// A signature of an acknowledgement.
    AcknowledgementSignature = 36,
    /// A namespace governed by several keys.
    UnionspaceNamespace = 37,
    /// A signature of a protocol message.
    SignedProtocolMessageSignature = 38,
    /// The id of an aggregation of submissions.
    AggregationId = 39,
    /// A hash made by a script of the console.
    CantonScript = 40,
}
