//! The code made from `proto/`, one module a package.
//!
//! Generated code refers to its neighbours by `super::`, so that the modules must nest as the packages do.
#![expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::large_enum_variant,
    reason = "generated: documented by the API it belongs to, and shaped by its messages"
)]

/// All descriptors of `proto/` and what it imports, encoded, for gRPC server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/file_descriptor_set.bin"));

/// Which API a port serves.
pub mod connection {
    /// Package `com.digitalasset.canton.connection.v30`.
    pub mod v30 {
        tonic::include_proto!("com.digitalasset.canton.connection.v30");
    }
}

/// Keys and signatures, and the vault that holds them.
pub mod crypto {
    /// Package `com.digitalasset.canton.crypto.v0`.
    pub mod v0 {
        tonic::include_proto!("com.digitalasset.canton.crypto.v0");
    }
    /// Administration.
    pub mod admin {
        /// Package `com.digitalasset.canton.crypto.admin.v0`.
        pub mod v0 {
            tonic::include_proto!("com.digitalasset.canton.crypto.admin.v0");
        }
    }
}

/// What a domain offers to its members and operators.
pub mod domain {
    /// The public API.
    pub mod api {
        /// Package `com.digitalasset.canton.domain.api.v0`.
        pub mod v0 {
            tonic::include_proto!("com.digitalasset.canton.domain.api.v0");
        }
    }
    /// Administration.
    pub mod admin {
        /// Package `com.digitalasset.canton.domain.admin.v0`.
        pub mod v0 {
            tonic::include_proto!("com.digitalasset.canton.domain.admin.v0");
        }
        /// Package `com.digitalasset.canton.domain.admin.v1`.
        pub mod v1 {
            tonic::include_proto!("com.digitalasset.canton.domain.admin.v1");
        }
    }
}

/// Health and status of nodes.
pub mod health {
    /// Administration.
    pub mod admin {
        /// Package `com.digitalasset.canton.health.admin.v0`.
        pub mod v0 {
            tonic::include_proto!("com.digitalasset.canton.health.admin.v0");
        }
        /// Package `com.digitalasset.canton.health.admin.v1`.
        pub mod v1 {
            tonic::include_proto!("com.digitalasset.canton.health.admin.v1");
        }
    }
}

/// What only participants offer.
pub mod participant {
    /// Administration.
    pub mod admin {
        /// Package `com.digitalasset.canton.participant.admin.v0`.
        pub mod v0 {
            tonic::include_proto!("com.digitalasset.canton.participant.admin.v0");
        }
    }
}

/// The messages of the protocol; which version a protocol version uses differs from message to message.
pub mod protocol {
    /// Package `com.digitalasset.canton.protocol.v0`.
    pub mod v0 {
        tonic::include_proto!("com.digitalasset.canton.protocol.v0");
    }
    /// Package `com.digitalasset.canton.protocol.v1`.
    pub mod v1 {
        tonic::include_proto!("com.digitalasset.canton.protocol.v1");
    }
    /// Package `com.digitalasset.canton.protocol.v2`.
    pub mod v2 {
        tonic::include_proto!("com.digitalasset.canton.protocol.v2");
    }
    /// Package `com.digitalasset.canton.protocol.v3`.
    pub mod v3 {
        tonic::include_proto!("com.digitalasset.canton.protocol.v3");
    }
    /// Package `com.digitalasset.canton.protocol.v4`.
    pub mod v4 {
        tonic::include_proto!("com.digitalasset.canton.protocol.v4");
    }
    /// Package `com.digitalasset.canton.protocol.v5`.
    pub mod v5 {
        tonic::include_proto!("com.digitalasset.canton.protocol.v5");
    }
}

/// Time of domains.
pub mod time {
    /// Administration.
    pub mod admin {
        /// Package `com.digitalasset.canton.time.admin.v0`.
        pub mod v0 {
            tonic::include_proto!("com.digitalasset.canton.time.admin.v0");
        }
    }
}

/// Topology and identity of a node.
pub mod topology {
    /// Administration.
    pub mod admin {
        /// Package `com.digitalasset.canton.topology.admin.v0`.
        pub mod v0 {
            tonic::include_proto!("com.digitalasset.canton.topology.admin.v0");
        }
    }
}

/// Package `com.digitalasset.canton.v0`.
pub mod v0 {
    tonic::include_proto!("com.digitalasset.canton.v0");
}

/// What is our own.
pub mod cantle {
    /// Administration.
    pub mod admin {
        /// Package `cantle.admin.v1`.
        pub mod v1 {
            tonic::include_proto!("cantle.admin.v1");
        }
    }
}

/// Google's types that are not well-known types.
pub mod google {
    /// Package `google.rpc`.
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}
