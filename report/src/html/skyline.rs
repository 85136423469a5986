//! Nets as columns: who receives stands up, who pays hangs down.

use domain::city::City;
use maud::{Markup, html};

use super::{
    heat::{axis_name, room},
    parts::{full_name, label, tenths},
};
use crate::{
    figures::{round_up, signed_yuan, yuan},
    model::{Cycle, Net},
    words::Words,
};

// Lengths in tenths of a unit.
const WIDTH: u128 = 10_600;
const LEFT: u128 = 900;
const PITCH_MAX: u128 = 1_000;
const HEIGHT_MAX: u128 = 1_600;
/// Lines on the larger side.
const LINES: u128 = 3;
/// From how many cities on their names stand upright.
const UPRIGHT_FROM: u128 = 10;

/// Where things are.
struct Plan {
    width: u128,
    pitch: u128,
    font: usize,
    upright: bool,
    /// Where zero is.
    zero: u128,
    bottom: u128,
    step_fen: u128,
    /// Fen of the longest column that fits.
    end_fen: u128,
}

impl Plan {
    fn new(nets: &[(City, Net)], names: &[Words]) -> Self {
        let most = |of: fn(&i64) -> bool| {
            let nets = nets.iter().map(|(_, net)| net.net_fen).filter(of);
            nets.map(|net| u128::from(net.unsigned_abs())).max().unwrap_or_default()
        };
        let (up, down) = (most(|net| *net > 0), most(|net| *net < 0));
        let end_fen = up.max(down).max(1);
        let count = (nets.len() as u128).max(1);
        let pitch = ((WIDTH - LEFT) / count).min(PITCH_MAX);
        let width = LEFT + pitch * count;
        let upright = count >= UPRIGHT_FROM;
        let font = if count > 45 { 9 } else { 12 };
        let longest = names.iter().map(|name| room(name, font)).max().unwrap_or_default() as u128 * 10;
        // The names of those that pay stand above the line, of those that receive below it.
        let names = if upright { longest + 100 } else { 250 };
        let side = |fen: u128| HEIGHT_MAX * fen / end_fen;
        let zero = side(up).max(names) + 60;
        let bottom = zero + side(down).max(names) + 120;
        Self {
            width,
            pitch,
            font,
            upright,
            zero,
            bottom,
            step_fen: round_up(end_fen.div_ceil(LINES)),
            end_fen,
        }
    }

    fn height(&self, fen: u128) -> u128 {
        HEIGHT_MAX * fen / self.end_fen
    }
}

/// The chart of nets, in the order given.
pub fn chart(cycle: &Cycle, nets: &[(City, Net)]) -> Markup {
    let names: Vec<Words> = nets.iter().map(|(city, _)| axis_name(cycle, *city)).collect();
    let plan = Plan::new(nets, &names);
    let view = format!("0 0 {} {}", tenths(plan.width), tenths(plan.bottom));
    let wide = plan.width / 10;
    let style = format!("width:100%;max-width:{wide}px;min-width:{}px", wide.min(680));
    let columns = (0_u128..).zip(nets).zip(&names);
    html! {
        svg.chart #net-chart viewBox=(view) style=(style) tabindex="0" role="group"
            data-en="Bar chart: net of each city, those that receive first. Arrow keys go through the cities."
            data-zh="柱状图：各城市净额，收款城市在前。用方向键逐个查看。" {
            (lines(&plan))
            @for ((place, (city, net)), name) in columns { (column(cycle, &plan, place, (*city, net), name)) }
            line.base x1=(tenths(LEFT)) x2=(tenths(plan.width)) y1=(tenths(plan.zero)) y2=(tenths(plan.zero)) {}
        }
    }
}

/// Lines at round amounts above and below zero, as far as there is room.
fn lines(plan: &Plan) -> Markup {
    let at = |count: u128| plan.height(plan.step_fen * count);
    let above =
        (1..=LINES).filter(|count| at(*count) <= plan.zero).map(|count| (plan.zero - at(count), count, '+'));
    let below = (1..=LINES).filter(|count| plan.zero + at(*count) + 60 <= plan.bottom);
    let below = below.map(|count| (plan.zero + at(count), count, '−'));
    html! {
        g.soft {
            @for (y, count, sign) in above.chain(below) {
                line.axis x1=(tenths(LEFT)) x2=(tenths(plan.width)) y1=(tenths(y)) y2=(tenths(y)) {}
                @let text = yuan((plan.step_fen * count).try_into().unwrap_or(i128::MAX));
                text.end x=(tenths(LEFT - 80)) y=(tenths(y + 40)) style="font-size:11px" { (sign) (text.trim_end_matches(".00")) }
            }
            text.end x=(tenths(LEFT - 80)) y=(tenths(plan.zero + 40)) style="font-size:11px" { "0" }
        }
    }
}

fn column(cycle: &Cycle, plan: &Plan, place: u128, (city, net): (City, &Net), name: &Words) -> Markup {
    let left = LEFT + place * plan.pitch;
    let (high, pays) = (plan.height(net.net_fen.unsigned_abs().into()), net.net_fen < 0);
    let (y, class) = if pays { (plan.zero, "debit") } else { (plan.zero - high, "credit") };
    let (wide, gap) = (plan.pitch * 7 / 10, plan.pitch * 15 / 100);
    let Words { en, zh } = told(&full_name(cycle, city), net);
    html! {
        g.column role="img" data-en=(en) data-zh=(zh) aria-label=(en) {
            rect.hit x=(tenths(left)) y="0" width=(tenths(plan.pitch)) height=(tenths(plan.bottom)) {}
            rect class=(class) x=(tenths(left + gap)) y=(tenths(y)) width=(tenths(wide)) height=(tenths(high)) {}
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
