//! The plan made again from the totals of the replay, and compared with the one that was settled. Pure.

use std::{collections::BTreeMap, sync::Arc};

use archive::facts::{Facts, Told};
use domain::rulebook::Rulebook;
use proto::{
    AccountPosition, Adjustment, CutOff, CycleEvent, Net, PartitionTotals, Plan, Position, Total,
    cycle_event::Body,
};

use crate::coordinator::{Coordinator, Effect, Input};

/// A value on the log that the replay does not come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: `totals of partition 0`, `plan`, or `plan, version 2`.
    pub place: String,
    /// Which row, such as `cu-2000 cu-3000 purchase`.
    pub row: String,
    /// Which value of it.
    pub field: &'static str,
    /// What the log says; empty if it has no such row.
    pub published: String,
    /// What the replay says; empty if it has no such row.
    pub replayed: String,
}

/// The plans that the production coordinator makes, by ordinal of the cycle and version.
#[derive(Debug, Default)]
pub(super) struct Made {
    plans: BTreeMap<(u32, u32), Plan>,
    /// What it thought a person should look at.
    alarms: Vec<String>,
}

impl Made {
    /// The plan of a version of a cycle.
    ///
    /// # Errors
    /// That there is none, and what the coordinator says.
    pub(super) fn plan(&self, cycle: u32, version: u32) -> Result<&Plan, String> {
        self.plans.get(&(cycle, version)).ok_or_else(|| {
            let alarms = self.alarms.join("; ");
            format!("the coordinator makes no plan of version {version} of cycle {cycle}: {alarms}")
        })
    }
}

/// Has the production coordinator make every plan again: from the totals of the replay, and from what people and the bank
/// have said on the log. What it comes to itself is not fed back, so a plan that differs spoils no other.
pub(super) fn make(
    facts: &Facts,
    rulebooks: &[Arc<Rulebook>],
    totals: &BTreeMap<(u32, u32), PartitionTotals>,
    partitions: u32,
) -> Made {
    let mut making = Making { coordinator: Coordinator::new(partitions), made: Made::default() };
    rulebooks.iter().for_each(|rulebook| making.step(Input::Learn(Arc::clone(rulebook))));
    making.step(Input::CaughtUp);
    for told in &facts.told {
        let body = match told {
            Told::Opening(cycle) => facts.openings.get(cycle).cloned().map(Body::Opening),
            // The opening of the next cycle comes as an event of its own.
            Told::CutOff(cycle) => {
                Some(Body::CutOff(CutOff { cycle: *cycle, opens: None, barrier: Vec::new() }))
            }
            Told::Totals(cycle, partition) => totals.get(&(*cycle, *partition)).cloned().map(Body::Totals),
            Told::Plan(cycle, version) => facts.plan_of(*cycle, *version).cloned().map(Body::Plan),
            Told::Published(cycle, version) => {
                facts.published_of(*cycle, *version).cloned().map(Body::Published)
            }
            Told::Ruled(ruled) => Some(Body::Ruled(ruled.clone())),
            Told::Restored(restored) => Some(Body::Restored(*restored)),
        };
        if let Some(body) = body {
            making.step(Input::Event(CycleEvent { body: Some(body) }));
        }
    }
    making.made
}

struct Making {
    coordinator: Coordinator,
    made: Made,
}

impl Making {
    /// Keeps the plans that it makes; nothing else that it wants is done.
    fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.coordinator.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Say(CycleEvent { body: Some(Body::Plan(plan)) }) => {
                    self.made.plans.entry((plan.cycle, plan.version)).or_insert(plan);
                }
                Effect::Alarm(text) => self.made.alarms.push(text),
                _ => {}
            }
        }
    }
}

/// Compares the totals of a partition.
pub(super) fn compare_totals(
    said: &PartitionTotals,
    made: Option<&PartitionTotals>,
    differences: &mut Vec<Difference>,
) {
    let place = format!("totals of partition {}", said.partition);
    let empty = PartitionTotals::default();
    let found = made.unwrap_or(&empty);
    let mut comparing = Comparing { place: &place, differences };
    let ends =
        |totals: &PartitionTotals| vec![totals.first_offset.to_string(), totals.end_offset.to_string()];
    comparing.rows(
        ["first_offset", "end_offset"],
        [(String::new(), ends(said))],
        [(String::new(), ends(found))],
    );
    comparing.rows(TOTAL, said.totals.iter().map(total), found.totals.iter().map(total));
    comparing.rows(ITEM, said.adjustments.iter().map(item), found.adjustments.iter().map(item));
}

/// Compares the plans of a cycle.
pub(super) fn compare_plans(said: &Plan, made: &Plan, differences: &mut Vec<Difference>) {
    let place = if said.version > 1 { format!("plan, version {}", said.version) } else { "plan".to_owned() };
    let mut comparing = Comparing { place: &place, differences };
    comparing.rows(POSITION, said.positions.iter().map(position), made.positions.iter().map(position));
    comparing.rows(NET, said.net.iter().map(net), made.net.iter().map(net));
    comparing.rows(ITEM, said.items.iter().map(item), made.items.iter().map(item));
    comparing.rows(POSITION, said.accounts.iter().map(account), made.accounts.iter().map(account));
    let whole = |plan: &Plan| {
        let values = vec![text(plan.version), archive::manifest::hex(&plan.digest), plan.reason.clone()];
        [(String::new(), values)]
    };
    comparing.rows(["version", "digest", "reason"], whole(said), whole(made));
}

const TOTAL: [&str; 4] = ["count", "amount_fen", "interchange_fen", "switch_fee_fen"];
const POSITION: [&str; 4] = TOTAL;
const NET: [&str; 7] = [
    "receivable_fen",
    "payable_fen",
    "interchange_receivable_fen",
    "interchange_payable_fen",
    "switch_fee_fen",
    "adjustment_fen",
    "net_fen",
];
const ITEM: [&str; 7] = ["kind", "debtor", "creditor", "amount_fen", "original_cycle", "reference", "reason"];

type Row = (String, Vec<String>);

fn total(it: &Total) -> Row {
    let values = vec![text(it.count), text(it.amount_fen), text(it.interchange_fen), text(it.switch_fee_fen)];
    (format!("{} {} kind {} fee line {}", it.acquirer, it.issuer, it.kind, it.fee_line), values)
}

fn position(it: &Position) -> Row {
    let values = vec![text(it.count), text(it.amount_fen), text(it.interchange_fen), text(it.switch_fee_fen)];
    (format!("{} {} kind {}", it.acquirer, it.issuer, it.kind), values)
}

fn account(it: &AccountPosition) -> Row {
    let values = vec![text(it.count), text(it.amount_fen), text(it.interchange_fen), text(it.switch_fee_fen)];
    (format!("{} account {} {} kind {}", it.acquirer, it.account, it.issuer, it.kind), values)
}

fn net(it: &Net) -> Row {
    let values = vec![
        text(it.receivable_fen),
        text(it.payable_fen),
        text(it.interchange_receivable_fen),
        text(it.interchange_payable_fen),
        text(it.switch_fee_fen),
        text(it.adjustment_fen),
        text(it.net_fen),
    ];
    (it.participant.to_string(), values)
}

fn item(it: &Adjustment) -> Row {
    let values = vec![
        it.kind.clone(),
        it.debtor.clone(),
        it.creditor.clone(),
        text(it.amount_fen),
        it.original_cycle.clone(),
        it.reference.clone(),
        it.reason.clone(),
    ];
    (it.id.clone(), values)
}

fn text(value: impl ToString) -> String {
    value.to_string()
}

struct Comparing<'a> {
    place: &'a str,
    differences: &'a mut Vec<Difference>,
}

impl Comparing<'_> {
    /// Compares rows by their names.
    fn rows<const N: usize>(
        &mut self,
        fields: [&'static str; N],
        said: impl IntoIterator<Item = Row>,
        made: impl IntoIterator<Item = Row>,
    ) {
        let said: BTreeMap<String, Vec<String>> = said.into_iter().collect();
        let made: BTreeMap<String, Vec<String>> = made.into_iter().collect();
        let rows: std::collections::BTreeSet<&String> = said.keys().chain(made.keys()).collect();
        for row in rows {
            let value = |from: &BTreeMap<String, Vec<String>>, at: usize| {
                from.get(row).and_then(|values| values.get(at)).cloned().unwrap_or_default()
            };
            for (at, field) in fields.into_iter().enumerate() {
                let (published, replayed) = (value(&said, at), value(&made, at));
                if published != replayed {
                    let (place, row) = (self.place.to_owned(), row.clone());
                    self.differences.push(Difference { place, row, field, published, replayed });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_row_and_field() {
        let row = |issuer: &str, amount_fen| Position {
            acquirer: "cu-2000".into(),
            issuer: issuer.into(),
            count: 2,
            amount_fen,
            ..Position::default()
        };
        let said = Plan { positions: vec![row("cu-3000", 700), row("cu-4000", 1)], ..Plan::default() };
        let made = Plan { positions: vec![row("cu-3000", 500)], ..Plan::default() };
        let mut differences = Vec::new();
        compare_plans(&said, &made, &mut differences);
        let shown: Vec<String> = differences
            .iter()
            .map(|it| format!("{}: {}, {}: {:?} {:?}", it.place, it.row, it.field, it.published, it.replayed))
            .collect();
        assert_eq!(
            shown,
            [
                "plan: cu-2000 cu-3000 kind 0, amount_fen: \"700\" \"500\"",
                "plan: cu-2000 cu-4000 kind 0, count: \"2\" \"\"",
                "plan: cu-2000 cu-4000 kind 0, amount_fen: \"1\" \"\"",
                "plan: cu-2000 cu-4000 kind 0, interchange_fen: \"0\" \"\"",
                "plan: cu-2000 cu-4000 kind 0, switch_fee_fen: \"0\" \"\"",
            ]
        );
        let mut none = Vec::new();
        compare_plans(&said, &said, &mut none);
        assert_eq!(none, []);
    }
}
