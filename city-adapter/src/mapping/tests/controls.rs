use super::*;

const COLUMNS: &str = "[columns.amount_fen]\ncolumn = 2\n[columns.sector]\ncolumn = 3\n";

fn read(settings: &str, file: &str) -> (usize, Result<Counts, String>) {
    let mapping = mapping(&format!("[file]\nnames = false\n{settings}\n{COLUMNS}")).unwrap();
    assert!(mapping.has_controls());
    let (rows, end) = texts_of(&mapping, file.as_bytes());
    (rows.len(), end)
}

fn refused(settings: &str, file: &str, want: &str) {
    let (_, end) = read(settings, file);
    let why = end.unwrap_err();
    assert_eq!(why, want, "{file}");
}

#[test]
fn a_trailer_that_disagrees_refuses_the_file_with_both_figures() {
    let trailer =
        "[trailer]\nstarts_with = \"T\"\nrecords = { column = 2 }\namount = { column = 3, unit = \"yuan\" }";
    let rows = "R,300,bus\nR,250,metro\nR,1,???\n";
    // The sums include the row whose sector cannot be read.
    assert_eq!(read(trailer, &format!("{rows}T,3,5.51\n\n")), (3, Ok(Counts::default())));
    refused(
        trailer,
        &format!("{rows}T,4,5.51\n"),
        "trailer on line 4: records 4, but the file has 3 data lines",
    );
    refused(
        trailer,
        &format!("{rows}T,3,5.50\n"),
        "trailer on line 4: amount 550 fen, but the data lines sum to 551 fen",
    );
    let unreadable = "trailer on line 5: amount 551 fen, but the data lines sum to 550 fen (without 1 whose amount cannot be read, first line 4)";
    refused(trailer, &format!("\n{}T,3,5.51\n", rows.replace(",1,", ",1x,")), unreadable);
    // A refund that the filters leave out is in the sender's net total.
    let refund = format!("[[drop]]\ncolumn = 1\nvalues = [\"X\"]\n{trailer}");
    let unreadable = "trailer on line 3: amount 50 fen, but the data lines sum to 300 fen (without 1 whose amount cannot be read, first line 2)";
    refused(&refund, "R,300,bus\nX,-250,bus\nT,2,0.50\n", unreadable);
    let missing = "the file has no trailer (no line begins with `T`); it may be cut short";
    refused(trailer, rows, missing);
    refused(trailer, &format!("T,0,0.00\n{rows}"), "line 2 stands behind the trailer on line 1");
    let broken = "trailer on line 1: records: `x` expected a whole number; if this line is no trailer, the file may be cut short";
    assert_eq!(read(trailer, "T,x,0\n").1.unwrap_err().replace("`x`: ", "`x` "), broken);
}

#[test]
fn the_last_line_can_be_the_trailer_and_counts_what_it_says() {
    let last = "[[drop]]\ncolumn = 1\nvalues = [\"entry\"]\n[trailer]\nrecords = { column = 1, subtract = 1 }\namount = { column = 2 }";
    let file = "entry,0,bus\nexit,300,bus\nexit,20,metro\n";
    assert_eq!(read(last, &format!("{file}4,320\r\n\n")).0, 2);
    assert_eq!(read(last, &format!("{file}4,320")).1, Ok(Counts { dropped: 1, ..Counts::default() }));
    refused(last, &format!("{file}5,320\n"), "trailer on line 4: records 4, but the file has 3 data lines");
    refused(last, "", "the file has no trailer; it may be cut short");
    let kept = last.replace("subtract = 1 }", "subtract = 1 }\ncounts = \"kept\"");
    assert!(read(&kept, &format!("{file}3,320\n")).1.is_ok());
    let why = "trailer on line 4: records 3, but the file has 2 data lines that the mapping's filters keep";
    refused(&kept, &format!("{file}4,320\n"), why);
    // Cut in the middle: what is then the last line is no trailer.
    let (_, end) = read(last, "entry,0,bus\nexit,300,bus\nexi");
    assert!(end.unwrap_err().ends_with("if this line is no trailer, the file may be cut short"));
}

#[test]
fn a_header_counts_too_and_lends_its_fields() {
    let header = "[header]\nstarts_with = \"H|\"\nrecords = { at = 3, length = 4 }\n[columns.station]\nheader = { at = 8, length = 3 }";
    let (rows, end) = texts_of(
        &mapping(&format!("[file]\nnames = false\n{header}\n{COLUMNS}")).unwrap(),
        "H|0001|PIER\nR,300,bus\n".as_bytes(),
    );
    assert_eq!((rows, end), (vec!["2 ,,,,,,300,,,,bus,,,,PIE,,,".to_owned()], Ok(Counts::default())));
    refused(header, "H|0002|PIER\nR,300,bus\n", "header on line 1: records 2, but the file has 1 data lines");
    refused(header, "R,300,bus\n", "line 1 is no header, which begins with `H|`");
    refused(header, "", "the file has no header");
    let (_, end) = read(header, "H|\n");
    assert!(
        end.unwrap_err()
            .contains("header on line 1: records: stands at bytes 3 to 6, but the line has only 2")
    );
}

#[test]
fn a_mapping_says_where_the_figures_stand() {
    for (keys, want) in [
        ("records = { column = \"n\" }", "[trailer] has `records`, which must say the position"),
        ("records = { column = 1, unit = \"fen\" }", "[trailer] has `records`, which has `unit`"),
        ("amount = { constant = \"1\" }", "[trailer] has `amount`, which must say the position"),
        ("starts_with = \"\"", "[trailer] has an empty `starts_with`"),
    ] {
        let error = mapping(&format!("[trailer]\n{keys}\n[columns]")).unwrap_err().to_string();
        assert!(error.contains(want), "{keys}: {error}");
    }
}
