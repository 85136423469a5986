//! What became of the records that the centre took.

use std::collections::BTreeMap;

use domain::{
    city::City,
    result::{RecordResult, Rejection},
};
use maud::{Markup, html};

use super::parts::{
    bar_cell, both, city_cell, count_cell, figure_head, name, nothing, part_cell, plain_head, said,
    share_cell, text_head, yuan_cell,
};
use crate::{
    model::{Cycle, Tally, sum},
    words::{self, words},
};

/// How many rows of a short table are seen before it is unfolded; the style sheet counts the same.
const OPEN_MAX: usize = 10;

/// The section.
pub fn section(cycle: &Cycle) -> Markup {
    let results = cycle.results();
    let body = if results.is_empty() {
        nothing("No city presented a record in this cycle.", "本周期没有城市提交记录。")
    } else {
        html! {
            div.scroll { (by_result(&results)) }
            div.split style="margin-top:32px" { (parked(cycle)) (late(cycle)) }
            details {
                summary { (said("By acquiring city", "按刷卡城市")) }
                div.scroll { (by_acquirer(cycle)) }
            }
        }
    };
    let items = (cycle.items_total > 0).then(|| items(cycle));
    super::section(
        "results",
        &words("What became of the records", "记录结果"),
        &words(
            "Every record that the centre took in this cycle has one result. From the acquirers’ files, acquirer/.",
            "中心在本周期受理的每条记录都有一个结果。来源：acquirer/ 刷卡城市明细。",
        ),
        &html! { (body) @if let Some(items) = items { (items) } },
    )
}

fn by_result(results: &BTreeMap<RecordResult, Tally>) -> Markup {
    let whole = sum(results.values());
    // Next to what is cleared all others would vanish: bars compare those that are not.
    let exceptions = results.iter().filter(|(result, _)| **result != RecordResult::Cleared);
    let largest = exceptions.map(|(_, tally)| tally.count).max().unwrap_or_default();
    html! {
        table #results-table data-sorted {
            thead {
                tr {
                    (text_head("Result", "结果"))
                    (text_head("Reason", "原因"))
                    (plain_head("Meaning", "含义"))
                    (figure_head("Records", "笔数"))
                    (figure_head("Yuan", "金额（元）"))
                    (figure_head("Share", "占比"))
                    (plain_head("", ""))
                }
            }
            tbody {
                @for (result, tally) in results {
                    @let (name, meaning) = words::result(*result);
                    tr {
                        th.l scope="row" { (both(&name)) }
                        td.l { code { (result.reason()) } }
                        td.l.wide { (both(&meaning)) }
                        (count_cell(tally.count))
                        (yuan_cell(tally.amount_fen.into()))
                        (share_cell(tally.count, whole.count))
                        @if *result == RecordResult::Cleared { td {} } @else { (bar_cell(tally.count, largest)) }
                    }
                }
            }
            tfoot {
                tr {
                    th.l scope="row" { (said("Sum", "合计")) }
                    td {} td {}
                    (count_cell(whole.count))
                    (yuan_cell(whole.amount_fen.into()))
                    td {} td {}
                }
            }
        }
    }
}

fn parked(cycle: &Cycle) -> Markup {
    let rows: Vec<(City, Tally)> = cycle.parked.iter().map(|(city, tally)| (*city, *tally)).collect();
    html! {
        div {
            h3 { (said("Parked, by home city", "挂起（按发卡城市）")) }
            @if rows.is_empty() {
                (nothing("Nothing waits: every home city answered.", "无挂起：各发卡城市均已应答。"))
            } @else { div.scroll { (short_table(cycle, "parked-table", &words("Home city", "发卡城市"), rows)) } }
        }
    }
}

fn late(cycle: &Cycle) -> Markup {
    let late = RecordResult::Rejected(Rejection::Late);
    let of = |(city, results): (&City, &BTreeMap<RecordResult, Tally>)| {
        results.get(&late).map(|tally| (*city, *tally))
    };
    let rows: Vec<(City, Tally)> = cycle.taken.iter().filter_map(of).collect();
    html! {
        div {
            h3 { (said("Late, by acquiring city", "逾期（按刷卡城市）")) }
            @if rows.is_empty() {
                (nothing("No record came too late.", "没有逾期记录。"))
            } @else { div.scroll { (short_table(cycle, "late-table", &words("Acquiring city", "刷卡城市"), rows)) } }
        }
    }
}

fn short_table(cycle: &Cycle, id: &str, head: &words::Words, mut rows: Vec<(City, Tally)>) -> Markup {
    rows.sort_by_key(|(city, tally)| (std::cmp::Reverse(tally.count), *city));
    let whole = sum(rows.iter().map(|(_, tally)| tally)).count;
    let all = rows.len();
    html! {
        table id=(id) class=[(all > OPEN_MAX).then_some("folded")] data-sorted {
            thead {
                tr {
                    (text_head(&head.en, &head.zh))
                    th scope="col" aria-sort="descending" { button type="button" { (said("Records", "笔数")) } }
                    (figure_head("Yuan", "金额（元）"))
                    (figure_head("Share", "占比"))
                }
            }
            tbody {
                @for (city, tally) in rows {
                    tr {
                        (city_cell(cycle, city))
                        (count_cell(tally.count))
                        (yuan_cell(tally.amount_fen.into()))
                        (part_cell(tally.count, whole))
                    }
                }
            }
        }
        @if all > OPEN_MAX {
            button.more type="button" { (both(&words::Words {
                en: format!("Show all {all}"),
                zh: format!("显示全部 {all} 项"),
            })) }
        }
    }
}

fn by_acquirer(cycle: &Cycle) -> Markup {
    html! {
        table #acquirers-table data-sorted {
            thead {
                tr {
                    (text_head("Acquiring city", "刷卡城市"))
                    (figure_head("Presented", "提交"))
                    (figure_head("Cleared", "已清算"))
                    (figure_head("Share", "占比"))
                    (figure_head("Rejected", "拒绝"))
                    (figure_head("Duplicate", "重复"))
                    (figure_head("Conflict", "冲突"))
                    (figure_head("Parked", "挂起"))
                }
            }
            tbody { @for (city, results) in &cycle.taken { tr { (acquirer(cycle, *city, results)) } } }
        }
    }
}

fn acquirer(cycle: &Cycle, city: City, results: &BTreeMap<RecordResult, Tally>) -> Markup {
    let of = |wanted: &str| {
        sum(results.iter().filter(|(result, _)| result.name() == wanted).map(|(_, tally)| tally)).count
    };
    let (all, cleared) = (sum(results.values()).count, of("cleared"));
    html! {
        (city_cell(cycle, city))
        (count_cell(all))
        (count_cell(cleared))
        td data-v=(crate::figures::permille(cleared.into(), all.into())) { (crate::figures::percent(cleared.into(), all.into())) }
        @for result in ["rejected", "duplicate", "conflict", "parked"] { (count_cell(of(result))) }
    }
}

/// Adjustments, refunds and disputes.
fn items(cycle: &Cycle) -> Markup {
    html! {
        h3 style="margin-top:32px" { (said("Adjustments, refunds, disputes", "调整、退款、争议")) }
        div.scroll {
            table #items-table {
                thead {
                    tr {
                        (plain_head("Item", "编号")) (plain_head("Kind", "类别")) (plain_head("Pays", "付款城市"))
                        (plain_head("Receives", "收款城市")) th scope="col" { (said("Yuan", "金额（元）")) }
                        (plain_head("Reference", "参考号")) (plain_head("Reason", "原因"))
                    }
                }
                tbody {
                    @for item in &cycle.items {
                        tr {
                            th.l scope="row" { (item.id) }
                            td.l { (both(&words::item(item.kind))) }
                            td.l { (both(&name(cycle, item.debtor))) }
                            td.l { (both(&name(cycle, item.creditor))) }
                            (yuan_cell(item.amount_fen.into()))
                            td.l { (item.reference) }
                            td.l.wide { (item.reason) }
                        }
                    }
                }
            }
        }
        @if cycle.items_total > cycle.items.len() as u64 {
            p.lead { (both(&words::Words {
                en: format!("The first {} of {}; all stand in items.csv.", cycle.items.len(), cycle.items_total),
                zh: format!("共 {} 项，此处列出前 {} 项；全部见 items.csv。", cycle.items_total, cycle.items.len()),
            })) }
        }
    }
}
