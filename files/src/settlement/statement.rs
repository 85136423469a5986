//! `statement-<city>.html`: a participant's net on one page, in Chinese and English, to print and to file. The page has
//! no script and loads nothing.

use std::{cmp::Reverse, collections::BTreeMap};

use domain::{
    city::City,
    settlement::{Leg, Movement, Net, Party, PartyAccount, Purpose},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Cycle, parts::cut, yuan::readable};

const STYLE: &str = include_str!("statement.css");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// The most counterparties with a row of their own: as many as one page holds.
const COUNTERPARTIES_MAX: usize = 14;
/// The most characters of a name on the page.
const NAME_CHARS_MAX: usize = 60;

/// The page of a city with a net.
pub(super) fn page(cycle: &Cycle<'_>, city: City) -> String {
    let Some(net) = cycle.net(city) else { return String::new() };
    let name = cycle.name;
    let mut page = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "结算单 Settlement statement " (city) " " (name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(cycle, city))
                (result(cycle, net))
                (figures(net))
                (counterparties(cycle, city, net))
                (payment(cycle, city, net))
                footer {
                    "金额单位：人民币元。明细见同一文件夹的 camt.053、net.csv、positions.csv。 "
                    "Amounts in CNY. Detail: camt.053, net.csv and positions.csv of the same folder. "
                    (cycle.reference(Party::City(city)))
                }
            }
        }
    }
    .into_string();
    page.push('\n');
    page
}

/// The same words in both languages.
fn said(zh: &str, en: &str) -> Markup {
    html! { (zh) " " span.en lang="en" { (en) } }
}

/// A city with its names.
fn named(cycle: &Cycle<'_>, city: City) -> Markup {
    let names =
        cycle.participant(city).map(|p| [&p.name_zh, &p.name_en].map(|name| cut(name, NAME_CHARS_MAX)));
    html! {
        @if let Some([zh, en]) = names { (said(&zh, &en)) }
        span.code { (city) }
    }
}

fn header(cycle: &Cycle<'_>, city: City) -> Markup {
    let facts = [
        ("业务日期", "Business date", cycle.name.business_date.to_string()),
        ("清算场次", "Cycle", cycle.folder()),
        ("结算日期", "Settlement date", cycle.settlement_date().to_string()),
        ("规则版本", "Rulebook version", cycle.rulebook_version().to_string()),
    ];
    html! {
        header {
            div { h1 { (said("结算单", "Settlement statement")) } (named(cycle, city)) }
            div.scheme {
                @if let Some(name) = cycle.scheme_name() { (cut(name, NAME_CHARS_MAX)) }
                @else { (said("城市一卡通互联互通", "City Union")) }
            }
        }
        dl { @for (zh, en, value) in facts { div { dt { (said(zh, en)) } dd { (value) } } } }
    }
}

/// What the city pays or receives.
fn result(cycle: &Cycle<'_>, net: &Net) -> Markup {
    let pays = net.net_fen < 0;
    let (zh, en) = if pays { ("应付净额", "Net to pay") } else { ("应收净额", "Net to receive") };
    html! {
        div class=(if pays { "net pays" } else { "net" }) {
            div { strong { (said(zh, en)) } br; (said("结算日期", "on")) " " (cycle.settlement_date()) }
            b { "¥ " (readable(i128::from(net.net_fen.unsigned_abs()))) }
        }
    }
}

/// The row of `net.csv`, each figure with its sign in the net.
fn figures(net: &Net) -> Markup {
    let rows = [
        ("应收交易款", "Receivable", i128::from(net.receivable_fen)),
        ("应付交易款", "Payable", -i128::from(net.payable_fen)),
        ("应收发卡方手续费", "Interchange receivable", net.interchange_receivable_fen.into()),
        ("应付发卡方手续费", "Interchange payable", -i128::from(net.interchange_payable_fen)),
        ("清算服务费", "Switch fee", -i128::from(net.switch_fee_fen)),
        ("调整与退款", "Adjustments and refunds", net.adjustment_fen.into()),
    ];
    html! {
        h2 { (said("净额构成", "How the net is made up")) }
        table {
            tbody { @for (zh, en, fen) in rows { tr { td { (said(zh, en)) } td { (readable(fen)) } } } }
            tfoot { tr { th { (said("净额", "Net")) } th { (readable(net.net_fen.into())) } } }
        }
    }
}

/// Figures with one counterparty: receives, pays, interchange, items, switch fee.
#[derive(Clone, Copy, Default)]
struct With([i128; 5]);

impl With {
    fn enter(&mut self, movement: &Movement) {
        let fen = i128::from(movement.fen);
        let column = match movement.key.purpose {
            Purpose::Interchange => 2,
            Purpose::Adjustment | Purpose::Refund => 3,
            Purpose::SwitchFee => 4,
            _ if fen < 0 => 1,
            _ => 0,
        };
        self.0[column] += fen;
    }

    fn add(&mut self, other: &Self) {
        for (sum, figure) in self.0.iter_mut().zip(other.0) {
            *sum += figure;
        }
    }

    fn net(&self) -> i128 {
        self.0.iter().sum()
    }

    fn turnover(&self) -> u128 {
        self.0.iter().map(|figure| figure.unsigned_abs()).sum()
    }

    fn cells(&self) -> Markup {
        html! { @for figure in self.0 { td { (readable(figure)) } } td { (readable(self.net())) } }
    }
}

/// The counterparties, the largest first; what does not fit on the page in one row.
fn counterparties(cycle: &Cycle<'_>, city: City, net: &Net) -> Markup {
    let mut with: BTreeMap<Party, With> = BTreeMap::new();
    for movement in cycle.movements(city) {
        with.entry(movement.key.counterparty).or_default().enter(movement);
    }
    let scheme = with.remove(&Party::Scheme);
    let mut rows: Vec<(Party, With)> = with.into_iter().collect();
    rows.sort_by_key(|(party, with)| (Reverse(with.turnover()), *party));
    let rest = rows.split_off(rows.len().min(COUNTERPARTIES_MAX));
    let mut others = With::default();
    rest.iter().for_each(|(_, with)| others.add(with));
    html! {
        h2 { (said("交易对手", "Counterparties")) }
        table {
            thead { tr {
                th { (said("城市", "City")) }
                th { (said("应收", "Receives")) }
                th { (said("应付", "Pays")) }
                th { (said("手续费", "Interchange")) }
                th { (said("调整", "Items")) }
                th { (said("服务费", "Switch fee")) }
                th { (said("净额", "Net")) }
            } }
            tbody {
                @for (party, with) in &rows {
                    tr { td { @if let Party::City(city) = party { (named(cycle, *city)) } } (with.cells()) }
                }
                @if !rest.is_empty() {
                    tr { td { "其他 " (rest.len()) " 个城市 " span.en lang="en" { (rest.len()) " others" } } (others.cells()) }
                }
                @if let Some(fees) = scheme { tr { td { (said("清算中心", "Scheme")) } (fees.cells()) } }
            }
            tfoot { tr { th colspan="6" { (said("净额", "Net")) } th { (readable(net.net_fen.into())) } } }
        }
    }
}

/// From which account to which: of one payment both sides, of several a row each.
fn payment(cycle: &Cycle<'_>, city: City, net: &Net) -> Markup {
    if cycle.accounts(city).len() > 1 {
        return payments(cycle, city);
    }
    let (own, scheme) = (Party::City(city), Party::Scheme);
    let (from, to) = if net.net_fen < 0 { (own, scheme) } else { (scheme, own) };
    let rows = [
        ("户名", "Name", holder(cycle, from.into()), holder(cycle, to.into())),
        ("账号", "Account", cycle.account_number(from), cycle.account_number(to)),
        ("开户行", "Bank", bank(cycle, from.into()), bank(cycle, to.into())),
    ];
    html! {
        h2 { (said("付款", "Payment")) }
        table.account {
            thead { tr { th {} th { (said("付款方", "From")) } th { (said("收款方", "To")) } } }
            tbody {
                @for (zh, en, from, to) in rows {
                    tr { td { (said(zh, en)) } td { (from) } td { (to) } }
                }
                tr { td { (said("附言", "Reference")) } td colspan="2" { (cycle.reference(own)) } }
            }
        }
    }
}

/// What goes over each account of a city that has several; the last row is the scheme's, with which all are settled.
fn payments(cycle: &Cycle<'_>, city: City) -> Markup {
    let of = |number| PartyAccount { party: Party::City(city), number };
    let accounts = cycle.accounts(city).into_iter().map(|number| (number, of(number)));
    html! {
        h2 { (said("付款", "Payments")) }
        table.account {
            thead { tr {
                th { (said("账户", "Account")) }
                th { (said("行业", "Sectors")) }
                th { (said("附言", "Reference")) }
                th { (said("金额", "Amount")) }
            } }
            tbody {
                @for (number, account) in accounts {
                    @let leg = cycle.leg(account);
                    tr {
                        td { (holder(cycle, account)) br; (cycle.account_number(account)) " " (bank(cycle, account)) }
                        td {
                            @if number == 0 { (said("其他", "All else")) }
                            @else { (cycle.sectors(city, number).join(", ")) }
                        }
                        td { @if leg.is_some() { (cycle.reference(account)) } @else { "—" } }
                        td { (readable(leg.map_or(0, Leg::signed_fen))) }
                    }
                }
            }
            tfoot { tr { td colspan="4" {
                (said("对方", "With")) " " (holder(cycle, Party::Scheme.into())) " "
                (cycle.account_number(Party::Scheme)) " " (bank(cycle, Party::Scheme.into()))
            } } }
        }
    }
}

/// The name that an account is held under.
fn holder(cycle: &Cycle<'_>, of: PartyAccount) -> String {
    cycle.holder(of).map_or_else(|| of.party.to_string(), |name| cut(&name, NAME_CHARS_MAX))
}

/// The bank that has an account.
fn bank(cycle: &Cycle<'_>, of: PartyAccount) -> String {
    cycle.bank(of).map_or_else(|| "—".to_owned(), ToString::to_string)
}
