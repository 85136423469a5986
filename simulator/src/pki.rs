//! TEST keys and certificates of a simulated scheme: of the signer of its cycles, and for TLS later. Worthless: they
//! follow from the seed.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use domain::date::Date;
use signing::{Algorithm, Authority, Issued, Order, Usage};

use crate::{config::SimulateError, dice::Dice, files::write, world::World};

/// First and last day of every certificate: also a scheme of long ago can be signed, and read today.
const VALID: [(u16, u8, u8); 2] = [(2000, 1, 1), (2099, 12, 31)];
/// How connections are secured: TLS here knows no other.
const OF_CONNECTIONS: Algorithm = Algorithm::EcdsaP256Sha256;
/// The stream of random numbers that keys are made of; one further stream for each key.
const STREAM: u64 = 0x504B_4900_0000_0000;
/// People who look after the clearing house.
const OPERATORS: [&str; 3] = ["li", "wang", "zhao"];
/// Names under which the portal is reached in tests.
const PORTAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "portal.test"];

const README: &str = "\
TEST keys and certificates of a simulated scheme. They follow from its seed: anybody can make them again.

ca.pem         the CA that certifies the signer of cycles; its key is ca.key
signer-1.pem   the signer of manifests and settlement files; its key is signer-1.key
tls/           another CA and what it issued, so that nobody who may open a connection can sign a cycle:
  portal.pem           the portal as a server
  client-<city>.pem    a participant as a client
  operator-<name>.pem  a person of the clearing house as a client
  bank.pem             the settlement bank as a client
";

/// One certificate of a CA.
struct Row {
    /// Name of its files.
    file: String,
    subject: String,
    usage: Usage,
}

/// Writes `pki/`, with a signer of an algorithm.
pub(crate) fn write_pki(out: &Path, world: &World, signatures: Algorithm) -> Result<(), SimulateError> {
    let folder = out.join("pki");
    let tls = folder.join("tls");
    fs::create_dir_all(&tls).map_err(SimulateError::io(&tls))?;
    write(&folder.join("TEST.txt"), README)?;
    let seed = world.seed;
    let signer = Row {
        file: "signer-1".to_owned(),
        subject: "CN=TEST cycle signer 1,O=TEST City Union Clearing,C=CN".to_owned(),
        usage: Usage::Signer,
    };
    let (ca, tls_ca) = (
        "CN=TEST signing CA,O=TEST City Union Clearing,C=CN",
        "CN=TEST TLS CA,O=TEST City Union Clearing,C=CN",
    );
    authority(&folder, ca, signatures, Keys { seed, stream: STREAM }, [signer])?;
    authority(&tls, tls_ca, OF_CONNECTIONS, Keys { seed, stream: STREAM | 1 << 16 }, tls_rows(world))
}

/// Where the keys of a CA come from, its own first.
#[derive(Clone, Copy)]
struct Keys {
    seed: u64,
    stream: u64,
}

fn tls_rows(world: &World) -> Vec<Row> {
    let portal = Row {
        file: "portal".to_owned(),
        subject: "CN=portal.test,O=TEST City Union Clearing,C=CN".to_owned(),
        usage: Usage::Server(PORTAL_NAMES.map(str::to_owned).to_vec()),
    };
    let operator = |name: &str| Row {
        file: format!("operator-{name}"),
        subject: format!("CN={name},OU=operators,O=TEST City Union Clearing,C=CN"),
        usage: Usage::Client,
    };
    let client = |city: domain::city::City| Row {
        file: format!("client-{city}"),
        subject: format!("CN={city},OU=participants,O=TEST City Union Clearing,C=CN"),
        usage: Usage::Client,
    };
    let mut rows = vec![portal];
    rows.extend(OPERATORS.map(operator));
    rows.extend(world.cities().map(client));
    rows.push(Row {
        file: "bank".to_owned(),
        subject: "CN=settlement-bank,OU=banks,O=TEST City Union Clearing,C=CN".to_owned(),
        usage: Usage::Client,
    });
    rows
}

/// A CA in a folder of its own, and what it issues.
fn authority(
    folder: &Path,
    subject: &str,
    algorithm: Algorithm,
    keys: Keys,
    rows: impl IntoIterator<Item = Row>,
) -> Result<(), SimulateError> {
    let [from, until] = VALID.map(|(year, month, day)| Date::from_ymd(year, month, day));
    let (Ok(from), Ok(until)) = (from, until) else { return Ok(()) };
    let order = Order { subject, serial: 1, from, until, usage: Usage::Authority, algorithm };
    let (authority, issued) = Authority::new(&keys.scalar(0), &order)?;
    pair(folder, "ca", &issued)?;
    for (serial, row) in (2..).zip(rows) {
        let order = Order { subject: &row.subject, serial, from, until, usage: row.usage, algorithm };
        pair(folder, &row.file, &authority.issue(&keys.scalar(serial), &order)?)?;
    }
    Ok(())
}

impl Keys {
    /// The key of a certificate. Its first byte is zero, so that it is below the order of either curve.
    fn scalar(self, serial: u64) -> [u8; 32] {
        let mut dice = Dice::new(self.seed, self.stream | serial);
        let mut scalar = [0; 32];
        for half in scalar.chunks_mut(16) {
            half.copy_from_slice(&dice.key());
        }
        scalar[0] = 0;
        scalar
    }
}

/// Writes a certificate, and its key for nobody else's eyes.
fn pair(folder: &Path, name: &str, issued: &Issued) -> Result<(), SimulateError> {
    write(&folder.join(format!("{name}.pem")), &issued.certificate)?;
    let path = folder.join(format!("{name}.key"));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(issued.key.as_bytes())).map_err(SimulateError::io(&path))
}
