use super::*;

/// Column `station` of a file with the columns a, b and c.
fn station(settings: &str, row: &str) -> Result<String, String> {
    let (rows, _) = rows(&mapping(settings).unwrap(), &format!("a,b,c\n{row}\n"));
    rows.into_iter().next().unwrap().map(|row| row.station.unwrap())
}

#[test]
fn parts_edits_and_translations_come_in_their_order() {
    let rule = |keys: &str| format!("[columns.station]\n{keys}");
    let good = [
        ("column = \"b\"", "1,x,3", "x"),
        ("column = 2", "1,x,3", "x"),
        ("join = [\"a\", 3]\nwith = \"-\"", "1,x,3", "1-3"),
        ("join = [\"a\", \"c\"]\nempty = \"none\"", ",x,", "none"),
        ("column = 1\nsplit = \"/\"\npart = 2", "N/7/x,,", "7"),
        ("column = 1\nsplit = \"/\"\npart = -1", "N/7/x,,", "x"),
        ("column = 1\nbetween = [\"(\", \")\"]", "Line (7) east,,", "7"),
        ("column = 1\ncharacters = { from = 2, length = 2 }", "人民广场,,", "民广"),
        ("column = 1\ncharacters = { from = -2 }", "人民广场,,", "广场"),
        ("column = 1\nremove = [\"站\", \" \"]", "火 车 站,,", "火车"),
        ("column = 1\ndigits = 4", "930,,", "0930"),
        ("column = 1\nupper = true", "ab-火,,", "AB-火"),
        ("column = 1\nvalues = { a = \"1\", b = \"2\" }\ndefault = \"other\"", "z,,", "other"),
        ("column = 1\nvalues = { a = \"1\" }\nempty = \"nothing\"", ",,", "nothing"),
        ("column = 1\nsplit = \"-\"\npart = 1\ndigits = 2\nvalues = { 07 = \"seven\" }", "7-x,,", "seven"),
        ("column = 1\nshorten = true", &format!("{}火车,,", "x".repeat(63)), &"x".repeat(63)),
    ];
    for (keys, row, want) in good {
        assert_eq!(station(&rule(keys), row).as_deref(), Ok(want), "{keys}");
    }
    let bad = [
        ("column = 1\nsplit = \"/\"\npart = 3", "N/7,,", "station: `N/7` has no part 3 between `/`"),
        (
            "column = 1\nbetween = [\"(\", \")\"]",
            "Line (7,,",
            "station: `Line (7` has nothing between `(` and `)`",
        ),
        ("column = 1\ncharacters = { from = 4, length = 2 }", "人民广场,,", "has too few characters"),
        ("column = 1\nfloat = true", "1.2.3,,", "`1.2.3`: no number"),
        ("column = 1", &format!("{},,", "火".repeat(22)), "longer than 64 bytes"),
    ];
    for (keys, row, want) in bad {
        let error = station(&rule(keys), row).unwrap_err();
        assert!(error.contains(want), "{keys}: {error}");
    }
}

#[test]
fn derived_fields_build_on_each_other_and_texts_can_mean_nothing() {
    let text = "[file]\nempty = [\"NULL\", \"-\"]\n[fields.z]\ncolumn = \"a\"\ndigits = 3\n[fields.both]\njoin = [\"z\", \"b\"]\n\
                with = \"/\"\n[columns.station]\ncolumn = \"both\"\nempty = \"none\"";
    assert_eq!(station(text, "7,x,").as_deref(), Ok("007/x"));
    assert_eq!(station(text, "NULL,x,").as_deref(), Ok("/x"));
    assert_eq!(station(text, "-,NULL,").as_deref(), Ok("none"));
    let circle = "[fields.p]\ncolumn = \"q\"\n[fields.q]\ncolumn = \"p\"\n[columns.station]\ncolumn = \"p\"";
    let error = mapping(circle).unwrap_err().to_string();
    assert!(error.contains("[fields.p] reads itself, by way of p, q"), "{error}");
}

#[test]
fn filters_drop_and_keep() {
    let kept = |filters: &str| {
        let mapping = mapping(&format!("{filters}\n[columns.line]\ncolumn = \"n\"")).unwrap();
        let (rows, dropped) = rows(&mapping, "n,kind\n7,in\n08,in-x\n9,\n10,out\n11,out\n");
        let lines: Vec<u32> = rows.into_iter().map(|row| row.unwrap().line).collect();
        assert_eq!(lines.len() as u64 + dropped, 5);
        lines
    };
    assert_eq!(kept("[[drop]]\ncolumn = \"kind\"\nvalues = [\"in\"]\nempty = true"), [3, 5, 6]);
    assert_eq!(
        kept("[[drop]]\ncolumn = \"kind\"\nprefixes = [\"in\"]\n[[drop]]\ncolumn = 1\nvalues = [\"9\"]"),
        [5, 6]
    );
    assert_eq!(kept("[[keep]]\ncolumn = \"n\"\nfrom = \"8\"\nto = \"10\""), [3, 4, 5]);
    assert_eq!(
        kept("[[keep]]\ncolumn = \"n\"\nto = \"8\"\n[[keep]]\ncolumn = \"kind\"\nvalues = [\"in-x\"]"),
        [3]
    );
    assert_eq!(kept("[[keep]]\ncolumn = \"kind\"\nfrom = \"j\""), [5, 6]);
    let error = mapping("[[drop]]\ncolumn = \"kind\"\n[columns]").unwrap_err().to_string();
    assert!(error.contains("[[drop]] says no condition"), "{error}");
}

#[test]
fn ranges_compare_exact_numbers_and_name_what_is_none() {
    let kept = |range: &str, rows: &[&str]| {
        let mapping =
            mapping(&format!("[[keep]]\ncolumn = \"n\"\n{range}\n[columns.line]\ncolumn = \"n\"")).unwrap();
        let (read, _) = super::rows(&mapping, &format!("n,k\n{},\n", rows.join(",\n")));
        read.into_iter()
            .map(|row| row.map_or_else(|bad| bad, |row| row.line_name.unwrap()))
            .collect::<Vec<_>>()
    };
    let all = ["3.80", "2", "1.00", "0.99", "2.0", "-7", "12", "1.2E1", "-0.00", ""];
    assert_eq!(kept("from = \"1\"", &all), ["3.80", "2", "1.00", "2.0", "12", "1.2E1"]);
    assert_eq!(kept("from = \"-5\"\nto = \"2\"", &all), ["2", "1.00", "0.99", "2.0", "-0.00"]);
    assert_eq!(kept("from = \"0\"\nto = \"0\"", &all), ["-0.00"]);
    assert_eq!(kept("to = \"-6.5\"", &all), ["-7"]);
    assert_eq!(kept("from = \"1.5\"\nto = \"10\"", &all), ["3.80", "2", "2.0"]);
    let bad = kept("from = \"1\"", &["1x"]).remove(0);
    assert!(bad.starts_with("line 2: line: `1x`: no number, but a filter compares numbers"), "{bad}");
    assert_eq!(kept("from = \"1E5\"\nto = \"1E7\"", &["1E6", "3"]), ["1E6"]);
    for range in ["from = \"9\"\nto = \"1\"", "from = \"b\"\nto = \"a\"", "from = \"10\"\nto = \"9.99\""] {
        let error =
            mapping(&format!("[[drop]]\ncolumn = \"n\"\n{range}\n[columns]")).unwrap_err().to_string();
        assert!(error.contains("[[drop]] has from = ") && error.contains("which nothing meets"), "{error}");
    }
}

#[test]
fn cities_come_as_codes_and_tables_stand_beside_the_mapping() {
    let issuer = |settings: &str, field: &str| {
        one("issuer", settings, field).ok()?.issuer.map(|city| city.to_string())
    };
    assert_eq!(issuer("scheme = \"cu\"", "a004").as_deref(), Some("cu-A004"));
    assert_eq!(issuer("scheme = \"tu\"", "1").as_deref(), Some("tu-0001"));
    for (settings, field) in
        [("scheme = \"cu\"", "20000"), ("scheme = \"cu\"", ""), ("scheme = \"cu\"", "20x0"), ("", "2000")]
    {
        assert_eq!(issuer(settings, field), None, "{settings} {field}");
    }
    let text = "layout = \"cityunion-mapping/1\"\n[tables.t]\nfile = \"gates.csv\"\nkey = \"gate\"\nvalue = \"psam\"\n\
                [columns.terminal]\ncolumn = \"x\"\ntable = \"t\"";
    let with = |file: &'static str| {
        Mapping::parse_with(text, &move |name| {
            assert_eq!(name, "gates.csv");
            Ok(file.as_bytes().to_vec())
        })
    };
    let (read, _) = rows(&with("gate,psam\nG1,2000000000AB\n").unwrap(), "x\nG1\nG2\n");
    assert_eq!(read[0].as_ref().unwrap().terminal, Some([0x20, 0, 0, 0, 0, 0xAB]));
    assert_eq!(read[1], Err("line 3: terminal: `G2` is not in the mapping's table `t`".to_owned()));
    let error = with("gate,psam\nG1,psam-1\n").unwrap_err().to_string();
    assert!(error.contains("[columns.terminal] `psam-1`: expected hex digits"), "{error}");
    assert!(runtime::whole_text(&Mapping::parse(text).unwrap_err()).contains("stands beside no files"));
    let folder = tempfile::tempdir().unwrap();
    for name in ["../gates.csv", "/etc/passwd", ""] {
        let path = folder.path().join("m.toml");
        std::fs::write(&path, text.replace("gates.csv", name)).unwrap();
        let error = runtime::whole_text(&Mapping::load(&path).unwrap_err());
        assert!(error.contains("file in the mapping's folder or below"), "{error}");
    }
}

#[test]
fn one_field_has_one_source() {
    let table = [
        ("[columns.tac]\ncolumn = \"x\"\njoin = [\"y\"]", "[columns.tac] has two sources"),
        ("[columns.tac]\ncolumn = \"x\"\n[columns.tac]\ncolumn = \"y\"", "duplicate key"),
        ("[columns.tac]\ncolumn = \"x\"\ncolumn = \"y\"", "duplicate key"),
        ("[columns.line]\ncolumn = \"x\"\nvalues = { \"a \" = \"b\" }", "has `a ` in `values`, but spaces"),
        ("[columns.tac]\nat = 1\nlength = 8", "need `fixed = true`"),
        ("[columns.tac]\ncolumn = 0", "the first is column 1"),
        ("[columns.line]\ncolumn = \"x\"\nsplit = \"-\"\npart = -9223372036854775808", "at most 65536"),
        (
            "[columns.line]\ncolumn = \"x\"\ncharacters = { from = -9223372036854775808 }",
            "has `characters` from -9223372036854775808",
        ),
        ("[columns.tac]\ncolumn = [\"x\"]", "expected a column's name in quotes or its position"),
        ("[columns.tac]\nheader = 1", "there is no [header]"),
        ("[columns.tac]\ncolumn = \"x\"\ntable = \"t\"", "there is no [tables.t]"),
        ("[file]\nfixed = true\n[columns.tac]\ncolumn = 3", "a fixed file has none"),
        ("[file]\nfixed = true\nseparator = \";\"\n[columns]", "goes without `separator`"),
        ("[file]\nfixed = true\nencoding = \"utf-16le\"\n[columns]", "convert it to UTF-8 first"),
        ("[file]\nnames = false\n[columns.tac]\ncolumn = \"x\"", "the file has no names"),
        ("[fields.f]\ncolumn = \"x\"\nunit = \"fen\"\n[columns]", "[fields.f] has `unit`"),
    ];
    for (text, want) in table {
        let error = runtime::whole_text(&mapping(text).unwrap_err());
        assert!(error.contains(want), "{text}: {error}");
    }
}

#[test]
fn rows_without_names_are_read_by_position() {
    let text = "[file]\nnames = false\nseparator = \"pipe\"\nquote = \"none\"\nskip = 1\ncomment = \"#\"";
    let columns = "[columns.line]\ncolumn = 3\n[columns.station]\ncolumn = 1";
    let read = |length: &str, file: &str| {
        let (rows, _) = texts_of(
            &mapping(&format!("{text}\nlength = \"{length}\"\n{columns}")).unwrap(),
            file.as_bytes(),
        );
        rows.into_iter().map(|row| row.replace(",,,,,,,,,,,,,", "").replace(",,,", "")).collect::<Vec<_>>()
    };
    let file = "title|of|it|all\n# x\na|b|\"c\na|b\n\na|b|c|d\n\x1A";
    let wrong = |line, found| format!("line {line}: line: wrong number of columns: {found} instead of 3");
    assert_eq!(read("exact", file), ["3 \"\"\"c\",a".to_owned(), wrong(4, 2), wrong(6, 4)]);
    assert_eq!(read("longer", file), ["3 \"\"\"c\",a".to_owned(), wrong(4, 2), "6 c,a".to_owned()]);
    assert_eq!(read("any", file)[1..], ["4 ,a".to_owned(), "6 c,a".to_owned()]);
    let quoted = mapping("[file]\nquote = \"'\"\n[columns.station]\ncolumn = \"s\"").unwrap();
    let (read, _) = rows(&quoted, "s\n'a,''b'''\n\"x\n");
    let stations: Vec<_> = read.into_iter().map(|row| row.unwrap().station.unwrap()).collect();
    assert_eq!(stations, ["a,'b'", "\"x"]);
    let spaced = mapping("[columns.station]\ncolumn = \"s\"").unwrap();
    let (read, _) = rows(&spaced, "n,  \"s\" ,z\n1, \"a, b\"  , c\n1, \"a\" b,c\n");
    assert_eq!(read[0].as_ref().unwrap().station.as_deref(), Some("a, b"));
    assert_eq!(read[1], Err("line 3: line: bad quoting".to_owned()));
}

#[test]
fn the_reference_shows_mappings_that_can_be_read() {
    let text = include_str!("../../../../docs/mappings.md");
    let blocks: Vec<&str> = text.split("```").skip(1).step_by(2).collect();
    let tomls: Vec<&str> = blocks.iter().filter_map(|block| block.strip_prefix("toml\n")).collect();
    assert!(tomls.len() > 8, "{}", tomls.len());
    for block in &tomls {
        let read = toml::from_str::<toml::Table>(block);
        assert!(read.is_ok(), "{block}: {read:?}");
    }
    // The first is whole, and stands behind its file.
    let (rows, dropped) = rows(&Mapping::parse(tomls[0]).unwrap(), blocks[0].trim_start());
    let first = rows[0].as_ref().unwrap();
    assert_eq!((rows.len(), dropped, first.amount_fen), (1, 1, Some(380)));
    assert_eq!(first.terminal, Some([0x51, 0x80, 0x0F, 0xAD, 0x98, 0xE8]));
}
