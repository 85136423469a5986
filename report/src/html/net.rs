//! Net by participant.

use domain::{city::City, limits::Exposure};
use maud::{Markup, html};

use super::{
    parts::{both, city_cell, figure_head, nothing, plain_head, said, text_head, width, yuan_cell},
    skyline,
};
use crate::{
    figures::{signed_yuan, yuan},
    model::{Cycle, Net},
    words::{Words, words},
};

/// The section.
pub fn section(cycle: &Cycle) -> Markup {
    let body = if cycle.nets.is_empty() {
        nothing("No city took part on this business date.", "该营业日没有参与城市。")
    } else {
        chart_and_table(cycle)
    };
    super::section(
        "net",
        &words("Net by participant", "各城市净额"),
        &words(
            "In yuan. A city above zero receives, one below zero pays; with the scheme’s fees all sum to exactly zero. From net.csv.",
            "单位：元。净额为正者收款，为负者付款；连同清算服务费，合计恰为零。来源：net.csv。",
        ),
        &body,
    )
}

/// How many participants a table shows without being asked.
const OPEN_MAX: usize = 25;

fn chart_and_table(cycle: &Cycle) -> Markup {
    let mut nets: Vec<(City, Net)> = cycle.nets.iter().map(|(city, net)| (*city, *net)).collect();
    nets.sort_by_key(|(city, net)| (-net.net_fen, *city));
    let table = table(cycle, &nets);
    html! {
        @for exposure in cycle.exposures.iter().filter(|exposure| exposure.is_beyond()) {
            p.beyond-cap { (both(&beyond_cap(cycle, exposure))) }
        }
        div.scroll { (skyline::charts(cycle, &nets)) }
        @if nets.len() > OPEN_MAX {
            details {
                summary { (both(&Words {
                    en: format!("All figures of the {} participants", nets.len()),
                    zh: format!("全部 {} 个参与城市的数据", nets.len()),
                })) }
                (table)
            }
        } @else { div style="margin-top:20px" { (table) } }
    }
}

/// That a city owes more than its cap.
fn beyond_cap(cycle: &Cycle, exposure: &Exposure) -> Words {
    let named = cycle.named(exposure.city);
    let (owes, cap) = (yuan(exposure.net_debit_fen.into()), yuan(exposure.cap_fen.into()));
    Words {
        en: format!("Beyond its cap: {} owes {owes}, its net debit cap is {cap}.", named.en),
        zh: format!("超出限额：{}应付净额 {owes}，净借记限额为 {cap}。", named.zh),
    }
}

fn table(cycle: &Cycle, nets: &[(City, Net)]) -> Markup {
    let all = cycle.nets.values().chain([&cycle.scheme]);
    let largest = all.map(|net| u128::from(net.net_fen.unsigned_abs())).max().unwrap_or_default();
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="net-title" {
            table #net-table data-sorted {
                thead {
                    tr {
                        (text_head("Participant", "参与城市"))
                        (figure_head("Receives", "应收"))
                        (figure_head("Pays", "应付"))
                        (figure_head("Interchange in", "应收交换费"))
                        (figure_head("Interchange out", "应付交换费"))
                        (figure_head("Switch fee", "清算服务费"))
                        (figure_head("Adjustments", "调整"))
                        th scope="col" aria-sort="descending" { button type="button" { (said("Net", "净额")) } }
                        (plain_head("", ""))
                    }
                }
                tbody {
                    @for (city, net) in nets { tr { (city_cell(cycle, *city)) (cells(net, largest)) } }
                }
                tfoot {
                    tr { th.l scope="row" { (said("The scheme", "清算机构")) } (cells(&cycle.scheme, largest)) }
                    tr { th.l scope="row" { (said("Sum", "合计")) } (sums(cycle)) }
                }
            }
        }
    }
}

fn cells(net: &Net, largest: u128) -> Markup {
    let figures = [
        net.receivable_fen,
        net.payable_fen,
        net.interchange_receivable_fen,
        net.interchange_payable_fen,
        net.switch_fee_fen,
        net.adjustment_fen,
    ];
    let side = if net.net_fen < 0 { "neg" } else { "pos" };
    html! {
        @for fen in figures { (yuan_cell(fen.into())) }
        td data-v=(net.net_fen) class=(side) { (signed_yuan(net.net_fen.into())) }
        td.bar aria-hidden="true" {
            div.net { @if net.net_fen != 0 { i class=(side) style=(width(net.net_fen.unsigned_abs().into(), largest)) {} } }
        }
    }
}

fn sums(cycle: &Cycle) -> Markup {
    let columns: [fn(&Net) -> i64; 7] = [
        |net| net.receivable_fen,
        |net| net.payable_fen,
        |net| net.interchange_receivable_fen,
        |net| net.interchange_payable_fen,
        |net| net.switch_fee_fen,
        |net| net.adjustment_fen,
        |net| net.net_fen,
    ];
    let sum = |column: fn(&Net) -> i64| -> i128 {
        cycle.nets.values().chain([&cycle.scheme]).map(|net| i128::from(column(net))).sum()
    };
    html! { @for column in columns { td { (yuan(sum(column))) } } td {} }
}
