use super::*;

#[test]
fn every_line_gets_its_row_and_the_last_answer_stays() {
    let world = World::new();
    let text = format!(
        "{HEADER}\n{}{}\nbad\n{}x,\"a,b\",,,,,,,,,,,,,,,,\n{}",
        line(10, "cu-4000"),
        line(20, "cu-2000"),
        line(30, "cu-5000"),
        line(40, "cu-4000"),
    );
    let upload = world.put("cu-2000", "a.csv", &text);
    let host = world.host();
    host.follow(&[city("cu-2000")]).unwrap();
    let taken = take(&host, &[upload]);
    assert!(taken.failures.is_empty(), "{:?}", taken.failures);
    let totals = taken.totals();
    assert_eq!((totals.records, totals.malformed, totals.local, totals.presented), (6, 2, 1, 3));
    assert_eq!(totals.amount_fen, 80, "of the presented alone");

    host.render(&[city("cu-2000")]).unwrap();
    let rows = |first: &str, second: &str, third: &str| {
        format!(
            "line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by,cycle\n\
             2,200000000001,10,cu-4000,10,{first}\n\
             3,200000000001,20,cu-2000,20,local,,edge,\n\
             5,,,,,malformed,line: wrong number of columns,edge,\n\
             6,200000000001,30,cu-5000,30,{second}\n\
             7,x,\"a,b\",,,malformed,terminal: expected 12 upper-case hex digits,edge,\n\
             8,200000000001,40,cu-4000,40,{third}\n"
        )
    };
    assert_eq!(world.out("results/cu-2000/a.csv"), rows(",,,", ",,,", ",,,"), "nothing is decided yet");

    let batch = world.batches("cu-2000").remove(0);
    let late = R::Rejected(Rejection::Late);
    world.answer(&batch, 1, &[(0, late, 1), (1, R::Parked, 1)]);
    host.wait_results(&[city("cu-2000")], WAIT).unwrap();
    host.render(&[city("cu-2000")]).unwrap();
    let (late, cleared) = ("rejected,late,centre,2018-09-01-001", "cleared,,book,2018-09-01-001");
    let parked = "parked,issuer_unreachable,centre,2018-09-01-001";
    assert_eq!(world.out("results/cu-2000/a.csv"), rows(late, parked, cleared));
    assert_eq!(world.drafts(), 1);

    drop(host);
    let host = world.host();
    host.follow(&[city("cu-2000")]).unwrap();
    world.answer(&batch, 1, &[(0, R::Rejected(Rejection::Late), 1), (1, R::Duplicate, 2)]);
    host.catch_up(&[city("cu-2000")], WAIT).unwrap();
    host.render(&[city("cu-2000")]).unwrap();
    let want = rows(late, "duplicate,,book,2018-09-02-001", cleared);
    assert_eq!(world.out("results/cu-2000/a.csv"), want);
    assert_eq!(world.drafts(), 0, "nothing is kept for a file whose results are final");

    world.answer(&batch, 1, &[(0, R::Rejected(Rejection::Late), 1), (1, R::Duplicate, 2)]);
    host.catch_up(&[city("cu-2000")], WAIT).unwrap();
    host.render(&[city("cu-2000")]).unwrap();
    assert_eq!(world.out("results/cu-2000/a.csv"), want);
    assert_eq!(host.stopped(), []);
}

#[test]
fn positions_run_on_over_the_batches_of_a_file() {
    let world = World::new();
    let uploads = [world.put("cu-2000", "a.csv", file(10)), world.put("cu-2000", "b.csv", file(5000))];
    let host = world.host();
    take(&host, &uploads);
    let batches = world.batches("cu-2000");
    let shape: Vec<_> = batches.iter().map(|b| (b.number, b.file.as_str(), b.records)).collect();
    assert_eq!(shape, [(1, "a.csv", 10), (2, "b.csv", 4096), (3, "b.csv", 904)]);
    for batch in &batches {
        let digest = proto::digest::batch(&batch.acquirer, batch.number, &batch.file, &batch.parts);
        assert_eq!(batch.digest.as_ref(), digest);
    }
    world.answer(&batches[0], 1, &[]);
    world.answer(&batches[1], 1, &[(4095, R::Duplicate, 1)]);
    world.answer(&batches[2], 2, &[(0, R::Conflict, 2)]);
    host.follow(&[city("cu-2000")]).unwrap();
    host.wait_results(&[city("cu-2000")], WAIT).unwrap();
    host.render(&[city("cu-2000")]).unwrap();
    let rows = world.out("results/cu-2000/b.csv");
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(rows.len(), 5001);
    assert!(rows[4095].ends_with(",4094,cleared,,book,2018-09-01-001"), "{}", rows[4095]);
    assert!(rows[4096].ends_with(",4095,duplicate,,book,2018-09-01-001"), "{}", rows[4096]);
    assert!(rows[4097].ends_with(",4096,conflict,,book,2018-09-02-001"), "{}", rows[4097]);
    assert!(rows[5000].ends_with(",4999,cleared,,book,2018-09-02-001"), "{}", rows[5000]);
}

#[test]
fn files_without_presented_lines_are_answered_at_once() {
    let world = World::new();
    let empty = world.put("cu-2000", "empty.csv", format!("{HEADER}\n"));
    let own = world.put("cu-2000", "own.csv", format!("{HEADER}\n{}", line(1, "cu-2000")));
    let host = world.host();
    take(&host, &[empty, own]);
    host.render(&[city("cu-2000"), city("cu-3000")]).unwrap();
    let header = "line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by,cycle\n";
    assert_eq!(world.out("results/cu-2000/empty.csv"), header);
    let own = format!("{header}2,200000000001,1,cu-2000,1,local,,edge,\n");
    assert_eq!(world.out("results/cu-2000/own.csv"), own);
    assert_eq!((world.drafts(), host.open_batches(city("cu-2000"))), (0, 0));
    let header = "file,sha256,records,malformed,local,presented,amount_fen,state,reason\n";
    assert_eq!(world.out("receipts/cu-3000.csv"), header, "a city without uploads");
}

#[test]
fn a_result_with_another_digest_stops_that_city_alone() {
    let world = World::new();
    let uploads = [world.put("cu-2000", "a.csv", file(3)), world.put("cu-3000", "a.csv", file(3))];
    let host = world.host();
    let both = [city("cu-2000"), city("cu-3000")];
    host.follow(&both).unwrap();
    take(&host, &uploads);
    let other = TapBatch { digest: vec![9; 32].into(), ..world.batches("cu-2000").remove(0) };
    world.answer(&other, 1, &[]);
    world.answer(&world.batches("cu-3000").remove(0), 1, &[]);
    host.catch_up(&both, WAIT).unwrap();
    let stopped = host.stopped();
    assert_eq!(stopped.len(), 1);
    assert_eq!(stopped[0].0, city("cu-2000"));
    assert!(stopped[0].1.contains("another digest"), "{}", stopped[0].1);
    assert_eq!(host.open_batches(city("cu-3000")), 0);

    let more = [world.put("cu-2000", "b.csv", file(3)), world.put("cu-3000", "b.csv", file(3))];
    let summary = take(&host, &more);
    assert_eq!((summary.failures.len(), summary.failures[0].0), (1, city("cu-2000")));
    assert_eq!((summary.uploads.len(), summary.uploads[0].city), (1, city("cu-3000")));
}
