//! The head of the page: which cycle, whether it is verified, the main figures.

use domain::result::RecordResult;
use maud::{Markup, html};

use super::parts::{both, said};
use crate::{
    figures::{count, percent, yuan},
    model::{Cycle, Standing, Tally},
    words::{self, Words, words},
};

/// The head.
pub fn header(cycle: &Cycle, standing: &Standing, warning: Option<&Words>) -> Markup {
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
                @if let Some(warning) = warning {
                    strong.seal.bad role="alert" { "✕ " (both(warning)) }
                }
            }
            (figures(cycle))
        }
    }
}

fn seal(standing: &Standing) -> Markup {
    match standing {
        Standing::Verified(checks) => html! {
            span.seal.good {
                "✓ " (both(&Words {
                    en: format!("Verified: {checks} checks, no difference"),
                    zh: format!("已核验：{checks} 项检查，无差异"),
                }))
            }
        },
        Standing::Different(differences) => html! {
            strong.seal.bad role="alert" {
                "✕ " (both(&Words {
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
    html! {
        dl.figures {
            (figure(&words("Cleared", "清算金额"), &format!("¥{}", yuan(cleared.amount_fen.into())), &fares(cycle, cleared)))
            (figure(
                &words("Left to pay after netting", "轧差后应付"),
                &format!("¥{}", yuan(paid_out)),
                &of_whole(&percent(paid_out.unsigned_abs(), cleared.amount_fen.into()), "what was cleared", "清算金额"),
            ))
            (figure(
                &words("Taps cleared", "清算笔数"),
                &count(cleared.count),
                &of_whole(&share(cleared.count), "those presented", "提交笔数"),
            ))
            (figure(&words("Not paid", "未付款"), &count(unpaid), &Words {
                en: format!("{}: rejected, duplicate or conflict", share(unpaid)),
                zh: format!("{}：拒绝、重复或冲突", share(unpaid)),
            }))
            (figure(&words("Parked", "挂起"), &count(parked.count), &Words {
                en: format!("¥{} waits for home cities", yuan(parked.amount_fen.into())),
                zh: format!("¥{} 等待发卡城市", yuan(parked.amount_fen.into())),
            }))
        }
    }
}

fn fares(cycle: &Cycle, cleared: Tally) -> Words {
    let discount = i128::from(cycle.fare_fen) - i128::from(cleared.amount_fen);
    let fares = yuan(cycle.fare_fen.into());
    if discount <= 0 {
        return Words { en: format!("fares ¥{fares}"), zh: format!("票价 ¥{fares}") };
    }
    let discount = yuan(discount);
    Words {
        en: format!("fares ¥{fares}, discount ¥{discount}"),
        zh: format!("票价 ¥{fares}，优惠 ¥{discount}"),
    }
}

fn of_whole(share: &str, en: &str, zh: &str) -> Words {
    Words { en: format!("{share} of {en}"), zh: format!("占{zh} {share}") }
}

fn figure(name: &Words, value: &str, note: &Words) -> Markup {
    html! { div { dt { (both(name)) } dd { (value) span.note { (both(note)) } } } }
}
