//! A settlement of three cities, worked out by hand.
//!
//! ```text
//!   where it was tapped ◀── fen ── whose card it was, and who owes it
//!
//!     cu-2000 ◀── 300 + 12000 ── cu-3000   and nothing for a copy (duplicate), another amount (conflict)
//!        ▲                                 and a line that is malformed
//!        └─────────── 450 ────── cu-4000   and nothing for another's terminal, a forged cryptogram, a late tap
//!     cu-3000 ◀────── 200 ────── cu-2000
//!        ▲
//!        └────────── 1250 ────── cu-4000
//!     cu-4000 ◀─── 166 + 1 ───── cu-2000   alone each ride would round to no interchange, together to 1 fen
//!
//!   position            amount   × 0.003 interchange   × 0.001 switch fee
//!   cu-2000 ← cu-3000    12300    36.9  → 37            12.3  → 12
//!   cu-2000 ← cu-4000      450     1.35 →  1             0.45 →  0
//!   cu-3000 ← cu-2000      200     0.6  →  1             0.2  →  0
//!   cu-3000 ← cu-4000     1250     3.75 →  4             1.25 →  1
//!   cu-4000 ← cu-2000      167     0.501→  1             0.167→  0
//!
//!   net cu-2000 = 12750 −   367 +  2 − 38 − 12 =  12335
//!   net cu-3000 =  1450 − 12300 + 37 −  5 −  1 = −10819
//!   net cu-4000 =   167 −  1700 +  5 −  1 −  0 =  −1529
//!   net scheme  =                       12 + 1 =     13      sum 0
//! ```

use std::fs;

use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{clear, columns, cycles, verify_all},
};

const POSITIONS: &str = "\
business_date,cycle,acquirer,issuer,kind,count,amount_fen,interchange_fen,switch_fee_fen
2018-09-12,001,cu-2000,cu-3000,purchase,2,12300,37,12
2018-09-12,001,cu-2000,cu-4000,purchase,1,450,1,0
2018-09-12,001,cu-3000,cu-2000,purchase,1,200,1,0
2018-09-12,001,cu-3000,cu-4000,purchase,1,1250,4,1
2018-09-12,001,cu-4000,cu-2000,purchase,2,167,1,0
";

const NET: &str = "\
business_date,cycle,participant,receivable_fen,payable_fen,interchange_receivable_fen,interchange_payable_fen,switch_fee_fen,adjustment_fen,net_fen
2018-09-12,001,cu-2000,12750,367,2,38,12,0,12335
2018-09-12,001,cu-3000,1450,12300,37,5,1,0,-10819
2018-09-12,001,cu-4000,167,1700,5,1,0,0,-1529
2018-09-12,001,scheme,0,0,0,0,-13,0,13
";

const RESULTS: &str = "\
line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by,cycle
2,200000000001,1,cu-3000,300,cleared,,book,2018-09-12-001
3,200000000001,2,cu-3000,12000,cleared,,book,2018-09-12-001
4,200000000001,1,cu-3000,300,duplicate,,book,2018-09-12-001
5,200000000001,1,cu-3000,330,conflict,,book,2018-09-12-001
6,200000000001,3,cu-2000,500,local,,edge,
7,200000000001,4,cu-3000,2.50,malformed,amount_fen: expected an integer from 0 to 4294967295 without leading zeros,edge,
8,300000000001,7,cu-4000,600,rejected,foreign_terminal,centre,2018-09-12-001
9,200000000001,5,cu-4000,700,rejected,tac_invalid,issuer,2018-09-12-001
10,200000000001,6,cu-4000,800,rejected,late,centre,2018-09-12-001
11,200000000001,8,cu-4000,450,cleared,,book,2018-09-12-001
";

const NOON: &str = "2018-09-12T12:00:00";

fn scheme(folder: &TempDir) -> Scheme {
    let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000", "cu-4000"]);
    let t = "200000000001";
    let malformed =
        tap(t, 4, "cu-3000", 250, NOON, "sm4").replacen(",250,250,", ",2.50,250,", 1) + "00000000";
    let forged = tap(t, 5, "cu-4000", 700, NOON, "3des") + "00000000";
    let lines = [
        tap(t, 1, "cu-3000", 300, NOON, "sm4"),
        tap(t, 2, "cu-3000", 12000, NOON, "sm4"),
        tap(t, 1, "cu-3000", 300, NOON, "sm4"),
        tap(t, 1, "cu-3000", 330, NOON, "sm4"),
        tap(t, 3, "cu-2000", 500, NOON, "3des"),
        malformed,
        tap("300000000001", 7, "cu-4000", 600, NOON, "3des"),
        forged,
        tap(t, 6, "cu-4000", 800, "2018-09-01T23:59:59", "3des"),
        tap(t, 8, "cu-4000", 450, NOON, "3des"),
    ];
    scheme.taps("cu-2000", "2018-09-12.csv", &lines.each_ref().map(String::as_str));
    let lines = [
        tap("300000000008", 77, "cu-2000", 200, NOON, "3des"),
        tap("300000000008", 78, "cu-4000", 1250, NOON, "3des"),
    ];
    scheme.taps("cu-3000", "2018-09-12.csv", &lines.each_ref().map(String::as_str));
    let lines = [
        tap("400000000001", 1, "cu-2000", 166, NOON, "3des"),
        tap("400000000001", 2, "cu-2000", 1, NOON, "3des"),
    ];
    scheme.taps("cu-4000", "2018-09-12.csv", &lines.each_ref().map(String::as_str));
    scheme
}

#[test]
fn three_cities_settle_to_the_fen() {
    let folder = TempDir::new().unwrap();
    let scheme = scheme(&folder);
    let out = folder.path().join("out");
    clear(&scheme.path, &out);
    assert_eq!(cycles(&out), ["2018-09-12-001"]);
    let text = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(text("2018-09-12-001/positions.csv"), POSITIONS);
    assert_eq!(text("2018-09-12-001/net.csv"), NET);
    assert_eq!(text("results/cu-2000/2018-09-12.csv"), RESULTS);
    let receipt = ["records", "malformed", "local", "presented", "amount_fen", "state"];
    assert_eq!(columns(&out.join("receipts/cu-2000.csv"), &receipt), ["10 1 1 8 15480 taken"]);
    let paid = ["acquirer", "terminal_seq", "amount_fen"];
    let by_cu_4000 = columns(&out.join("2018-09-12-001/issuer/cu-4000.csv"), &paid);
    assert_eq!(by_cu_4000, ["cu-2000 8 450", "cu-3000 78 1250"]);
    verify_all(&out);
}
