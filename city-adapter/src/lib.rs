//! city-adapter
