//! The tables of a report.

use std::cmp::Reverse;

use ::report::{Cycle, Flow, Net, Standing, Tally, figures, flows};
use domain::{
    city::City,
    result::{RecordResult, Rejection},
    tap::{Medium, Product, Sector},
};
use serde_json::{Value, json};

use crate::output::Sheet;

/// Characters of the longest bar.
const BAR_CHARS: u64 = 32;

/// What a person wants to know first.
pub fn headline(cycle: &Cycle, standing: &Standing) -> Vec<String> {
    let (presented, cleared) = (cycle.presented(), cycle.cleared());
    let parked = cycle.results().get(&RecordResult::Parked).copied().unwrap_or_default();
    let unpaid = presented.count.saturating_sub(cleared.count + parked.count);
    let standing = match standing {
        Standing::Verified(checks) => format!("verified ({checks} checks, no difference)"),
        Standing::Different(differences) => format!("NOT what its records say ({differences} differences)"),
        Standing::NotChecked => "not verified".to_owned(),
    };
    let beyond = cycle.exposures.iter().filter(|exposure| exposure.is_beyond()).map(|exposure| {
        format!(
            "BEYOND ITS CAP: {} owes {} yuan, its net debit cap is {} yuan",
            exposure.city,
            figures::yuan(exposure.net_debit_fen.into()),
            figures::yuan(exposure.cap_fen.into())
        )
    });
    let mut lines = vec![
        format!(
            "Cycle {}, business date {}, {} participants, rulebook version {}: {standing}",
            cycle.name,
            cycle.business_date,
            cycle.nets.len(),
            cycle.rulebook_version
        ),
        format!(
            "{} taps presented: {} cleared ({}), {} not paid, {} parked",
            figures::count(presented.count),
            figures::count(cleared.count),
            figures::percent(cleared.count.into(), presented.count.into()),
            figures::count(unpaid),
            figures::count(parked.count)
        ),
        format!(
            "{} yuan cleared; {} yuan is left to pay when all is set against each other",
            figures::yuan(cleared.amount_fen.into()),
            figures::yuan(cycle.paid_out_fen())
        ),
    ];
    lines.extend(beyond);
    lines
}

/// Few columns, at most `top` rows of what may be long, bars.
pub fn for_people(cycle: &Cycle, top: usize) -> Vec<Sheet> {
    vec![
        shown_net(cycle, top),
        shown_flows(cycle, top),
        barred(sectors(cycle), "sectors"),
        barred(products(cycle), "products"),
        barred(media(cycle), "media"),
        barred(hours(cycle), "taps by hour (cleared)"),
        shown_results(cycle),
        shown_cities(cycle, "parked, by home city", parked(cycle), top),
        shown_cities(cycle, "late, by acquiring city", late(cycle), top),
    ]
}

/// Every row and column.
pub fn for_programs(cycle: &Cycle) -> Vec<Sheet> {
    vec![
        net(cycle),
        all_flows(cycle),
        keyed("sectors", "sector", sectors(cycle)),
        keyed("products", "product", products(cycle)),
        keyed("media", "medium", media(cycle)),
        keyed("hours", "hour", hours(cycle)),
        results(cycle),
        of_cities(cycle, "parked", parked(cycle)),
        of_cities(cycle, "late", late(cycle)),
    ]
}

/// A title that says when only some rows are shown.
fn title(what: &str, shown: usize, all: usize) -> String {
    if shown < all { format!("{what}: {shown} of {all}, --all shows them") } else { what.to_owned() }
}

fn both_names(cycle: &Cycle, city: City) -> Value {
    let named = cycle.named(city);
    let both = if named.en == named.zh { named.en } else { format!("{} {}", named.en, named.zh) };
    json!(both)
}

/// The same where the code does not stand beside it: with the code if another city has the same name.
fn full_name(cycle: &Cycle, city: City) -> Value {
    let name = both_names(cycle, city);
    let shared = cycle.cities.keys().any(|other| *other != city && both_names(cycle, *other) == name);
    match name.as_str() {
        Some(name) if shared => json!(format!("{name} {city}")),
        _ => name,
    }
}

fn fen(fen: i128) -> Value {
    json!(i64::try_from(fen).unwrap_or(if fen < 0 { i64::MIN } else { i64::MAX }))
}

fn shown_net(cycle: &Cycle, top: usize) -> Sheet {
    let mut nets: Vec<(&City, &Net)> = cycle.nets.iter().collect();
    nets.sort_by_key(|(city, net)| (Reverse(net.net_fen.unsigned_abs()), **city));
    let shown = nets.len().min(top);
    let columns = [
        "city",
        "name",
        "receives_fen",
        "pays_fen",
        "interchange_in_fen",
        "interchange_out_fen",
        "switch_fee_fen",
        "adjustment_fen",
        "net_fen",
    ];
    let mut sheet = Sheet::new(&title("net by participant", shown, nets.len()), &columns);
    for (city, net) in &nets[..shown] {
        sheet.row(net_row(json!(city), both_names(cycle, **city), net));
    }
    if !nets.is_empty() {
        sheet.row(net_row(json!("scheme"), json!(""), &cycle.scheme));
    }
    sheet.drop_if_zero("adjustment_fen");
    sheet
}

/// Signs are those of `net.csv`: the fee is what the participant pays.
fn net_row(participant: Value, name: Value, net: &Net) -> Vec<Value> {
    [participant, name].into_iter().chain(net_figures(net)).collect()
}

fn net_figures(net: &Net) -> [Value; 7] {
    let figures = [
        net.receivable_fen,
        net.payable_fen,
        net.interchange_receivable_fen,
        net.interchange_payable_fen,
        net.switch_fee_fen,
        net.adjustment_fen,
        net.net_fen,
    ];
    figures.map(|figure| json!(figure))
}

fn net(cycle: &Cycle) -> Sheet {
    let columns = [
        "participant",
        "name_en",
        "name_zh",
        "receivable_fen",
        "payable_fen",
        "interchange_receivable_fen",
        "interchange_payable_fen",
        "switch_fee_fen",
        "adjustment_fen",
        "net_fen",
    ];
    let mut sheet = Sheet::new("net", &columns);
    let mut row = |names: [Value; 3], net: &Net| {
        sheet.row(names.into_iter().chain(net_figures(net)).collect());
    };
    for (city, net) in &cycle.nets {
        let named = cycle.named(*city);
        row([json!(city), json!(named.en), json!(named.zh)], net);
    }
    row([json!("scheme"), json!(""), json!("")], &cycle.scheme);
    sheet
}

fn shown_flows(cycle: &Cycle, top: usize) -> Sheet {
    let flows = flows(&cycle.pairs);
    let shown = flows.len().min(top);
    let columns = ["pays", "receives", "taps", "owes_fen", "comes_back_fen", "left_to_pay_fen"];
    let mut sheet = Sheet::new(&title("who owes whom", shown, flows.len()), &columns);
    for flow in &flows[..shown] {
        let cities = [flow.debtor, flow.creditor].map(|city| full_name(cycle, city));
        sheet.row(cities.into_iter().chain(flow_figures(flow)).collect());
    }
    sheet
}

fn all_flows(cycle: &Cycle) -> Sheet {
    let columns = ["debtor", "creditor", "count", "owed_fen", "back_fen", "net_fen"];
    let mut sheet = Sheet::new("flows", &columns);
    for flow in flows(&cycle.pairs) {
        sheet
            .row([json!(flow.debtor), json!(flow.creditor)].into_iter().chain(flow_figures(&flow)).collect());
    }
    sheet
}

fn flow_figures(flow: &Flow) -> [Value; 4] {
    [json!(flow.count), fen(flow.owed_fen), fen(flow.back_fen), fen(flow.net_fen())]
}

fn sectors(cycle: &Cycle) -> Vec<(Value, Tally)> {
    let sectors = cycle.sectors();
    let of = |sector: &Sector| sectors.get(sector).map(|tally| (json!(sector.word()), *tally));
    Sector::ALL.iter().filter_map(of).collect()
}

fn products(cycle: &Cycle) -> Vec<(Value, Tally)> {
    let of = |product: &Product| cycle.products.get(product).map(|tally| (json!(product.word()), *tally));
    Product::ALL.iter().filter_map(of).collect()
}

fn media(cycle: &Cycle) -> Vec<(Value, Tally)> {
    let of = |medium: &Medium| cycle.media.get(medium).map(|tally| (json!(medium.word()), *tally));
    Medium::ALL.iter().filter_map(of).collect()
}

fn hours(cycle: &Cycle) -> Vec<(Value, Tally)> {
    if cycle.cleared().count == 0 {
        return Vec::new();
    }
    let hour = |(hour, sectors): (usize, &std::collections::BTreeMap<Sector, Tally>)| {
        let mut sum = Tally::default();
        sectors.values().for_each(|tally| sum.add(*tally));
        (json!(format!("{hour:02}")), sum)
    };
    cycle.hours.iter().enumerate().map(hour).collect()
}

fn keyed(title: &str, key: &'static str, rows: Vec<(Value, Tally)>) -> Sheet {
    let mut sheet = Sheet::new(title, &[key, "count", "amount_fen"]);
    for (name, tally) in rows {
        sheet.row(vec![name, json!(tally.count), json!(tally.amount_fen)]);
    }
    sheet
}

/// With bars by count.
fn barred(rows: Vec<(Value, Tally)>, title: &str) -> Sheet {
    let most = rows.iter().map(|(_, tally)| tally.count).max().unwrap_or_default();
    let mut sheet = Sheet::new(title, &["", "taps", "amount_fen", " "]);
    for (name, tally) in rows {
        let bar = json!(bar(tally.count, most));
        sheet.row(vec![name, json!(tally.count), json!(tally.amount_fen), bar]);
    }
    sheet
}

/// A bar of at most [`BAR_CHARS`] characters, to an eighth of one; whatever is not nothing can be seen.
fn bar(part: u64, most: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if part == 0 || most == 0 {
        return String::new();
    }
    let eighths = (u128::from(part) * u128::from(BAR_CHARS) * 8 / u128::from(most)).max(1);
    let whole = usize::try_from(eighths / 8).unwrap_or_default();
    let rest = usize::try_from(eighths % 8).unwrap_or_default();
    "█".repeat(whole) + EIGHTHS.get(rest).copied().unwrap_or_default()
}

fn shown_results(cycle: &Cycle) -> Sheet {
    let all = cycle.presented().count;
    let mut sheet = Sheet::new("results", &["result", "reason", "records", "amount_fen", "share"]);
    for (result, tally) in cycle.results() {
        sheet.row(vec![
            json!(result.name()),
            json!(result.reason()),
            json!(tally.count),
            json!(tally.amount_fen),
            json!(format!("{:>6}", figures::percent(tally.count.into(), all.into()))),
        ]);
    }
    sheet
}

fn results(cycle: &Cycle) -> Sheet {
    let columns = ["acquirer", "result", "reason", "count", "amount_fen"];
    let mut sheet = Sheet::new("results", &columns);
    for (city, results) in &cycle.taken {
        for (result, tally) in results {
            let names = [json!(city), json!(result.name()), json!(result.reason())];
            sheet.row(names.into_iter().chain([json!(tally.count), json!(tally.amount_fen)]).collect());
        }
    }
    sheet
}

fn parked(cycle: &Cycle) -> Vec<(City, Tally)> {
    cycle.parked.iter().map(|(city, tally)| (*city, *tally)).collect()
}

fn late(cycle: &Cycle) -> Vec<(City, Tally)> {
    let late = RecordResult::Rejected(Rejection::Late);
    cycle.taken.iter().filter_map(|(city, results)| results.get(&late).map(|tally| (*city, *tally))).collect()
}

fn shown_cities(cycle: &Cycle, what: &str, mut rows: Vec<(City, Tally)>, top: usize) -> Sheet {
    rows.sort_by_key(|(city, tally)| (Reverse(tally.count), *city));
    let shown = rows.len().min(top);
    let mut sheet = Sheet::new(&title(what, shown, rows.len()), &["city", "name", "taps", "amount_fen"]);
    for (city, tally) in &rows[..shown] {
        let figures = [json!(tally.count), json!(tally.amount_fen)];
        sheet.row([json!(city), both_names(cycle, *city)].into_iter().chain(figures).collect());
    }
    sheet
}

fn of_cities(cycle: &Cycle, what: &str, mut rows: Vec<(City, Tally)>) -> Sheet {
    rows.sort_by_key(|(city, tally)| (Reverse(tally.count), *city));
    let mut sheet = Sheet::new(what, &["city", "name_en", "name_zh", "count", "amount_fen"]);
    for (city, tally) in &rows {
        let named = cycle.named(*city);
        let names = [json!(city), json!(named.en), json!(named.zh)];
        sheet.row(names.into_iter().chain([json!(tally.count), json!(tally.amount_fen)]).collect());
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(10, 10), "█".repeat(32));
        assert_eq!(bar(5, 10), "█".repeat(16));
        assert_eq!(bar(1, 1_000_000), "▏");
        assert_eq!(bar(1, 64), "▌");
    }
}
