//! Wire messages of Remit, version 1.
//!
//! The comments in `proto/remit/v1/*.proto` are the specification. This crate adds nothing to what
//! is generated from them except the descriptor set, which gRPC reflection serves.

/// Package `remit.v1`.
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated code")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/remit.v1.rs"));
}

/// All files of the package as a serialized `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/remit.protoset"));
