//! Prints the clearing nodes.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::{
    nodes::Answer,
    output::{Format, Sheet, print, say},
    services::cycles::node::NodeView,
};

/// All nodes, all partitions, and what stands still.
pub(super) fn list(format: Format, answers: &[Answer<NodeView>]) -> Result<()> {
    if let [Answer { said: Err(error), .. }] = answers {
        bail!("{error:#}");
    }
    let mut nodes = Sheet::new("nodes", &["node", "cycles", "partitions", "trouble"]);
    nodes.below = vec!["trouble"];
    let mut partitions = Sheet::new(
        "partitions",
        &[
            "partition",
            "node",
            "state",
            "next_offset",
            "lag",
            "identities",
            "parked",
            "unpublished",
            "snapshot_age_s",
            "why",
        ],
    );
    partitions.below = vec!["why"];
    let mut cities = Sheet::new("stopped cities", &["city", "partition", "why"]);
    let mut unowned: BTreeSet<u32> = BTreeSet::new();
    for Answer { admin, said } in answers {
        match said {
            Err(error) => {
                nodes.row(vec![json!(admin), json!("away"), Value::Null, json!(format!("{error:#}"))])
            }
            Ok(view) => {
                let trouble: Vec<&str> =
                    view.halted.iter().chain(&view.missing).map(String::as_str).collect();
                let trouble = if trouble.is_empty() { Value::Null } else { json!(trouble.join("; ")) };
                nodes.row(vec![json!(admin), json!(view.role), json!(view.partitions.len()), trouble]);
                unowned.extend(0..view.partitions_in_all);
            }
        }
    }
    let views = answers.iter().filter_map(|Answer { admin, said }| Some((admin, said.as_ref().ok()?)));
    let mut owned: Vec<_> = views
        .flat_map(|(admin, view)| view.partitions.iter().map(move |partition| (admin, partition)))
        .collect();
    owned.sort_by_key(|(_, at)| at.partition);
    for (admin, at) in owned {
        unowned.remove(&at.partition);
        partitions.row(vec![
            json!(at.partition),
            json!(admin),
            json!(at.state),
            json!(at.next_offset),
            json!(at.lag),
            json!(at.identities),
            json!(at.parked_records),
            json!(at.unpublished),
            json!(at.snapshot_age_s),
            json!(at.why),
        ]);
        for (city, why) in &at.stopped_cities {
            cities.row(vec![json!(city), json!(at.partition), json!(why)]);
        }
    }
    let missing: Vec<String> = unowned.iter().map(u32::to_string).collect();
    let mut facts = Map::new();
    facts.insert("partitions_without_a_node".to_owned(), json!(missing));
    print(format, &facts, &[nodes, partitions, cities])?;
    if !missing.is_empty() {
        say(
            format,
            &format!(
                "\nno node that was asked owns partitions {}: another node may, or they are being handed over",
                missing.join(", ")
            ),
        );
    }
    Ok(())
}
