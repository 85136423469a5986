//! Acts: what people and participants decide after a close.
//!
//! Whoever wants something appends an act to `cu.acts`. The coordinator has its signature checked, says on `cu.cycles` what
//! it found of it, and the act takes effect where that word is read back: so every node comes to the same state from
//! `cu.cycles` alone, and only who coordinates needs the certificates. One act is ruled at a time, each on the state that
//! the one before has left. `asked.rs` says what of `cu.acts` is an act.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use archive::manifest::hex;
use domain::{
    act::{Signer, Written},
    release::{Folder, Planned, Releases},
    settlement::{Item, account_nets},
    terms::DisputeTerms,
};
use proto::{
    Act, Bytes, CycleEvent, Message as _, Plan, Published, Restored, RuledAct, cycle_event::Body, digest,
};

use super::{
    Coordinator, Effect,
    asked::{ActsPosition, Asked, TEXT_LEN_MAX, Word, word},
};
use crate::{book::opening_name, wire};

/// The most items that are with the book at a time: a cycle's totals and its plan are one message each.
const ITEMS_MAX: usize = 2_000;
/// Bytes of a digest that name a log.
const LOG_NAME_LEN: usize = 16;

/// Acts that wait, and what those that were done have come to.
#[derive(Debug, Default)]
pub(super) struct Acts {
    pub(super) releases: Releases,
    /// Asked for on `cu.acts`.
    pub(super) asked: Asked,
    /// What was decided within the process of this node.
    own: VecDeque<(Written, Signer)>,
    /// The one that is being ruled.
    ruling: Option<Word>,
    /// What was ruled.
    ruled: BTreeSet<Word>,
    /// Items that no cycle has yet.
    items: BTreeMap<String, Item>,
    /// Those of them that this life has handed to the book.
    handed: BTreeSet<String>,
}

impl Acts {
    /// What this life has begun may be due again in the next one.
    pub(super) fn stand_by(&mut self) {
        self.asked.stand_by();
        self.own.clear();
        self.ruling = None;
        self.handed.clear();
    }

    /// The log was brought back from an archive: it is another one to whoever acts, and `cu.acts` begins anew.
    pub(super) fn restored(&mut self, restored: &Restored) {
        self.asked.restored();
        let before = self.releases.log().as_bytes();
        self.releases.stands_on(log_name(&[before, &restored.encode_to_vec()].concat()));
    }

    /// Totals are in: the items in them are in a cycle.
    pub(super) fn booked(&mut self, ids: impl Iterator<Item = String>) {
        for id in ids {
            self.items.remove(&id);
            self.handed.remove(&id);
        }
    }

    /// A plan was made.
    pub(super) fn planned(&mut self, opening: &proto::Opening, plan: &Plan) {
        let Some(settlement) = wire::settlement_from_wire(plan) else { return };
        let Ok(accounts) = account_nets(&settlement.accounts) else { return };
        let mut homes: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for position in &settlement.positions {
            let (count, fen) = homes.entry(position.issuer).or_default();
            *count = count.saturating_add(position.count);
            *fen = fen.saturating_add(position.amount_fen);
        }
        self.releases.planned(Planned {
            cycle: opening_name(opening),
            version: plan.version,
            net: settlement.net,
            accounts,
            homes,
            agreement_days: plan.agreement_days,
        });
    }

    /// A folder is there.
    pub(super) fn published(&mut self, opening: &proto::Opening, published: &Published) {
        let issuer = |file: &proto::IssuerFile| Some((file.city.parse().ok()?, file.sha256.clone()));
        let folder = Folder {
            manifest_sha256: hex(&published.manifest_digest),
            issuers: published.issuers.iter().filter_map(issuer).collect(),
        };
        self.releases.published(opening_name(opening), published.version, folder);
    }

    /// A cycle was opened.
    pub(super) fn opened(&mut self, opening: &proto::Opening) {
        if self.releases.log().is_empty() {
            self.releases.stands_on(log_name(&opening.encode_to_vec()));
        }
        let items = self.releases.opened(opening_name(opening));
        self.due(items);
    }

    /// Items for the open cycle.
    fn due(&mut self, items: Vec<Item>) {
        self.items.extend(items.into_iter().map(|item| (item.id.clone(), item)));
    }

    /// Takes the next messages of `cu.acts`.
    pub(super) fn ask(&mut self, messages: Vec<(u64, Bytes)>, effects: &mut Vec<Effect>) {
        self.asked.take(messages, |word| self.ruled.contains(word), effects);
    }

    pub(super) fn want(&mut self, written: Written, by: Signer) {
        self.own.push_back((written, by));
    }
}

impl Coordinator {
    /// Has the next act ruled, and hands items to the book.
    pub(super) fn advance_acts(&mut self, effects: &mut Vec<Effect>) {
        if self.acts.ruling.is_none() {
            if let Some((written, by)) = self.acts.own.pop_front() {
                self.rule_own(&written, by, effects);
            } else if let Some(act) = self.acts.asked.front() {
                self.acts.ruling = Some(word(&act.text, &act.signature));
                effects.push(Effect::Identify(act.clone()));
            }
        }
        self.acts.asked.tell(effects);
        // A cycle takes so many; more wait for the next one.
        let waiting = self.acts.items.iter().filter(|(id, _)| !self.acts.handed.contains(*id));
        let room = ITEMS_MAX.saturating_sub(self.acts.handed.len());
        let due: Vec<String> = waiting.take(room).map(|(id, _)| id.clone()).collect();
        for id in due {
            effects.extend(self.acts.items.get(&id).map(|item| Effect::Adjust(wire::item_to_wire(item))));
            self.acts.handed.insert(id);
        }
    }

    /// Whether it takes the next messages of `cu.acts`: it acts, and what it was given is ruled.
    #[must_use]
    pub fn wants_acts(&self) -> bool {
        let acts = &self.acts;
        let idle = acts.ruling.is_none() && acts.own.is_empty() && acts.asked.is_empty();
        idle && self.caught_up && self.halted.is_none()
    }

    /// How far `cu.acts` is answered, as `cu.cycles` says.
    #[must_use]
    pub const fn acts_position(&self) -> ActsPosition {
        self.acts.asked.position
    }

    /// The rules of disputes of the cycle that was opened last.
    fn dispute_terms(&self) -> Result<DisputeTerms, String> {
        let Some(opening) = self.last_opening() else { return Ok(DisputeTerms::default()) };
        let rulebook = self.rulebook_of(opening);
        let rulebook = rulebook.ok_or("the rules of the open cycle are not here yet; say it again")?;
        Ok(rulebook.terms.disputes)
    }

    fn rule_own(&mut self, written: &Written, by: Signer, effects: &mut Vec<Effect>) {
        match serde_json::to_vec(written) {
            Err(error) => effects.push(Effect::Refused(error.to_string())),
            Ok(text) => {
                self.acts.ruling = Some(word(&text, &[]));
                let act = Act { text: text.into(), signature: Bytes::new() };
                self.identified(act, Ok(by), Ok(()), effects);
            }
        }
    }

    /// Whose an act is has been found out, and what the published files say against it: says what becomes of it. What
    /// nobody known signed is no act, and keeps no room on `cu.cycles`.
    pub(super) fn identified(
        &mut self,
        act: Act,
        by: Result<Signer, String>,
        stands: Result<(), String>,
        effects: &mut Vec<Effect>,
    ) {
        let word = word(&act.text, &act.signature);
        if self.acts.ruling != Some(word) {
            return;
        }
        let by = match by {
            Ok(by) => by,
            Err(why) => {
                self.acts.ruling = None;
                return self.acts.asked.pass_over(&act, &why, effects);
            }
        };
        let place = self.acts.asked.place(&word);
        let terms = self.dispute_terms();
        let found = stands.and_then(|()| {
            let written = read(&act.text)?;
            // The act itself takes effect where the word on it is read back.
            self.acts.releases.rule(&written, &by, terms.clone()?).map_err(|refusal| refusal.to_string())
        });
        let terms = terms.unwrap_or_default();
        let ruled = RuledAct {
            text: act.text,
            signature: act.signature,
            by: by.name,
            role: by.role.to_string(),
            refused: found.err().unwrap_or_default(),
            dispute_days: terms.dispute_days,
            answer_days: terms.answer_days,
            place,
        };
        effects.push(Effect::Say(CycleEvent { body: Some(Body::Ruled(ruled)) }));
    }

    /// The word on an act. The first one counts.
    pub(super) fn fold_ruled(&mut self, ruled: &RuledAct, effects: &mut Vec<Effect>) {
        let acts = &mut self.acts;
        let word = word(&ruled.text, &ruled.signature);
        if acts.ruling == Some(word) {
            acts.ruling = None;
        }
        if !acts.ruled.insert(word) {
            return;
        }
        acts.asked.ruled(ruled, &word);
        let by = || Some(Signer { name: ruled.by.clone(), role: ruled.role.parse().ok()? });
        if !ruled.refused.is_empty() {
            if self.caught_up && ruled.signature.is_empty() {
                effects.push(Effect::Refused(ruled.refused.clone()));
            }
            return;
        }
        let known = by().ok_or_else(|| format!("`{}` is no role", ruled.role));
        let (by, written) = match known.and_then(|by| Ok((by, read(&ruled.text)?))) {
            Ok(known) => known,
            // Passed over, a cycle would seem to be where it was before: it might be paid a second time.
            Err(why) => {
                let alarm = format!(
                    "cu.cycles has an act of {} that was allowed and that this version cannot read ({why}): bring its cycles to \
                     their end with the version that wrote it, then begin a new log",
                    ruled.by
                );
                self.halted = Some(alarm.clone());
                effects.push(Effect::Alarm(alarm));
                return;
            }
        };
        acts.releases.rule_disputes_by(terms_of(ruled));
        let done = acts.releases.act(&written, &by).map_err(|refusal| refusal.to_string());
        match done {
            Ok(items) => acts.due(items),
            // Two coordinators beside each other ruled on different states: the act has no effect.
            Err(why) if self.caught_up => {
                effects.push(Effect::Alarm(format!(
                    "an act of {} was allowed and is not legal: {why}",
                    ruled.by
                )));
            }
            Err(_) => {}
        }
    }
}

/// How acts name a log: by what it began with, and each time that it was brought back.
fn log_name(of: &[u8]) -> String {
    hex(digest::bytes(of).get(..LOG_NAME_LEN).unwrap_or_default())
}

/// The rules of disputes by which an act was ruled.
fn terms_of(ruled: &RuledAct) -> DisputeTerms {
    let RuledAct { dispute_days, answer_days, .. } = *ruled;
    match answer_days {
        0 => DisputeTerms::default(),
        _ => DisputeTerms { dispute_days, answer_days },
    }
}

fn read(text: &[u8]) -> Result<Written, String> {
    if text.len() > TEXT_LEN_MAX {
        return Err(format!("the act has {} bytes, at most {TEXT_LEN_MAX} are read", text.len()));
    }
    serde_json::from_slice(text).map_err(|error| format!("the act cannot be read: {error}"))
}
