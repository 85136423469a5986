//! What is kept of each identity in a block, in arrays of four sizes: a block that holds one pays for one.

use super::slab::Slab;

/// One identity: five bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cell {
    content: [u8; 4],
    /// The day it was tapped, counted from the first day of its block.
    pub day: i8,
}

const _: () = assert!(size_of::<Cell>() == 5);

impl Cell {
    /// An identity tapped `day` days after its block's first.
    pub fn new(content: u32, day: i8) -> Self {
        Self { content: content.to_le_bytes(), day }
    }

    /// The digest of its content.
    pub fn content(self) -> u32 {
        u32::from_le_bytes(self.content)
    }
}

/// How many identities an array has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Room {
    One,
    Four,
    Sixteen,
    All,
}

impl Room {
    /// The number.
    pub fn len(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
            Self::Sixteen => 16,
            Self::All => 64,
        }
    }

    /// The next larger one.
    pub fn larger(self) -> Self {
        match self {
            Self::One => Self::Four,
            Self::Four => Self::Sixteen,
            Self::Sixteen | Self::All => Self::All,
        }
    }
}

/// All arrays of a shard.
#[derive(Debug, Default)]
pub struct Cells {
    one: Slab<[Cell; 1]>,
    four: Slab<[Cell; 4]>,
    sixteen: Slab<[Cell; 16]>,
    all: Slab<[Cell; 64]>,
}

impl Cells {
    /// A new array; returns its place.
    pub fn keep(&mut self, room: Room) -> u32 {
        match room {
            Room::One => self.one.keep(Default::default()),
            Room::Four => self.four.keep(Default::default()),
            Room::Sixteen => self.sixteen.keep(Default::default()),
            Room::All => self.all.keep([Cell::default(); 64]),
        }
    }

    /// Gives an array back.
    pub fn give_back(&mut self, room: Room, index: u32) {
        match room {
            Room::One => self.one.give_back(index),
            Room::Four => self.four.give_back(index),
            Room::Sixteen => self.sixteen.give_back(index),
            Room::All => self.all.give_back(index),
        }
    }

    /// The array at a place.
    pub fn at(&self, room: Room, index: u32) -> &[Cell] {
        match room {
            Room::One => self.one.at(index),
            Room::Four => self.four.at(index),
            Room::Sixteen => self.sixteen.at(index),
            Room::All => self.all.at(index),
        }
    }

    /// The array at a place, to be changed.
    pub fn at_mut(&mut self, room: Room, index: u32) -> &mut [Cell] {
        match room {
            Room::One => self.one.at_mut(index),
            Room::Four => self.four.at_mut(index),
            Room::Sixteen => self.sixteen.at_mut(index),
            Room::All => self.all.at_mut(index),
        }
    }

    /// A larger array with the same content; the smaller one is given back.
    pub fn move_to(&mut self, room: Room, index: u32, larger: Room) -> u32 {
        let mut content = [Cell::default(); 64];
        let content = &mut content[..room.len()];
        content.copy_from_slice(self.at(room, index));
        self.give_back(room, index);
        let moved = self.keep(larger);
        self.at_mut(larger, moved)[..room.len()].copy_from_slice(content);
        moved
    }

    /// Bytes of memory that they hold.
    pub fn memory_bytes(&self) -> usize {
        self.one.memory_bytes()
            + self.four.memory_bytes()
            + self.sixteen.memory_bytes()
            + self.all.memory_bytes()
    }
}
