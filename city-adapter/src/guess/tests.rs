use super::*;
use crate::mapping::{Mapped, Mapping};

mod files;

fn proposal(bytes: &[u8]) -> Proposal {
    match guess(&Sample::whole(bytes)) {
        Guess::Proposal(proposal) => proposal,
        other => panic!("{other:?}"),
    }
}

/// The settings of a proposal, without its comments.
fn settings(toml: &str) -> String {
    let lines = toml.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What a table of a proposal says, on one line.
fn table(settings: &str, name: &str) -> String {
    let head = format!("[{name}]");
    let lines = settings.lines().skip_while(|line| *line != head).skip(1);
    lines.take_while(|line| !line.starts_with('[')).collect::<Vec<_>>().join("; ")
}

/// The proposal with its gaps filled by something that could stand there.
fn filled(toml: &str) -> String {
    let named = !toml.contains("\nnames = false") && !toml.contains("\nfixed = true");
    let word = |table: &str| match table {
        _ if table.contains("sector") => "bus",
        _ if table.contains("product") => "flat",
        _ if table.contains("medium") => "cpu",
        _ if table.contains("type") => "06",
        _ if table.contains("issuer") => "cu-2000",
        _ if table.contains("terminals") => "code",
        other => panic!("nothing to fill into {other}"),
    };
    let mut table = String::new();
    let mut text = String::new();
    for line in toml.lines() {
        let gap = line.strip_prefix('#').filter(|gap| !gap.starts_with(' ') && !gap.is_empty());
        let line = gap.unwrap_or(line);
        if line.starts_with('[') {
            table = line.to_owned();
        }
        let line = match line {
            "column = \"?\"" if toml.contains("\nfixed = true") => "at = 1\nlength = 1".to_owned(),
            "column = \"?\"" if !named => "column = 1".to_owned(),
            "column = \"?\"" => "column = \"any\"".to_owned(),
            line if line.ends_with("= \"?\"") => line.replace("\"?\"", &format!("\"{}\"", word(&table))),
            line => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[test]
fn points_between_thousands_are_told_and_asked_about() {
    let amounts = |texts: &[&str]| {
        let rows: String = (0..40)
            .map(|n| format!("2018-09-01 10:{n:02}:00;{};{}\n", 4_000_000 + n * 37, texts[n % texts.len()]))
            .collect();
        let toml = proposal(format!("time;card;fare\n{rows}").as_bytes()).to_toml();
        let asked = toml.contains("CHECK: exactly three digits");
        (table(&settings(&toml), "columns.amount_fen"), asked)
    };
    for texts in [&["1.280", "2.500", "1.000"][..], &["850", "2.500", "12.750"], &["$ 2.400", "$ 3.100"]] {
        let (table, asked) = amounts(texts);
        assert!(table.contains("thousands = \".\"; decimal = \",\""), "{texts:?}: {table}");
        assert!(asked, "{texts:?}");
    }
    for texts in [&["1.28", "2.50"][..], &["0.280", "2.500"], &["1.280", "2.5"]] {
        let (table, asked) = amounts(texts);
        assert!(!table.contains("thousands") && !asked, "{texts:?}: {table}");
    }
}

#[test]
fn a_clock_goes_before_six_digits_that_might_be_a_date() {
    let rows: String = (0..40)
        .map(|n| {
            format!("{},2018-09-01 {:02}.{n:02}.00.000000,00{:04},2.00\n", 1000 + n, 6 + n % 9, 1001 + n % 5)
        })
        .collect();
    let toml = proposal(rows.as_bytes()).to_toml();
    let at = table(&settings(&toml), "columns.tapped_at");
    assert!(at.contains("column = 2") && at.contains("%Y-%m-%d %H.%M.%S.%f"), "{at}");
}

#[test]
fn files_of_many_countries_are_told_from_their_bytes() {
    for example in files::all() {
        let name = example.name;
        let toml = proposal(&example.bytes).to_toml();
        let settings = settings(&toml);
        for (head, want) in example.tables {
            assert_eq!(table(&settings, head), *want, "{name}: [{head}] of\n{toml}");
        }
        for gap in example.gaps {
            assert!(toml.contains(&format!("\n#[columns.{gap}]\n")), "{name}: {gap} is no gap in\n{toml}");
        }
    }
}

#[test]
fn a_proposal_is_a_mapping_and_a_whole_one_once_its_gaps_are_filled() {
    let terminals = |_: &str| Ok(b"code,number\n1,200000000001\n".to_vec());
    for example in files::all() {
        let name = example.name;
        let toml = proposal(&example.bytes).to_toml();
        let mapping = Mapping::parse(&toml).unwrap_or_else(|error| panic!("{name}: {error:?}\n{toml}"));
        let mut reader =
            mapping.reader(&*example.bytes).unwrap_or_else(|error| panic!("{name}: {error:?}\n{toml}"));
        let (mut rows, mut bad) = (0, Vec::new());
        while let Some(row) = reader.next_row().unwrap_or_else(|error| panic!("{name}: {error:?}\n{toml}")) {
            match row {
                Mapped::Row(_) => rows += 1,
                Mapped::Bad(row) => bad.push(row.to_string()),
            }
        }
        assert_eq!((rows, bad.len()), (example.rows, example.bad), "{name}: {bad:?}\n{toml}");
        let whole = filled(&toml);
        let mapping = Mapping::parse_with(&whole, &terminals);
        let mapping = mapping.unwrap_or_else(|error| panic!("{name}: {error:?}\n{whole}"));
        mapping.check_complete().unwrap_or_else(|error| panic!("{name}: {error:?}\n{whole}"));
    }
}

#[test]
fn the_real_file_is_told() {
    let Some(mut file) = crate::mapping::tests::shared("shenzhen-2018-09-01.csv") else { return };
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    let proposal = proposal(&bytes);
    let settings = settings(&proposal.to_toml());
    assert_eq!(
        table(&settings, "columns.tapped_at"),
        "column = \"deal_date\"; formats = [\"%Y-%m-%d %H:%M:%S\"]"
    );
    assert_eq!(table(&settings, "columns.amount_fen"), "column = \"deal_money\"; unit = \"fen\"");
    assert_eq!(table(&settings, "columns.fare_fen"), "column = \"deal_value\"; unit = \"fen\"");
    assert_eq!(table(&settings, "columns.terminal"), "column = \"equ_no\"; form = \"bcd\"");
    assert_eq!(table(&settings, "columns.operator"), "column = \"company_name\"");
    assert_eq!(table(&settings, "columns.station"), "column = \"station\"");
    assert!(settings.contains("[[drop]]\ncolumn = \"deal_type\"\nvalues = [\"地铁入站\"]\n"), "{settings}");
    assert!(
        settings.contains("\"地铁出站\" = \"metro\"\n\"巴士\" = \"bus\"\n")
            || settings.contains("\"巴士\" = \"bus\"\n\"地铁出站\" = \"metro\"\n")
    );
    assert!(proposal.open().contains(&"tac") && proposal.open().contains(&"issuer"));
}

/// What is looked at further in counts as much as the beginning.
#[test]
fn stretches_further_in_are_looked_at() {
    let line = |n: u32, sector: &str| format!("{n},2018-09-01 08:00:{:02},{sector}\n", n % 60);
    let head: String = (0..50).map(|n| line(n, "bus")).collect();
    let later: String = (50..100).map(|n| line(n, "ferry")).collect();
    let names = "seq,time,sector\n";
    let parts = vec![
        Part { offset: 0, bytes: format!("{names}{head}1,2018-0").into_bytes() },
        Part { offset: 4 << 20, bytes: format!("8:00:00,metro\n{later}1,2018").into_bytes() },
    ];
    let Guess::Proposal(proposal) = guess(&Sample { parts, to_the_end: false }) else { panic!() };
    let toml = proposal.to_toml();
    assert!(toml.contains("`sector`: `bus` 50 %, `ferry` 50 %"), "{toml}");
    assert!(
        toml.contains("100 rows of 3 columns, from the beginning of the file and from places further in"),
        "{toml}"
    );
}

#[test]
fn nothing_is_proposed_where_there_is_nothing() {
    assert_eq!(guess(&Sample::whole(b"")), Guess::Empty);
    assert_eq!(guess(&Sample::whole(b"\n\r\n")), Guess::Empty);
    assert_eq!(guess(&Sample::whole(format!("\u{FEFF}{HEADER}\r\n").as_bytes())), Guess::Canonical);
    assert_eq!(guess(&Sample::whole(format!("{HEADER},more\n1\n").as_bytes())), Guess::Canonical);
}

/// Any bytes give an answer, and what is proposed can be read.
#[test]
fn bytes_that_are_no_file_do_no_harm() {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap_or(0)
    };
    let alphabets: [&[u8]; 4] =
        [b"\"\",;\n\r\t |0123456789", b"\xB5\xD8\xCC\xFA,\n\x81\x30", b"\0\n\xFF\xFE,1", b"0 :-/.T\nA\xE5"];
    for alphabet in alphabets {
        for len in [1, 2, 3, 10, 100, 3000] {
            let bytes: Vec<u8> = (0..len).map(|_| alphabet[usize::from(next()) % alphabet.len()]).collect();
            if let Guess::Proposal(proposal) = guess(&Sample::whole(&bytes)) {
                let toml = proposal.to_toml();
                if let Err(error) = Mapping::parse(&toml) {
                    panic!("{bytes:?}: {error:?}\n{toml}");
                }
            }
        }
    }
}
