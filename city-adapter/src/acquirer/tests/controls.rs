use super::*;

/// An example of the repository that has a header and a trailer with figures.
fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("mappings/examples").join(name)
}

/// The example's file with one text in place of another of the same length.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let bytes = fs::read(example("riverside.txt")).unwrap();
    let at = memchr::memmem::find(&bytes, from.as_bytes()).unwrap();
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

#[test]
fn a_file_at_odds_with_its_control_lines_is_refused_whole() {
    let world = World::new();
    let host = world.host();
    let mapping = crate::mapping::Mapping::load(&example("riverside.toml")).unwrap();
    host.read_through(city("cu-2000"), mapping).unwrap();
    let whole = fs::read(example("riverside.txt")).unwrap();
    let cut = whole.len() - 30;
    let scan = [
        world.put("cu-2000", "a.csv", changed("TRL000005", "TRL000006")),
        world.put("cu-2000", "b.csv", changed("0000012925", "0000012926")),
        world.put("cu-2000", "c.csv", &whole[..cut]),
        world.put("cu-2000", "d.csv", changed("20180901000003", "20180901000002")),
        world.put("cu-2000", "e.csv", &whole),
    ];
    let summary = take(&host, &scan);
    let whys: Vec<String> = summary.uploads[..4]
        .iter()
        .map(|upload| match &upload.outcome {
            Outcome::Refused(why) => why.clone(),
            other => panic!("{}: {other:?}", upload.name),
        })
        .collect();
    let want = [
        "trailer on line 5: records 4, but the file has 3 data lines",
        "trailer on line 5: amount 12926 fen, but the data lines sum to 12925 fen",
        "the file has no trailer (no line begins with `TRL`); it may be cut short",
        "header on line 1: records 2, but the file has 3 data lines",
    ];
    assert_eq!(whys, want);
    // One card is of this very city; only the good file is on the log.
    let Outcome::Taken(taken) = &summary.uploads[4].outcome else { panic!("{summary:?}") };
    assert_eq!((taken.records, taken.local, taken.presented, taken.amount_fen), (3, 1, 2, 580));
    let batches = world.batches("cu-2000");
    assert_eq!(batches.iter().map(|batch| batch.file.as_str()).collect::<Vec<_>>(), ["e.csv"]);
    host.render(&[city("cu-2000")]).unwrap();
    let receipts = world.out("receipts/cu-2000.csv");
    assert!(
        receipts.contains("refused,\"trailer on line 5: records 4, but the file has 3 data lines\""),
        "{receipts}"
    );
    assert!(!world.exists("results/cu-2000/a.csv"));
    // The same bytes again stay refused, and nothing more is written down.
    assert_eq!(take(&host, &scan[..1]).uploads[0].outcome, Outcome::AlreadyRefused);
}
