use super::*;

const COLUMNS: &str = "[columns.tapped_at]\ncolumn = \"t\"\nunix = \"seconds\"\nlocal = \"+00:00\"\n\
    [columns.amount_fen]\ncolumn = \"fen\"\n[columns.station]\njoin = [\"entry.s\", \"s\"]\nwith = \">\"\n";
const CHARGE: &str = "missing_exit = \"max_fare\"\n[pairing.max_fare.amount_fen]\nconstant = \"900\"\n";

fn trips(settings: &str, rows: &str) -> (Vec<String>, Result<Counts, String>) {
    let text = format!(
        "[pairing]\ncard = \"card\"\nkind = \"k\"\nentry = [\"in\"]\nexit = [\"out\"]\nminutes_max = 60\n{settings}\n{COLUMNS}"
    );
    let (rows, end) = texts_of(&mapping(&text).unwrap(), format!("card,k,t,s,fen\n{rows}").as_bytes());
    let short = |row: String| match row.split_once(' ') {
        Some((line, row)) if line.parse::<u32>().is_ok() => {
            let fields: Vec<&str> = row.split(',').collect();
            format!("{line}:{}:{}", fields[14], fields[6])
        }
        _ => row,
    };
    (rows.into_iter().map(short).collect(), end)
}

fn counts(pairs: u64, no_exit: u64, no_entry: u64) -> Result<Counts, String> {
    Ok(Counts { dropped: 0, pairs, no_exit, no_entry })
}

#[test]
fn an_exit_ends_the_entry_of_its_card() {
    let rows =
        "1,in,0,A,\n2,in,10,B,\n3,ride,20,C,5\n2,out,30,D,7\n1,out,3600,E,8\n1,out,3601,F,9\n1,in,4000,G,\n";
    let (got, end) = trips("rows = \"in_order\"", rows);
    assert_eq!(got, ["4:>C:5", "5:B>D:7", "6:A>E:8", "7:>F:9"]);
    assert_eq!(end, counts(2, 1, 1));
    let (got, end) = trips("rows = \"in_order\"\nmissing_entry = \"drop\"", rows);
    assert_eq!((got.len(), end), (3, counts(2, 1, 1)));
    let (got, _) = trips("rows = \"in_order\"\nmissing_entry = \"bad\"", rows);
    assert_eq!(got[3], "line 7: line: an exit without entry");
}

#[test]
fn an_entry_without_exit_is_dropped_or_pays_the_stated_fare() {
    // Entered twice; left too late; never left.
    let rows = "1,in,0,A,\n1,in,60,B,\n1,out,120,C,5\n2,in,0,D,\n2,out,9999,E,6\n3,in,0,F,\n4,in,0,G,\n";
    let (got, end) = trips("rows = \"in_order\"", rows);
    assert_eq!((got, end), (vec!["4:B>C:5".to_owned(), "6:>E:6".to_owned()], counts(1, 4, 1)));
    let (got, _) = trips(&format!("rows = \"in_order\"\n{CHARGE}"), rows);
    assert_eq!(got, ["2:>A:900", "4:B>C:5", "6:>E:6", "5:>D:900", "7:>F:900", "8:>G:900"]);
    let (got, end) = trips(&format!("rows = \"any_order\"\n{CHARGE}"), rows);
    assert_eq!(got, ["2:>A:900", "4:B>C:5", "5:>D:900", "6:>E:6", "7:>F:900", "8:>G:900"]);
    assert_eq!(end, counts(1, 4, 1));
}

#[test]
fn an_exit_and_the_next_entry_at_one_time_are_two_trips() {
    // Whichever stands first, the exit belongs to the entry that was open before.
    for rows in [
        "1,in,0,A,\n1,out,20,B,5\n1,in,20,B,\n1,out,40,C,6\n",
        "1,out,40,C,6\n1,in,20,B,\n1,out,20,B,5\n1,in,0,A,\n",
    ] {
        let (mut got, end) = trips("rows = \"any_order\"", rows);
        got.sort_by_key(|trip| trip.split(':').nth(2).map(str::to_owned));
        let trips: Vec<_> = got.iter().filter_map(|trip| trip.split(':').nth(1)).collect();
        assert_eq!((trips, end), (vec!["A>B", "B>C"], counts(2, 0, 0)), "{rows}");
    }
    // Without an earlier entry the lines stand in their order.
    let (got, end) = trips("rows = \"any_order\"", "1,out,20,B,5\n1,in,20,B,\n1,out,40,C,6\n");
    assert_eq!((got, end), (vec!["2:>B:5".to_owned(), "4:B>C:6".to_owned()], counts(1, 0, 1)));
}

#[test]
fn rows_in_any_order_are_paired_by_time() {
    let rows = "1,out,500,D,7\n2,ride,0,X,1\n1,in,400,C,\n1,out,200,B,6\n1,in,100,A,\n";
    let (got, end) = trips("rows = \"any_order\"", rows);
    assert_eq!(
        (got, end),
        (vec!["3:>X:1".to_owned(), "2:C>D:7".to_owned(), "5:A>B:6".to_owned()], counts(2, 0, 0))
    );
    let (_, end) = trips("rows = \"in_order\"", rows);
    assert_eq!(end, counts(0, 2, 2), "the same rows are no trips where their order counts");
    let (_, end) = trips("rows = \"any_order\"\nopen_max = 3", rows);
    assert!(end.unwrap_err().contains("more than 3 rows wait"));
}

#[test]
fn the_oldest_entry_gives_way_when_too_many_wait() {
    let rows = "1,in,0,A,\n2,in,1,B,\n3,in,2,C,\n1,out,3,D,1\n2,out,4,E,2\n3,out,5,F,3\n";
    let (got, end) = trips("rows = \"in_order\"\nopen_max = 2", rows);
    assert_eq!(
        (got, end),
        (vec!["5:>D:1".to_owned(), "6:B>E:2".to_owned(), "7:C>F:3".to_owned()], counts(2, 1, 1))
    );
}

#[test]
fn an_exit_stands_later_in_the_order_of_stations() {
    let rows = "1,in,0,5,\n1,out,60,3,7\n2,in,0,5,\n2,out,60,6,8\n";
    let (got, end) = trips("rows = \"in_order\"\nstation_order = \"s\"", rows);
    assert_eq!((got, end), (vec!["3:>3:7".to_owned(), "5:5>6:8".to_owned()], counts(1, 1, 1)));
    let (got, _) = trips("rows = \"any_order\"\nstation_order = \"s\"", "1,out,0,6,8\n1,in,0,5,\n");
    assert_eq!(got, ["2:5>6:8"]);
    let (got, _) = trips("rows = \"in_order\"\nstation_order = \"s\"", "1,in,0,X,\n");
    assert_eq!(got, ["line 2: line: the order of the station is no whole number"]);
}

#[test]
fn what_is_wrong_with_half_a_trip_is_named_with_both_lines() {
    let (got, _) = trips("rows = \"in_order\"", "1,in,0,A,\n1,out,60,B,x\n2,in,soon,A,\n,in,0,A,\n");
    let amount = "line 3: amount_fen: `x`: expected an amount in fen, a whole number (the entry is line 2)";
    let time = "line 4: tapped_at: `soon`: no time of the mapping's formats, such as `1535787000`";
    assert_eq!(got, [amount, time, "line 5: line: the card of the trip is empty"]);
}

#[test]
fn the_line_of_a_record_that_has_waited_is_kept() {
    let text = format!(
        "[pairing]\ncard = \"card\"\nkind = \"k\"\nentry = [\"in\"]\nexit = [\"out\"]\nrows = \"any_order\"\n{COLUMNS}"
    );
    let mapping = mapping(&text).unwrap();
    let file = "card,k,t,s,fen,z\n1,out,60,B,5,deux\n1,in,0,A,,un\n2,ride,0,C,7,trois\n";
    let mut reader = mapping.reader(file.as_bytes()).unwrap();
    assert_eq!(reader.unread_columns(), ["z"]);
    let mut raws = Vec::new();
    while reader.next_row().unwrap().is_some() {
        raws.push(String::from_utf8_lossy(reader.raw()).into_owned());
    }
    assert_eq!(raws, ["2,ride,0,C,7,trois", "1,out,60,B,5,deux"]);
}

#[test]
fn a_pairing_contradicts_itself_nowhere() {
    let base = "card = \"c\"\nkind = \"k\"\nentry = [\"in\"]\nexit = [\"out\"]\nrows = \"in_order\"\n";
    let time = "[columns.tapped_at]\ncolumn = \"t\"";
    for (text, want) in [
        (format!("[pairing]\n{base}\n[columns]"), "needs [columns.tapped_at]"),
        (
            format!("[pairing]\n{}\n{time}", base.replace("\"out\"", "\"in\"")),
            "the same text as `entry` and as `exit`",
        ),
        (
            format!("[pairing]\n{base}missing_exit = \"max_fare\"\n{time}"),
            "needs [pairing.max_fare.amount_fen]",
        ),
        (
            format!(
                "[trailer]\namount = {{ column = 1 }}\n[pairing]\n{base}\n{time}\n[columns.amount_fen]\ncolumn = \"entry.f\""
            ),
            "makes amounts of two rows",
        ),
        (format!("[pairing]\n{base}minutes_max = 0\n{time}"), "minutes_max"),
        (format!("[pairing]\n{}\n{time}", base.replace("rows = \"in_order\"\n", "")), "missing field `rows`"),
    ] {
        let error = runtime::whole_text(&mapping(&text).unwrap_err());
        assert!(error.contains(want), "{error}");
    }
}
