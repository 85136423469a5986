//! Nets as columns: who receives stands up, who pays hangs down.

use domain::city::City;
use maud::{Markup, html};

use super::{
    heat::{axis_name, room},
    parts::{Sheet, full_name, label, tenths},
};
use crate::{
    figures::{round_up, signed_yuan, yuan},
    model::{Cycle, Net},
    words::Words,
};

// Lengths in tenths of a unit.
const HEIGHT_MAX: u128 = 1_600;
const BAR_MAX: u128 = 900;
/// Columns that are closer than this are not told apart on a phone.
const PITCH_MIN: u128 = 120;
/// A figure of the axis, or at the end of a column.
const FIGURE_FONT: u128 = 11;
const FIGURE_CHAR: u128 = 66;
/// Room for a figure at the end of a column.
const VALUE: u128 = 180;
/// About how many lines the larger side has.
const LINES: u128 = 4;
/// The size of names that lie.
const FONT: usize = 13;

/// Where things are.
struct Plan {
    sheet: Sheet,
    width: u128,
    left: u128,
    pitch: u128,
    font: usize,
    upright: bool,
    /// Nets stand at the ends of the columns.
    values: bool,
    /// Where zero is.
    zero: u128,
    bottom: u128,
    step_fen: u128,
    /// Lines above and below zero: the last is at or beyond the longest column.
    lines: (u128, u128),
}

impl Plan {
    fn new(nets: &[(City, Net)], names: &[Words], sheet: Sheet) -> Self {
        let most = |of: fn(&i64) -> bool| {
            let nets = nets.iter().map(|(_, net)| net.net_fen).filter(of);
            nets.map(|net| u128::from(net.unsigned_abs())).max().unwrap_or_default()
        };
        let (up, down) = (most(|net| *net > 0), most(|net| *net < 0));
        let step_fen = round_up(up.max(down).div_ceil(LINES).max(1));
        let lines = (up.div_ceil(step_fen), down.div_ceil(step_fen));
        let figure = axis_figure(step_fen * lines.0.max(lines.1)).chars().count() as u128 + 1;
        let left = figure * FIGURE_CHAR + 120;
        let count = (nets.len() as u128).max(1);
        let (width_max, pitch_max) = if sheet == Sheet::Slim { (3_600, 1_500) } else { (10_600, 3_200) };
        let pitch = ((width_max - left) / count).min(pitch_max);
        let longest = |font| names.iter().map(|name| room(name, font)).max().unwrap_or_default() as u128 * 10;
        let upright = longest(FONT) + 60 > pitch;
        let font =
            if upright { usize::try_from(pitch / 10).unwrap_or(FONT).clamp(10, FONT) - 1 } else { FONT };
        let value = nets.iter().map(|(_, net)| signed_yuan(net.net_fen.into()).chars().count()).max();
        let values = value.unwrap_or_default() as u128 * FIGURE_CHAR <= pitch;
        // The names of those that pay stand above the line, of those that receive below it.
        let names = if upright { longest(font) + 100 } else { 250 };
        let end = if values { VALUE } else { 0 };
        let side = |count: u128| HEIGHT_MAX * count / lines.0.max(lines.1).max(1) + end;
        let zero = side(lines.0).max(names) + 60;
        let bottom = zero + side(lines.1).max(names) + 60;
        let width = left + pitch * count;
        Self { sheet, width, left, pitch, font, upright, values, zero, bottom, step_fen, lines }
    }

    fn height(&self, fen: u128) -> u128 {
        HEIGHT_MAX * fen / (self.step_fen * self.lines.0.max(self.lines.1).max(1))
    }
}

/// The charts of nets, in the order given: one for a desk and one for a phone, if it can be read there.
pub fn charts(cycle: &Cycle, nets: &[(City, Net)]) -> Markup {
    let names: Vec<Words> = nets.iter().map(|(city, _)| axis_name(cycle, *city)).collect();
    let slim = Plan::new(nets, &names, Sheet::Slim);
    let fits = slim.pitch >= PITCH_MIN;
    let broad = Plan::new(nets, &names, if fits { Sheet::Broad } else { Sheet::Only });
    html! {
        (chart(cycle, &broad, nets, &names))
        @if fits { (chart(cycle, &slim, nets, &names)) }
    }
}

fn chart(cycle: &Cycle, plan: &Plan, nets: &[(City, Net)], names: &[Words]) -> Markup {
    let view = format!("0 0 {} {}", tenths(plan.width), tenths(plan.bottom));
    let sheet = plan.sheet;
    let style = format!("width:100%;max-width:{}px;min-width:{}px", plan.width / 10, least_px(plan));
    let columns = (0_u128..).zip(nets).zip(names);
    html! {
        svg #{ "net-chart" (sheet.suffix()) } class={ "chart " (sheet.class()) } viewBox=(view) style=(style) tabindex="0" role="group"
            data-en="Bar chart: net of each city, those that receive first. Arrow keys go through the cities."
            data-zh="柱状图：各城市净额，收款城市在前。用方向键逐个查看。" {
            (lines(plan))
            @for ((place, (city, net)), name) in columns { (column(cycle, plan, place, (*city, net), name)) }
            line.base x1=(tenths(plan.left)) x2=(tenths(plan.width)) y1=(tenths(plan.zero)) y2=(tenths(plan.zero)) {}
        }
    }
}

/// Below this width a chart scrolls, since nobody could read it.
fn least_px(plan: &Plan) -> u128 {
    match plan.sheet {
        Sheet::Slim => 0,
        Sheet::Broad => (plan.width / 10).min(680),
        Sheet::Only => (plan.width / 10).min(1_000),
    }
}

fn axis_figure(fen: u128) -> String {
    let text = yuan(fen.try_into().unwrap_or(i128::MAX));
    text.trim_end_matches(".00").to_owned()
}

/// Lines at round amounts above and below zero.
fn lines(plan: &Plan) -> Markup {
    let at = |count: u128| plan.height(plan.step_fen * count);
    let above = (1..=plan.lines.0).map(|count| (plan.zero - at(count), count, '+'));
    let below = (1..=plan.lines.1).map(|count| (plan.zero + at(count), count, '−'));
    let font = format!("font-size:{FIGURE_FONT}px");
    html! {
        g.soft {
            @for (y, count, sign) in above.chain(below) {
                line.axis x1=(tenths(plan.left)) x2=(tenths(plan.width)) y1=(tenths(y)) y2=(tenths(y)) {}
                text.end x=(tenths(plan.left - 80)) y=(tenths(y + 40)) style=(font) { (sign) (axis_figure(plan.step_fen * count)) }
            }
            text.end x=(tenths(plan.left - 80)) y=(tenths(plan.zero + 40)) style=(font) { "0" }
        }
    }
}

fn column(cycle: &Cycle, plan: &Plan, place: u128, (city, net): (City, &Net), name: &Words) -> Markup {
    let left = plan.left + place * plan.pitch;
    let (high, pays) = (plan.height(net.net_fen.unsigned_abs().into()), net.net_fen < 0);
    let (y, class) = if pays { (plan.zero, "debit") } else { (plan.zero - high, "credit") };
    let wide = (plan.pitch * 7 / 10).min(BAR_MAX);
    let gap = (plan.pitch - wide) / 2;
    let value = if pays { plan.zero + high + 140 } else { plan.zero - high - 60 };
    let Words { en, zh } = told(&full_name(cycle, city), net);
    html! {
        g.column role="img" data-en=(en) data-zh=(zh) aria-label=(en) {
            rect.hit x=(tenths(left)) y="0" width=(tenths(plan.pitch)) height=(tenths(plan.bottom)) {}
            rect class=(class) x=(tenths(left + gap)) y=(tenths(y)) width=(tenths(wide)) height=(tenths(high)) {}
            @if plan.values && net.net_fen != 0 {
                text.mid x=(tenths(left + plan.pitch / 2)) y=(tenths(value)) style={ "font-size:" (FIGURE_FONT) "px" } { (signed_yuan(net.net_fen.into())) }
            }
            (column_name(plan, left + plan.pitch / 2, pays, name))
        }
    }
}

fn column_name(plan: &Plan, middle: u128, pays: bool, name: &Words) -> Markup {
    if !plan.upright {
        let y = if pays { plan.zero - 80 } else { plan.zero + 170 };
        return label(&tenths(middle), &tenths(y), "mid", name);
    }
    let x = tenths(middle + plan.font as u128 * 35 / 10);
    let (y, class) = if pays { (tenths(plan.zero - 50), "") } else { (tenths(plan.zero + 50), "end") };
    let place = format!("translate({x},{y}) rotate(-90)");
    html! {
        @for (language, text) in [("en", &name.en), ("zh", &name.zh)] {
            text class={ (language) " " (class) } transform=(place) style={ "font-size:" (plan.font) "px" } { (text) }
        }
    }
}

fn told(name: &Words, net: &Net) -> Words {
    let (all, gets, pays) =
        (signed_yuan(net.net_fen.into()), yuan(net.receivable_fen.into()), yuan(net.payable_fen.into()));
    Words {
        en: format!("{}\nnet {all}\nreceives {gets}, pays {pays}", name.en),
        zh: format!("{}\n净额 {all}\n应收 {gets}，应付 {pays}", name.zh),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(nets: &[i64], sheet: Sheet) -> Plan {
        let nets: Vec<(City, Net)> = (0..nets.len())
            .map(|at| format!("cu-{:04}", 1000 + at).parse().unwrap())
            .zip(nets)
            .map(|(city, net_fen)| (city, Net { net_fen: *net_fen, ..Net::default() }))
            .collect();
        let name = |_| Words { en: "Shijiazhuang".to_owned(), zh: "石家庄".to_owned() };
        Plan::new(&nets, &nets.iter().map(name).collect::<Vec<_>>(), sheet)
    }

    #[test]
    fn no_column_passes_the_last_line() {
        for nets in [&[1_661_770_i64, -900_000, -761_770][..], &[5, -5], &[0], &[1_000_000, -1_000_001, 1]] {
            let plan = plan(nets, Sheet::Broad);
            let ends = [(1, plan.lines.0), (-1, plan.lines.1)];
            for (sign, lines) in ends {
                let most = nets.iter().map(|net| net * sign).max().unwrap_or_default().max(0);
                let end = plan.step_fen * lines;
                assert!(end >= most.unsigned_abs().into(), "{nets:?}: {end}");
                assert!(end < u128::from(most.unsigned_abs()) + plan.step_fen, "{nets:?}: an empty line");
            }
            assert!(plan.height(plan.step_fen * plan.lines.0) < plan.zero);
        }
    }

    #[test]
    fn a_few_columns_fill_the_width_with_their_nets_and_fit_a_phone() {
        let few = [1_661_770, -900_000, -761_770];
        let broad = plan(&few, Sheet::Broad);
        assert!(broad.width > 9_000 && broad.values && !broad.upright, "{}", broad.width);
        assert!(plan(&few, Sheet::Slim).width <= 3_600);
        let many = plan(&[100; 80], Sheet::Broad);
        assert!(!many.values && many.upright && many.font >= 10, "{}", many.font);
        assert!(plan(&[100; 80], Sheet::Slim).pitch < PITCH_MIN);
    }
}
