//! What has become of closed cycles, from the log alone.

use anyhow::Result;
use clearing_node::coordinator::{Coordinator, Input};
use domain::release::Releases;
use proto::{CycleEvent, Message as _};

use crate::book::place::Place;

/// Folds the cycles as they stand on the log now.
///
/// # Errors
/// If the log cannot be read.
pub fn known(place: &Place) -> Result<Releases> {
    let cycles = place.topics.cycles();
    let bounds = place.log.bounds(&cycles)?;
    // It follows and never acts, so the number of partitions is of no account.
    let mut core = Coordinator::new(0);
    let mut effects = Vec::new();
    place.scheme.rulebooks().into_iter().for_each(|rules| core.step(Input::Learn(rules), &mut effects));
    place.visit(&cycles, bounds.start, bounds.end, &mut |_, payload| {
        if !payload.is_empty() {
            core.step(Input::Event(CycleEvent::decode(payload)?), &mut effects);
            effects.clear();
        }
        Ok(())
    })?;
    Ok(core.releases().clone())
}
