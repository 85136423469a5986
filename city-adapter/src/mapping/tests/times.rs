use super::*;

fn time(settings: &str, field: &str) -> Option<String> {
    let row = one("tapped_at", settings, &format!("\"{field}\"")).ok()?;
    row.tapped_at.map(|time| time.to_string())
}

fn check(settings: &str, good: &[(&str, &str)], bad: &[&str]) {
    for (field, want) in good {
        assert_eq!(time(settings, field).as_deref(), Some(*want), "{settings}: {field}");
    }
    for field in bad {
        assert_eq!(time(settings, field), None, "{settings}: {field}");
    }
}

#[test]
fn names_of_months_half_days_and_single_digits() {
    check(
        "formats = [\"%d %b %Y %I:%M %p\", \"%a, %-d. %B %Y %H:%M:%S\"]",
        &[
            ("01 Sep 2018 12:05 AM", "2018-09-01T00:05:00"),
            ("01 september 2018 12:05 pm", "2018-09-01T12:05:00"),
            ("01 SEP 2018 07:05 p.m.", "2018-09-01T19:05:00"),
            ("01  Sep   2018 11:59 下午", "2018-09-01T23:59:00"),
            ("Sat, 1. September 2018 07:05:09", "2018-09-01T07:05:09"),
        ],
        &["01 Sept 2018 07:05 AM", "01 Sep 2018 13:05 PM", "01 Sep 2018 00:05 AM", "01Sep2018 07:05AM"],
    );
    check(
        "formats = [\"%-m/%-d/%Y %-H:%M\", \"%Y年%-m月%-d日 %H时%M分\", \"%Y%j\"]",
        &[
            ("9/1/2018 7:05", "2018-09-01T07:05:00"),
            ("12/31/2018 17:05", "2018-12-31T17:05:00"),
            ("2018年9月1日 07时05分", "2018-09-01T07:05:00"),
            ("2018244", "2018-09-01T00:00:00"),
        ],
        &["2018366", "2018000", "9999366", "9/1/18 7:05", "13/1/2018 7:05", "2/29/2018 7:05"],
    );
}

#[test]
fn clocks_count_from_midnight() {
    let settings = "formats = [\"%Y%m%d %{minutes}m\", \"%Y%m%d %{seconds}\"]\nservice_day_until = \"26:59\"";
    check(
        settings,
        &[
            ("20180901 425m", "2018-09-01T07:05:00"),
            ("20180901 25509", "2018-09-01T07:05:09"),
            ("20180901 1510m", "2018-09-02T01:10:00"),
        ],
        &["20180901 1620m", "20180901 m", "20180901 97200"],
    );
}

#[test]
fn two_digit_years_have_a_stated_pivot() {
    let settings = "formats = [\"%d.%m.%y\"]\npivot = 70";
    check(
        settings,
        &[("01.09.18", "2018-09-01T00:00:00"), ("31.12.70", "1970-12-31T00:00:00")],
        &["01.09.2018"],
    );
    for settings in ["formats = [\"%d.%m.%y\"]", "formats = [\"%d.%m.%Y\"]\npivot = 70"] {
        let error =
            mapping(&format!("[columns.tapped_at]\ncolumn = \"x\"\n{settings}")).unwrap_err().to_string();
        assert!(error.contains("needs `pivot`"), "{error}");
    }
}

#[test]
fn a_service_day_ends_where_it_is_said() {
    check(
        "formats = [\"%Y-%m-%d %H:%M:%S\"]\nservice_day_until = \"28:59\"",
        &[
            ("2018-09-01 25:10:00", "2018-09-02T01:10:00"),
            ("2018-12-31 24:00:00", "2019-01-01T00:00:00"),
            ("2018-09-01 28:59:59", "2018-09-02T04:59:59"),
            ("2018-09-01 23:59:59", "2018-09-01T23:59:59"),
        ],
        &["2018-09-01 29:00:00", "2018-09-01 25:60:00", "9999-12-31 24:00:00"],
    );
    check("formats = [\"%Y-%m-%d %H:%M:%S\"]", &[], &["2018-09-01 24:00:00"]);
    for limit in ["28", "23:59", "48:00", "28:60", "+8:59"] {
        let text = format!("[columns.tapped_at]\ncolumn = \"x\"\nservice_day_until = \"{limit}\"");
        assert!(mapping(&text).is_err(), "{limit}");
    }
}

#[test]
fn instants_become_the_terminals_local_time() {
    let offset = "formats = [\"%Y-%m-%dT%H:%M:%S.%f%z\", \"%Y-%m-%dT%H:%M:%S%z\"]";
    check(
        offset,
        &[
            ("2018-09-01T05:24:59.123-05:00", "2018-09-01T18:24:59"),
            ("2018-09-01T20:24:59Z", "2018-09-02T04:24:59"),
            ("2018-09-01T20:24:59+0530", "2018-09-01T22:54:59"),
            ("2018-09-01T20:24:59+08", "2018-09-01T20:24:59"),
        ],
        &["2018-09-01T20:24:59", "2018-09-01T20:24:59.+08:00", "2018-09-01T20:24:59+19:00"],
    );
    let new_york = format!("{offset}\nlocal = \"-05:00\"");
    check(&new_york, &[("2018-09-01T20:24:59Z", "2018-09-01T15:24:59")], &[]);
    let ignored = format!("{offset}\nzone = \"ignore\"");
    check(&ignored, &[("2018-09-01T20:24:59Z", "2018-09-01T20:24:59")], &[]);
    check("zone = \"+00:00\"", &[("2018-09-01T20:24:59", "2018-09-02T04:24:59")], &[]);
    check(
        "unix = \"seconds\"",
        &[("1535761509", "2018-09-01T08:25:09"), ("-1", "1970-01-01T07:59:59")],
        &["", "1.5", "x"],
    );
    check(
        "unix = \"millis\"\nlocal = \"+00:00\"",
        &[("1535761509999", "2018-09-01T00:25:09")],
        &["99999999999999999"],
    );
    check("unix = \"seconds\"\nfloat = true", &[("1.535761509E9", "2018-09-01T08:25:09")], &["1535761509.5"]);
    for settings in
        ["local = \"+00:00\"", "zone = \"ignore\"", "zone = \"CST\"", "unix = \"millis\"\nzone = \"+08:00\""]
    {
        assert!(mapping(&format!("[columns.tapped_at]\ncolumn = \"x\"\n{settings}")).is_err(), "{settings}");
    }
}

#[test]
fn a_written_time_reads_back() {
    use domain::date::LocalTime;
    let settings = [
        "formats = [\"%d %b %Y %I:%M:%S %p\"]",
        "formats = [\"%a %-d.%-m.%y %-H:%-M:%-S.%f\"]\npivot = 50",
        "formats = [\"%Y%j %H%M%S\"]",
        "formats = [\"%Y%m%d %{seconds}\"]",
        "formats = [\"%Y-%m-%dT%H:%M:%S%z\"]\nlocal = \"-03:30\"",
        "zone = \"-05:00\"",
        "unix = \"seconds\"",
        "unix = \"millis\"",
    ];
    for settings in settings {
        let spec: spec::RuleSpec = toml::from_str(settings).unwrap();
        let clock = clock::Clock::of(&spec).unwrap();
        for text in
            ["2018-09-01T00:00:00", "2018-12-31T12:59:07", "2020-02-29T23:59:59", "2018-09-01T11:05:00"]
        {
            let time = LocalTime::parse(text.as_bytes()).unwrap();
            let mut written = Vec::new();
            clock.write(time, &mut written).unwrap();
            let read = clock.read(&written);
            assert_eq!(read, Some(time), "{settings}: {}", String::from_utf8_lossy(&written));
        }
    }
}
