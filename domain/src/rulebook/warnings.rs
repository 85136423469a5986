//! What is allowed in a rulebook, and yet is often a slip.

use super::{Participant, Rulebook, read_terms::is_same};
use crate::{fees::FeeLine, terms::Account};

impl Rulebook {
    /// What a person should look at before this version is published, in words.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let unknown = self.unknown_tables.iter().chain(&self.unknown_fields);
        let mut warnings: Vec<String> =
            unknown.map(|what| format!("{what}: has no meaning here; is it misspelt?")).collect();
        warnings.extend(self.participants.iter().filter_map(without_account));
        warnings.extend(self.foreign_accounts());
        warnings.extend(self.participants.iter().filter_map(without_terminals));
        let strangers = self.assignment.keys().filter(|city| self.participant(**city).is_none());
        warnings.extend(strangers.map(|city| {
            format!("[clearing.assignment] {city}: is no participant; the line waits until it is one")
        }));
        warnings.extend(self.hidden_lines());
        let caps = self.participants.iter().any(|participant| participant.net_debit_cap_fen.is_some());
        if !caps && !self.limits.is_default() {
            warnings.push(
                "[limits] net_debit_warn_percent: no participant has a net_debit_cap_fen, so nothing is watched"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Accounts of participants that are the scheme's or those of others: what one is due would come to another.
    fn foreign_accounts(&self) -> impl Iterator<Item = String> {
        self.participants.iter().enumerate().flat_map(move |(at, participant)| {
            let city = participant.city;
            let scheme = is_same(&participant.account, &self.terms.account).then(|| {
                format!(
                    "[[participant]] {city}: its account is that of [settlement], over which everybody pays; \
                     state its own"
                )
            });
            let before = self.participants.iter().take(at);
            let shared = before.filter_map(move |other| {
                let account = accounts(participant).find(|its| accounts(other).any(|it| is_same(its, it)))?;
                let (number, other) = (account.number.as_ref()?, other.city);
                Some(format!(
                    "[[participant]] {city}: account {number} is one of {other} too; is it misspelt?"
                ))
            });
            scheme.into_iter().chain(shared)
        })
    }

    /// Fee lines that no record ever comes to, because an earlier one takes all of theirs.
    fn hidden_lines(&self) -> impl Iterator<Item = String> {
        let lines = &self.fees.lines;
        lines.iter().enumerate().filter_map(move |(at, line)| {
            let (number, earlier) =
                lines.iter().take(at).enumerate().find(|(_, other)| covers(other, line))?;
            Some(format!(
                "[[fees.line]] {} `{}`: never applies, line {} `{}` before it takes all of its records",
                at.saturating_add(1),
                line.name,
                number.saturating_add(1),
                earlier.name
            ))
        })
    }
}

fn without_account(participant: &Participant) -> Option<String> {
    let missing: Vec<&str> = [
        participant.account.bank.is_none().then_some("bank"),
        participant.account.number.is_none().then_some("account"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let city = participant.city;
    (!missing.is_empty()).then(|| {
        format!(
            "[[participant]] {city}: no {}; messages to banks name the city instead",
            missing.join(", no ")
        )
    })
}

/// All accounts of a participant, the main one first.
fn accounts(participant: &Participant) -> impl Iterator<Item = &Account> {
    let by_sector = participant.sector_accounts.iter().map(|one| &one.account);
    std::iter::once(&participant.account).chain(by_sector)
}

fn without_terminals(participant: &Participant) -> Option<String> {
    let city = participant.city;
    participant
        .terminal_prefixes
        .is_empty()
        .then(|| format!("[[participant]] {city}: owns no terminal, so all its taps are foreign_terminal"))
}

/// Whether every record that `line` matches is one that `earlier` matches.
fn covers(earlier: &FeeLine, line: &FeeLine) -> bool {
    fn wider<T: PartialEq>(earlier: Option<T>, line: Option<T>) -> bool {
        earlier.is_none() || earlier == line
    }
    let begins = earlier.from.is_none() || line.from.is_some_and(|from| Some(from) >= earlier.from);
    let ends = earlier.until.is_none_or(|until| line.until.is_some_and(|its| its <= until));
    wider(earlier.acquirer, line.acquirer)
        && wider(earlier.issuer, line.issuer)
        && wider(earlier.sector, line.sector)
        && wider(earlier.product, line.product)
        && begins
        && ends
}
