//! The head of the page: which cycle, whether it is verified, the main figures.

use domain::result::RecordResult;
use maud::{Markup, html};

use super::parts::{both, said};
use crate::{
    figures::{count, percent, yuan},
    model::{Cycle, Standing, Tally},
    words,
};

/// The head.
pub fn header(cycle: &Cycle, standing: &Standing) -> Markup {
    html! {
        header {
            div.masthead {
                p.over { (said("City Union Clearing · Settlement report", "城市一卡通互联互通 · 清算报告")) }
                button #language type="button" {
                    span.en lang="zh-CN" { "中文" }
                    span.zh lang="en" { "English" }
                }
            }
            h1 { (both(&words::date(cycle.business_date))) }
            p.facts {
                span { (said("Cycle", "周期")) " " (cycle.sequence) }
                span { (said("Rulebook version", "规则版本")) " " (cycle.rulebook_version) }
                span { (count(cycle.nets.len() as u64)) " " (said("participants", "个参与城市")) }
                (seal(standing))
            }
            (figures(cycle))
        }
    }
}

fn seal(standing: &Standing) -> Markup {
    match standing {
        Standing::Verified(checks) => html! {
            span.seal.good {
                "✓ " (both(&words::Words {
                    en: format!("Verified: {checks} checks, no difference"),
                    zh: format!("已核验：{checks} 项检查，无差异"),
                }))
            }
        },
        Standing::Different(differences) => html! {
            strong.seal.bad role="alert" {
                "✕ " (both(&words::Words {
                    en: format!("NOT what its records say: {differences} differences. Do not settle."),
                    zh: format!("与明细不符：{differences} 处差异，请勿结算。"),
                }))
            }
        },
        Standing::NotChecked => html! { span.seal.unknown { (said("Not verified", "未核验")) } },
    }
}

fn figures(cycle: &Cycle) -> Markup {
    let (presented, cleared) = (cycle.presented(), cycle.cleared());
    let results = cycle.results();
    let parked = results.get(&RecordResult::Parked).copied().unwrap_or_default();
    let unpaid = presented.count.saturating_sub(cleared.count + parked.count);
    let paid_out = cycle.paid_out_fen();
    let share = |part: u64| percent(part.into(), presented.count.into());
    let discount = i128::from(cycle.fare_fen) - i128::from(cleared.amount_fen);
    html! {
        dl.figures {
            (figure(said("Cleared", "清算金额"), &format!("¥{}", yuan(cleared.amount_fen.into())), &html! {
                (said("fares", "票价")) " ¥" (yuan(cycle.fare_fen.into()))
                @if discount > 0 { ", " (said("discount", "优惠")) " ¥" (yuan(discount)) }
            }))
            (figure(said("To be paid in the end", "轧差后应付"), &format!("¥{}", yuan(paid_out)), &html! {
                (percent(paid_out.unsigned_abs(), cleared.amount_fen.into())) " " (said("of what was cleared", "占清算金额"))
            }))
            (figure(said("Taps cleared", "清算笔数"), &count(cleared.count), &html! {
                (share(cleared.count)) " " (said("of those presented", "占提交笔数"))
            }))
            (figure(said("Not paid", "未付款"), &count(unpaid), &html! {
                (share(unpaid)) " · " (said("rejected, duplicate or conflict", "拒绝、重复或冲突"))
            }))
            (figure(said("Parked", "挂起"), &count(parked.count), &waiting(parked)))
        }
    }
}

fn waiting(parked: Tally) -> Markup {
    html! { "¥" (yuan(parked.amount_fen.into())) " " (said("waits for home cities", "等待发卡城市")) }
}

fn figure(name: Markup, value: &str, note: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) span.note { (note) } } } }
}
