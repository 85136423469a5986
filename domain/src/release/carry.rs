//! A participant does not pay: what it owes is taken back from those who would have received it, in proportion, and
//! carried into the next cycle as its debt to each of them.

use super::{Closed, Refusal};
use crate::{
    city::City,
    cycle::CycleName,
    money::apportion,
    settlement::{Item, ItemKind, Party, Payments},
};

/// The items that take a city out of its cycle's payments, and those that carry its debt into the next one.
///
/// Each city that receives bears the part of the debt that is its part of all that cities receive, rounded down to the
/// fen; what is left over goes fen by fen to those whose rounding took most, the first in the order of cities among
/// equals. An item cannot name the scheme: what is owed beyond all that cities receive, which is the scheme's own fees, is
/// not carried and stays to be paid in the new version.
///
/// A city that receives in all may yet owe over one of its accounts. Then nothing is carried: an item of nothing, from the
/// city to itself, says that it settles over its main account alone in the new version.
///
/// # Errors
/// [`Refusal`] if the city owes nothing over any account, or no city receives anything.
pub(super) fn carry(closed: &Closed, city: City) -> Result<(Vec<Item>, Vec<Item>), Refusal> {
    let cycle = closed.plan.cycle;
    let nets = || {
        closed.plan.net.iter().filter_map(|net| match net.participant {
            Party::City(city) => Some((city, net.net_fen)),
            Party::Scheme => None,
        })
    };
    let owed = nets().find(|(debtor, net)| *debtor == city && *net < 0).map(|(_, net)| net.unsigned_abs());
    if owed.is_none() && pays(closed, city) {
        return Ok((vec![over_main_account(closed, city)], Vec::new()));
    }
    let owed_fen = owed.ok_or(Refusal::OwesNothing { city, cycle })?;
    let creditors: Vec<(City, u64)> = nets()
        .filter_map(|(city, net)| u64::try_from(net).ok().filter(|net| *net > 0).map(|net| (city, net)))
        .collect();
    let shares = shares(owed_fen, &creditors).ok_or(Refusal::NobodyReceives { city, cycle })?;
    let version = closed.plan.version;
    let items = |later: bool| {
        shares.iter().map(move |(creditor, amount_fen)| {
            let (debtor, creditor_now) = if later { (city, *creditor) } else { (*creditor, city) };
            Item {
                id: format!("F-{cycle}-{version}-{city}-{creditor}{}", if later { "-due" } else { "" }),
                kind: ItemKind::Adjustment,
                debtor,
                creditor: creditor_now,
                amount_fen: *amount_fen,
                original_cycle: later.then_some(cycle),
                reference: format!("{city} unpaid"),
                reason: if later {
                    "carried from an unpaid cycle"
                } else {
                    "not paid by its debtor, carried"
                }
                .to_owned(),
            }
        })
    };
    Ok((items(false).collect(), items(true).collect()))
}

/// Whether a city pays over one of its accounts.
fn pays(closed: &Closed, city: City) -> bool {
    let payments = Payments::due(&closed.plan.net, &closed.plan.accounts);
    payments.is_ok_and(|it| it.legs.iter().any(|leg| leg.city == city && !leg.receives))
}

/// The item by which a city that receives in all leaves its accounts by sector out of the cycle.
fn over_main_account(closed: &Closed, city: City) -> Item {
    let (cycle, version) = (closed.plan.cycle, closed.plan.version);
    Item {
        id: format!("F-{cycle}-{version}-{city}-{city}"),
        kind: ItemKind::Adjustment,
        debtor: city,
        creditor: city,
        amount_fen: 0,
        original_cycle: None,
        reference: format!("{city} unpaid"),
        reason: "an account of it did not pay: settled over its main account".to_owned(),
    }
}

/// Whether an item is one of [`carry`]: by which a failed debt leaves its cycle (`F-CYCLE-VERSION-DEBTOR-CREDITOR`, from
/// the creditor to the debtor), or comes into a later one (the same with `-due`, from the debtor to the creditor).
#[must_use]
pub fn is_carried(item: &Item) -> bool {
    let Some(rest) = item.id.strip_prefix("F-").filter(|_| item.kind == ItemKind::Adjustment) else {
        return false;
    };
    let (rest, debtor, creditor) = match rest.strip_suffix("-due") {
        Some(rest) => (rest, item.debtor, item.creditor),
        None => (rest, item.creditor, item.debtor),
    };
    let named = rest.strip_suffix(&format!("-{debtor}-{creditor}"));
    let cycle = named.and_then(|rest| rest.rsplit_once('-'));
    cycle.is_some_and(|(cycle, version)| cycle.parse::<CycleName>().is_ok() && version.parse::<u32>().is_ok())
}

/// The city that an item takes out of its own cycle, since it has not paid there, whole or over one of its accounts.
#[must_use]
pub fn failed_debtor(item: &Item) -> Option<City> {
    (is_carried(item) && !item.id.ends_with("-due")).then_some(item.creditor)
}

/// Shares a debt among creditors in proportion to what they receive, at most that; `None` if they receive nothing.
fn shares(owed: u64, creditors: &[(City, u64)]) -> Option<Vec<(City, u64)>> {
    let all: u128 = creditors.iter().fold(0, |sum, (_, net)| u128::from(*net).saturating_add(sum));
    if all == 0 {
        return None;
    }
    let owed = u64::try_from(all).map_or(owed, |all| owed.min(all));
    let weights: Vec<u64> = creditors.iter().map(|(_, net)| *net).collect();
    let shares = creditors.iter().map(|(city, _)| *city).zip(apportion(owed, &weights));
    Some(shares.filter(|(_, fen)| *fen > 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::city;

    #[test]
    fn a_debt_is_shared_in_proportion_to_the_fen() {
        let creditors = [(city("cu-1000"), 100), (city("cu-2000"), 100), (city("cu-3000"), 101)];
        // 100 × 100 / 301 = 33.22, 33.22, 33.55: 33 each, and the one fen left goes to the last.
        let shared = shares(100, &creditors).unwrap_or_default();
        assert_eq!(shared, [(city("cu-1000"), 33), (city("cu-2000"), 33), (city("cu-3000"), 34)]);
        // Equal rests: the first in order.
        assert_eq!(shares(1, &creditors[..2]), Some(vec![(city("cu-1000"), 1)]));
        assert_eq!(shares(301, &creditors).map(|all| all.iter().map(|(_, fen)| fen).sum()), Some(301_u64));
        let whole = vec![(city("cu-1000"), 100), (city("cu-2000"), 100), (city("cu-3000"), 101)];
        assert_eq!(shares(302, &creditors), Some(whole), "no more than they receive");
        assert_eq!(shares(1, &[]), None);
    }
}
