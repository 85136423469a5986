//! What a Kafka says of itself.

use std::{
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, SystemTime},
};

use cu_log::kafka::{Examination, KafkaConfig, examine};

/// Longest that a broker may take to accept a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Where it was looked for.
    pub bootstrap: String,
    /// Its settings, or why it does not answer.
    pub examination: Result<Examination, String>,
    /// The clock of this machine then, milliseconds since 1970.
    pub now_ms: i64,
}

/// Looks at a cluster and at the topics with a prefix.
#[must_use]
pub fn look(bootstrap: &str, prefix: &str) -> Found {
    let config = KafkaConfig::new(bootstrap, "cityunion-doctor");
    let examination = listens(bootstrap)
        .and_then(|()| examine(&config, prefix).map_err(|error| runtime::whole_text(&error)));
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Found { bootstrap: bootstrap.to_owned(), examination, now_ms }
}

/// Whether any of the addresses accepts a connection: the client library would go on trying.
fn listens(bootstrap: &str) -> Result<(), String> {
    let mut why = "no address is given".to_owned();
    for address in bootstrap.split(',') {
        let found = match address.trim().to_socket_addrs() {
            Ok(found) => found,
            Err(error) => {
                why = format!("{address}: {error}");
                continue;
            }
        };
        for socket in found {
            match TcpStream::connect_timeout(&socket, CONNECT_WAIT) {
                Ok(_) => return Ok(()),
                Err(error) => why = format!("{address}: {error}"),
            }
        }
    }
    Err(why)
}
