//! clearing-node
