//! Blocks of 64 consecutive sequences of a terminal, found by terminal and number.

use hashbrown::HashTable;

use super::{
    Ahead, Claim, Entry, Key,
    cells::{Cell, Cells, Room},
    slab::Slab,
};

/// 64 consecutive sequences of one terminal: which of them are taken, and where the rest is kept.
///
/// Days are kept as one byte counted from `base`. An identity tapped too far from it goes into another block of
/// the same sequences: there are then two, and each sequence is taken in at most one of them.
#[derive(Clone, Copy, Debug)]
struct Block {
    terminal: u64,
    /// Bit n: the sequence `number` × 64 + n is taken. Nothing is taken in a block that was given back.
    taken: u64,
    number: u32,
    /// Julian day.
    base: i32,
    /// Place of its cells, which stand in the order of the bits, without gaps.
    cells: u32,
    /// No day is before `oldest` or after `newest`.
    oldest: i8,
    newest: i8,
    room: Room,
    /// Whether there is, or was, another block of the same sequences.
    twin: bool,
}

const _: () = assert!(size_of::<Block>() == 32);

impl Block {
    fn is_of(&self, key: Key) -> bool {
        self.terminal == key.terminal && self.number == key.number()
    }

    fn has(&self, bit: u32) -> bool {
        self.taken >> bit & 1 == 1
    }

    /// How many taken sequences come before a bit: the place of its cell.
    fn rank(&self, bit: u32) -> usize {
        (self.taken & ((1 << bit) - 1)).count_ones() as usize
    }

    fn len(&self) -> usize {
        self.taken.count_ones() as usize
    }

    fn day_of(&self, cell: Cell) -> i32 {
        self.base.saturating_add(i32::from(cell.day))
    }

    /// A day as a cell keeps it, if it is near enough.
    fn near(&self, day: i32) -> Option<i8> {
        day.checked_sub(self.base).and_then(|days| days.try_into().ok())
    }
}

/// A part of all identities.
#[derive(Debug, Default)]
pub struct Shard {
    /// Places of blocks.
    table: HashTable<u32>,
    blocks: Slab<Block>,
    cells: Cells,
    len: usize,
}

/// No block.
pub const NONE: u32 = u32::MAX;

/// Where a key is, or could go.
struct Found {
    /// The block in which it is taken.
    holder: Option<u32>,
    /// A block of its sequences whose days are near enough.
    near: Option<u32>,
}

impl Shard {
    /// How many identities are in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        self.table.allocation_size() + self.blocks.memory_bytes() + self.cells.memory_bytes()
    }

    /// All of them, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.blocks.places()).map(|index| self.blocks.at(index)).flat_map(|block| {
            let bits = (0..u64::BITS).filter(|bit| block.has(*bit));
            bits.map(|bit| {
                let cell = self.cells.at(block.room, block.cells)[block.rank(bit)];
                let key = Key { terminal: block.terminal, sequence: block.number * 64 + bit };
                Entry { key, day: block.day_of(cell), content: cell.content() }
            })
        })
    }

    /// A block of the key's sequences, or [`NONE`].
    pub fn look(&self, hash: u64, key: Key) -> u32 {
        let found = self.table.find(hash, |index| self.blocks.at(*index).is_of(key));
        found.copied().unwrap_or(NONE)
    }

    /// Reads the cell where a key in a block would go, so that it is near when it is needed.
    pub fn touch(&self, index: u32, key: Key) {
        if index != NONE {
            let block = self.blocks.at(index);
            let cells = self.cells.at(block.room, block.cells);
            std::hint::black_box(cells.get(block.rank(key.bit())));
        }
    }

    /// Looks for many; see [`super::Identities::look_ahead`].
    pub fn look_ahead(&self, ahead: &mut [Ahead]) {
        for one in ahead.iter_mut() {
            one.seen = self.look(one.hash, one.entry.key);
        }
        for one in ahead {
            self.touch(one.seen, one.entry.key);
        }
    }

    /// See [`super::Identities::claim`]. `seen` is what [`Shard::look`] said at any time before.
    pub fn claim(&mut self, hash: u64, seen: u32, entry: &Entry, line: i32) -> Claim {
        let found = self.found_at(seen, entry).unwrap_or_else(|| self.find(hash, entry));
        let bit = entry.key.bit();
        if let Some(index) = found.holder {
            let block = self.blocks.at(index);
            let held = self.cells.at(block.room, block.cells)[block.rank(bit)];
            if block.day_of(held) >= line {
                let same = held.content() == entry.content;
                return if same { Claim::SameContent } else { Claim::OtherContent };
            }
            self.remove(hash, index, bit);
            // The block may be gone with its last identity.
            let near = self.find(hash, entry).near;
            self.insert(hash, entry, near);
        } else {
            self.insert(hash, entry, found.near);
        }
        Claim::Granted
    }

    /// What [`Shard::find`] would say, if the block at a place still is the only one of the entry's sequences.
    fn found_at(&self, seen: u32, entry: &Entry) -> Option<Found> {
        if seen == NONE {
            return None;
        }
        let block = self.blocks.at(seen);
        if block.taken == 0 || block.twin || !block.is_of(entry.key) {
            return None;
        }
        let near = block.near(entry.day).map(|_| seen);
        Some(Found { holder: block.has(entry.key.bit()).then_some(seen), near })
    }

    fn find(&self, hash: u64, entry: &Entry) -> Found {
        let bit = entry.key.bit();
        let mut near = None;
        let holder = self.table.find(hash, |index| {
            let block = self.blocks.at(*index);
            if !block.is_of(entry.key) {
                return false;
            }
            if block.near(entry.day).is_some() {
                near = Some(*index);
            }
            block.has(bit)
        });
        Found { holder: holder.copied(), near }
    }

    fn insert(&mut self, hash: u64, entry: &Entry, near: Option<u32>) {
        let index = near.unwrap_or_else(|| self.new_block(hash, entry));
        let Self { blocks, cells, .. } = self;
        let block = blocks.at_mut(index);
        let Some(day) = block.near(entry.day) else { return };
        let (len, rank) = (block.len(), block.rank(entry.key.bit()));
        if len == block.room.len() {
            let larger = block.room.larger();
            block.cells = cells.move_to(block.room, block.cells, larger);
            block.room = larger;
        }
        let kept = cells.at_mut(block.room, block.cells);
        kept.copy_within(rank..len, rank + 1);
        kept[rank] = Cell::new(entry.content, day);
        block.taken |= 1 << entry.key.bit();
        block.oldest = block.oldest.min(day);
        block.newest = block.newest.max(day);
        self.len += 1;
    }

    fn new_block(&mut self, hash: u64, entry: &Entry) -> u32 {
        let room = Room::One;
        let twin = self.mark_twins(hash, entry.key);
        let block = Block {
            terminal: entry.key.terminal,
            taken: 0,
            number: entry.key.number(),
            base: entry.day,
            cells: self.cells.keep(room),
            oldest: 0,
            newest: 0,
            room,
            twin,
        };
        let index = self.blocks.keep(block);
        let Self { table, blocks, .. } = self;
        table.insert_unique(hash, index, |index| hash_of(blocks.at(*index)));
        index
    }

    /// Tells the blocks of the same sequences that there is another; returns whether there are any.
    fn mark_twins(&mut self, hash: u64, key: Key) -> bool {
        let Self { table, blocks, .. } = self;
        let mut found = false;
        // Nothing is ever found: so every block of the hash is looked at.
        table.find(hash, |index| {
            let block = blocks.at_mut(*index);
            found |= block.is_of(key);
            block.twin |= block.is_of(key);
            false
        });
        found
    }

    /// Takes one identity out of a block that has it.
    fn remove(&mut self, hash: u64, index: u32, bit: u32) {
        let block = self.blocks.at_mut(index);
        let (len, rank) = (block.len(), block.rank(bit));
        block.taken &= !(1 << bit);
        self.len -= 1;
        if block.taken == 0 {
            self.give_back(hash, index);
        } else {
            self.cells.at_mut(block.room, block.cells).copy_within(rank + 1..len, rank);
        }
    }

    /// Gives back a block in which nothing is taken any more.
    fn give_back(&mut self, hash: u64, index: u32) {
        let block = self.blocks.at(index);
        self.cells.give_back(block.room, block.cells);
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == index) {
            entry.remove();
        }
        self.blocks.give_back(index);
    }

    /// Forgets what was tapped before `line` in up to `blocks` blocks from `from` on. Returns how many blocks
    /// were looked at: fewer than asked for at the end.
    pub fn forget(&mut self, line: i32, from: u32, blocks: u32) -> u32 {
        let end = self.blocks.places().min(from.saturating_add(blocks));
        for index in from..end {
            let block = self.blocks.at(index);
            let before = |day: i8| block.base.saturating_add(i32::from(day)) < line;
            if block.taken == 0 || !before(block.oldest) {
                continue;
            }
            if before(block.newest) {
                self.len -= block.len();
                let hash = hash_of(block);
                self.blocks.at_mut(index).taken = 0;
                self.give_back(hash, index);
            } else {
                self.forget_some(line, index);
            }
        }
        end.saturating_sub(from)
    }

    /// Forgets what was tapped before `line` in one block.
    fn forget_some(&mut self, line: i32, index: u32) {
        let Self { blocks, cells, .. } = self;
        let block = blocks.at_mut(index);
        let kept = cells.at_mut(block.room, block.cells);
        let (mut rest, mut from, mut to) = (block.taken, 0, 0);
        (block.oldest, block.newest) = (i8::MAX, i8::MIN);
        while rest != 0 {
            let bit = rest & rest.wrapping_neg();
            let cell = kept[from];
            if block.day_of(cell) < line {
                block.taken &= !bit;
            } else {
                kept[to] = cell;
                to += 1;
                (block.oldest, block.newest) = (block.oldest.min(cell.day), block.newest.max(cell.day));
            }
            (rest, from) = (rest & !bit, from + 1);
        }
        self.len -= from - to;
        if to == 0 {
            let hash = hash_of(block);
            self.give_back(hash, index);
        }
    }
}

fn hash_of(block: &Block) -> u64 {
    super::hash(block.terminal, block.number)
}
