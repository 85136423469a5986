//! What follows from a settlement for banks: who pays whom how much, and what each city's net is made of.

use std::collections::BTreeMap;

use super::{
    AccountNet, AccountPosition, FIGURE_FEN_MAX, Item, ItemKind, Net, Party, PartyAccount, Position,
    SettleError, Settlement, account_nets, figure_i64, is_reversal,
};
use crate::{city::City, tap::Kind};

/// One payment between a city and the scheme's settlement account: each city with a net has exactly one, or where it has
/// accounts by sector one for each account that does not come to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The city.
    pub city: City,
    /// The number of its account, 0 for the main one.
    pub number: u8,
    /// Whether the city receives; otherwise it pays.
    pub receives: bool,
    /// How much, fen; never 0.
    pub amount_fen: u64,
}

impl Leg {
    /// The city's account.
    #[must_use]
    pub const fn account(&self) -> PartyAccount {
        PartyAccount { party: Party::City(self.city), number: self.number }
    }

    /// Who pays and who is paid.
    #[must_use]
    pub const fn parties(&self) -> (Party, Party) {
        let city = Party::City(self.city);
        if self.receives { (Party::Scheme, city) } else { (city, Party::Scheme) }
    }

    /// What the city receives, fen; negative if it pays.
    #[must_use]
    pub fn signed_fen(&self) -> i128 {
        let fen = i128::from(self.amount_fen);
        if self.receives { fen } else { fen.saturating_neg() }
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
    /// One for each city whose net is not 0, or for each of its accounts, by city and account.
    pub legs: Vec<Leg>,
    /// What the legs' payers pay together, fen.
    pub paid_in_fen: u64,
    movements: BTreeMap<City, Vec<Movement>>,
    /// Those of each account, of cities that are paid over accounts by sector.
    accounts: BTreeMap<(City, u8), Vec<Movement>>,
}

/// What is summed of one movement: count and fen.
type Sum = (u64, i128);
/// The movements of a city, or of one of its accounts, while they are summed.
type Sums<K> = BTreeMap<K, BTreeMap<MovementKey, Sum>>;

impl Payments {
    /// Those of nets, positions and items, each city over one account.
    ///
    /// # Errors
    /// [`SettleError::TooLarge`] if a figure, or what a city receives or pays together, is beyond
    /// [`FIGURE_FEN_MAX`]: messages to banks hold no larger one.
    pub fn of(net: &[Net], positions: &[Position], items: &[Item]) -> Result<Self, SettleError> {
        let movements = told(sums(positions, items), |city| city.to_string())?;
        Ok(Self { movements, ..Self::due(net, &[])? })
    }

    /// Those of a settlement and its items, over the accounts that it says.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn over_accounts(settlement: &Settlement, items: &[Item]) -> Result<Self, SettleError> {
        let Settlement { net, positions, accounts } = settlement;
        let sums = sums(positions, items);
        let of_accounts = sums_of_accounts(&sums, accounts);
        let name = |(city, number): &(City, u8)| {
            PartyAccount { party: Party::City(*city), number: *number }.to_string()
        };
        let accounts = told(of_accounts, name)?;
        let movements = told(sums, |city| city.to_string())?;
        Ok(Self { movements, accounts, ..Self::due(net, &account_nets(&settlement.accounts)?)? })
    }

    /// The payments alone, not what nets are made of: each city pays or is paid what its account by sector comes to over
    /// that one, and the rest of its net over its main one. A city whose net is 0 pays and is paid nothing over any.
    ///
    /// # Errors
    /// [`SettleError::TooLarge`] if a payment, or all together, are beyond [`FIGURE_FEN_MAX`].
    pub fn due(net: &[Net], accounts: &[AccountNet]) -> Result<Self, SettleError> {
        let mut legs = Vec::with_capacity(net.len());
        for row in net {
            enter_legs(&mut legs, row, accounts)?;
        }
        let paid_in = legs.iter().filter(|leg| !leg.receives).map(|leg| i128::from(leg.amount_fen));
        let paid_in = paid_in.fold(0_i128, i128::saturating_add);
        let paid_in = figure_i64(|| "all payers".to_owned(), "the payment", paid_in)?;
        let (movements, accounts) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { legs, paid_in_fen: paid_in.unsigned_abs(), movements, accounts })
    }

    /// What a city's net is made of, by counterparty, purpose and side.
    #[must_use]
    pub fn movements(&self, city: City) -> &[Movement] {
        self.movements.get(&city).map_or(&[], Vec::as_slice)
    }

    /// What goes over one of a city's accounts, likewise. The accounts of a city come to its net.
    #[must_use]
    pub fn movements_over(&self, city: City, number: u8) -> &[Movement] {
        match self.accounts.get(&(city, number)) {
            Some(movements) => movements,
            // Without a part over an account by sector the main one takes all.
            None if number == 0 => self.movements(city),
            None => &[],
        }
    }

    /// What all nets are made of, by city.
    pub fn all_movements(&self) -> impl Iterator<Item = (City, &Movement)> {
        self.movements.iter().flat_map(|(city, of)| of.iter().map(|movement| (*city, movement)))
    }
}

/// Enters the payments over a city's accounts.
fn enter_legs(legs: &mut Vec<Leg>, row: &Net, accounts: &[AccountNet]) -> Result<(), SettleError> {
    let Party::City(city) = row.participant else { return Ok(()) };
    if row.net_fen == 0 {
        return Ok(());
    }
    let mut enter = |number, fen: i64| {
        if fen != 0 {
            legs.push(Leg { city, number, receives: fen > 0, amount_fen: fen.unsigned_abs() });
        }
    };
    let own = || accounts.iter().filter(|it| it.city == city);
    let by_sector = own().fold(0_i128, |sum, it| sum.saturating_add(it.net_fen.into()));
    let main = i128::from(row.net_fen).saturating_sub(by_sector);
    let too_large = |_| SettleError::TooLarge { row: city.to_string(), column: "the payment" };
    enter(0, i64::try_from(main).map_err(too_large)?);
    own().for_each(|it| enter(it.account, it.net_fen));
    Ok(())
}

/// One side's part of something that is paid.
type Part = (City, MovementKey, Sum);

/// A payment between two cities as both have it.
fn both((creditor, debtor): (City, City), purpose: Purpose, count: u64, fen: i128) -> [Part; 2] {
    let key = |other, pays| MovementKey { counterparty: Party::City(other), purpose, pays };
    [
        (creditor, key(debtor, false), (count, fen)),
        (debtor, key(creditor, true), (count, fen.saturating_neg())),
    ]
}

/// Amount, interchange and switch fee of a position; who owes what is told where nets are summed.
fn parts_of_position(position: &Position) -> impl Iterator<Item = Part> + use<> {
    let Position { acquirer, issuer, kind, count, .. } = *position;
    let (seller, buyer) = match kind {
        Kind::Purchase | Kind::PurchaseReversal => (acquirer, issuer),
        Kind::Load | Kind::LoadReversal => (issuer, acquirer),
    };
    let sides = if is_reversal(kind) { (buyer, seller) } else { (seller, buyer) };
    let amount = both(sides, Purpose::of(kind), count, position.amount_fen.into());
    let interchange = both((buyer, seller), Purpose::Interchange, count, position.interchange_fen.into());
    let key = MovementKey { counterparty: Party::Scheme, purpose: Purpose::SwitchFee, pays: true };
    let switch_fee = (seller, key, (count, i128::from(position.switch_fee_fen).saturating_neg()));
    amount.into_iter().chain(interchange).chain([switch_fee])
}

fn parts_of_item(item: &Item) -> impl Iterator<Item = Part> + use<> {
    let purpose = match item.kind {
        ItemKind::Adjustment => Some(Purpose::Adjustment),
        ItemKind::Refund => Some(Purpose::Refund),
        ItemKind::Dispute => None,
    };
    let (sides, fen) = ((item.creditor, item.debtor), item.amount_fen.into());
    purpose.into_iter().flat_map(move |purpose| both(sides, purpose, 1, fen))
}

/// Adds to a movement.
fn enter<K: Ord>(sums: &mut Sums<K>, of: K, key: MovementKey, (count, fen): Sum) {
    let (counted, sum) = sums.entry(of).or_default().entry(key).or_default();
    *counted = counted.saturating_add(count);
    *sum = sum.saturating_add(fen);
}

fn sums(positions: &[Position], items: &[Item]) -> Sums<City> {
    let mut sums = Sums::new();
    let parts = positions.iter().flat_map(parts_of_position).chain(items.iter().flat_map(parts_of_item));
    parts.for_each(|(city, key, sum)| enter(&mut sums, city, key, sum));
    sums
}

/// What goes over each account by sector, and what of it all is left to the main one of its city.
fn sums_of_accounts(all: &Sums<City>, accounts: &[AccountPosition]) -> Sums<(City, u8)> {
    let mut sums = Sums::new();
    for AccountPosition { account, part } in accounts {
        let of_acquirer = parts_of_position(part).filter(|(city, ..)| *city == part.acquirer);
        of_acquirer.for_each(|(city, key, sum)| enter(&mut sums, (city, *account), key, sum));
    }
    let mut rest: Sums<(City, u8)> = Sums::new();
    for ((city, _), movements) in &sums {
        let main = rest.entry((*city, 0)).or_insert_with(|| all.get(city).cloned().unwrap_or_default());
        for (key, (count, fen)) in movements {
            let (counted, sum) = main.entry(*key).or_default();
            *counted = counted.saturating_sub(*count);
            *sum = sum.saturating_sub(*fen);
        }
    }
    sums.append(&mut rest);
    sums
}

/// All movements that are not 0.
fn told<K: Ord>(
    sums: Sums<K>,
    name: impl Fn(&K) -> String,
) -> Result<BTreeMap<K, Vec<Movement>>, SettleError> {
    let one = |(of, sums): (K, _)| movements_of(|| name(&of), sums).map(|movements| (of, movements));
    sums.into_iter().map(one).collect()
}

/// The movements of a city, or of an account, that are not 0.
fn movements_of(
    of: impl Fn() -> String,
    sums: BTreeMap<MovementKey, Sum>,
) -> Result<Vec<Movement>, SettleError> {
    let mut turnover = [0_i128; 2];
    let mut movements = Vec::with_capacity(sums.len());
    for (key, (count, fen)) in sums.into_iter().filter(|(_, (_, fen))| *fen != 0) {
        let side = if fen > 0 { &mut turnover[0] } else { &mut turnover[1] };
        *side = side.saturating_add(fen);
        let row = || format!("{} with {}", of(), key.counterparty);
        movements.push(Movement { key, count, fen: figure_i64(row, key.purpose.word(), fen)? });
    }
    for (sum, column) in turnover.into_iter().zip(["what it receives", "what it pays"]) {
        figure_i64(&of, column, sum)?;
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
    fn a_citys_accounts_have_their_legs_and_none_where_its_net_is_nothing() {
        let (shanghai, tianjin) = (city("cu-2000"), city("cu-3000"));
        let nets = [net(Party::City(shanghai), 10), net(Party::City(tianjin), 0), net(Party::Scheme, -10)];
        let account = |city, account, net_fen| AccountNet { city, account, net_fen };
        let accounts = [account(shanghai, 1, 50), account(shanghai, 3, -40), account(tianjin, 1, 7)];
        let payments = Payments::due(&nets, &accounts).unwrap_or_else(|error| panic!("{error}"));
        let legs: Vec<_> =
            payments.legs.iter().map(|leg| (leg.account().to_string(), leg.signed_fen())).collect();
        assert_eq!(
            legs,
            [("cu-2000-1".to_owned(), 50), ("cu-2000-3".to_owned(), -40)],
            "nothing is left to the main one"
        );
        assert_eq!(payments.paid_in_fen, 40);
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
