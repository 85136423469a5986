//! From a closed cycle to money that has moved: who must agree, who releases, what the bank says.
//!
//! `CLOSED → RELEASED → CONFIRMED → SETTLED`, `REFUSED` and `FAILED` lead to a new version of the plan, which is
//! closed again. State is a fold over what stands on `cu.cycles`; a refusal changes nothing. Here are state and facts,
//! `rule.rs` says which acts are legal, `acts.rs` what they do, `disputes.rs` what those about disputes do, `carry.rs` what
//! becomes of a debt that is not paid.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use crate::{
    act::{Agreement, Decision, Released, Role, Signer},
    city::City,
    cycle::CycleName,
    date::Date,
    dispute::Disputes,
    settlement::{AccountNet, Item, Net},
    terms::DisputeTerms,
};

mod acts;
mod carry;
mod disputes;
mod rule;
#[cfg(test)]
mod tests;

pub use acts::Refusal;
pub use carry::{failed_debtor, is_carried};

/// What a plan says, as far as a release is about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The cycle.
    pub cycle: CycleName,
    /// The version of the plan, 1 for the first.
    pub version: u32,
    /// The rows of `net.csv`.
    pub net: Vec<Net>,
    /// What accounts by sector come to.
    pub accounts: Vec<AccountNet>,
    /// The home cities that pay for records in it: how many, and how much together, fen.
    pub homes: BTreeMap<City, (u64, u64)>,
    /// Days after the business date in which home cities may agree before it can be done without them.
    pub agreement_days: u32,
}

/// A folder that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// SHA-256 of its manifest, lower-case hex.
    pub manifest_sha256: String,
    /// SHA-256 of each `issuer/<city>.csv` in it, lower-case hex.
    pub issuers: BTreeMap<City, String>,
}

/// How far a closed cycle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The plan is made; nothing may be paid on it yet.
    Closed,
    /// Its files may be carried out.
    Released,
    /// The bank has carried them out, each leg as planned.
    Confirmed,
    /// It is over.
    Settled,
    /// The bank could not carry them out: the next version of the plan follows from the same totals.
    Refused {
        /// Why.
        reason: String,
    },
    /// A participant did not pay: the next version of the plan does without it, the next cycle carries the debt.
    Failed {
        /// Who.
        city: City,
        /// Why.
        reason: String,
    },
}

impl State {
    /// The state in a word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Released => "released",
            Self::Confirmed => "confirmed",
            Self::Settled => "settled",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
        }
    }
}

/// A step in the life of a cycle, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The id of the act.
    pub act: String,
    /// What was done, in words.
    pub what: String,
    /// Who did it.
    pub by: Signer,
    /// When it was written, by its writer's clock.
    pub at: String,
}

/// A closed cycle and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The newest version of its plan.
    pub plan: Planned,
    /// The folder of that version, once it is there.
    pub folder: Option<Folder>,
    /// How far it is.
    pub state: State,
    /// Who released it, once somebody has: who proposed and who approved; the same where the batch process did.
    pub released_by: Option<(Signer, Signer)>,
    /// What each home city has said that it pays.
    pub agreements: BTreeMap<City, Agreement>,
    /// Items that its newest version has beside those of its totals.
    pub items: Vec<Item>,
    /// What happened to it, in order.
    pub steps: Vec<Step>,
}

/// A decision that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What.
    pub decision: Decision,
    /// Who proposed it.
    pub by: Signer,
}

/// All closed cycles, what waits for a second person, and every act that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Releases {
    /// The log on which this stands, as acts name it.
    log: String,
    /// Shared with those who were shown an earlier state.
    cycles: BTreeMap<CycleName, Arc<Closed>>,
    proposals: BTreeMap<String, Proposal>,
    /// What was done, as hashes of 128 bits of role and id: no two meet, and all of them are small.
    done: BTreeSet<u128>,
    /// The cycle that was opened last.
    today: Option<CycleName>,
    /// Disputes and refunds. Shared as the cycles are.
    disputes: Arc<Disputes>,
    /// The rules of disputes by which the next act is ruled.
    dispute_terms: DisputeTerms,
}

/// A home city that does not agree, or has not said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The city.
    pub city: City,
    /// Records and fen that the book has it pay.
    pub booked: (u64, u64),
    /// What it says itself, if it has said something.
    pub said: Option<Agreement>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, fen) = self.booked;
        match &self.said {
            None => write!(f, "{} has not agreed to {count} records of {fen} fen", self.city),
            Some(said) if (said.count, said.amount_fen) == self.booked => {
                write!(f, "{} has other records than the book, though as many and of the same sum", self.city)
            }
            Some(said) => write!(
                f,
                "{} has {} records of {} fen by its own records, the book has {count} of {fen} fen",
                self.city, said.count, said.amount_fen
            ),
        }
    }
}

impl Closed {
    fn new(plan: Planned) -> Self {
        Self {
            plan,
            folder: None,
            state: State::Closed,
            released_by: None,
            agreements: BTreeMap::new(),
            items: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The home cities that stand against a release.
    #[must_use]
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let wanted = |city: &City| self.folder.as_ref().and_then(|folder| folder.issuers.get(city));
        let against = |(city, booked): (&City, &(u64, u64))| {
            let said = self.agreements.get(city);
            let agrees = said
                .is_some_and(|it| (it.count, it.amount_fen) == *booked && Some(&it.sha256) == wanted(city));
            (!agrees).then(|| Disagreement { city: *city, booked: *booked, said: said.cloned() })
        };
        self.plan.homes.iter().filter_map(against).collect()
    }

    /// The last business date on which its home cities may still agree before it can be done without them.
    fn last_day(&self) -> Date {
        let day = self.plan.cycle.business_date.julian_day();
        let days = i32::try_from(self.plan.agreement_days).unwrap_or(i32::MAX);
        Date::from_julian_day(day.saturating_add(days))
    }

    /// The state in a word: a closed cycle with which a home city disagrees is disputed.
    #[must_use]
    pub fn word(&self) -> &'static str {
        let there = self.state == State::Closed && self.folder.is_some();
        let disputed = there && self.disagreements().iter().any(|it| it.said.is_some());
        if disputed { "disputed" } else { self.state.word() }
    }

    /// What is to be released, once its folder is there.
    #[must_use]
    pub fn released(&self) -> Option<Released> {
        let folder = self.folder.as_ref()?;
        Some(Released {
            cycle: self.plan.cycle,
            version: self.plan.version,
            manifest_sha256: folder.manifest_sha256.clone(),
        })
    }
}

impl Releases {
    /// The log on which this stands has this name from now on: acts that name another one are refused.
    pub fn stands_on(&mut self, log: String) {
        self.log = log;
    }

    /// The log on which this stands, as an act must name it; empty before the first opening.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// A plan was made. Only the next version of a refused or failed one takes the place of another.
    pub fn planned(&mut self, plan: Planned) {
        match self.change(plan.cycle) {
            None if plan.version == 1 => {
                self.cycles.insert(plan.cycle, Arc::new(Closed::new(plan)));
            }
            Some(closed) if plan.version == closed.plan.version.saturating_add(1) && closed.is_void() => {
                let cycle = plan.cycle;
                closed.plan = plan;
                closed.folder = None;
                closed.state = State::Closed;
                closed.released_by = None;
                // What was proposed was about the version before.
                self.drop_proposals(cycle);
            }
            _ => {}
        }
    }

    /// The folder of a plan is there.
    pub fn published(&mut self, cycle: CycleName, version: u32, folder: Folder) {
        if let Some(closed) = self.change(cycle).filter(|closed| closed.plan.version == version) {
            closed.folder.get_or_insert(folder);
        }
    }

    /// Takes what waits for a second person about a cycle off the table.
    fn drop_proposals(&mut self, cycle: CycleName) {
        self.proposals.retain(|_, known| known.decision.cycle() != Some(cycle));
    }

    /// A cycle that is about to change.
    fn change(&mut self, cycle: CycleName) -> Option<&mut Closed> {
        self.cycles.get_mut(&cycle).map(Arc::make_mut)
    }

    /// A closed cycle.
    #[must_use]
    pub fn cycle(&self, cycle: CycleName) -> Option<&Closed> {
        self.cycles.get(&cycle).map(Arc::as_ref)
    }

    /// All closed cycles, in order.
    pub fn cycles(&self) -> impl Iterator<Item = &Closed> {
        self.cycles.values().map(Arc::as_ref)
    }

    /// All closed cycles, in order, to be kept by whoever shows them.
    pub fn shared(&self) -> impl Iterator<Item = &Arc<Closed>> {
        self.cycles.values()
    }

    /// What waits for a second person, by the id of the act that proposed it.
    pub fn proposals(&self) -> impl Iterator<Item = (&str, &Proposal)> {
        self.proposals.iter().map(|(id, proposal)| (id.as_str(), proposal))
    }

    /// Cycles whose next version of the plan is due.
    pub fn new_versions(&self) -> impl Iterator<Item = &Closed> {
        self.cycles().filter(|closed| closed.is_void())
    }

    /// Whether an act was done under this id by somebody of this role. All of operations share theirs, so that a proposal
    /// is known by its id alone; what a city or the bank has used takes none from anybody else.
    #[must_use]
    pub fn is_done(&self, role: Role, id: &str) -> bool {
        self.done.contains(&hash(role, id))
    }
}

fn hash(role: Role, id: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(format!("{role} {id}").as_bytes())
}

impl Closed {
    /// Whether another version takes its place.
    const fn is_void(&self) -> bool {
        matches!(self.state, State::Refused { .. } | State::Failed { .. })
    }
}
