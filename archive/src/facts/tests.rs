use proto::TapEnd;

use super::*;

fn event(body: Body) -> Vec<u8> {
    CycleEvent { body: Some(body) }.encode_to_vec()
}

fn opening(cycle: u32, document: &RulebookDocument) -> Opening {
    Opening {
        cycle,
        business_date: 2_458_362 + i32::try_from(cycle).unwrap(),
        sequence: 1,
        rulebook_version: document.version,
        rulebook_digest: proto::digest::bytes(&document.toml).to_vec().into(),
    }
}

fn document(version: u32) -> RulebookDocument {
    RulebookDocument { version, toml: vec![u8::try_from(version).unwrap()].into(), ..Default::default() }
}

fn totals(cycle: u32, partition: u32, end_offset: u64) -> Vec<u8> {
    event(Body::Totals(PartitionTotals { cycle, partition, end_offset, ..PartitionTotals::default() }))
}

/// Two cycles of two partitions; the second opens with the cut-off of the first, by other rules.
fn facts() -> Facts {
    let mut facts = Facts::default();
    for (offset, version) in [(0, 1), (1, 7), (2, 2)] {
        facts.rulebook(offset, &document(version).encode_to_vec()).unwrap();
    }
    let barrier = |end| vec![TapEnd { acquirer: "cu-2000".to_owned(), offset: end }];
    let cut = |cycle, opens, end| event(Body::CutOff(CutOff { cycle, opens, barrier: barrier(end) }));
    let published = |cycle| event(Body::Published(Published { cycle, ..Published::default() }));
    let events = [
        event(Body::Opening(opening(1, &document(1)))),
        cut(1, Some(opening(2, &document(2))), 5),
        // Said again by a zombie: the first counts.
        cut(1, None, 50),
        totals(1, 1, 30),
        totals(1, 0, 20),
        published(1),
        cut(2, None, 5),
        totals(2, 0, 21),
        totals(2, 1, 44),
        published(2),
        published(1),
    ];
    for (offset, payload) in (0..).zip(events) {
        facts.event(offset, &payload).unwrap();
    }
    facts
}

fn shown(ranges: Vec<Range>) -> Vec<String> {
    let shown = |range: Range| format!("{} {}..{}", range.partition, range.first, range.end);
    ranges.into_iter().map(shown).collect()
}

#[test]
fn a_cycle_has_the_log_from_the_last_archived_offset_to_its_own_end() {
    let facts = facts();
    assert_eq!(facts.last_published(), 2);
    let first = facts.ranges(1, &Ends::new()).unwrap();
    let ends: Ends = first.iter().map(|range| (range.partition.clone(), range.end)).collect();
    assert_eq!(
        shown(first),
        [
            "cu.clearing/0 0..21",
            "cu.clearing/1 0..31",
            "cu.cycles/0 0..6",
            "cu.rulebook/0 0..3",
            "cu.taps.cu-2000/0 0..5"
        ]
    );
    // Nothing new in rules and taps: no range.
    let second = facts.ranges(2, &ends).unwrap();
    assert_eq!(shown(second), ["cu.clearing/0 21..22", "cu.clearing/1 31..45", "cu.cycles/0 6..10"]);
}

#[test]
fn what_is_missing_is_named() {
    let mut facts = facts();
    assert!(facts.ranges(3, &Ends::new()).unwrap_err().contains("publication"));
    facts.totals.remove(&(2, 0));
    assert!(facts.ranges(2, &Ends::new()).unwrap_err().contains("total of partition 0"));
    facts.rulebooks.clear();
    assert!(facts.ranges(1, &Ends::new()).unwrap_err().contains("rulebook version 1"));
}

#[test]
fn what_stood_before_a_restoring_and_was_beyond_it_is_void_but_its_rules_were_archived() {
    let mut facts = Facts::default();
    for (offset, version) in [(0, 1), (1, 2), (2, 3)] {
        facts.rulebook(offset, &document(version).encode_to_vec()).unwrap();
    }
    let cut = |cycle, opens, offset| {
        let barrier = vec![TapEnd { acquirer: "cu-2000".to_owned(), offset }];
        event(Body::CutOff(CutOff { cycle, opens: Some(opens), barrier }))
    };
    let published = |cycle| event(Body::Published(Published { cycle, ..Published::default() }));
    let events = [
        event(Body::Opening(opening(1, &document(1)))),
        cut(1, opening(2, &document(1)), 5),
        totals(1, 0, 20),
        // Cycle 2 is cut off and closed before the folder of cycle 1 stands.
        cut(2, opening(3, &document(2)), 9),
        totals(2, 0, 40),
        published(1),
        event(Body::Restored(proto::Restored { cycle: 1 })),
        cut(2, opening(3, &document(1)), 7),
        totals(2, 0, 33),
        published(2),
    ];
    for (offset, payload) in (0..).zip(events) {
        facts.event(offset, &payload).unwrap();
    }
    assert_eq!(facts.restored, [(6, 1)]);
    let first = facts.ranges(1, &Ends::new()).unwrap();
    let ends: Ends = first.iter().map(|range| (range.partition.clone(), range.end)).collect();
    // As it was archived before the loss: with the rules that the void opening named.
    assert_eq!(
        shown(first),
        ["cu.clearing/0 0..21", "cu.cycles/0 0..6", "cu.rulebook/0 0..2", "cu.taps.cu-2000/0 0..5"]
    );
    let second = facts.ranges(2, &ends).unwrap();
    assert_eq!(shown(second), ["cu.clearing/0 21..34", "cu.cycles/0 6..10", "cu.taps.cu-2000/0 5..7"]);
}

/// A correction of the first cycle, and what the second one follows; a restored log forgets what is beyond.
#[test]
fn later_versions_are_known_beside_the_first() {
    let mut facts = Facts::default();
    facts.rulebook(0, &document(1).encode_to_vec()).unwrap();
    let published = |cycle, version, folder: &str| {
        let folder = folder.to_owned();
        event(Body::Published(Published { cycle, version, folder, ..Published::default() }))
    };
    let plan = |cycle, version, reason: &str| {
        event(Body::Plan(Plan { cycle, version, reason: reason.to_owned(), ..Plan::default() }))
    };
    let opened = |cycle| event(Body::Opening(opening(cycle, &document(1))));
    let cut = |cycle| event(Body::CutOff(CutOff { cycle, ..CutOff::default() }));
    let events = [
        opened(1),
        cut(1),
        plan(1, 1, ""),
        published(1, 1, "first"),
        event(Body::Ruled(RuledAct { text: b"refuse".to_vec().into(), ..RuledAct::default() })),
        plan(1, 2, "refused"),
        plan(1, 2, "said again by a zombie"),
        published(1, 2, "second"),
        opened(2),
        cut(2),
        plan(2, 1, ""),
    ];
    for (offset, payload) in (0..).zip(events) {
        facts.event(offset, &payload).unwrap();
    }
    let folders: Vec<&str> = facts.versions(1).map(|published| published.folder.as_str()).collect();
    assert_eq!(folders, ["first", "second"]);
    assert_eq!(facts.plan_of(1, 2).map(|plan| plan.reason.as_str()), Some("refused"));
    assert_eq!(facts.followed_by(2).map(|published| published.folder.as_str()), Some("second"));
    assert_eq!(facts.published_of(1, 2), facts.followed_by(2));
    assert_eq!(facts.told.len(), 10, "the plan counts once: {:?}", facts.told);

    let restored = proto::Restored { cycle: 1 };
    facts.event(12, &event(Body::Restored(restored))).unwrap();
    let last = &facts.told[facts.told.len() - 3..];
    assert_eq!(last, [Told::Published(1, 2), Told::Opening(2), Told::Restored(restored)], "{:?}", facts.told);
    assert_eq!((facts.plan_of(2, 1), facts.versions(2).count()), (None, 0));
}
