//! The wire contract: generated types, their digests, and conversions to the domain.

pub mod digest;
mod name;
mod rows;

#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    clippy::large_enum_variant,
    reason = "generated from the .proto files, which carry the comments"
)]
mod generated {
    tonic::include_proto!("cityunion.v1");
}

pub use bytes::Bytes;
pub use generated::*;
pub use name::Name;
pub use prost::Message;
pub use rows::{AccountPosition, Net, Position, Total};
