//! The foot of the page: which folder it shows, by its digests.

use maud::{Markup, html};

use super::parts::said;
use crate::model::Cycle;

/// The footer.
pub fn footer(cycle: &Cycle) -> Markup {
    let digest = |text: &str| html! { code { (text) } };
    html! {
        footer {
            div {
                dl {
                    (fact(&said("Cycle folder", "周期目录"), &digest(&cycle.name)))
                    (fact(&said("Its manifest, SHA-256", "清单 SHA-256"), &digest(&cycle.manifest_sha256)))
                    (fact(&said("The manifest before", "上一清单"), &match &cycle.previous_manifest_sha256 {
                        Some(previous) => digest(previous),
                        None => said("none: the first cycle", "无：首个周期"),
                    }))
                    (fact(&said("Rulebook, SHA-256", "规则 SHA-256"), &digest(&cycle.rulebook_sha256)))
                    (fact(&said("Merkle root of the detail", "明细默克尔根"), &digest(&cycle.merkle_root)))
                }
                p { (said(
                    "Made from the closed folder alone. Amounts are yuan with two decimals, times are UTC+8. The page loads nothing and can be filed or sent as it is.",
                    "仅由已关闭的周期目录生成。金额单位为元，保留两位小数；时间为东八区。本页不加载任何外部内容，可直接存档或发送。",
                )) }
            }
        }
    }
}

fn fact(name: &Markup, value: &Markup) -> Markup {
    html! { dt { (name) } dd { (value) } }
}
