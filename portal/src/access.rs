//! Who may read what: one function from a role and a name.

use domain::city::City;
use files::layout::{MANIFEST_FILE, Member, NET_FILE, RULEBOOK_FILE, SettlementFile};

/// The certificate that signatures are checked against.
const CA_FILE: &str = "ca.pem";
/// The ending of a signature.
const SIGNATURE: &str = ".p7s";

/// What a participant is to the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A participant city: what is its own.
    City(City),
    /// A settlement bank: nets and orders to pay.
    Bank,
    /// The scheme's own people: everything that is published.
    Operations,
}

impl Role {
    /// Its word in the directory.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::City(_) => "city",
            Self::Bank => "bank",
            Self::Operations => "operations",
        }
    }
}

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the folder of a closed cycle.
    Cycle,
    /// Beside the cycles.
    Beside,
}

/// Whether a role may read the file of this name, relative to its place and without hidden parts. A signature goes with
/// what it signs.
#[must_use]
pub fn may_read(role: Role, place: Place, name: &str) -> bool {
    let signed = name.strip_suffix(SIGNATURE).unwrap_or(name);
    match (role, place) {
        (Role::Operations, _) => true,
        _ if name == CA_FILE => true,
        (Role::City(city), Place::Cycle) => of_city(city, signed),
        (Role::Bank, Place::Cycle) => of_bank(signed),
        (Role::City(city), Place::Beside) => {
            let results = name.strip_prefix("results/").and_then(|name| name.split_once('/'));
            name == format!("receipts/{city}.csv") || results.is_some_and(|(of, _)| of == city.to_string())
        }
        (Role::Bank, Place::Beside) => false,
    }
}

fn of_city(city: City, name: &str) -> bool {
    let own = match Member::of(name) {
        Member::Acquirer(of) | Member::Issuer(of) => Some(of),
        Member::Settlement(SettlementFile::Camt053(of) | SettlementFile::Statement(of)) => Some(of),
        _ => None,
    };
    matches!(name, MANIFEST_FILE | RULEBOOK_FILE) || own == Some(city)
}

fn of_bank(name: &str) -> bool {
    let told =
        matches!(Member::of(name), Member::Settlement(SettlementFile::Pacs029 | SettlementFile::Pain001));
    matches!(name, MANIFEST_FILE | NET_FILE) || told
}

/// Below which names beside the cycles a role has files, so that nothing else is looked through for a list; an empty
/// name is everything.
#[must_use]
pub fn beside(role: Role) -> Vec<String> {
    match role {
        Role::City(city) => {
            vec![CA_FILE.to_owned(), format!("receipts/{city}.csv"), format!("results/{city}")]
        }
        Role::Bank => vec![CA_FILE.to_owned()],
        Role::Operations => vec![String::new()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who reads a file, of: its own city `c`, another city `o`, a bank `b`, operations `p`.
    #[test]
    fn everybody_reads_what_is_for_him() {
        let (own, other) = ("cu-2000".parse().unwrap(), "cu-3000".parse().unwrap());
        let roles =
            [("c", Role::City(own)), ("o", Role::City(other)), ("b", Role::Bank), ("p", Role::Operations)];
        for (place, name, readers) in [
            (Place::Cycle, "manifest.json", "cobp"),
            (Place::Cycle, "manifest.json.p7s", "cobp"),
            (Place::Cycle, "ca.pem", "cobp"),
            (Place::Cycle, "rulebook.toml", "cop"),
            (Place::Cycle, "net.csv", "bp"),
            (Place::Cycle, "positions.csv", "p"),
            (Place::Cycle, "items.csv", "p"),
            (Place::Cycle, "acquirer/cu-2000.csv", "cp"),
            (Place::Cycle, "issuer/cu-2000.csv", "cp"),
            (Place::Cycle, "issuer/cu-2000.csv/x", "p"),
            (Place::Cycle, "acquirer/net.csv", "p"),
            (Place::Cycle, "settlement/camt.053.001.08-cu-2000.xml", "cp"),
            (Place::Cycle, "settlement/camt.053.001.08-cu-2000.xml.p7s", "cp"),
            (Place::Cycle, "settlement/statement-cu-2000.html", "cp"),
            (Place::Cycle, "settlement/statement-cu-2000.html.p7s", "cp"),
            (Place::Cycle, "settlement/pacs.029.001.02.xml", "bp"),
            (Place::Cycle, "settlement/pacs.029.001.02.xml.p7s", "bp"),
            (Place::Cycle, "settlement/pain.001.001.09.xml", "bp"),
            (Place::Cycle, "settlement/pain.001.001.09.xml.p7s.p7s", "p"),
            (Place::Cycle, "settlement/anything.xml", "p"),
            (Place::Beside, "ca.pem", "cobp"),
            (Place::Beside, "receipts/cu-2000.csv", "cp"),
            (Place::Beside, "results/cu-2000/2018-09-01.csv", "cp"),
            (Place::Beside, "results/cu-2000/a/b.csv", "cp"),
            (Place::Beside, "results/cu-2000", "p"),
            (Place::Beside, "reports/2018-09-01-001/cu-2000.csv", "p"),
            (Place::Beside, "manifest.json", "p"),
            (Place::Beside, "net.csv", "p"),
            (Place::Beside, "acquirer/cu-2000.csv", "p"),
        ] {
            let read =
                roles.iter().filter(|(_, role)| may_read(*role, place, name)).map(|(letter, _)| *letter);
            assert_eq!(read.collect::<String>(), readers, "{place:?} {name}");
        }
    }
}
