//! When the cleared taps were made: by hour of the day, and by day.

use std::collections::BTreeMap;

use domain::tap::Sector;
use maud::{Markup, html};

use super::parts::{
    Sheet, both, count_cell, figure_head, nothing, part_cell, plain_head, said, tenths, told, yuan_cell,
};
use crate::{
    figures::{count, round_up},
    model::{Cycle, DAYS_FIRST, Tally, sum},
    words::{Words, words},
};

// Lengths in tenths of a unit.
const HEIGHT: u128 = 2_200;
const BOTTOM: u128 = 280;
const TOP: u128 = 100;
/// About how many lines the chart has.
const LINES: u128 = 4;

/// What differs between a desk and a phone.
struct Shape {
    sheet: Sheet,
    left: u128,
    pitch: u128,
    bar: u128,
    /// Every how many hours one is named.
    named: u128,
}

const BROAD: Shape = Shape { sheet: Sheet::Broad, left: 560, pitch: 380, bar: 260, named: 1 };
const SLIM: Shape = Shape { sheet: Sheet::Slim, left: 480, pitch: 130, bar: 100, named: 3 };

/// One hour's bar: metro, bus, and everything else.
type Stack = [(&'static str, Tally); 3];

/// The section.
pub fn section(cycle: &Cycle) -> Markup {
    let body = if cycle.cleared().count == 0 {
        nothing("No record was cleared.", "没有已清算的记录。")
    } else {
        let stacks = cycle.hours.each_ref().map(stack);
        html! {
            div.legend {
                span { i.metro {} (said("Metro", "地铁")) }
                span { i.bus {} (said("Bus", "公交")) }
                span { i.rest {} (said("Everything else", "其他")) }
            }
            div.scroll { (chart(&stacks, &BROAD)) (chart(&stacks, &SLIM)) }
            details.aside { summary { (said("The same as a table", "以表格显示")) } (table(&stacks)) }
            div.scroll style="margin-top:28px;max-width:640px" { (days(cycle)) }
        }
    };
    super::section(
        "hours",
        &words("By hour", "分时分布"),
        &words(
            "Taps that were cleared in this cycle, by the hour of the day at which they were made (UTC+8), whatever the day. From the home cities’ files, issuer/.",
            "本周期已清算交易按刷卡时刻（东八区）分布，不分日期。来源：issuer/ 发卡城市明细。",
        ),
        &body,
    )
}

fn stack(hour: &BTreeMap<Sector, Tally>) -> Stack {
    let of = |wanted: fn(Sector) -> bool| {
        sum(hour.iter().filter(|(sector, _)| wanted(**sector)).map(|(_, tally)| tally))
    };
    [
        ("metro", of(|sector| sector == Sector::Metro)),
        ("bus", of(|sector| sector == Sector::Bus)),
        ("rest", of(|sector| !matches!(sector, Sector::Metro | Sector::Bus))),
    ]
}

fn total(stack: &Stack) -> Tally {
    sum(stack.iter().map(|(_, tally)| tally))
}

fn chart(stacks: &[Stack; 24], shape: &Shape) -> Markup {
    let most = stacks.iter().map(|stack| total(stack).count).max().unwrap_or_default();
    let step = round_up(u128::from(most).div_ceil(LINES));
    let lines = u128::from(most).div_ceil(step).max(1);
    let (end, wide) = (step * lines, shape.left + 24 * shape.pitch);
    let view = format!("0 0 {} {}", tenths(wide), tenths(TOP + HEIGHT + BOTTOM));
    let sheet = shape.sheet;
    html! {
        svg #{ "hour-chart" (sheet.suffix()) } class={ "chart " (sheet.class()) } viewBox=(view) style=(sheet.style(600)) tabindex="0" role="group"
            data-en="Bar chart: cleared taps by hour of the day. Arrow keys go through the hours."
            data-zh="柱状图：各小时已清算笔数。用方向键逐时查看。" {
            g.soft {
                @for line in 0..=lines {
                    @let y = TOP + HEIGHT - HEIGHT * line / lines;
                    line class=(if line == 0 { "base" } else { "axis" }) x1=(tenths(shape.left)) x2=(tenths(wide)) y1=(tenths(y)) y2=(tenths(y)) {}
                    text.end x=(tenths(shape.left - 80)) y=(tenths(y + 40)) style="font-size:11px" { (count(u64::try_from(step * line).unwrap_or(u64::MAX))) }
                }
            }
            @for (hour, stack) in (0_u128..).zip(stacks) { (bar(shape, hour, stack, end)) }
        }
    }
}

fn bar(shape: &Shape, hour: u128, stack: &Stack, end: u128) -> Markup {
    let left = shape.left + hour * shape.pitch;
    let place =
        Words { en: format!("{hour:02}:00–{hour:02}:59"), zh: format!("{hour:02}:00–{hour:02}:59") };
    let Words { en, zh } = told(&place, total(stack));
    let mut below: u128 = 0;
    let parts = stack.map(|(class, tally)| {
        let from = HEIGHT * below / end;
        below += u128::from(tally.count);
        let to = HEIGHT * below / end;
        (class, TOP + HEIGHT - to, to - from)
    });
    html! {
        g.column role="img" data-en=(en) data-zh=(zh) aria-label=(en) {
            rect.hit x=(tenths(left)) y=(tenths(TOP)) width=(tenths(shape.pitch)) height=(tenths(HEIGHT)) {}
            @for (class, y, high) in parts {
                @if high > 0 {
                    rect class=(class) x=(tenths(left + (shape.pitch - shape.bar) / 2)) y=(tenths(y)) width=(tenths(shape.bar)) height=(tenths(high)) {}
                }
            }
            @if hour.is_multiple_of(shape.named) {
                text.mid.soft x=(tenths(left + shape.pitch / 2)) y=(tenths(TOP + HEIGHT + 200)) style="font-size:11px" { (format!("{hour:02}")) }
            }
        }
    }
}

fn table(stacks: &[Stack; 24]) -> Markup {
    html! {
        div.scroll {
            table #hours-table data-sorted {
                thead {
                    tr {
                        th scope="col" aria-sort="ascending" { button type="button" { (said("Hour", "时段")) } }
                        (figure_head("Metro", "地铁"))
                        (figure_head("Bus", "公交"))
                        (figure_head("Else", "其他"))
                        (figure_head("Taps", "笔数"))
                        (figure_head("Yuan", "金额（元）"))
                    }
                }
                tbody {
                    @for (hour, stack) in stacks.iter().enumerate() {
                        tr {
                            td data-v=(hour) { (format!("{hour:02}")) }
                            @for (_, tally) in stack { (count_cell(tally.count)) }
                            (count_cell(total(stack).count))
                            (yuan_cell(total(stack).amount_fen.into()))
                        }
                    }
                }
            }
        }
    }
}

/// Taps by the day on which they were made.
fn days(cycle: &Cycle) -> Markup {
    let whole = cycle.cleared().count;
    html! {
        table #days-table {
            caption { (said("Day of the tap", "刷卡日期")) }
            thead {
                tr {
                    (plain_head("Day", "日期"))
                    th scope="col" { (said("Taps", "笔数")) }
                    th scope="col" { (said("Yuan", "金额（元）")) }
                    th scope="col" { (said("Share", "占比")) }
                }
            }
            tbody {
                @for (day, tally) in cycle.days.iter().rev() {
                    tr {
                        th.l scope="row" { (both(&day_words(cycle, *day))) }
                        (count_cell(tally.count))
                        (yuan_cell(tally.amount_fen.into()))
                        (part_cell(tally.count, whole))
                    }
                }
            }
        }
    }
}

fn day_words(cycle: &Cycle, day: i32) -> Words {
    let date = cycle.business_date.plus_days(day);
    match day {
        0 => Words { en: format!("{date}, the business date"), zh: format!("{date}（营业日）") },
        DAYS_FIRST => Words { en: format!("{date} and before"), zh: format!("{date} 及以前") },
        _ => Words { en: date.to_string(), zh: date.to_string() },
    }
}
