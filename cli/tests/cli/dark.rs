//! A home city that does not answer: its records wait, everybody else's go on.

use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{clear, columns, cycles, verify_all},
};

const ROW: [&str; 4] = ["file", "line", "result", "reason"];
const T: &str = "200000000001";

/// cu-3000 is dark on the first day. On the second its record of the first day comes again.
fn scheme(folder: &TempDir) -> Scheme {
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000", "cu-4000"]);
    scheme.write("outages.csv", "issuer,business_date\ncu-3000,2018-09-01\n");
    let at = "2018-09-01T10:00:00";
    let first = tap(T, 1, "cu-3000", 300, at, "sm4");
    let lines = [first.clone(), tap(T, 2, "cu-4000", 400, at, "3des")];
    scheme.taps("cu-2000", "2018-09-01.csv", &lines.each_ref().map(String::as_str));
    let own = tap("300000000001", 1, "cu-2000", 500, at, "3des");
    scheme.taps("cu-3000", "2018-09-01.csv", &[&own]);
    scheme.taps("cu-2000", "2018-09-02.csv", &[&first]);
    scheme
}

#[test]
fn a_dark_home_city_parks_and_delivers_while_others_go_on() {
    let folder = TempDir::new().unwrap();
    let scheme = scheme(&folder);
    let out = folder.path().join("out");
    let row = |cycle: &str, city: &str| columns(&out.join(cycle).join(format!("acquirer/{city}.csv")), &ROW);
    let answer = || columns(&out.join("results/cu-2000/2018-09-01.csv"), &["line", "result", "cycle"]);

    clear(&scheme.path, &out);
    assert_eq!(
        row("2018-09-01-001", "cu-2000"),
        ["2018-09-01.csv 2 parked issuer_unreachable", "2018-09-01.csv 3 cleared"]
    );
    assert_eq!(
        row("2018-09-01-001", "cu-3000"),
        ["2018-09-01.csv 2 cleared"],
        "its own terminals are not dark"
    );
    assert_eq!(answer(), ["2 parked 2018-09-01-001", "3 cleared 2018-09-01-001"]);

    clear(&scheme.path, &out);
    assert_eq!(row("2018-09-02-001", "cu-2000"), ["2018-09-01.csv 2 cleared", "2018-09-02.csv 2 duplicate"]);
    assert_eq!(answer(), ["2 cleared 2018-09-02-001", "3 cleared 2018-09-01-001"]);
    verify_all(&out);
}

#[test]
fn what_waits_for_a_suspended_city_ends() {
    let folder = TempDir::new().unwrap();
    let scheme = scheme(&folder);
    scheme.change_rules(|rules| {
        let from = "city = \"cu-3000\"\n";
        rules.replace(from, &format!("{from}suspended_from = \"2018-09-02\"\n"))
    });
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    clear(&scheme.path, &out);
    assert_eq!(cycles(&out).len(), 2);
    assert_eq!(
        columns(&out.join("2018-09-02-001/acquirer/cu-2000.csv"), &ROW),
        ["2018-09-01.csv 2 rejected issuer_suspended", "2018-09-02.csv 2 rejected issuer_suspended"]
    );
    assert_eq!(
        columns(&out.join("results/cu-2000/2018-09-01.csv"), &["line", "result", "cycle"]),
        ["2 rejected 2018-09-02-001", "3 cleared 2018-09-01-001"]
    );
    verify_all(&out);
}
