//! The columns of every file and the names of a cycle folder: the contract with cities and banks.
//!
//! Columns may be added at the end; none is renamed, removed or re-ordered without a new layout
//! version.

use domain::city::City;

/// The layout version that a manifest names.
pub const CYCLE_LAYOUT: &str = "cityunion-cycle/1";
/// The name of the Merkle tree's algorithm in a manifest.
pub const MERKLE_ALGORITHM: &str = "rfc6962-sha256";

/// Net positions between two cities.
pub const POSITIONS_FILE: &str = "positions.csv";
/// One row a participant, and the scheme's own.
pub const NET_FILE: &str = "net.csv";
/// Adjustments, disputes and refunds.
pub const ITEMS_FILE: &str = "items.csv";
/// The rules of the cycle, as they were.
pub const RULEBOOK_FILE: &str = "rulebook.toml";
/// The list of all files with their digests.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The columns of one kind of file.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// Column names in order.
    pub columns: &'static [&'static str],
}

impl Layout {
    /// The header row, without line end.
    #[must_use]
    pub fn header(&self) -> String {
        self.columns.join(",")
    }
}

/// Whether a manifest states the sum of this column.
#[must_use]
pub fn is_summed(column: &str) -> bool {
    column == "count" || column.ends_with("_fen")
}

/// `positions.csv`, by acquirer, issuer, kind.
pub const POSITIONS: Layout = Layout {
    columns: &[
        "business_date",
        "cycle",
        "acquirer",
        "issuer",
        "kind",
        "count",
        "amount_fen",
        "interchange_fen",
        "switch_fee_fen",
    ],
};

/// `net.csv`, by participant, then the scheme.
pub const NET: Layout = Layout {
    columns: &[
        "business_date",
        "cycle",
        "participant",
        "receivable_fen",
        "payable_fen",
        "interchange_receivable_fen",
        "interchange_payable_fen",
        "switch_fee_fen",
        "adjustment_fen",
        "net_fen",
    ],
};

/// `acquirer/<city>.csv`, by file, line.
pub const ACQUIRER: Layout = Layout {
    columns: &[
        "file",
        "line",
        "terminal",
        "terminal_seq",
        "issuer",
        "amount_fen",
        "result",
        "reason",
        "decided_by",
    ],
};

/// `issuer/<city>.csv`, by acquirer, terminal, terminal_seq.
pub const ISSUER: Layout = Layout {
    columns: &[
        "acquirer",
        "terminal",
        "terminal_seq",
        "card",
        "card_counter",
        "type",
        "amount_fen",
        "fare_fen",
        "tapped_at",
        "sector",
        "product",
        "medium",
    ],
};

/// `items.csv`, by item.
pub const ITEMS: Layout = Layout {
    columns: &["item", "kind", "debtor", "creditor", "amount_fen", "original_cycle", "reference", "reason"],
};

/// `results/<city>/<name>.csv`, one row for every data line of the input file, in line order.
pub const RESULTS: Layout = Layout {
    columns: &[
        "line",
        "terminal",
        "terminal_seq",
        "issuer",
        "amount_fen",
        "result",
        "reason",
        "decided_by",
        "cycle",
    ],
};

/// `receipts/<city>.csv`, one row an upload, by file.
pub const RECEIPTS: Layout = Layout {
    columns: &[
        "file",
        "sha256",
        "records",
        "malformed",
        "local",
        "presented",
        "amount_fen",
        "state",
        "reason",
    ],
};

/// The folder of what banks and participants are told.
pub const SETTLEMENT_FOLDER: &str = "settlement";

/// A file of a cycle's `settlement/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettlementFile {
    /// `camt.053.001.08-<city>.xml`: what a participant's net is made of.
    Camt053(City),
    /// `pacs.029.001.02.xml`: everybody's net.
    Pacs029,
    /// `pain.001.001.09.xml`: the nets as credit transfers.
    Pain001,
    /// `statement-<city>.html`: a participant's net on one page, for people.
    Statement(City),
}

impl SettlementFile {
    /// What the file of this name is, relative to the cycle folder, with `/`.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = name.strip_prefix(SETTLEMENT_FOLDER)?.strip_prefix('/')?;
        match name {
            "pacs.029.001.02.xml" => Some(Self::Pacs029),
            "pain.001.001.09.xml" => Some(Self::Pain001),
            _ => {
                let city = |before, after| name.strip_prefix(before)?.strip_suffix(after)?.parse().ok();
                let message = city("camt.053.001.08-", ".xml").map(Self::Camt053);
                message.or_else(|| city("statement-", ".html").map(Self::Statement))
            }
        }
    }

    /// Its name, relative to the cycle folder, with `/`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Camt053(city) => format!("{SETTLEMENT_FOLDER}/camt.053.001.08-{city}.xml"),
            Self::Pacs029 => format!("{SETTLEMENT_FOLDER}/pacs.029.001.02.xml"),
            Self::Pain001 => format!("{SETTLEMENT_FOLDER}/pain.001.001.09.xml"),
            Self::Statement(city) => format!("{SETTLEMENT_FOLDER}/statement-{city}.html"),
        }
    }
}

/// What a file of a cycle folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// `positions.csv`
    Positions,
    /// `net.csv`
    Net,
    /// `items.csv`
    Items,
    /// `rulebook.toml`
    Rulebook,
    /// `acquirer/<city>.csv`
    Acquirer(City),
    /// `issuer/<city>.csv`
    Issuer(City),
    /// `settlement/…`
    Settlement(SettlementFile),
    /// Any other file: listed with its digest, not read.
    Other,
}

impl Member {
    /// What the file of this name is, relative to the cycle folder, with `/`.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            POSITIONS_FILE => Self::Positions,
            NET_FILE => Self::Net,
            ITEMS_FILE => Self::Items,
            RULEBOOK_FILE => Self::Rulebook,
            _ => {
                let city =
                    |folder| name.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".csv")?.parse().ok();
                match (city("acquirer"), city("issuer")) {
                    (Some(city), _) => Self::Acquirer(city),
                    (_, Some(city)) => Self::Issuer(city),
                    _ => SettlementFile::of(name).map_or(Self::Other, Self::Settlement),
                }
            }
        }
    }

    /// The columns, if it is a CSV file of this contract.
    #[must_use]
    pub const fn layout(self) -> Option<&'static Layout> {
        match self {
            Self::Positions => Some(&POSITIONS),
            Self::Net => Some(&NET),
            Self::Items => Some(&ITEMS),
            Self::Acquirer(_) => Some(&ACQUIRER),
            Self::Issuer(_) => Some(&ISSUER),
            Self::Rulebook | Self::Settlement(_) | Self::Other => None,
        }
    }
}

/// The name of an acquirer's detail file in a cycle folder.
#[must_use]
pub fn acquirer_file(city: City) -> String {
    format!("acquirer/{city}.csv")
}

/// The name of a home city's detail file in a cycle folder.
#[must_use]
pub fn issuer_file(city: City) -> String {
    format!("issuer/{city}.csv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        let city: City = "cu-A004".parse().unwrap();
        assert_eq!(Member::of(&acquirer_file(city)), Member::Acquirer(city));
        assert_eq!(Member::of(&issuer_file(city)), Member::Issuer(city));
        assert_eq!(Member::of("net.csv"), Member::Net);
        for file in [
            SettlementFile::Camt053(city),
            SettlementFile::Pacs029,
            SettlementFile::Pain001,
            SettlementFile::Statement(city),
        ] {
            assert_eq!(Member::of(&file.name()), Member::Settlement(file));
        }
        for other in
            ["settlement/statement-scheme.html", "settlement/pacs.029.001.02.xml.p7s", "pain.001.001.09.xml"]
        {
            assert_eq!(Member::of(other), Member::Other, "{other}");
        }
        for other in ["issuer/cu-a004.csv", "issuer/x/cu-A004.csv", "settlement/net.csv", "issuer/cu-A004"] {
            assert_eq!(Member::of(other), Member::Other, "{other}");
        }
    }
}
