//! How home cities are reached.

use std::{collections::BTreeMap, time::Duration};

use domain::city::City;
use tonic::transport::{Channel, Endpoint, Uri};

/// A channel to each home city that has an endpoint.
pub type Directory = BTreeMap<City, Channel>;

/// Bytes of answers on their way in one stream.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// Bytes of answers on their way over one connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// How long a connection attempt may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How often an idle connection is asked whether it still stands, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// An endpoint with the settings a switch needs; connect it lazily, so that a dark home city does not hold
/// up the start.
#[must_use]
pub fn endpoint(uri: Uri) -> Endpoint {
    Endpoint::from(uri)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
}
