//! What follows from a settlement for banks: who pays whom how much, and what each city's net is made of.

use std::collections::BTreeMap;

use super::{FIGURE_FEN_MAX, Item, ItemKind, Net, Party, Position, SettleError, figure_i64, is_reversal};
use crate::{city::City, tap::Kind};

/// One payment between a city and the scheme's settlement account: each city with a net has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The city.
    pub city: City,
    /// Whether the city receives; otherwise it pays.
    pub receives: bool,
    /// How much, fen; never 0.
    pub amount_fen: u64,
}

impl Leg {
    /// Who pays and who is paid.
    #[must_use]
    pub const fn parties(&self) -> (Party, Party) {
        let city = Party::City(self.city);
        if self.receives { (Party::Scheme, city) } else { (city, Party::Scheme) }
    }
}

/// What a movement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Amounts of purchases.
    Purchase,
    /// Amounts of purchases that were taken back.
    PurchaseReversal,
    /// Amounts of top-ups.
    Load,
    /// Amounts of top-ups that were taken back.
    LoadReversal,
    /// Interchange.
    Interchange,
    /// The scheme's fee.
    SwitchFee,
    /// Adjustments.
    Adjustment,
    /// Refunds.
    Refund,
}

impl Purpose {
    /// Its word in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::PurchaseReversal => "purchase_reversal",
            Self::Load => "load",
            Self::LoadReversal => "load_reversal",
            Self::Interchange => "interchange",
            Self::SwitchFee => "switch_fee",
            Self::Adjustment => "adjustment",
            Self::Refund => "refund",
        }
    }

    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Purchase => Self::Purchase,
            Kind::PurchaseReversal => Self::PurchaseReversal,
            Kind::Load => Self::Load,
            Kind::LoadReversal => Self::LoadReversal,
        }
    }
}

/// What a movement is: with whom, what for, and whether the city is on the receiving side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MovementKey {
    /// The other side.
    pub counterparty: Party,
    /// What for.
    pub purpose: Purpose,
    /// Whether the city is on the paying side.
    pub pays: bool,
}

/// A part of a city's net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// What it is.
    pub key: MovementKey,
    /// Of how many records or items.
    pub count: u64,
    /// What it adds to the net, fen; never 0. Against the side that the key names where reversals outweigh.
    pub fen: i64,
}

/// The payments of a cycle, and the parts of each net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payments {
    /// One for each city whose net is not 0, by city.
    pub legs: Vec<Leg>,
    /// What the legs' payers pay together, fen.
    pub paid_in_fen: u64,
    movements: BTreeMap<City, Vec<Movement>>,
}

/// A city's movements while they are summed: count and fen.
type Sums = BTreeMap<City, BTreeMap<MovementKey, (u64, i128)>>;

impl Payments {
    /// Those of a settlement and its items.
    ///
    /// # Errors
    /// [`SettleError::TooLarge`] if a figure, or what a city receives or pays together, is beyond
    /// [`FIGURE_FEN_MAX`]: messages to banks hold no larger one.
    pub fn of(net: &[Net], positions: &[Position], items: &[Item]) -> Result<Self, SettleError> {
        let legs: Vec<Leg> = net.iter().filter_map(leg).collect();
        let paid_in = legs.iter().filter(|leg| !leg.receives).map(|leg| i128::from(leg.amount_fen));
        let paid_in = paid_in.fold(0_i128, i128::saturating_add);
        let paid_in = figure_i64(|| "all payers".to_owned(), "the payment", paid_in)?;
        let mut sums = Sums::new();
        for position in positions {
            enter_position(&mut sums, position);
        }
        for item in items {
            enter_item(&mut sums, item);
        }
        let one = |(city, sums)| movements_of(city, sums).map(|movements| (city, movements));
        let movements = sums.into_iter().map(one).collect::<Result<_, _>>()?;
        Ok(Self { legs, paid_in_fen: paid_in.unsigned_abs(), movements })
    }

    /// What a city's net is made of, by counterparty, purpose and side.
    #[must_use]
    pub fn movements(&self, city: City) -> &[Movement] {
        self.movements.get(&city).map_or(&[], Vec::as_slice)
    }

    /// What all nets are made of, by city.
    pub fn all_movements(&self) -> impl Iterator<Item = (City, &Movement)> {
        self.movements.iter().flat_map(|(city, of)| of.iter().map(|movement| (*city, movement)))
    }
}

fn leg(net: &Net) -> Option<Leg> {
    match net.participant {
        Party::City(city) if net.net_fen != 0 => {
            Some(Leg { city, receives: net.net_fen > 0, amount_fen: net.net_fen.unsigned_abs() })
        }
        Party::City(_) | Party::Scheme => None,
    }
}

/// Adds to a movement of a city.
fn enter(sums: &mut Sums, city: City, key: MovementKey, count: u64, fen: i128) {
    let (counted, sum) = sums.entry(city).or_default().entry(key).or_default();
    *counted = counted.saturating_add(count);
    *sum = sum.saturating_add(fen);
}

/// Enters a payment between two cities for both.
fn enter_both(sums: &mut Sums, (creditor, debtor): (City, City), purpose: Purpose, count: u64, fen: i128) {
    let key = |other, pays| MovementKey { counterparty: Party::City(other), purpose, pays };
    enter(sums, creditor, key(debtor, false), count, fen);
    enter(sums, debtor, key(creditor, true), count, fen.saturating_neg());
}

/// Amount, interchange and switch fee of a position; who owes what is told where nets are summed.
fn enter_position(sums: &mut Sums, position: &Position) {
    let Position { acquirer, issuer, kind, count, .. } = *position;
    let (seller, buyer) = match kind {
        Kind::Purchase | Kind::PurchaseReversal => (acquirer, issuer),
        Kind::Load | Kind::LoadReversal => (issuer, acquirer),
    };
    let sides = if is_reversal(kind) { (buyer, seller) } else { (seller, buyer) };
    enter_both(sums, sides, Purpose::of(kind), count, position.amount_fen.into());
    enter_both(sums, (buyer, seller), Purpose::Interchange, count, position.interchange_fen.into());
    let key = MovementKey { counterparty: Party::Scheme, purpose: Purpose::SwitchFee, pays: true };
    enter(sums, seller, key, count, i128::from(position.switch_fee_fen).saturating_neg());
}

fn enter_item(sums: &mut Sums, item: &Item) {
    let purpose = match item.kind {
        ItemKind::Adjustment => Purpose::Adjustment,
        ItemKind::Refund => Purpose::Refund,
        ItemKind::Dispute => return,
    };
    enter_both(sums, (item.creditor, item.debtor), purpose, 1, item.amount_fen.into());
}

/// The movements of a city that are not 0.
fn movements_of(city: City, sums: BTreeMap<MovementKey, (u64, i128)>) -> Result<Vec<Movement>, SettleError> {
    let mut turnover = [0_i128; 2];
    let mut movements = Vec::with_capacity(sums.len());
    for (key, (count, fen)) in sums.into_iter().filter(|(_, (_, fen))| *fen != 0) {
        let side = if fen > 0 { &mut turnover[0] } else { &mut turnover[1] };
        *side = side.saturating_add(fen);
        let row = || format!("{city} with {}", key.counterparty);
        movements.push(Movement { key, count, fen: figure_i64(row, key.purpose.word(), fen)? });
    }
    for (sum, column) in turnover.into_iter().zip(["what it receives", "what it pays"]) {
        figure_i64(|| city.to_string(), column, sum)?;
    }
    Ok(movements)
}

const _: () =
    assert!(FIGURE_FEN_MAX < 1_000_000_000_000_000_000 / 4, "sums of messages have at most 18 digits");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::city;

    fn position(acquirer: &str, issuer: &str, kind: Kind, figures: (u64, i64, i64)) -> Position {
        let (amount_fen, interchange_fen, switch_fee_fen) = figures;
        let (acquirer, issuer) = (city(acquirer), city(issuer));
        Position { acquirer, issuer, kind, count: 2, amount_fen, interchange_fen, switch_fee_fen }
    }

    fn item(id: &str, kind: ItemKind, debtor: &str, creditor: &str, amount_fen: u64) -> Item {
        let (debtor, creditor, id) = (city(debtor), city(creditor), id.to_owned());
        let (reference, reason) = (String::new(), String::new());
        Item { id, kind, debtor, creditor, amount_fen, original_cycle: None, reference, reason }
    }

    fn net(participant: Party, net_fen: i64) -> Net {
        Net {
            participant,
            receivable_fen: 0,
            payable_fen: 0,
            interchange_receivable_fen: 0,
            interchange_payable_fen: 0,
            switch_fee_fen: 0,
            adjustment_fen: 0,
            net_fen,
        }
    }

    /// Every movement as `purpose side counterparty fen (count)`.
    fn told(payments: &Payments, of: &str) -> Vec<String> {
        let one = |movement: &Movement| {
            let Movement { key: MovementKey { counterparty, purpose, pays }, count, fen } = movement;
            format!(
                "{} {} {counterparty} {fen} ({count})",
                purpose.word(),
                if *pays { "pay" } else { "receive" }
            )
        };
        payments.movements(city(of)).iter().map(one).collect()
    }

    /// By hand: a purchase of 1000 with 3 and 1 of fees, one of 500 taken back with 2 and 1, a top-up of 700 with 2
    /// and 1, all between Shanghai and Tianjin, and items both ways.
    #[test]
    fn every_part_of_a_net_has_its_side() {
        let positions = [
            position("cu-2000", "cu-3000", Kind::Purchase, (1000, 3, 1)),
            position("cu-2000", "cu-3000", Kind::PurchaseReversal, (500, -5, -2)),
            position("cu-2000", "cu-3000", Kind::Load, (700, 2, 1)),
            position("cu-3000", "cu-2000", Kind::Purchase, (0, 0, 0)),
        ];
        let items = [
            item("a", ItemKind::Adjustment, "cu-3000", "cu-2000", 40),
            item("b", ItemKind::Adjustment, "cu-3000", "cu-2000", 2),
            item("c", ItemKind::Refund, "cu-2000", "cu-3000", 9),
            item("d", ItemKind::Dispute, "cu-2000", "cu-3000", 77),
        ];
        let payments = Payments::of(&[], &positions, &items).unwrap_or_else(|error| panic!("{error}"));
        let shanghai = [
            "purchase receive cu-3000 1000 (2)",
            "purchase_reversal pay cu-3000 -500 (2)",
            "load pay cu-3000 -700 (2)",
            "interchange receive cu-3000 2 (4)", // of the free rides nothing
            "interchange pay cu-3000 2 (4)",     // 5 comes back, 3 is paid
            "adjustment receive cu-3000 42 (2)",
            "refund pay cu-3000 -9 (1)",
            "switch_fee pay scheme 1 (4)", // 2 comes back, 1 is paid
        ];
        assert_eq!(told(&payments, "cu-2000"), shanghai);
        let tianjin = [
            "purchase pay cu-2000 -1000 (2)",
            "purchase_reversal receive cu-2000 500 (2)",
            "load receive cu-2000 700 (2)",
            "interchange receive cu-2000 -2 (4)",
            "interchange pay cu-2000 -2 (4)",
            "adjustment pay cu-2000 -42 (2)",
            "refund receive cu-2000 9 (1)",
            "switch_fee pay scheme -1 (4)",
        ];
        assert_eq!(told(&payments, "cu-3000"), tianjin);
    }

    #[test]
    fn every_city_with_a_net_has_one_leg_over_the_scheme() {
        let (shanghai, tianjin) = (city("cu-2000"), city("cu-3000"));
        let nets = [
            net(Party::City(shanghai), -70),
            net(Party::City(tianjin), 60),
            net(Party::City(city("tu-2900")), 0),
            net(Party::Scheme, 10),
        ];
        let payments = Payments::of(&nets, &[], &[]).unwrap_or_else(|error| panic!("{error}"));
        let parties: Vec<_> = payments.legs.iter().map(|leg| (leg.parties(), leg.amount_fen)).collect();
        assert_eq!(
            parties,
            [((Party::City(shanghai), Party::Scheme), 70), ((Party::Scheme, Party::City(tianjin)), 60)]
        );
        assert_eq!(payments.paid_in_fen, 70);
    }

    #[test]
    fn figures_beyond_what_messages_hold_are_refused() {
        let most = i64::try_from(FIGURE_FEN_MAX).unwrap_or(i64::MAX);
        let debtors = [net(Party::City(city("cu-2000")), -most), net(Party::City(city("cu-3000")), -1)];
        let refused = |nets: &[Net], items: &[Item]| match Payments::of(nets, &[], items) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(refused(&debtors[..1], &[]), "accepted");
        assert!(refused(&debtors, &[]).starts_with("the payment of all payers is beyond 9007199254740991"));
        let large = |id, creditor| item(id, ItemKind::Adjustment, "cu-2000", creditor, FIGURE_FEN_MAX);
        assert_eq!(refused(&[], &[large("a", "cu-3000")]), "accepted");
        let twice = refused(&[], &[large("a", "cu-3000"), large("b", "cu-3000")]);
        assert!(twice.starts_with("adjustment of cu-2000 with cu-3000 is beyond"), "{twice}");
        let both = refused(&[], &[large("a", "cu-3000"), large("b", "cu-4000")]);
        assert!(both.starts_with("what it pays of cu-2000 is beyond"), "{both}");
    }
}
