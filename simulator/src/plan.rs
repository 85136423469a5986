//! Who presents how much on which day.

use std::path::Path;

use crate::{
    base::Base,
    config::{SimulateConfig, SimulateError},
    schedule::Schedule,
    world::{Membership, World},
};

/// Simulated records, unless told; with a base file there are none but its own.
pub const TAPS_DEFAULT: u64 = 100_000;

/// Which city presents how many records on which day.
pub(crate) struct Plan<'w> {
    pub(crate) world: &'w World,
    pub(crate) schedule: Schedule,
    pub(crate) out: &'w Path,
    /// By city and day: how many records the scheme has before, and how many the city has.
    pub(crate) shares: Vec<Vec<Share>>,
    /// Whether a city without records on a day writes an empty file.
    pub(crate) empty_files: bool,
    pub(crate) base: Option<(usize, Base)>,
}

/// One city's records of one day.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    pub(crate) before: u64,
    pub(crate) records: u64,
}

impl<'w> Plan<'w> {
    pub(crate) fn new(
        world: &'w World,
        config: &'w SimulateConfig,
        base: Option<Base>,
    ) -> Result<Self, SimulateError> {
        let base = base.map(|base| match world.place(base.acquirer()) {
            Some(place) if world.is_always_member(place) => Ok((place, base)),
            _ => Err(SimulateError::Absent { city: base.acquirer(), cities: config.cities }),
        });
        let base = base.transpose()?;
        let taps = config.taps.unwrap_or(if base.is_some() { 0 } else { TAPS_DEFAULT });
        Ok(Self {
            world,
            schedule: Schedule::new(&mut world.schedule_dice()),
            out: &config.out,
            shares: shares(world, taps),
            empty_files: taps > 0 || base.is_none(),
            base,
        })
    }
}

/// Divides the records by day evenly, by city as the cities are big. A city that is no member on a
/// day presents nothing; the first city presents its share.
fn shares(world: &World, taps: u64) -> Vec<Vec<Share>> {
    let days = u64::from(world.days);
    let of_day = |day: u64| {
        let before =
            |day: u64| u64::try_from(u128::from(taps) * u128::from(day) / u128::from(days)).unwrap_or(0);
        before(day + 1) - before(day)
    };
    let cities = world.participants.len();
    let mut shares = vec![Vec::with_capacity(usize::try_from(days).unwrap_or(0)); cities];
    for day in 0..world.days {
        let (date, taps) = (world.date(day), of_day(day.into()));
        let mut nobodys = 0;
        for place in (0..cities).rev() {
            let own = world.taps_before(place + 1, taps) - world.taps_before(place, taps);
            let present = world.membership(Some(place), date) != Membership::None;
            let records = match (present, place) {
                (true, 0) => own + nobodys,
                (true, _) => own,
                (false, _) => {
                    nobodys += own;
                    0
                }
            };
            shares[place].push(Share { before: 0, records });
        }
    }
    let mut before = 0;
    for share in shares.iter_mut().flatten() {
        share.before = before;
        before += share.records;
    }
    shares
}
