//! The bank's answer to a cycle's payments, matched with them: all of it agrees, or every difference is told.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Leg, Party, PartyAccount, Payments, Reference, reference};
use crate::cycle::CycleName;

/// Which way money went, seen from the scheme's settlement account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A city paid.
    In,
    /// A city was paid.
    Out,
}

impl Way {
    /// Its word in a message for people.
    const fn words(self) -> &'static str {
        match self {
            Self::In => "into the scheme's account",
            Self::Out => "out of the scheme's account",
        }
    }
}

/// What a bank says of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// It is paid, finally.
    Paid,
    /// It is not paid and will not be.
    Rejected {
        /// The bank's reason code, or its words; empty without either.
        reason: String,
    },
}

/// One payment in a bank's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerLine {
    /// The reference that it repeats.
    pub reference: String,
    /// How much, fen.
    pub amount_fen: u64,
    /// Paid or not.
    pub status: PaymentStatus,
    /// Which way, if the answer says it.
    pub way: Option<Way>,
}

/// Something in which an answer differs from the payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Another amount.
    WrongAmount {
        /// Of which payment.
        reference: String,
        /// What was to be paid, fen.
        planned_fen: u64,
        /// What the bank says, fen.
        answered_fen: u64,
    },
    /// The money went the other way: it came back, or was taken instead of given.
    WrongWay {
        /// Of which payment.
        reference: String,
        /// How it went by the answer.
        answered: Way,
    },
    /// The bank did not pay.
    Rejected {
        /// Which payment.
        reference: String,
        /// The bank's reason, maybe empty.
        reason: String,
    },
    /// The same payment more than once.
    Repeated {
        /// Which.
        reference: String,
        /// How often.
        times: u64,
    },
    /// A payment of another cycle, or of another version of this one's plan.
    OtherCycle {
        /// Its reference.
        reference: String,
        /// Of which cycle.
        cycle: CycleName,
        /// Of which version of its plan.
        version: u32,
    },
    /// A reference of no payment.
    Unknown {
        /// The reference.
        reference: String,
    },
    /// The answer lacks a payment.
    Missing {
        /// Its reference.
        reference: String,
        /// What was to be paid, fen.
        planned_fen: u64,
    },
}

impl Difference {
    /// Its word in tables.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::WrongAmount { .. } => "wrong_amount",
            Self::WrongWay { .. } => "wrong_way",
            Self::Rejected { .. } => "rejected",
            Self::Repeated { .. } => "repeated",
            Self::OtherCycle { .. } => "other_cycle",
            Self::Unknown { .. } => "unknown",
            Self::Missing { .. } => "missing",
        }
    }

    /// The reference, as the answer or the payments have it.
    #[must_use]
    pub fn reference(&self) -> &str {
        match self {
            Self::WrongAmount { reference, .. }
            | Self::WrongWay { reference, .. }
            | Self::Rejected { reference, .. }
            | Self::Repeated { reference, .. }
            | Self::OtherCycle { reference, .. }
            | Self::Unknown { reference }
            | Self::Missing { reference, .. } => reference,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.reference())?;
        match self {
            Self::WrongAmount { planned_fen, answered_fen, .. } => {
                write!(f, "the bank says {answered_fen} fen, the plan {planned_fen}")
            }
            Self::WrongWay { answered, .. } => write!(f, "the money went {}", answered.words()),
            Self::Rejected { reason, .. } if reason.is_empty() => f.write_str("the bank did not pay it"),
            Self::Rejected { reason, .. } => write!(f, "the bank did not pay it: {reason}"),
            Self::Repeated { times, .. } => write!(f, "it is there {times} times"),
            Self::OtherCycle { cycle, version, .. } => {
                write!(f, "it is of cycle {cycle}, version {version} of its plan")
            }
            Self::Unknown { .. } => f.write_str("no payment of this cycle has that reference"),
            Self::Missing { planned_fen, .. } => {
                write!(f, "the answer lacks it; {planned_fen} fen were to be paid")
            }
        }
    }
}

/// What the plan says of one reference.
struct Planned {
    amount_fen: u64,
    way: Way,
    /// Whether the answer must have it. The scheme's net is what stays on its account: a bank may tell it or not.
    required: bool,
    answered: u64,
}

/// Matches a bank's answer with the payments of a version of a cycle's plan.
///
/// # Errors
/// Every [`Difference`], unless each payment is there exactly once, paid, with its amount and way, and nothing else is:
/// first those of the answer's lines in their order, then what is repeated, then what is missing.
pub fn confirm(
    payments: &Payments,
    cycle: CycleName,
    version: u32,
    answer: &[AnswerLine],
) -> Result<(), Vec<Difference>> {
    let mut planned = planned(payments);
    let mut differences = Vec::new();
    for line in answer {
        let known = Reference::parse(&line.reference);
        let reference = line.reference.clone();
        match known {
            Some(known) if (known.cycle, known.version) == (cycle, version) => {
                match planned.get_mut(&known.account) {
                    Some(payment) => compare(payment, line, &mut differences),
                    None => differences.push(Difference::Unknown { reference }),
                }
            }
            Some(Reference { cycle, version, .. }) => {
                differences.push(Difference::OtherCycle { reference, cycle, version });
            }
            None => differences.push(Difference::Unknown { reference }),
        }
    }
    let reference = |account: PartyAccount| reference(cycle, version, account);
    for (account, payment) in planned.iter().filter(|(_, payment)| payment.answered > 1) {
        differences.push(Difference::Repeated { reference: reference(*account), times: payment.answered });
    }
    for (account, payment) in planned.iter().filter(|(_, payment)| payment.required && payment.answered == 0)
    {
        let planned_fen = payment.amount_fen;
        differences.push(Difference::Missing { reference: reference(*account), planned_fen });
    }
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

/// Every payment by the account that it goes over, and the scheme's net if it is not 0.
fn planned(payments: &Payments) -> BTreeMap<PartyAccount, Planned> {
    let of_leg = |leg: &Leg| {
        let way = if leg.receives { Way::Out } else { Way::In };
        let planned = Planned { amount_fen: leg.amount_fen, way, required: true, answered: 0 };
        (leg.account(), planned)
    };
    let mut planned: BTreeMap<PartyAccount, Planned> = payments.legs.iter().map(of_leg).collect();
    let stays = payments.legs.iter().map(Leg::signed_fen).fold(0_i128, i128::saturating_sub);
    if let Ok(amount_fen) = u64::try_from(stays.unsigned_abs())
        && amount_fen > 0
    {
        let way = if stays > 0 { Way::In } else { Way::Out };
        planned.insert(Party::Scheme.into(), Planned { amount_fen, way, required: false, answered: 0 });
    }
    planned
}

/// Notes in what a line differs from its payment.
fn compare(payment: &mut Planned, line: &AnswerLine, differences: &mut Vec<Difference>) {
    payment.answered = payment.answered.saturating_add(1);
    let reference = || line.reference.clone();
    if line.amount_fen != payment.amount_fen {
        differences.push(Difference::WrongAmount {
            reference: reference(),
            planned_fen: payment.amount_fen,
            answered_fen: line.amount_fen,
        });
    }
    if let Some(answered) = line.way.filter(|way| *way != payment.way) {
        differences.push(Difference::WrongWay { reference: reference(), answered });
    }
    if let PaymentStatus::Rejected { reason } = &line.status {
        differences.push(Difference::Rejected { reference: reference(), reason: reason.clone() });
    }
}

impl AnswerLine {
    /// That of a bank which did with a leg what it was told.
    #[must_use]
    pub fn paid(cycle: CycleName, version: u32, leg: &Leg) -> Self {
        Self {
            reference: reference(cycle, version, leg.account()),
            amount_fen: leg.amount_fen,
            status: PaymentStatus::Paid,
            way: Some(if leg.receives { Way::Out } else { Way::In }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settlement::{AccountNet, Net},
        testing::city,
    };

    fn net(participant: Party, net_fen: i64) -> Net {
        Net {
            participant,
            receivable_fen: 0,
            payable_fen: 0,
            interchange_receivable_fen: 0,
            interchange_payable_fen: 0,
            switch_fee_fen: 0,
            adjustment_fen: 0,
            net_fen,
        }
    }

    /// Shanghai pays 70, of which Tianjin gets 60 and the scheme keeps 10; the last one is even.
    fn payments() -> Payments {
        let nets = [
            net(Party::City(city("cu-2000")), -70),
            net(Party::City(city("cu-3000")), 60),
            net(Party::City(city("tu-2900")), 0),
            net(Party::Scheme, 10),
        ];
        Payments::of(&nets, &[], &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    /// `reference amount [in|out] [no reason…]`, of cycle 2018-09-01-001 where the reference is short.
    fn line(text: &str) -> AnswerLine {
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap_or_default();
        let (reference, amount) = (next(), next());
        let reference = match reference.strip_prefix('~') {
            Some(party) => format!("2018-09-01-001-{party}"),
            None => reference.to_owned(),
        };
        let rest: Vec<&str> = words.collect();
        let way = match rest.first() {
            Some(&"in") => Some(Way::In),
            Some(&"out") => Some(Way::Out),
            _ => None,
        };
        let status = match rest.iter().position(|word| *word == "no") {
            Some(at) => {
                PaymentStatus::Rejected { reason: rest.split_at(at).1.get(1..).unwrap_or_default().join(" ") }
            }
            None => PaymentStatus::Paid,
        };
        let amount_fen = amount.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        AnswerLine { reference, amount_fen, status, way }
    }

    /// All differences as text, the short form of the cycle's references.
    fn told(version: u32, answer: &[&str]) -> Vec<String> {
        let cycle = "2018-09-01-001".parse().unwrap_or_else(|error| panic!("{error}"));
        let lines: Vec<AnswerLine> = answer.iter().map(|text| line(text)).collect();
        let differences = confirm(&payments(), cycle, version, &lines).err().unwrap_or_default();
        differences.iter().map(|it| it.to_string().replace("2018-09-01-001-", "~")).collect()
    }

    #[test]
    fn an_answer_that_agrees_confirms() {
        for answer in [
            vec!["~cu-2000 70", "~cu-3000 60"],
            vec!["~cu-3000 60 out", "~cu-2000 70 in"],
            vec!["~cu-3000 60", "~cu-2000 70", "~scheme 10"],
            vec!["~scheme 10 in", "~cu-3000 60 out", "~cu-2000 70 in"],
        ] {
            assert_eq!(told(1, &answer), [""; 0], "{answer:?}");
        }
        let later = ["2018-09-01-001.v2-cu-2000 70", "2018-09-01-001.v2-cu-3000 60"];
        assert_eq!(told(2, &later), [""; 0]);
    }

    #[test]
    fn every_difference_is_told() {
        for (answer, expected) in [
            (
                vec![],
                vec![
                    "~cu-2000: the answer lacks it; 70 fen were to be paid",
                    "~cu-3000: the answer lacks it; 60 fen were to be paid",
                ],
            ),
            (vec!["~cu-2000 71", "~cu-3000 60"], vec!["~cu-2000: the bank says 71 fen, the plan 70"]),
            (vec!["~cu-2000 0", "~cu-3000 60"], vec!["~cu-2000: the bank says 0 fen, the plan 70"]),
            (vec!["~cu-2000 70"], vec!["~cu-3000: the answer lacks it; 60 fen were to be paid"]),
            (
                vec!["~cu-2000 60", "~cu-3000 70"],
                vec![
                    "~cu-2000: the bank says 60 fen, the plan 70",
                    "~cu-3000: the bank says 70 fen, the plan 60",
                ],
            ),
            (
                vec!["~cu-2000 70", "~cu-3000 60", "~tu-2900 5"],
                vec!["~tu-2900: no payment of this cycle has that reference"],
            ),
            (
                vec!["~cu-2000 70", "~cu-3000 60", "rent 5"],
                vec!["rent: no payment of this cycle has that reference"],
            ),
            (vec!["~cu-2000 70", "~cu-3000 60", " 5"], vec![": no payment of this cycle has that reference"]),
            (vec!["~cu-2000 70", "~cu-3000 60", "~cu-2000 70"], vec!["~cu-2000: it is there 2 times"]),
            (
                vec!["~cu-2000 70", "~cu-2000 7", "~cu-2000 70", "~cu-3000 60"],
                vec!["~cu-2000: the bank says 7 fen, the plan 70", "~cu-2000: it is there 3 times"],
            ),
            (
                vec!["2018-09-01-002-cu-2000 70", "~cu-3000 60"],
                vec![
                    "2018-09-01-002-cu-2000: it is of cycle 2018-09-01-002, version 1 of its plan",
                    "~cu-2000: the answer lacks it; 70 fen were to be paid",
                ],
            ),
            (
                vec!["2018-09-01-001.v2-cu-2000 70", "~cu-2000 70", "~cu-3000 60"],
                vec!["2018-09-01-001.v2-cu-2000: it is of cycle 2018-09-01-001, version 2 of its plan"],
            ),
            (vec!["~cu-2000 70 no AM04", "~cu-3000 60"], vec!["~cu-2000: the bank did not pay it: AM04"]),
            (
                vec!["~cu-2000 70 no", "~cu-3000 61 no AC01 closed"],
                vec![
                    "~cu-2000: the bank did not pay it",
                    "~cu-3000: the bank says 61 fen, the plan 60",
                    "~cu-3000: the bank did not pay it: AC01 closed",
                ],
            ),
            (
                vec!["~cu-2000 70 in", "~cu-3000 60 in"],
                vec!["~cu-3000: the money went into the scheme's account"],
            ),
            (
                vec!["~cu-2000 70 in", "~cu-3000 60 out", "~cu-3000 60 in"],
                vec!["~cu-3000: the money went into the scheme's account", "~cu-3000: it is there 2 times"],
            ),
            (
                vec!["~cu-2000 70", "~cu-3000 60", "~scheme 11"],
                vec!["~scheme: the bank says 11 fen, the plan 10"],
            ),
            (
                vec!["~cu-2000 70", "~cu-3000 60", "~scheme 10", "~scheme 10"],
                vec!["~scheme: it is there 2 times"],
            ),
        ] {
            assert_eq!(told(1, &answer), expected, "{answer:?}");
        }
    }

    /// Shanghai nets − 70: 30 come to its first account by sector, so its main one pays 100.
    #[test]
    fn each_account_is_answered_for_itself() {
        let nets = [
            net(Party::City(city("cu-2000")), -70),
            net(Party::City(city("cu-3000")), 60),
            net(Party::Scheme, 10),
        ];
        let accounts = [AccountNet { city: city("cu-2000"), account: 1, net_fen: 30 }];
        let payments = Payments::due(&nets, &accounts).unwrap_or_else(|error| panic!("{error}"));
        let cycle = "2018-09-01-001".parse().unwrap_or_else(|error| panic!("{error}"));
        let told = |answer: &[&str]| {
            let lines: Vec<AnswerLine> = answer.iter().map(|text| line(text)).collect();
            let differences = confirm(&payments, cycle, 1, &lines).err().unwrap_or_default();
            differences.iter().map(|it| it.to_string().replace("2018-09-01-001-", "~")).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&["~cu-2000 100 in", "~cu-2000-1 30 out", "~cu-3000 60 out", "~scheme 10 in"]),
            [""; 0]
        );
        assert_eq!(
            told(&["~cu-2000 70", "~cu-3000 60"]),
            [
                "~cu-2000: the bank says 70 fen, the plan 100",
                "~cu-2000-1: the answer lacks it; 30 fen were to be paid"
            ]
        );
        assert_eq!(
            told(&["~cu-2000 100", "~cu-2000-1 30 in", "~cu-2000-2 5", "~cu-3000 60"]),
            [
                "~cu-2000-1: the money went into the scheme's account",
                "~cu-2000-2: no payment of this cycle has that reference"
            ]
        );
    }

    /// The answer to the first version does not confirm the second, though amounts agree.
    #[test]
    fn an_answer_to_an_earlier_version_confirms_nothing() {
        let differences = told(2, &["~cu-2000 70", "~cu-3000 60"]);
        assert_eq!(differences.len(), 4, "{differences:?}");
        assert!(differences[0].contains("version 1 of its plan"), "{differences:?}");
        assert!(differences[2].contains("2018-09-01-001.v2-cu-2000: the answer lacks it"), "{differences:?}");
    }

    #[test]
    fn a_cycle_without_payments_is_confirmed_by_an_empty_answer_alone() {
        let none = Payments::of(&[net(Party::Scheme, 0)], &[], &[]).unwrap_or_else(|error| panic!("{error}"));
        let cycle = "2018-09-01-001".parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(confirm(&none, cycle, 1, &[]), Ok(()));
        for text in ["~scheme 0", "~cu-2000 0"] {
            let refused = confirm(&none, cycle, 1, &[line(text)]).err().unwrap_or_default();
            assert!(matches!(refused.as_slice(), [Difference::Unknown { .. }]), "{refused:?}");
        }
    }

    #[test]
    fn what_the_bank_was_told_confirms_itself() {
        let cycle = "2018-09-01-001".parse().unwrap_or_else(|error| panic!("{error}"));
        let payments = payments();
        let answer: Vec<AnswerLine> =
            payments.legs.iter().map(|leg| AnswerLine::paid(cycle, 3, leg)).collect();
        assert_eq!(confirm(&payments, cycle, 3, &answer), Ok(()));
    }
}
