//! Totals by sector, product and medium.

use maud::{Markup, html};

use super::parts::{both, count_cell, figure_head, nothing, part_cell, text_head, yuan_cell};
use crate::{
    model::{Cycle, Tally, sum},
    words::{self, Words, words},
};

/// The section.
pub fn section(cycle: &Cycle) -> Markup {
    let sectors = cycle.sectors().into_iter().map(|(key, tally)| (words::sector(key), tally)).collect();
    let products = cycle.products.iter().map(|(key, tally)| (words::product(*key), *tally)).collect();
    let media = cycle.media.iter().map(|(key, tally)| (words::medium(*key), *tally)).collect();
    let body = if cycle.cleared().count == 0 {
        nothing("No record was cleared.", "没有已清算的记录。")
    } else {
        html! {
            div.split {
                (table("sectors", &words("Sector", "行业"), sectors))
                (table("products", &words("Product", "票种"), products))
                (table("media", &words("Medium", "介质"), media))
            }
        }
    };
    super::section(
        "shares",
        &words("What was paid for", "消费构成"),
        &words(
            "Cleared taps. From the home cities’ files, issuer/.",
            "已清算交易。来源：issuer/ 发卡城市明细。",
        ),
        &body,
    )
}

fn table(id: &str, head: &Words, mut rows: Vec<(Words, Tally)>) -> Markup {
    rows.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.amount_fen));
    let whole = sum(rows.iter().map(|(_, tally)| tally));
    html! {
        div {
            div.scroll {
                table id=(id) data-sorted {
                    thead {
                        tr {
                            (text_head(&head.en, &head.zh))
                            (figure_head("Taps", "笔数"))
                            th scope="col" aria-sort="descending" { button type="button" { (both(&words("Yuan", "金额（元）"))) } }
                            (figure_head("Share", "占比"))
                        }
                    }
                    tbody {
                        @for (name, tally) in &rows {
                            tr {
                                th.l scope="row" { (both(name)) }
                                (count_cell(tally.count))
                                (yuan_cell(tally.amount_fen.into()))
                                (part_cell(tally.amount_fen, whole.amount_fen))
                            }
                        }
                    }
                }
            }
        }
    }
}
