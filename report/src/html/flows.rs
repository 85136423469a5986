//! Who owes whom: the largest flows between two cities as a picture and as a table.

use std::collections::BTreeMap;

use domain::city::City;
use maud::{Markup, html};

use super::{
    heat::axis_name,
    parts::{
        Sheet, both, city_cell, count_cell, figure_head, full_name, name, nothing, tenths, text_head,
        yuan_cell,
    },
};
use crate::{
    figures::{count, yuan},
    flows::{Flow, flows},
    model::Cycle,
    words::{Words, words},
};

/// How many flows the picture and the table show.
const SHOWN_MAX: usize = 15;

// Lengths in tenths of a unit.
const NODE: u128 = 80;
const TEXT_GAP: u128 = 100;
const ALL_RIBBONS_MAX: u128 = 3_000;
/// As much of it as one flow may take on average: a few flows are no slab.
const RIBBON_SHARE: u128 = 500;
const RIBBON_MIN: u128 = 12;
const ROOM_GAP: u128 = 70;

/// What differs between a desk and a phone.
struct Shape {
    sheet: Sheet,
    width: u128,
    /// Where the names end and the ribbons begin; as much is left at the right.
    left: u128,
    room_min: u128,
    /// The amount stands below the name, not beside it.
    stacked: bool,
}

const BROAD: Shape = Shape { sheet: Sheet::Broad, width: 10_000, left: 2_900, room_min: 210, stacked: false };
const SLIM: Shape = Shape { sheet: Sheet::Slim, width: 3_600, left: 1_250, room_min: 310, stacked: true };

impl Shape {
    const fn right(&self) -> u128 {
        self.width - self.left
    }
}

/// The section.
pub fn section(cycle: &Cycle) -> Markup {
    let flows = flows(&cycle.pairs);
    let shown = &flows[..flows.len().min(SHOWN_MAX)];
    let body = if shown.is_empty() {
        nothing("No city owes another anything.", "没有城市之间的应付款。")
    } else {
        html! {
            div.scroll { (picture(cycle, shown, &BROAD)) (picture(cycle, shown, &SLIM)) }
            div.scroll tabindex="0" role="region" aria-labelledby="flows-title" { (table(cycle, shown)) }
        }
    };
    super::section("flows", &words("Who owes whom", "谁欠谁"), &lead(shown.len(), flows.len()), &body)
}

fn lead(shown: usize, all: usize) -> Words {
    let debts = if shown < all {
        let all = count(all as u64);
        Words {
            en: format!("The {shown} largest of {all} debts between two cities"),
            zh: format!("两城市之间的应付款，共 {all} 项，此处为最大的 {shown} 项"),
        }
    } else {
        words("The debts between two cities", "两城市之间的应付款")
    };
    Words {
        en: format!(
            "{}, each set against the debt the other way, interchange taken off. From positions.csv.",
            debts.en
        ),
        zh: format!("{}；双向抵扣，并扣除交换费。来源：positions.csv。", debts.zh),
    }
}

/// One side's cities from top to bottom, with their places.
struct Side {
    rooms: BTreeMap<City, Room>,
    height: u128,
}

/// A city's place on a side.
struct Room {
    rank: usize,
    top: u128,
    height: u128,
    fen: i128,
    /// Where the next ribbon begins.
    next: u128,
}

/// Ribbons by amount.
struct Scale {
    all_fen: u128,
    all_ribbons: u128,
}

impl Scale {
    fn of(flows: &[Flow]) -> Self {
        let all_fen: i128 = flows.iter().map(Flow::net_fen).sum();
        let all_ribbons = ALL_RIBBONS_MAX.min(RIBBON_SHARE * flows.len() as u128);
        Self { all_fen: all_fen.unsigned_abs().max(1), all_ribbons }
    }

    fn thickness(&self, flow: &Flow) -> u128 {
        (flow.net_fen().unsigned_abs() * self.all_ribbons / self.all_fen).max(RIBBON_MIN)
    }
}

impl Side {
    fn new(order: &[City], flows: &[Flow], scale: &Scale, room_min: u128, of: fn(&Flow) -> City) -> Self {
        let (mut rooms, mut top) = (BTreeMap::new(), 0);
        for (rank, city) in order.iter().enumerate() {
            let its = || flows.iter().filter(|flow| of(flow) == *city);
            let height: u128 = its().map(|flow| scale.thickness(flow)).sum();
            let fen = its().map(Flow::net_fen).sum();
            let room = height.max(room_min);
            let first = top + (room - height) / 2;
            rooms.insert(*city, Room { rank, top: first, height, fen, next: first });
            top += room + ROOM_GAP;
        }
        Self { rooms, height: top.saturating_sub(ROOM_GAP) }
    }

    /// Moves all down, so that both sides have the same middle.
    fn lower(&mut self, by: u128) {
        for room in self.rooms.values_mut() {
            room.top += by;
            room.next += by;
        }
    }

    /// Takes the place of a ribbon.
    fn take(&mut self, city: City, thickness: u128) -> u128 {
        self.rooms.get_mut(&city).map_or(0, |room| {
            room.next += thickness;
            room.next - thickness
        })
    }

    fn rank(&self, city: City) -> usize {
        self.rooms.get(&city).map_or(0, |room| room.rank)
    }
}

/// Debtors, the largest first.
fn debtors(flows: &[Flow]) -> Vec<City> {
    let mut sums: BTreeMap<City, i128> = BTreeMap::new();
    for flow in flows {
        *sums.entry(flow.debtor).or_default() += flow.net_fen();
    }
    let mut order: Vec<City> = sums.keys().copied().collect();
    order.sort_by_key(|city| (-sums.get(city).copied().unwrap_or_default(), *city));
    order
}

/// Creditors, each about as high as those who owe it, so that few ribbons cross.
fn creditors(flows: &[Flow], left: &Side) -> Vec<City> {
    let mut sums: BTreeMap<City, (i128, i128)> = BTreeMap::new();
    for flow in flows {
        let top = left.rooms.get(&flow.debtor).map_or(0, |room| room.top);
        let (weighted, weight) = sums.entry(flow.creditor).or_default();
        *weighted += flow.net_fen() * i128::try_from(top).unwrap_or(0);
        *weight += flow.net_fen();
    }
    let height = |city: &City| sums.get(city).map_or(0, |(weighted, weight)| weighted / (*weight).max(1));
    let mut order: Vec<City> = sums.keys().copied().collect();
    order.sort_by_key(|city| (height(city), *city));
    order
}

fn picture(cycle: &Cycle, flows: &[Flow], shape: &Shape) -> Markup {
    let scale = Scale::of(flows);
    let side = |order: &[City], of: fn(&Flow) -> City| Side::new(order, flows, &scale, shape.room_min, of);
    let mut left = side(&debtors(flows), |flow| flow.debtor);
    let mut right = side(&creditors(flows, &left), |flow| flow.creditor);
    let height = left.height.max(right.height);
    left.lower((height - left.height) / 2);
    right.lower((height - right.height) / 2);
    let mut order: Vec<&Flow> = flows.iter().collect();
    order.sort_by_key(|flow| (right.rank(flow.creditor), left.rank(flow.debtor)));
    let ends: Vec<u128> = order.iter().map(|flow| right.take(flow.creditor, scale.thickness(flow))).collect();
    let mut ribbons: Vec<(&Flow, u128)> = order.into_iter().zip(ends).collect();
    ribbons.sort_by_key(|(flow, _)| (left.rank(flow.debtor), right.rank(flow.creditor)));
    let view = format!("0 0 {} {}", tenths(shape.width), tenths(height + 420));
    let sheet = shape.sheet;
    html! {
        svg #{ "flow-chart" (sheet.suffix()) } class={ "chart " (sheet.class()) } viewBox=(view) style=(sheet.style(680)) tabindex="0" role="group"
            data-en="Diagram: who pays, at the left, and who receives, at the right. Arrow keys go through the flows."
            data-zh="流向图：左侧付款城市，右侧收款城市。用方向键逐项查看。" {
            defs {
                linearGradient #{ "flow" (sheet.suffix()) } gradientUnits="userSpaceOnUse" x1=(tenths(shape.left)) x2=(tenths(shape.right())) {
                    stop.stop-pays offset="0" {}
                    stop.stop-gets offset="1" {}
                }
            }
            g.soft {
                (super::parts::label(&tenths(shape.left + NODE), "12", "end", &words("pays", "付款")))
                (super::parts::label(&tenths(shape.right() - NODE), "12", "", &words("receives", "收款")))
            }
            g transform="translate(0,32)" {
                @for (flow, end) in ribbons {
                    @let thick = scale.thickness(flow);
                    @let start = left.take(flow.debtor, thick);
                    (ribbon(cycle, shape, flow, start, end, thick))
                }
                @for (city, room) in &left.rooms { (node(cycle, shape, *city, room, true)) }
                @for (city, room) in &right.rooms { (node(cycle, shape, *city, room, false)) }
            }
        }
    }
}

fn ribbon(cycle: &Cycle, shape: &Shape, flow: &Flow, start: u128, end: u128, thick: u128) -> Markup {
    let (from, to, middle) = (shape.left + NODE, shape.right() - NODE, shape.width / 2);
    let [x0, x1, xm] = [from, to, middle].map(tenths);
    let [a, b, c, d] = [start, end, end + thick, start + thick].map(tenths);
    let path = format!("M{x0} {a}C{xm} {a} {xm} {b} {x1} {b}V{c}C{xm} {c} {xm} {d} {x0} {d}Z");
    let (debtor, creditor) = (full_name(cycle, flow.debtor), full_name(cycle, flow.creditor));
    let (net, owed, back) = (yuan(flow.net_fen()), yuan(flow.owed_fen), yuan(flow.back_fen));
    let en = format!("{} owes {}\n¥{net} = {owed} less {back}", debtor.en, creditor.en);
    let zh = format!("{} 应付 {}\n¥{net} = {owed} 减 {back}", debtor.zh, creditor.zh);
    html! { path.ribbon d=(path) role="img" data-en=(en) data-zh=(zh) aria-label=(en) {} }
}

fn node(cycle: &Cycle, shape: &Shape, city: City, room: &Room, pays: bool) -> Markup {
    let (x, text, class, anchor) = if pays {
        (shape.left, shape.left - TEXT_GAP, "node-pays", "end")
    } else {
        (shape.right() - NODE, shape.right() + TEXT_GAP, "node-gets", "")
    };
    let Words { en, zh } = if shape.stacked { axis_name(cycle, city) } else { full_name(cycle, city) };
    let middle = room.top + room.height / 2;
    let amount = yuan(room.fen);
    let place = |y: u128| (tenths(text), tenths(y));
    html! {
        rect class=(class) x=(tenths(x)) y=(tenths(room.top)) width=(tenths(NODE)) height=(tenths(room.height)) {}
        @for (language, name) in [("en", en), ("zh", zh)] {
            @let (x, y) = place(if shape.stacked { middle } else { middle + 45 });
            text class={ (language) " " (anchor) } x=(x) y=(y) {
                @if shape.stacked { (name) }
                @else if pays { tspan.soft { (amount) } tspan dx="10" { (name) } }
                @else { (name) tspan.soft dx="10" { (amount) } }
            }
        }
        @if shape.stacked {
            @let (x, y) = place(middle + 130);
            text class={ "soft " (anchor) } x=(x) y=(y) { (amount) }
        }
    }
}

fn table(cycle: &Cycle, flows: &[Flow]) -> Markup {
    let head = words("Largest debts", "最大应付款");
    html! {
        table #flows-table data-sorted style="margin-top:24px" {
            caption { (both(&head)) }
            thead {
                tr {
                    (text_head("Pays", "付款城市"))
                    (text_head("Receives", "收款城市"))
                    (figure_head("Taps", "笔数"))
                    (figure_head("Owes", "应付"))
                    (figure_head("Comes back", "对方应付"))
                    th scope="col" aria-sort="descending" { button type="button" { (both(&words("Left to pay", "抵扣后应付"))) } }
                }
            }
            tbody {
                @for flow in flows {
                    tr {
                        (city_cell(cycle, flow.debtor))
                        td.l { (both(&name(cycle, flow.creditor))) span.code { (flow.creditor) } }
                        (count_cell(flow.count))
                        (yuan_cell(flow.owed_fen))
                        (yuan_cell(flow.back_fen))
                        (yuan_cell(flow.net_fen()))
                    }
                }
            }
        }
    }
}
