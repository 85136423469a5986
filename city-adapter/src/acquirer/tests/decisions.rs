use super::*;

const RECEIPTS: &str = "file,sha256,records,malformed,local,presented,amount_fen,state,reason\n";

fn sha256(text: &str) -> String {
    super::super::source::hex(&proto::digest::bytes(text.as_bytes()))
}

fn outcomes(summary: &TakeSummary) -> Vec<(&str, &Outcome)> {
    summary.uploads.iter().map(|upload| (upload.name.as_str(), &upload.outcome)).collect()
}

/// Takes one file with a manifest; returns why it is refused, if it is.
fn with_manifest(text: &str, manifest: &str) -> Option<String> {
    let world = World::new();
    let upload = world.put("cu-2000", "a.csv", text);
    world.put("cu-2000", "a.csv.manifest.json", manifest);
    let summary = take(&world.host(), &[upload]);
    assert!(summary.failures.is_empty(), "{:?}", summary.failures);
    let published = world.batches("cu-2000").len();
    match &summary.uploads[0].outcome {
        Outcome::Taken(_) => {
            assert_eq!(published, 1);
            None
        }
        Outcome::Refused(reason) => {
            assert_eq!(published, 0, "nothing of a refused file is published");
            Some(reason.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_manifest_has_to_agree_with_the_whole_file() {
    let text = format!("{HEADER}\n{}{}bad\n\n", line(10, "cu-4000"), line(20, "cu-2000"));
    let digest = sha256(&text);
    let manifest = |records: &str, amount: &str, digest: &str| {
        with_manifest(
            &text,
            &format!("{{\"records\": {records}, \"amount_fen\": {amount}, \"sha256\": \"{digest}\"}}"),
        )
    };
    assert_eq!(manifest("3", "30", &digest), None, "malformed lines count, local amounts too");
    assert_eq!(manifest("2", "30", &digest).unwrap(), "manifest: records 2 but the file has 3");
    assert_eq!(manifest("3", "10", &digest).unwrap(), "manifest: amount_fen 10 but the file has 30");
    let other = sha256("other");
    let want = format!("manifest: sha256 differs from the file's {digest}");
    assert_eq!(manifest("3", "30", &other).unwrap(), want);
    for bad in ["\"3\"", "3.5", "-3", "null"] {
        assert!(manifest(bad, "30", &digest).unwrap().starts_with("manifest: not readable: "), "{bad}");
    }
    for bad in ["", "[]", "{}", "{\"records\": 3, \"amount_fen\": 30}"] {
        assert!(with_manifest(&text, bad).unwrap().starts_with("manifest: not readable: "), "{bad}");
    }
    let long = format!("{}{{}}", " ".repeat(70_000));
    assert_eq!(with_manifest(&text, &long).unwrap(), "manifest: longer than 64 KiB");
}

#[test]
fn each_upload_gets_one_receipt_and_a_decision_stands() {
    let world = World::new();
    let good = format!("{HEADER}\n{}{}bad\n", line(10, "cu-4000"), line(20, "cu-2000"));
    let headless = "terminal;seq\n1;2\n\n3;4\n";
    let scan = [
        world.put("cu-2000", "c.csv", &good),
        world.put("cu-2000", "a.csv", headless),
        world.put("cu-2000", "b.csv", ""),
    ];
    let host = world.host();
    let summary = take(&host, &scan);
    let [(_, a), (_, b), (_, c)] = outcomes(&summary)[..] else { panic!("{summary:?}") };
    assert!(
        matches!((a, b, c), (Outcome::Refused(_), Outcome::Refused(_), Outcome::Taken(_))),
        "{summary:?}"
    );
    let why = "\"line 1 is not the header of layout cityunion-tap/1; it begins with \
               `terminal,terminal_seq,issuer`\"";
    let rows = format!(
        "a.csv,{},2,0,0,0,0,refused,{why}\nb.csv,{},0,0,0,0,0,refused,{why}\nc.csv,{},3,1,1,1,10,taken,\n",
        sha256(headless),
        sha256(""),
        sha256(&good)
    );
    host.render(&[city("cu-2000")]).unwrap();
    assert_eq!(world.out("receipts/cu-2000.csv"), format!("{RECEIPTS}{rows}"));
    assert!(world.exists("results/cu-2000/c.csv") && !world.exists("results/cu-2000/a.csv"));

    // The same again, now and after a restart: nothing changes.
    drop(host);
    let host = world.host();
    for _ in 0..2 {
        let again = take(&host, &scan);
        let want = [
            ("a.csv", &Outcome::AlreadyRefused),
            ("b.csv", &Outcome::AlreadyRefused),
            ("c.csv", &Outcome::AlreadyTaken),
        ];
        assert_eq!(outcomes(&again), want);
    }
    host.render(&[city("cu-2000")]).unwrap();
    assert_eq!(world.out("receipts/cu-2000.csv"), format!("{RECEIPTS}{rows}"));

    // Other bytes under a known name are refused, whatever they are; the same bytes under a new name are new.
    let scan = [
        world.put("cu-2000", "a.csv", &good),
        world.put("cu-2000", "c.csv", good.clone() + &line(30, "cu-4000")),
        world.put("cu-2000", "d.csv", &good),
    ];
    let summary = take(&host, &scan);
    let [(_, a), (_, c), (_, d)] = outcomes(&summary)[..] else { panic!("{summary:?}") };
    assert!(matches!(a, Outcome::Refused(why) if why.contains("was refused before")), "{a:?}");
    assert!(matches!(c, Outcome::Refused(why) if why.contains("was taken before")), "{c:?}");
    assert!(matches!(d, Outcome::Taken(_)), "{d:?}");
    assert_eq!(world.batches("cu-2000").len(), 2);
    host.render(&[city("cu-2000")]).unwrap();
    assert_eq!(world.out("receipts/cu-2000.csv").lines().count(), 1 + 3 + 3);
    assert!(host.knows(city("cu-2000"), "a.csv") && !host.knows(city("cu-2000"), "e.csv"));
}

#[test]
fn only_a_member_presents_and_what_cannot_be_read_may_come_again() {
    let world = World::new();
    let host = world.host();
    let mut gone = world.put("cu-3000", "a.csv", file(3));
    gone.path = PathBuf::from("/nowhere/a.csv");
    let scan = [world.put("cu-2000", "a.csv", file(3)), gone];
    let member = city("cu-3000");
    let summary = host.take(scan.to_vec(), &|city| city == member, &|_| {}).unwrap();
    let reason = "the city is no member on the business date";
    assert_eq!(summary.uploads[0].outcome, Outcome::Refused(reason.to_owned()));
    assert!(matches!(summary.uploads[1].outcome, Outcome::Unreadable(_)), "{:?}", summary.uploads[1]);
    host.render(&[city("cu-2000"), city("cu-3000")]).unwrap();
    let row = format!("a.csv,{},3,0,0,0,0,refused,{reason}\n", sha256(&file(3)));
    assert_eq!(world.out("receipts/cu-2000.csv"), format!("{RECEIPTS}{row}"));
    assert_eq!(world.out("receipts/cu-3000.csv"), RECEIPTS);
    let summary = take(&host, &[world.put("cu-3000", "a.csv", file(3))]);
    assert!(matches!(summary.uploads[0].outcome, Outcome::Taken(_)));
}

#[test]
fn progress_tells_every_data_line_once() {
    let world = World::new();
    let scan = [world.put("cu-2000", "a.csv", file(10_000)), world.put("cu-3000", "a.csv", file(7))];
    let told = AtomicU64::new(0);
    let count = |lines| {
        told.fetch_add(lines, Ordering::Relaxed);
    };
    world.host().take(scan.to_vec(), &|_| true, &count).unwrap();
    assert_eq!(told.into_inner(), 10_007);
}

#[test]
fn a_city_with_another_layout_is_read_through_its_mapping() {
    let mapping = "layout = \"cityunion-mapping/1\"\n[[drop]]\ncolumn = \"k\"\nvalues = [\"in\"]\n";
    let columns = [
        ("terminal", "column = \"gate\"\nprefix = \"2000\""),
        ("terminal_seq", "column = \"seq\""),
        ("issuer", "column = \"home\"\nvalues = { BJ = \"cu-1000\", SH = \"cu-2000\" }"),
        ("card", "column = \"card\""),
        ("card_counter", "constant = \"0\""),
        ("type", "constant = \"06\""),
        ("amount_fen", "column = \"yuan\"\nunit = \"yuan\""),
        ("fare_fen", "column = \"yuan\"\nunit = \"yuan\""),
        ("tapped_at", "column = \"at\"\nformats = [\"%Y%m%d%H%M\"]"),
        ("medium", "constant = \"cpu\""),
        ("sector", "constant = \"metro\""),
        ("product", "constant = \"flat\""),
        ("key_version", "constant = \"1\""),
        ("algorithm", "constant = \"3des\""),
    ];
    let columns = columns.map(|(name, rule)| format!("[columns.{name}]\n{rule}\n")).concat();
    let host_world = World::new();
    let host = host_world.host();
    let parse = |text: &str| crate::mapping::Mapping::parse(text).unwrap();
    let incomplete = host.read_through(city("cu-2000"), parse(&format!("{mapping}{columns}"))).unwrap_err();
    assert!(incomplete.to_string().contains("no column `tac`"), "{incomplete}");
    let whole = format!("{mapping}{columns}[columns.tac]\ncolumn = \"tac\"\n");
    host.read_through(city("cu-2000"), parse(&whole)).unwrap();

    let text = "k,gate,seq,home,card,yuan,at,tac\n\
                out,a1,7,BJ,AA,3.5,201809010730,65DC916F\n\
                in,a1,8,BJ,AA,0,201809010730,65DC916F\n\
                out,a1,9,SH,AA,2,201809010730,65DC916F\n\
                out,a1,10,XX,AA,2,201809010730,65DC916F\n";
    let scan = [
        host_world.put("cu-2000", "a.csv", text),
        host_world.put("cu-2000", "b.csv", file(3)),
        host_world.put("cu-3000", "a.csv", text),
    ];
    let summary = take(&host, &scan);
    let [a, b, c] = &summary.uploads[..] else { panic!("{summary:?}") };
    assert!(matches!(&a.outcome, Outcome::Taken(s) if (s.records, s.amount_fen) == (3, 350)), "{a:?}");
    assert!(matches!(&b.outcome, Outcome::Refused(why) if why.contains("does not name column `k`")), "{b:?}");
    assert!(matches!(&c.outcome, Outcome::Refused(_)), "the other city has no mapping: {c:?}");
    host.render(&[city("cu-2000")]).unwrap();
    let rows = host_world.out("results/cu-2000/a.csv");
    let want = "2,2000000000A1,7,cu-1000,350,,,,\n4,2000000000A1,9,cu-2000,200,local,,edge,\n\
                5,,,,,malformed,issuer: `XX` is not in the mapping's value table,edge,\n";
    assert_eq!(rows.split_once('\n').unwrap().1, want);
}
