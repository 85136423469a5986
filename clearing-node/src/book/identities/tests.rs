//! The blocks against a plain map, their rows, and their memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LINE: Date = Date::from_julian_day(-10);

fn key(terminal: u64, sequence: u32) -> Key {
    Key { terminal, sequence }
}

fn entry(terminal: u64, sequence: u32, day: i32, content: u64) -> Entry {
    Entry::new(key(terminal, sequence), Date::from_julian_day(day), content)
}

fn claim(identities: &mut Identities, entry: Entry, line: Date) -> Claim {
    identities.claim(entry, line)
}

fn forget_all(identities: &mut Identities, line: i32) {
    identities.forget_before(Date::from_julian_day(line));
    while identities.forgetting.left > 0 {
        identities.forget_more();
    }
}

#[test]
fn the_first_to_claim_holds_and_a_third_is_compared_with_the_holder() {
    let mut identities = Identities::default();
    assert_eq!(claim(&mut identities, entry(1, 1, 10, 7), LINE), Claim::Granted);
    assert_eq!(claim(&mut identities, entry(1, 1, 10, 8), LINE), Claim::OtherContent);
    assert_eq!(claim(&mut identities, entry(1, 1, 11, 7), LINE), Claim::SameContent);
    assert_eq!(claim(&mut identities, entry(1, 1, 10, 8), LINE), Claim::OtherContent);
    assert_eq!(claim(&mut identities, entry(1, 2, 10, 7), LINE), Claim::Granted);
    assert_eq!(claim(&mut identities, entry(2, 1, 10, 7), LINE), Claim::Granted, "another terminal");
    assert_eq!(identities.len(), 3);
}

#[test]
fn a_holder_from_before_the_drop_line_does_not_count_even_if_it_is_still_there() {
    let mut identities = Identities::default();
    claim(&mut identities, entry(1, 1, 10, 7), LINE);
    let (before, after) = (Date::from_julian_day(10), Date::from_julian_day(11));
    assert_eq!(claim(&mut identities, entry(1, 1, 30, 8), before), Claim::OtherContent);
    assert_eq!(claim(&mut identities, entry(1, 1, 30, 8), after), Claim::Granted);
    assert_eq!(claim(&mut identities, entry(1, 1, 30, 8), after), Claim::SameContent);
    assert_eq!(identities.len(), 1);
}

#[test]
fn of_two_that_come_back_from_the_store_the_later_one_stays() {
    for rows in [[(10, 7), (30, 8)], [(30, 8), (10, 7)]] {
        let restoring = Restoring::default();
        rows.iter().for_each(|(day, content)| restoring.restore(&[entry(1, 1, *day, *content)]));
        let mut identities = restoring.finish();
        assert_eq!(claim(&mut identities, entry(1, 1, 30, 8), LINE), Claim::SameContent);
        assert_eq!(identities.len(), 1);
    }
}

#[test]
fn forgetting_takes_many_small_steps_and_changes_no_result_meanwhile() {
    let mut identities = Identities::default();
    for sequence in 0..1_000_000_u32 {
        claim(&mut identities, entry(u64::from(sequence % 50_000), sequence / 50_000 * 64, 1, 1), LINE);
    }
    claim(&mut identities, entry(1, 1, 9, 1), LINE);
    let line = Date::from_julian_day(5);
    identities.forget_before(line);
    assert!(identities.len() > 990_000, "one step is short");
    assert_eq!(identities.entries().count(), 1, "what is being forgotten is not there any more");
    assert_eq!(
        claim(&mut identities, entry(7, 64, 5, 2), line),
        Claim::Granted,
        "not forgotten, and no holder"
    );
    while identities.forgetting.left > 0 {
        identities.forget_more();
    }
    assert_eq!(identities.len(), 2);
    let before = identities.memory_bytes();
    for sequence in 0..900_000_u32 {
        claim(&mut identities, entry(u64::from(sequence % 50_000), sequence / 50_000 * 64, 6, 1), line);
    }
    assert!(identities.memory_bytes() <= before, "what was given back is used again");
}

#[test]
fn the_scheme_belongs_to_the_key() {
    let tap = <Tap as zerocopy::FromZeros>::new_zeroed();
    let of = |city: &str| Key::of(city.parse().unwrap(), &tap);
    assert_eq!(of("cu-2000"), of("cu-3000"));
    assert_ne!(of("cu-2000"), of("tu-2000"));
}

/// A terminal, a sequence, a day, a content: few, so that they meet, or anything.
fn any_entry() -> impl Strategy<Value = Entry> {
    let terminal = prop_oneof![8 => 0..3_u64, 1 => 1_u64 << 48..(1 << 48) + 3, 1 => any::<u64>()];
    let sequence = prop_oneof![8 => 0..200_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)];
    let day = prop_oneof![6 => 0..20, 3 => -500..500, 1 => any::<i32>()];
    (terminal, sequence, day, 0..3_u64).prop_map(|(t, s, d, c)| entry(t, s, d, c))
}

#[derive(Clone, Debug)]
enum Step {
    Claim(Entry, i32),
    Forget(i32),
    Restart(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (any_entry(), prop_oneof![0..15, -500..500, Just(i32::MIN)]).prop_map(|(e, l)| Step::Claim(e, l)),
        1 => prop_oneof![0..15, -500..500].prop_map(Step::Forget),
        1 => any::<bool>().prop_map(Step::Restart),
    ]
}

/// What the rows of each day hold, packed and unpacked again, in one order or the other.
fn restarted(rows: &[Entry], backwards: bool) -> Identities {
    let mut by_day: BTreeMap<i32, Vec<Entry>> = BTreeMap::new();
    rows.iter().for_each(|entry| by_day.entry(entry.day).or_default().push(*entry));
    let mut entries = Vec::new();
    for (day, of_day) in by_day {
        row::unpack(&row::pack(&of_day), day, &mut entries).unwrap();
    }
    if backwards {
        entries.reverse();
    }
    let restoring = Restoring::default();
    entries.chunks(7).for_each(|some| restoring.restore(some));
    restoring.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn they_behave_like_a_map(steps in prop::collection::vec(any_step(), 1..300)) {
        let mut identities = Identities::default();
        let mut map: BTreeMap<Key, Entry> = BTreeMap::new();
        let mut rows: Vec<Entry> = Vec::new();
        let mut forgotten = i32::MIN;
        for step in steps {
            match step {
                Step::Claim(entry, line) => {
                    // Nothing is forgotten that a claim could still meet, and what was tapped before that is late.
                    let line = line.max(forgotten);
                    let entry = Entry { day: entry.day.max(forgotten), ..entry };
                    let expected = match map.get(&entry.key) {
                        Some(held) if held.day >= line && held.content == entry.content => Claim::SameContent,
                        Some(held) if held.day >= line => Claim::OtherContent,
                        _ => Claim::Granted,
                    };
                    prop_assert_eq!(identities.claim(entry, Date::from_julian_day(line)), expected);
                    if expected == Claim::Granted {
                        // What takes an expired identity was tapped since the line, so later than its holder.
                        if map.insert(entry.key, entry).is_some_and(|held| held.day >= entry.day) {
                            rows.retain(|row| row.key != entry.key);
                        }
                        rows.push(entry);
                    }
                }
                Step::Forget(line) => {
                    forgotten = forgotten.max(line);
                    map.retain(|_, held| held.day >= forgotten);
                    rows.retain(|row| row.day >= forgotten);
                    forget_all(&mut identities, forgotten);
                }
                Step::Restart(backwards) => identities = restarted(&rows, backwards),
            }
            prop_assert_eq!(identities.len(), map.len());
            let mut entries: Vec<Entry> = identities.entries().collect();
            entries.sort_unstable_by_key(Entry::key);
            prop_assert!(entries.iter().eq(map.values()));
        }
    }

    #[test]
    fn a_row_gives_back_what_it_took(
        entries in prop::collection::vec(any_entry(), 1..100), cut in 1_usize..20
    ) {
        let entries: Vec<Entry> = entries.into_iter().map(|entry| Entry { day: 5, ..entry }).collect();
        let bytes = row::pack(&entries);
        prop_assert!(entries.iter().all(|entry| Entry::from_bytes(&entry.to_bytes()) == *entry));
        let mut back = Vec::new();
        row::unpack(&bytes, 5, &mut back).unwrap();
        prop_assert_eq!(&back, &entries);
        // A torn row is noticed, unless it is torn between two identities.
        let torn = &bytes[..bytes.len().saturating_sub(cut)];
        let len = (bytes.len() - 14) / entries.len();
        if torn.len() < 14 || !(torn.len() - 14).is_multiple_of(len) {
            prop_assert!(row::unpack(torn, 5, &mut Vec::new()).is_none());
        }
    }
}

/// Bytes of memory for each of many identities, whenever it is looked; the most seen.
fn bytes_each(count: u32, of: impl Fn(u32) -> (u64, u32)) -> usize {
    let mut identities = Identities::default();
    let mut most = 0;
    for n in 0..count {
        let (terminal, sequence) = of(n);
        claim(&mut identities, entry(terminal, sequence, 1, 0), LINE);
        // With few, the smallest pieces in which memory is taken weigh more than what is in them.
        if n >= 100_000 && n % 1_000 == 0 {
            most = most.max(identities.memory_bytes() / identities.len());
        }
    }
    most
}

#[test]
fn sequences_that_grow_take_less_than_24_bytes_each_at_any_time_and_7_in_the_long_run() {
    let growing = |terminals: u32| move |n: u32| (u64::from(n % terminals), n / terminals);
    let most = bytes_each(1_000_000, growing(977));
    assert!(most < 24, "{most}");
    let many = bytes_each(1_000_000, growing(1_000_000 / 64));
    assert!(many < 32, "{many}, many terminals with a little each");
    let mut identities = Identities::default();
    for n in 0..2_000_000 {
        let (terminal, sequence) = growing(977)(n);
        claim(&mut identities, entry(terminal, sequence, 1, 0), LINE);
    }
    let bytes = identities.memory_bytes();
    assert!(bytes < identities.len() * 7, "{bytes}");
}

#[test]
fn however_sequences_come_they_take_less_than_64_bytes_each() {
    let scattered = |n: u32| n.wrapping_mul(0x9E37_79B9);
    assert!(bytes_each(600_000, |n| (u64::from(n), scattered(n))) < 64, "one a terminal");
    assert!(bytes_each(600_000, |n| (u64::from(n % 7), scattered(n))) < 64, "anything, few terminals");
    assert!(bytes_each(600_000, |n| (1, u32::MAX - n * 64)) < 64, "descending, far apart");
    assert!(bytes_each(600_000, |n| (u64::from(n / 2), n % 2)) < 64, "two a terminal");
    assert!(bytes_each(600_000, |n| (u64::from(n / 5), n % 5)) < 64, "five a terminal");
    assert!(bytes_each(600_000, |n| (u64::from(n / 17), n % 17)) < 64, "seventeen a terminal");
}
