//! The page: one file with everything in it, in two languages, which asks the network for nothing.
//!
//! Charts are drawn here as small SVG, whose colours and texts are the page's own: they follow language, light and
//! dark, and print, and weigh a few kilobytes, where a chart library would bring a megabyte and draw nothing
//! without its script.

mod flows;
mod foot;
mod heat;
mod hours;
mod net;
mod parts;
mod results;
mod shares;
mod skyline;
mod top;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::json;

use self::parts::{both, said};
use crate::{
    model::{Cycle, Standing},
    words::{self, Words},
};

const STYLE: &str = include_str!("page.css");
const FIRST_SCRIPT: &str = include_str!("first.js");
const SCRIPT: &str = include_str!("page.js");
/// Whatever a page might be made to say, it loads nothing and sends nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// The page of a cycle, as HTML; `warning` stands at its top. The same cycle, standing and warning give the same bytes.
#[must_use]
pub fn page(cycle: &Cycle, standing: &Standing, warning: Option<&Words>) -> String {
    let order = heat::by_volume(cycle);
    let title = title(cycle);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title data-en=(title.en) data-zh=(title.zh) { (title.en) }
                style { (PreEscaped(STYLE)) }
                script { (PreEscaped(FIRST_SCRIPT)) }
            }
            body {
                a.skip href="#main" { (said("Skip to the figures", "跳到数据")) }
                (top::header(cycle, standing, warning))
                main #main {
                    (net::section(cycle))
                    (flows::section(cycle))
                    (heat::section(cycle, &order))
                    (shares::section(cycle))
                    (hours::section(cycle))
                    (results::section(cycle))
                }
                (foot::footer(cycle))
                div #tip hidden {}
                div #live .unseen aria-live="polite" {}
                script #cities type="application/json" { (PreEscaped(cities(cycle, &order))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let mut page = markup.into_string();
    page.push('\n');
    page
}

fn title(cycle: &Cycle) -> Words {
    let date = words::date(cycle.business_date);
    Words {
        en: format!("Settlement of {} · cycle {} · City Union Clearing", date.en, cycle.sequence),
        zh: format!("{} 清算报告 · 第 {} 周期 · 城市一卡通互联互通", date.zh, cycle.sequence),
    }
}

/// The cities of the heat map for the page's script, in its order: code, English name, Chinese name.
fn cities(cycle: &Cycle, order: &[domain::city::City]) -> String {
    let cities = order.iter().map(|city| {
        let named = cycle.named(*city);
        json!([named.city.to_string(), named.en, named.zh])
    });
    // A name must not end the script that it stands in.
    json!(cities.collect::<Vec<_>>()).to_string().replace('<', "\\u003c")
}

/// A section with its headline and a line that says how to read it.
fn section(id: &str, headline: &Words, lead: &Words, body: &Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (both(headline)) }
            p.lead { (both(lead)) }
            div.body { (body) }
        }
    }
}
