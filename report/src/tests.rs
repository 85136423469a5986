//! Folders written by hand, of kinds that no service makes yet.

use std::fs;

use domain::city::City;
use tempfile::TempDir;

use crate::{Cycle, Standing, flows, gather, page};

const RULES: &str = "\
version = 1
presentment_days = 10
hotlist_grace_hours = 24

[fees]
basis = \"cycle_bilateral\"
interchange_rate = \"0.003\"
switch_rate = \"0.001\"

[[participant]]
city = \"cu-2000\"
name_en = \"Shanghai\"
name_zh = \"上海\"
joined = \"2018-01-01\"

[[participant]]
city = \"cu-3000\"
name_en = \"Tianjin\"
name_zh = \"天津\"
joined = \"2018-01-01\"
";

const NET: &str = "business_date,cycle,participant,receivable_fen,payable_fen,interchange_receivable_fen,\
                   interchange_payable_fen,switch_fee_fen,adjustment_fen,net_fen";
const POSITIONS: &str =
    "business_date,cycle,acquirer,issuer,kind,count,amount_fen,interchange_fen,switch_fee_fen";
const ITEMS: &str = "item,kind,debtor,creditor,amount_fen,original_cycle,reference,reason";

/// A folder with these rows and no detail, gathered.
fn gathered(positions: &[&str], items: &[String]) -> Cycle {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let manifest = format!(
        "{{\"business_date\":\"2018-09-01\",\"cycle\":\"001\",\"files\":[],\"layout\":\"cityunion-cycle/1\",\
         \"merkle\":{{\"algorithm\":\"rfc6962-sha256\",\"leaves\":0,\"root\":\"{0}\"}},\
         \"previous_manifest_sha256\":null,\"rulebook\":{{\"sha256\":\"{0}\",\"version\":1}}}}",
        "0".repeat(64)
    );
    write("manifest.json", manifest);
    write("rulebook.toml", RULES.to_owned());
    write("net.csv", format!("{NET}\n2018-09-01,001,scheme,0,0,0,0,0,0,0\n"));
    write("positions.csv", format!("{POSITIONS}\n{}\n", positions.join("\n")));
    write("items.csv", format!("{ITEMS}\n{}\n", items.join("\n")));
    gather(folder.path(), &mut |_| {}).unwrap()
}

fn city(text: &str) -> City {
    text.parse().unwrap()
}

#[test]
fn loads_and_reversals_run_their_own_way() {
    let cycle = gathered(
        &[
            // Shanghai took cards of Tianjin: Tianjin owes 1000 − 3.
            "2018-09-01,001,cu-2000,cu-3000,purchase,4,1000,3,1",
            // One of them is taken back: Shanghai owes 200 − 1.
            "2018-09-01,001,cu-2000,cu-3000,purchase_reversal,1,200,-1,0",
            // Tianjin loaded cards of Shanghai with cash: Tianjin owes 5000 − 15.
            "2018-09-01,001,cu-3000,cu-2000,load,1,5000,15,5",
            // And gave some back: Shanghai owes 700 − 2.
            "2018-09-01,001,cu-3000,cu-2000,load_reversal,1,700,-2,-1",
        ],
        &[],
    );
    let [flow] = flows(&cycle.pairs)[..] else { panic!("{:?}", cycle.pairs) };
    assert_eq!((flow.debtor, flow.creditor, flow.count), (city("cu-3000"), city("cu-2000"), 7));
    assert_eq!((flow.owed_fen, flow.back_fen), (997 + 4985, 199 + 698));
}

#[test]
fn what_is_even_is_owed_by_nobody() {
    let cycle = gathered(
        &[
            "2018-09-01,001,cu-2000,cu-3000,purchase,1,500,1,0",
            "2018-09-01,001,cu-3000,cu-2000,purchase,2,500,1,0",
        ],
        &[],
    );
    assert_eq!(flows(&cycle.pairs), []);
    assert!(page(&cycle, &Standing::NotChecked, None).contains("No city owes another anything."));
}

#[test]
fn many_items_are_counted_and_the_first_are_listed() {
    let items: Vec<String> = (0..60)
        .map(|n| format!("i{n:03},refund,cu-2000,cu-3000,{n},2018-08-01-001,\"r, {n}\",<b>twice</b>"))
        .collect();
    let cycle = gathered(&[], &items);
    assert_eq!((cycle.items.len(), cycle.items_total), (50, 60));
    let page = page(&cycle, &Standing::Verified(11), None);
    assert!(page.contains("The first 50 of 60") && page.contains("i049") && !page.contains("i050"));
    assert!(page.contains("&lt;b&gt;twice&lt;/b&gt;") && !page.contains("<b>twice"));
}
