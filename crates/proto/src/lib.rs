//! The wire: Canton's protobuf messages and services, and the versioned wrapper.
//!
//! The modules mirror the protobuf packages below `com.digitalasset.canton`; [`cantle`] holds what is our own.
//! Nothing here validates: a message is what was on the wire. Names and numbers are those of Canton 2.10's APIs
//! (<https://docs.daml.com/canton/reference/protobuf.html>); they are never changed, only added to.

mod generated;
pub mod versioned;

pub use generated::{
    FILE_DESCRIPTOR_SET, cantle, connection, crypto, domain, google, health, participant, protocol, time,
    topology, v0,
};
