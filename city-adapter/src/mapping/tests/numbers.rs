use super::*;

fn amount(settings: &str, field: &str) -> Result<u32, String> {
    one("amount_fen", settings, &format!("\"{field}\"")).map(|row| row.amount_fen.unwrap())
}

#[test]
fn amounts_have_signs_groups_and_factors_as_stated_and_stay_exact() {
    let comma = "unit = \"yuan\"\ndecimal = \",\"\nthousands = \".\"";
    let point = "unit = \"yuan\"\nthousands = \",\"\nremove = [\"¥\", \"CNY\"]";
    let good = [
        (comma, "1.234,50", 123_450),
        (comma, "0,5", 50),
        (comma, "1.234.567,00", 123_456_700),
        (point, "¥ 1,234.50", 123_450),
        (point, "1234.50CNY", 123_450),
        ("unit = \"yuan\"", "2.5000", 250),
        ("multiply = 10", "25", 250),
        ("divide = 10", "2500", 250),
        ("unit = \"yuan\"\nsign = \"minus\"", "-2.50", 250),
        ("sign = \"minus\"", "0", 0),
        ("float = true", "380.0", 380),
        ("float = true", "3.8E2", 380),
        ("unit = \"yuan\"\nfloat = true", "3.8", 380),
        ("unit = \"yuan\"\nfloat = true", ".5", 50),
        ("form = \"hex\"", "0000017c", 380),
        ("form = \"hex-le\"", "7C010000", 380),
        ("empty = \"0\"", "", 0),
    ];
    for (settings, field, want) in good {
        assert_eq!(amount(settings, field), Ok(want), "{settings} {field}");
    }
    let bad = [
        (comma, "1,234.50"),
        (comma, "12.34"),
        (comma, "1.23.456"),
        (point, "12,34.50"),
        ("unit = \"yuan\"", "2.505"),
        ("unit = \"yuan\"", "¥2.50"),
        ("divide = 10", "2501"),
        ("sign = \"minus\"", "250"),
        ("", "-250"),
        ("", "380.0"),
        ("float = true", "380.5"),
        ("float = true", "1E99"),
        ("float = true", "1e-2147483648"),
        ("form = \"hex-le\"", "7C01000"),
        ("form = \"hex\"", ""),
        ("multiply = 10", "4294967295"),
    ];
    for (settings, field) in bad {
        let error = amount(settings, field).unwrap_err();
        assert!(error.starts_with("line 2: amount_fen: "), "{settings} {field}: {error}");
    }
}

#[test]
fn digits_are_filled_up_and_cut_as_stated() {
    let card = |settings: &str, field: &str| {
        let row = one("card", settings, field).ok()?;
        let mut text = Vec::new();
        row.write(Column::Card, &mut text);
        String::from_utf8(text).ok()
    };
    let good = [
        ("", "ab12", "000000000000AB12"),
        ("pad = \"right\"\npad_with = \"F\"", "ab12", "AB12FFFFFFFFFFFF"),
        ("form = \"bcd\"\nkeep = \"last\"", "00003000000000000017", "3000000000000017"),
        ("form = \"bcd\"\nkeep = \"first\"", "30000000000000170000", "3000000000000017"),
        ("form = \"decimal\"", "18446744073709551615", "FFFFFFFFFFFFFFFF"),
        ("form = \"hex-le\"", "17000000000000A0", "A000000000000017"),
        ("form = \"decimal\"\nfloat = true\nprefix = \"51\"", "37031563.0", "5100000002350E8B"),
    ];
    for (settings, field, want) in good {
        assert_eq!(card(settings, field).as_deref(), Some(want), "{settings} {field}");
    }
    let bad = [
        ("", "30000000000000170"),
        ("pad = \"none\"", "ab12"),
        ("keep = \"last\"", "??3000000000000017"),
        ("keep = \"first\"", "3000000000000017-Z"),
        ("form = \"hex-le\"\nkeep = \"last\"", "1700000000000030ZZ"),
        ("form = \"bcd\"", "12A"),
        ("form = \"decimal\"", "18446744073709551616"),
        ("form = \"hex-le\"", "123"),
    ];
    for (settings, field) in bad {
        assert_eq!(card(settings, field), None, "{settings} {field}");
    }
    // The first 16 digits of the SHA-256 of "hello".
    assert_eq!(card("form = \"digest\"", "hello").as_deref(), Some("2CF24DBA5FB0A30E"));
    assert_eq!(card("form = \"digest\"\nprefix = \"3000\"", "hello").as_deref(), Some("30002CF24DBA5FB0"));
    for settings in ["pad_with = \"G\"", "pad_with = \"00\"", "prefix = \"3000000000000017\""] {
        assert!(mapping(&format!("[columns.card]\ncolumn = \"x\"\n{settings}")).is_err(), "{settings}");
    }
    assert!(
        mapping("[columns.tac]\ncolumn = \"x\"\nform = \"digest\"").is_err(),
        "a cryptogram is no pseudonym"
    );
}

#[test]
fn counters_and_sequences_have_forms_and_can_be_derived() {
    let seq = |settings: &str, field: &str| one("terminal_seq", settings, field).map(|row| row.terminal_seq);
    assert_eq!(seq("form = \"hex-le\"", "23010000"), Ok(Some(0x123)));
    assert_eq!(seq("float = true", "37031563.0"), Ok(Some(37_031_563)));
    let error = seq("", "37031563.0").unwrap_err();
    assert!(error.contains("let the mapping say `float = true`"), "{error}");
    assert!(one("card_counter", "form = \"hex\"", "10000").is_err());

    let derived = |derive: &str| {
        let text = format!(
            "[columns.terminal]\ncolumn = \"t\"\n[columns.terminal_seq]\nderive = \"{derive}\"\n[columns.tapped_at]\n\
             column = \"at\"\n[columns.sector]\ncolumn = \"s\""
        );
        let file = "t,at,s\n1,2000-01-02T00:00:07,bus\n1,2000-01-02T00:00:08,bus\n2,2000-01-02T00:00:07,bus\n\
                    1,2000-01-02T00:00:09,???\n1,2000-01-03T00:00:00,bus\n1,2000-01-02T00:00:01,bus\n\
                    1,1999-12-31T23:59:59,bus\n";
        let (rows, _) = rows(&mapping(&text).unwrap(), file);
        rows.into_iter().map(|row| row.map(|row| row.terminal_seq.unwrap()).ok()).collect::<Vec<_>>()
    };
    let second = [Some(86_407), Some(86_408), Some(86_407), None, Some(172_800), Some(86_401), None];
    assert_eq!(derived("second"), second);
    let count = [Some(100_001), Some(100_002), Some(100_001), None, Some(200_001), Some(100_003), None];
    assert_eq!(derived("count"), count);
    let error = mapping("[columns.terminal_seq]\nderive = \"count\"").unwrap_err().to_string();
    assert!(error.contains("[columns.terminal_seq] is derived, which needs [columns.terminal]"), "{error}");
}
