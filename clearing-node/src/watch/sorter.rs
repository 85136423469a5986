//! Records of fixed size in the order of their bytes, each once, in bounded memory.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

/// Gathers records; sorted runs that do not fit go to nameless files in a folder.
pub(super) struct Sorter<const N: usize> {
    folder: PathBuf,
    records_max: usize,
    gathered: Vec<[u8; N]>,
    runs: Vec<File>,
}

impl<const N: usize> Sorter<N> {
    pub(super) fn new(folder: &Path, bytes_max: usize) -> Self {
        let records_max = (bytes_max / N).max(1);
        Self { folder: folder.to_owned(), records_max, gathered: Vec::new(), runs: Vec::new() }
    }

    pub(super) fn push(&mut self, record: [u8; N]) -> io::Result<()> {
        self.gathered.push(record);
        if self.gathered.len() >= self.records_max { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.gathered.sort_unstable();
        self.gathered.dedup();
        let mut file = BufWriter::new(tempfile::tempfile_in(&self.folder)?);
        for record in self.gathered.drain(..) {
            file.write_all(&record)?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// All records in order.
    pub(super) fn sorted(mut self) -> io::Result<Sorted<N>> {
        self.gathered.sort_unstable();
        self.gathered.dedup();
        let mut sorted = Sorted { runs: Vec::new(), heap: BinaryHeap::new(), last: None };
        sorted.add(Run::Memory(self.gathered.into_iter()))?;
        for file in self.runs {
            sorted.add(Run::File(BufReader::with_capacity(1 << 16, file)))?;
        }
        Ok(sorted)
    }
}

enum Run<const N: usize> {
    Memory(std::vec::IntoIter<[u8; N]>),
    File(BufReader<File>),
}

impl<const N: usize> Run<N> {
    fn next(&mut self) -> io::Result<Option<[u8; N]>> {
        match self {
            Self::Memory(records) => Ok(records.next()),
            Self::File(file) => read_record(file),
        }
    }
}

/// The next record of a file; none at its end.
pub(super) fn read_record<const N: usize>(file: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut record = [0; N];
    match file.read_exact(&mut record) {
        Ok(()) => Ok(Some(record)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// A merge of sorted runs.
pub(super) struct Sorted<const N: usize> {
    runs: Vec<Run<N>>,
    heap: BinaryHeap<Reverse<([u8; N], usize)>>,
    last: Option<[u8; N]>,
}

impl<const N: usize> Sorted<N> {
    fn add(&mut self, mut run: Run<N>) -> io::Result<()> {
        if let Some(first) = run.next()? {
            self.heap.push(Reverse((first, self.runs.len())));
            self.runs.push(run);
        }
        Ok(())
    }

    /// The next record.
    pub(super) fn next(&mut self) -> io::Result<Option<[u8; N]>> {
        while let Some(Reverse((record, at))) = self.heap.pop() {
            if let Some(following) = self.runs[at].next()? {
                self.heap.push(Reverse((following, at)));
            }
            if self.last != Some(record) {
                self.last = Some(record);
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn what_does_not_fit_into_memory_comes_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::<2>::new(folder.path(), 7 * 2);
        for n in 0..100_u8 {
            sorter.push([n.wrapping_mul(37) % 50, 1]).unwrap();
        }
        let mut sorted = sorter.sorted().unwrap();
        let mut found = Vec::new();
        while let Some([n, _]) = sorted.next().unwrap() {
            found.push(n);
        }
        assert_eq!(found, (0..50).collect::<Vec<u8>>());
    }
}
