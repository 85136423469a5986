//! The coordinator, step by step.

mod acts;
mod world;

use super::*;

const RULES: &str = r#"
version = 1
presentment_days = 10
hotlist_grace_hours = 24
[fees]
basis = "cycle_bilateral"
interchange_rate = "0.003"
switch_rate = "0.001"
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
"#;

fn rules(version: u32) -> Arc<Rulebook> {
    let text = RULES.replace("version = 1", &format!("version = {version}"));
    Arc::new(Rulebook::parse(text.as_bytes()).unwrap())
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// Steps, and reads back at once whatever it says.
fn drive(core: &mut Coordinator, input: Input) -> Vec<Effect> {
    let mut all = Vec::new();
    let mut inputs = vec![input];
    while let Some(input) = inputs.pop() {
        let mut effects = Vec::new();
        core.step(input, &mut effects);
        for effect in effects {
            if let Effect::Say(event) = &effect {
                inputs.push(Input::Event(event.clone()));
            }
            all.push(effect);
        }
    }
    all
}

fn started(partitions: u32) -> Coordinator {
    let mut core = Coordinator::new(partitions);
    drive(&mut core, Input::Learn(rules(1)));
    drive(&mut core, Input::CaughtUp);
    core
}

fn opened(partitions: u32) -> Coordinator {
    let mut core = started(partitions);
    let effects = drive(&mut core, Input::Open { business_date: date("2018-09-01"), version: 1 });
    assert!(
        matches!(
            &effects[..],
            [Effect::Say(_), Effect::Mark(Marker { closes: 0, opens: Some(_) }), Effect::Say(_)]
        ),
        "{effects:?}"
    );
    core
}

fn totals(cycle: u32, partition: u32, amount_fen: u64) -> CycleEvent {
    let total = proto::Total {
        acquirer: "cu-2000".into(),
        issuer: "cu-3000".into(),
        count: 1,
        amount_fen,
        ..proto::Total::default()
    };
    let totals = PartitionTotals { cycle, partition, totals: vec![total], ..PartitionTotals::default() };
    CycleEvent { body: Some(Body::Totals(totals)) }
}

fn end(city: &str, offset: u64) -> TapEnd {
    TapEnd { acquirer: city.to_owned(), offset }
}

#[test]
fn markers_wait_for_the_switch_and_the_plan_for_every_partition() {
    let mut core = opened(2);
    let ends = vec![end("cu-2000", 5), end("cu-3000", 2)];
    let effects = drive(&mut core, Input::CutOff { opens: None, ends });
    assert!(!effects.iter().any(|e| matches!(e, Effect::Mark(_))), "the barrier holds: {effects:?}");
    let city = |name: &str| name.parse::<City>().unwrap();
    assert_eq!(core.barrier_waits_for(), [city("cu-2000"), city("cu-3000")]);
    assert!(drive(&mut core, Input::Passed { city: city("cu-2000"), offset: 5 }).is_empty());
    let effects = drive(&mut core, Input::LeftOut(city("cu-3000")));
    assert_eq!(effects, [Effect::Mark(Marker { closes: 1, opens: None })]);
    assert!(drive(&mut core, Input::Event(totals(1, 0, 100))).is_empty(), "one partition is missing");
    let effects = drive(&mut core, Input::Event(totals(1, 1, 23)));
    assert!(matches!(&effects[..], [Effect::Say(_)]), "{effects:?}");
    let plan = core.plan(1).unwrap();
    assert_eq!(plan.positions[0].amount_fen, 123);
    assert_eq!(plan.net.iter().map(|net| net.net_fen).sum::<i64>(), 0);
}

#[test]
fn the_first_event_for_a_cycle_wins_and_a_standby_comes_to_the_same_state() {
    let mut core = opened(1);
    let mut events = vec![CycleEvent { body: Some(Body::Opening(core.last_opening().unwrap().clone())) }];
    let late =
        Opening { business_date: date("2018-09-09").julian_day(), ..core.last_opening().unwrap().clone() };
    events.push(CycleEvent { body: Some(Body::Opening(late)) });
    drive(&mut core, Input::Event(events[1].clone()));
    assert_eq!(core.last_opening().unwrap().business_date, date("2018-09-01").julian_day());
    let mut standby = Coordinator::new(1);
    drive(&mut standby, Input::Learn(rules(1)));
    for event in events {
        assert!(
            drive(&mut standby, Input::Event(event)).is_empty(),
            "it does nothing before it has caught up"
        );
    }
    let effects = drive(&mut standby, Input::CaughtUp);
    assert!(
        matches!(&effects[..], [Effect::Mark(_), Effect::Say(_)]),
        "the marker may be missing, so it is said again"
    );
    assert_eq!(standby.last_opening(), core.last_opening());
}

/// Passed over, what an earlier version allowed would leave a settled cycle as one that waits for its release.
#[test]
fn an_allowed_act_that_cannot_be_read_stops_the_coordinator() {
    let ruled = |refused: &str| {
        let (text, by, role) = (b"{\"id\":\"x\"}".to_vec().into(), "li".to_owned(), "operations".to_owned());
        let signature = b"signed".to_vec().into();
        let ruled =
            proto::RuledAct { text, signature, by, role, refused: refused.to_owned(), ..Default::default() };
        Input::Event(CycleEvent { body: Some(Body::Ruled(ruled)) })
    };
    let mut core = opened(1);
    drive(&mut core, ruled("it cannot be read"));
    assert_eq!(core.halted(), None, "a refused one has done nothing");
    let mut core = opened(1);
    let effects = drive(&mut core, ruled(""));
    assert!(matches!(&effects[..], [Effect::Alarm(_)]), "{effects:?}");
    assert!(core.halted().is_some_and(|why| why.contains("begin a new log")), "{:?}", core.halted());
}

#[test]
fn two_different_totals_stop_the_close() {
    let mut core = opened(1);
    drive(&mut core, Input::CutOff { opens: None, ends: vec![end("cu-2000", 1)] });
    drive(&mut core, Input::Event(totals(1, 0, 100)));
    assert!(drive(&mut core, Input::Event(totals(1, 0, 100))).is_empty(), "a repeat is no contradiction");
    let effects = drive(&mut core, Input::Event(totals(1, 0, 101)));
    assert!(matches!(&effects[..], [Effect::Alarm(_)]), "{effects:?}");
    assert!(core.halted().is_some());
}

#[test]
fn a_waived_barrier_names_who_is_missing() {
    let mut core = opened(1);
    drive(&mut core, Input::CutOff { opens: None, ends: vec![end("cu-2000", 1), end("cu-3000", 1)] });
    let city = "cu-2000".parse().unwrap();
    drive(&mut core, Input::Passed { city, offset: 1 });
    let effects = drive(&mut core, Input::BarrierTimedOut);
    let Effect::Alarm(text) = &effects[0] else { panic!("{effects:?}") };
    assert!(text.contains("cu-3000") && !text.contains("cu-2000"), "{text}");
    assert_eq!(effects[1], Effect::Mark(Marker { closes: 1, opens: None }));
}

#[test]
fn cycles_of_one_date_are_numbered_and_dates_never_go_back() {
    let mut core = opened(1);
    drive(&mut core, Input::CutOff { opens: Some((date("2018-09-01"), 1)), ends: Vec::new() });
    let second = core.last_opening().unwrap().clone();
    assert_eq!((second.cycle, second.sequence), (2, 2));
    let effects = drive(&mut core, Input::CutOff { opens: None, ends: Vec::new() });
    assert!(matches!(&effects[..], [Effect::Refused(_)]), "cycle 1 has no plan yet: {effects:?}");
    drive(&mut core, Input::Event(totals(1, 0, 1)));
    let effects = drive(&mut core, Input::CutOff { opens: Some((date("2018-08-31"), 1)), ends: Vec::new() });
    assert!(matches!(&effects[..], [Effect::Refused(_)]), "{effects:?}");
    assert!(core.is_open());
}

#[test]
fn an_opening_while_one_is_open_is_refused() {
    let mut core = opened(1);
    let effects = drive(&mut core, Input::Open { business_date: date("2018-09-02"), version: 1 });
    assert!(matches!(&effects[..], [Effect::Refused(_)]), "{effects:?}");
    let mut core = started(1);
    let effects = drive(&mut core, Input::Open { business_date: date("2018-09-02"), version: 9 });
    assert!(matches!(&effects[..], [Effect::Refused(text)] if text.contains("version 9")), "{effects:?}");
}

/// Between a cut-off without a next cycle and the last partition's marker an opening would stop that partition.
#[test]
fn an_opening_waits_for_the_totals_of_every_partition() {
    let mut core = opened(2);
    drive(&mut core, Input::CutOff { opens: None, ends: vec![end("cu-2000", 1)] });
    let open = || Input::Open { business_date: date("2018-09-02"), version: 1 };
    let refused = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Refused(text)] => text.clone(),
        other => panic!("{other:?}"),
    };
    let text = refused(drive(&mut core, open()));
    assert!(text.contains("cycle 1") && text.contains("partition 0, 1"), "{text}");
    drive(&mut core, Input::Passed { city: "cu-2000".parse().unwrap(), offset: 1 });
    drive(&mut core, Input::Event(totals(1, 1, 1)));
    let text = refused(drive(&mut core, open()));
    assert!(text.contains("partition 0 ") && !text.contains("1 are"), "{text}");
    drive(&mut core, Input::Event(totals(1, 0, 1)));
    drive(&mut core, open());
    assert!(core.is_open());
}

fn segment(partition: u32, round: u32, digest: u8, lost: bool) -> Input {
    let manifest_digest = vec![digest; 32].into();
    let segment = proto::Segment { cycle: 1, partition, manifest_digest, round, lost };
    Input::Event(CycleEvent { body: Some(Body::Segment(segment)) })
}

/// Cycle 1 of two partitions with its plan.
fn planned() -> Coordinator {
    let mut core = opened(2);
    drive(&mut core, Input::CutOff { opens: None, ends: Vec::new() });
    drive(&mut core, Input::Event(totals(1, 0, 100)));
    drive(&mut core, Input::Event(totals(1, 1, 23)));
    core
}

#[test]
fn the_folder_is_put_together_once_every_segment_is_in() {
    let mut core = planned();
    let due = |core: &Coordinator| {
        core.segments_due().into_iter().map(|due| (due.partition, due.round)).collect::<Vec<_>>()
    };
    assert_eq!(due(&core), [(0, 0), (1, 0)]);
    assert!(drive(&mut core, segment(1, 0, 7, false)).is_empty());
    assert_eq!(due(&core), [(0, 0)]);
    assert_eq!(drive(&mut core, segment(0, 0, 8, false)), [Effect::Render { cycle: 1, version: 1 }]);
    assert!(drive(&mut core, segment(0, 0, 8, false)).is_empty(), "an equal one is no news");
    assert_eq!(core.segments(1).map(|s| s.manifest_digest[0]).collect::<Vec<_>>(), [8, 7]);

    let effects = drive(&mut core, segment(0, 0, 9, false));
    assert!(matches!(&effects[..], [Effect::Alarm(text)] if text.contains("partition 0")), "{effects:?}");
    assert!(core.halted().is_some_and(|why| why.contains("two different segments")));
}

#[test]
fn a_lost_segment_is_asked_for_again_and_then_the_folder_is_put_together_anew() {
    let mut core = planned();
    drive(&mut core, segment(0, 0, 7, false));
    drive(&mut core, segment(1, 0, 8, false));
    let lost = || Input::SegmentLost { cycle: 1, partition: 1, what: "it is missing".to_owned() };
    let effects = drive(&mut core, lost());
    let [Effect::Alarm(text), Effect::Say(_)] = &effects[..] else { panic!("{effects:?}") };
    assert!(text.contains("partition 1") && text.contains("it is missing"), "{text}");
    assert_eq!(core.segments_due(), [SegmentDue { cycle: 1, partition: 1, round: 1 }]);

    // What a late owner says of the lost round, and what a late coordinator says of it, change nothing.
    assert!(drive(&mut core, segment(1, 0, 8, false)).is_empty());
    assert!(drive(&mut core, segment(1, 0, 8, true)).is_empty());
    assert_eq!(core.segments_due().len(), 1);
    assert_eq!(drive(&mut core, segment(1, 1, 8, false)), [Effect::Render { cycle: 1, version: 1 }]);
    assert!(drive(&mut core, segment(1, 0, 8, true)).is_empty(), "the lost round is past");
    assert!(core.segments_due().is_empty());

    let published = Published { cycle: 1, version: 1, ..Published::default() };
    drive(&mut core, Input::Rendered(published));
    assert!(drive(&mut core, lost()).is_empty(), "nobody needs it any more");
}

fn city_event(partition: u32, offset: u64, what: What) -> Input {
    let (city, what) = ("cu-3000".to_owned(), Some(what));
    let event = CityEvent { city, partition, offset, next: 1, what };
    Input::Event(CycleEvent { body: Some(Body::City(event)) })
}

fn resumed(refused: &str) -> What {
    What::Resumed(proto::Resumed { id: "r".to_owned(), refused: refused.to_owned() })
}

/// Said on the log, so every node knows of it, wherever the partition is. What an owner of before says again is old.
#[test]
fn no_barrier_waits_for_a_city_that_a_partition_has_stopped_until_it_goes_on() {
    let mut core = opened(1);
    let stopped = || What::Stopped("batch 2 is missing".to_owned());
    drive(&mut core, city_event(0, 7, stopped()));
    drive(&mut core, Input::CutOff { opens: None, ends: vec![end("cu-2000", 1), end("cu-3000", 1)] });
    let waits = |core: &Coordinator| core.barrier_waits_for().iter().map(City::to_string).collect::<Vec<_>>();
    assert_eq!(waits(&core), ["cu-2000"]);
    drive(&mut core, city_event(0, 8, resumed("batch 3 is due")));
    assert_eq!(waits(&core), ["cu-2000"], "it does not go on");
    drive(&mut core, city_event(0, 9, resumed("")));
    drive(&mut core, city_event(0, 7, stopped()));
    assert_eq!(waits(&core), ["cu-2000", "cu-3000"]);
}

#[test]
fn a_rulebook_may_put_a_city_where_the_log_says_it_has_arrived() {
    let version = |version: u32, partition: u32| {
        let clearing =
            format!("[clearing]\npartitions = 2\nassignment = {{ cu-3000 = {partition} }}\n[fees]");
        let text = RULES.replace("[fees]", &clearing).replace("version = 1", &format!("version = {version}"));
        Input::Learn(Arc::new(Rulebook::parse(text.as_bytes()).unwrap()))
    };
    let mut core = Coordinator::new(1);
    for input in [version(1, 0), version(2, 1), Input::CaughtUp] {
        drive(&mut core, input);
    }
    drive(&mut core, Input::Open { business_date: date("2018-09-01"), version: 1 });
    drive(&mut core, Input::CutOff { opens: None, ends: Vec::new() });
    drive(&mut core, Input::Event(totals(1, 0, 1)));
    let open = |core: &mut Coordinator, version| {
        let mut effects = Vec::new();
        core.step(Input::Open { business_date: date("2018-09-02"), version }, &mut effects);
        effects
    };
    let arrived = |partition, id: &str| {
        let arrived = proto::Arrived { id: id.to_owned(), from: 0, batches: 1, identities: 1 };
        city_event(partition, 5, What::Arrived(arrived))
    };
    drive(&mut core, arrived(1, "m1"));
    let effects = open(&mut core, 1);
    assert!(matches!(&effects[..], [Effect::Refused(text)] if text.contains("cu-3000")), "{effects:?}");
    drive(&mut core, arrived(0, "m2"));
    drive(&mut core, arrived(1, "m1"));
    let effects = open(&mut core, 2);
    let goes_on = |text: &str| text.contains("version 1 goes on");
    assert!(
        matches!(&effects[..], [Effect::Alarm(text), Effect::Say(_), ..] if goes_on(text)),
        "it has gone back since, and the first arrival is old: {effects:?}"
    );
}
