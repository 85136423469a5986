use super::*;
use crate::mapping::Mapping;

/// Columns that the files of these tests do not have, and those that all of them have.
const REST: &str = r#"
[columns]
terminal = { constant = "200000000001" }
issuer = { constant = "cu-3000" }
card_counter = { constant = "1" }
type = { constant = "06" }
medium = { constant = "cpu" }
sector = { constant = "metro" }
product = { constant = "flat" }
key_version = { constant = "1" }
algorithm = { constant = "3des" }
tac = { constant = "00000000" }
terminal_seq = { column = "n" }
card = { column = "card" }
amount_fen = { column = "fen" }
fare_fen = { column = "fen" }
tapped_at = { column = "t", unix = "seconds" }
station = { column = "s" }
"#;

/// Takes one file through a mapping and gives its quarantine file.
fn quarantined(settings: &str, file: impl AsRef<[u8]>) -> String {
    let world = World::new();
    let host = world.host();
    let folder = world.folder.path().join("quarantine");
    host.quarantine_into(&folder);
    let mapping = format!("layout = \"cityunion-mapping/1\"\n{settings}\n{REST}");
    host.read_through(city("cu-2000"), Mapping::parse(&mapping).unwrap()).unwrap();
    let summary = take(&host, &[world.put("cu-2000", "a.csv", file)]);
    assert!(matches!(summary.uploads[0].outcome, Outcome::Taken(_)), "{summary:?}");
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["a.csv"], "nothing half done stands beside it");
    fs::read_to_string(folder.join("a.csv")).unwrap()
}

#[test]
fn rows_of_trips_stand_in_the_order_in_which_they_are_found_with_their_own_text() {
    let pairing = |rows: &str| {
        format!(
            "[pairing]\ncard = \"card\"\nkind = \"k\"\nentry = [\"in\"]\nexit = [\"out\"]\nrows = \"{rows}\""
        )
    };
    // The later trip stands first, and a row that is bad by itself between them.
    let file = "n,card,k,t,s,fen\n1,AA,in,500,C,0\n2,AA,out,600,D,later\n3,BB,ride,x,E,1\n\
                4,AA,in,100,A,0\n5,AA,out,200,B,sooner\n6,AA,ride,1,F,1\n";
    let fen = "`WHAT`: expected an amount in fen, a whole number (the entry is line N)";
    let fen = |what: &str, entry: &str| fen.replace("WHAT", what).replace('N', entry);
    let time = "`x`: no time of the mapping's formats, such as `1535758200`";
    let got = quarantined(&pairing("any_order"), file);
    let want = format!(
        "line,column,reason,raw\n1,header,,\"n,card,k,t,s,fen\"\n4,tapped_at,\"{time}\",\"3,BB,ride,x,E,1\"\n\
         2,entry,,\"1,AA,in,500,C,0\"\n3,amount_fen,\"{}\",\"2,AA,out,600,D,later\"\n\
         5,entry,,\"4,AA,in,100,A,0\"\n6,amount_fen,\"{}\",\"5,AA,out,200,B,sooner\"\n",
        fen("later", "2"),
        fen("sooner", "5"),
    );
    assert_eq!(got, want);
    let got = quarantined(&pairing("in_order"), file);
    let columns: Vec<String> =
        got.lines().map(|row| row.split(',').take(2).collect::<Vec<_>>().join(" ")).collect();
    let want =
        ["line column", "1 header", "2 entry", "3 amount_fen", "4 tapped_at", "5 entry", "6 amount_fen"];
    assert_eq!(columns, want);
}

#[test]
fn lines_of_any_encoding_are_text() {
    let text = "标题,导出\nn;card;t;s;fen\n1;AA;1;站;1\n2;AA;1;\"站\\\";x\n\n3;AA;1;😀;\r\n";
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let settings = "[file]\nskip = 1\nseparator = \";\"\nencoding = \"";
    let got = quarantined(&format!("{settings}utf-16be\""), &units);
    let rows: Vec<&str> = got.lines().collect();
    assert_eq!(rows[1..3], ["1,header,,\"标题,导出\"", "2,header,,\"n;card;t;s;fen\""]);
    assert!(
        rows[3].starts_with("4,amount_fen,") && rows[3].ends_with(",\"2;AA;1;\"\"站\\\\\"\";x\""),
        "{got}"
    );
    assert!(rows[4].starts_with("6,amount_fen,") && rows[4].ends_with(",\"3;AA;1;😀;\""), "{got}");

    let gbk = [&b"t\xCC\nn;card;t;s;fen\n1;AA;1;\xD5\xBE;x\n2;AA;1;\xD5\xBE\xFF;1\n3;AA;1;\xD5"[..]].concat();
    let got = quarantined(&format!("{settings}gbk\""), &gbk);
    let rows: Vec<&str> = got.lines().collect();
    assert_eq!(rows[1], "1,header,,\"t\\xCC\"");
    assert!(rows[3].ends_with(",\"1;AA;1;站;x\""), "{got}");
    assert!(rows[4].starts_with("4,line,") && rows[4].ends_with(",\"2;AA;1;站\\xFF;1\""), "{got}");
    assert!(rows[5].starts_with("5,line,") && rows[5].ends_with(",\"3;AA;1;\\xD5\""), "{got}");
}

#[test]
fn control_lines_stand_around_the_rows_and_a_long_line_has_no_text() {
    let long = "x".repeat(70_000);
    let file = format!("H,3\nn,card,t,s,fen\n{long}\n2,AA,1,S,1\n3,AA,1,S,x\nsum,3\n");
    let controls = "[header]\nrecords = { column = 2 }\n[trailer]\nrecords = { column = 2 }";
    assert_eq!(
        quarantined(controls, file),
        "line,column,reason,raw\n1,header,,\"H,3\"\n2,header,,\"n,card,t,s,fen\"\n\
         3,line,longer than 64 KiB,\"\"\n\
         5,amount_fen,\"`x`: expected an amount in fen, a whole number\",\"3,AA,1,S,x\"\n6,trailer,,\"sum,3\"\n"
    );
}
