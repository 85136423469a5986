//! Values at places that are numbers, in chunks that never move: growing copies nothing, and at most a chunk
//! is unused.

/// About how many bytes a chunk takes.
const CHUNK_BYTES: usize = 4096;

/// Values of one size; a place that was given back is used again.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }
}

impl<T: Copy> Slab<T> {
    /// A chunk holds 2^`SHIFT` values.
    const SHIFT: u32 = (CHUNK_BYTES / size_of::<T>()).ilog2();
    const LEN: usize = 1 << Self::SHIFT;

    fn place(index: u32) -> (usize, usize) {
        let index = index as usize;
        (index >> Self::SHIFT, index & (Self::LEN - 1))
    }

    /// Keeps a value; returns its place.
    pub fn keep(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            *self.at_mut(index) = value;
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == Self::LEN) {
            self.chunks.push(Vec::with_capacity(Self::LEN));
        }
        let index = self.places();
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(value);
        }
        index
    }

    /// Gives a place back.
    pub fn give_back(&mut self, index: u32) {
        self.free.push(index);
    }

    /// The value at a place that [`Slab::keep`] returned.
    pub fn at(&self, index: u32) -> &T {
        let (chunk, place) = Self::place(index);
        &self.chunks[chunk][place]
    }

    /// The value at a place that [`Slab::keep`] returned, to be changed.
    pub fn at_mut(&mut self, index: u32) -> &mut T {
        let (chunk, place) = Self::place(index);
        &mut self.chunks[chunk][place]
    }

    /// How many places there are, given back or not: each below it can be looked at.
    pub fn places(&self) -> u32 {
        let last = self.chunks.last().map_or(0, Vec::len);
        let places = self.chunks.len().saturating_sub(1) * Self::LEN + last;
        u32::try_from(places).unwrap_or(u32::MAX)
    }

    /// Bytes of memory that it holds.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.len() * Self::LEN * size_of::<T>()
            + self.chunks.capacity() * size_of::<Vec<T>>()
            + self.free.capacity() * size_of::<u32>()
    }
}
