//! A mapping with the places of its fields in one file.

use std::sync::Arc;

use super::{
    Mapping, MappingError,
    bind::{Binder, Bound, Place},
    cells::Shape,
    convert::Convert,
    filter::Filter,
    pairs,
    row::MappedRow,
    spec::{Length, MissingEntry, MissingExit, RowOrder},
};
use crate::tapfile::Column;

/// What is done with each row of a file.
pub struct Plan {
    /// How lines become fields.
    pub shape: Shape,
    /// The derived fields, each after those that it reads.
    pub fields: Vec<Bound>,
    /// Any of them drops a row.
    pub drops: Vec<(Filter, Place)>,
    /// All of them keep a row.
    pub keeps: Vec<(Filter, Place)>,
    /// The columns of a record, those made from others last.
    pub steps: Vec<Step>,
    /// The columns of the record of an entry without exit.
    pub charge: Vec<Step>,
    /// How amounts are read for control sums, if there are any.
    pub amount: Option<Step>,
    /// How rows become trips.
    pub pairing: Option<Arc<PairPlan>>,
    /// Texts that mean nothing.
    pub empty: Vec<String>,
    /// Which columns are read.
    pub used: Vec<usize>,
}

/// How one column is made.
#[derive(Clone)]
pub struct Step {
    /// The column.
    pub target: Column,
    /// Its text.
    pub text: Bound,
    /// Its value.
    pub convert: Convert,
}

/// How rows become trips.
pub struct PairPlan {
    /// What the rows of a trip have in common.
    pub card: Vec<Place>,
    /// What tells entries from exits.
    pub kind: Place,
    /// Its texts for an entry.
    pub entry: Vec<String>,
    /// Its texts for an exit.
    pub exit: Vec<String>,
    /// The order of stations.
    pub stop: Option<Place>,
    /// When the row was.
    pub time: Step,
    /// What is kept of an entry.
    pub kept: Vec<Place>,
    /// When two rows are one trip.
    pub rule: pairs::Rule,
    /// In which order the rows stand.
    pub rows: RowOrder,
    /// What an entry without exit becomes.
    pub missing_exit: MissingExit,
    /// What an exit without entry becomes.
    pub missing_entry: MissingEntry,
}

impl Plan {
    /// The plan for a file.
    ///
    /// # Errors
    /// [`MappingError::NoColumn`], [`MappingError::TwoColumns`], [`MappingError::Control`].
    pub fn new(mapping: &Mapping, mut binder: Binder<'_>) -> Result<Self, MappingError> {
        let fields = mapping.fields.iter().map(|(_, text)| binder.text(text)).collect::<Result<_, _>>()?;
        let mut filters = |filters: &[Filter]| {
            let bound = filters.iter().map(|filter| Ok((filter.clone(), binder.place(&filter.field)?)));
            bound.collect::<Result<Vec<_>, MappingError>>()
        };
        let (drops, keeps) = (filters(&mapping.drops)?, filters(&mapping.keeps)?);
        let mut steps = Vec::new();
        for (target, rule) in &mapping.rules {
            let text = binder.text(&rule.text)?;
            steps.push(Step { target: *target, text, convert: rule.convert.clone() });
        }
        steps.sort_by_key(|step| step.text.derive().is_some());
        let amount =
            steps.iter().find(|step| step.target == Column::AmountFen && mapping.sums_amounts()).cloned();
        let mut charge = steps.clone();
        let mut pairing = None;
        if let Some(pairs) = &mapping.pairing {
            for (target, rule) in &pairs.max_fare {
                let text = binder.text(&rule.text)?;
                let step = Step { target: *target, text, convert: rule.convert.clone() };
                charge.retain(|other| other.target != *target);
                charge.insert(0, step);
            }
            let time = steps.iter().find(|step| step.target == Column::TappedAt).cloned();
            let time = time.ok_or(MappingError::Incomplete("tapped_at"))?;
            pairing = Some(Arc::new(PairPlan {
                card: pairs.card.iter().map(|field| binder.place(field)).collect::<Result<_, _>>()?,
                kind: binder.place(&pairs.kind)?,
                entry: pairs.entry.clone(),
                exit: pairs.exit.clone(),
                stop: pairs.stop.as_ref().map(|field| binder.place(field)).transpose()?,
                time,
                kept: binder.entry.clone(),
                rule: pairs.rule,
                rows: pairs.rows,
                missing_exit: pairs.missing_exit,
                missing_entry: pairs.missing_entry,
            }));
        }
        let shape = shape(mapping, &mut binder);
        let used = binder.used.into_iter().collect();
        let empty = mapping.empty.clone();
        Ok(Self { shape, fields, drops, keeps, steps, charge, amount, pairing, empty, used })
    }
}

fn shape(mapping: &Mapping, binder: &mut Binder<'_>) -> Shape {
    if mapping.fixed {
        let cuts = std::mem::take(&mut binder.cuts);
        return Shape::Fixed { cuts, width: mapping.width, short: mapping.length == Length::Any };
    }
    let columns = match &binder.names {
        Some(names) => Some(names.len()),
        None if mapping.length == Length::Longer => Some(binder.used.last().map_or(0, |last| last + 1)),
        None => None,
    };
    Shape::Separated { dialect: mapping.dialect, columns, length: mapping.length }
}

impl Step {
    /// Makes the column of a row.
    ///
    /// # Errors
    /// What is wrong, to be read after the name of the column.
    pub fn apply(
        &self,
        view: super::bind::View<'_>,
        buffers: &mut super::bind::Buffers,
        row: &mut MappedRow,
    ) -> Result<(), String> {
        self.convert.put(self.target, self.text.read(view, buffers)?, row)
    }
}
