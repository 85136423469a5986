//! The slot of every sector and product: fee line and account of the acquirer in one number.

use crate::tap::{Product, Sector};

pub(super) const SECTORS: usize = Sector::ALL.len();
pub(super) const PRODUCTS: usize = Product::ALL.len();

/// The slot of every sector and product, compiled for one pair and business date.
///
/// A slot is a fee line and an account of the acquirer in one number: account × (lines + 1) + line, where the main account
/// is 0, and the number of lines stands for the default rates. So over a main account the slots are the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeeTable {
    slots: [[u16; PRODUCTS]; SECTORS],
    default: u16,
    /// How many slots there may be.
    count: u32,
}

impl FeeTable {
    /// One of which the slots are these lines, with the number that stands for the default rates.
    pub(super) fn over_main_account(lines: [[u16; PRODUCTS]; SECTORS], default: u16) -> Self {
        Self { slots: lines, default, count: u32::from(default).saturating_add(1) }
    }

    /// The slot for the indices of a sector and a product.
    #[must_use]
    pub fn slot(&self, sector: u8, product: u8) -> u16 {
        let row = self.slots.get(usize::from(sector));
        row.and_then(|row| row.get(usize::from(product))).copied().unwrap_or(self.default)
    }

    /// All slots are below this number.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// The same with each sector over the acquirer's account of a number. A rulebook of which the slots would leave their
    /// 16 bits is refused when it is read.
    pub(crate) fn over(mut self, account: impl Fn(Sector) -> u8) -> Self {
        let lines = self.default.saturating_add(1);
        let mut most = 0;
        for (row, sector) in self.slots.iter_mut().zip(Sector::ALL) {
            let account = account(*sector);
            most = most.max(account);
            let before = lines.saturating_mul(account.into());
            row.iter_mut().for_each(|slot| *slot = slot.saturating_add(before));
        }
        self.count = u32::from(lines).saturating_mul(u32::from(most).saturating_add(1));
        self
    }
}
