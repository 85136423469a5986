//! The rows of the file and the taps of the city, both in the file's order, side by side.

use std::{collections::BTreeMap, io, path::Path};

use domain::{
    city::City,
    tap::{CONTENT_LEN, Tap},
    terminal::Ownership,
};
use sha2::{Digest as _, Sha256};

use super::{
    difference::{Changed, Difference, What},
    own::{Group, Member, Own, Sorted},
    row::{self, Place},
};
use crate::{
    error::FilesError,
    layout::ISSUER,
    verify::{Ear, Fields, Line, Lines},
};

/// How many columns say where a row stands.
const PLACE_COLUMNS: usize = 3;

/// Who is told what becomes of accepted taps.
pub trait Sink {
    /// The cycle pays a tap.
    ///
    /// # Errors
    /// If it cannot be noted.
    fn pays(&mut self, content: &[u8; CONTENT_LEN]) -> io::Result<()>;

    /// The cycle does not pay a tap that moves ([`super::Standing::Moves`]).
    ///
    /// # Errors
    /// If it cannot be noted.
    fn waits(&mut self, content: &[u8; CONTENT_LEN]) -> io::Result<()>;
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows with which the city agrees.
    pub count: u64,
    /// Their sum, fen.
    pub amount_fen: u64,
    /// SHA-256 of the file as the city makes it from its own records, header included.
    pub sha256: [u8; 32],
    /// The same by acquirer.
    pub by_acquirer: BTreeMap<City, (u64, u64)>,
    /// The first rows with which it does not agree.
    pub differences: Vec<Difference>,
    /// How many there are in all.
    pub differences_total: u64,
}

impl Compared {
    /// Whether the city agrees with every row.
    #[must_use]
    pub const fn agrees(&self) -> bool {
        self.differences_total == 0
    }
}

/// Compares `file`, an `issuer/<city>.csv`, with what the city accepted; at most `listed_max` differences are listed, all
/// are counted.
///
/// # Errors
/// [`FilesError::Io`] if the file cannot be read, [`FilesError::Spool`] if a temporary file or the sink fails.
pub fn compare(
    own: &mut Own<'_>,
    file: &Path,
    listed_max: usize,
    sink: &mut dyn Sink,
) -> Result<Compared, FilesError> {
    let mut lines = Lines::open(file, Ear::new(None, 0)).map_err(FilesError::io("read", file))?;
    let owners = own.owners();
    let sorted = own.sorted().map_err(FilesError::Spool)?;
    let mut going = Going::new(sorted, owners, sink, listed_max);
    let (mut row, mut number) = (Vec::new(), 0_u64);
    loop {
        row.clear();
        number = number.saturating_add(1);
        match lines.next().map_err(FilesError::io("read", file))? {
            Line::Whole(line) => row.extend_from_slice(line),
            Line::Broken(why) => {
                going.differs(number, b"", What::Unreadable(why));
                break;
            }
            Line::End => break,
        }
        if number > 1 {
            going.row(number, &row).map_err(FilesError::Spool)?;
        } else if row != ISSUER.header().as_bytes() {
            going.differs(number, &row, What::Unreadable("it is not the header"));
        }
    }
    going.finish().map_err(FilesError::Spool)
}

/// A row that is not the next that the city would write.
struct Held {
    number: u64,
    row: Vec<u8>,
    place: Place,
}

/// A comparison on its way.
struct Going<'a> {
    sorted: Sorted<'a>,
    owners: &'a Ownership,
    /// The taps of the place that is looked at.
    group: Option<Group>,
    /// Those of the place before.
    passed: Option<Group>,
    ended: bool,
    /// The place of the last row that the city agreed with.
    last: Option<Place>,
    /// The row before, if it is not judged yet.
    held: Option<Held>,
    fields: Fields,
    sink: &'a mut dyn Sink,
    sha256: Sha256,
    found: Compared,
    listed_max: usize,
}

impl<'a> Going<'a> {
    fn new(sorted: Sorted<'a>, owners: &'a Ownership, sink: &'a mut dyn Sink, listed_max: usize) -> Self {
        let mut sha256 = Sha256::new();
        sha256.update(ISSUER.header());
        sha256.update(b"\n");
        Self {
            sorted,
            owners,
            group: None,
            passed: None,
            ended: false,
            last: None,
            held: None,
            fields: Fields::default(),
            sink,
            sha256,
            found: Compared::default(),
            listed_max,
        }
    }

    /// Takes a row of the file.
    fn row(&mut self, number: u64, row: &[u8]) -> io::Result<()> {
        if self.held.is_none() && self.is_next(row)? {
            return Ok(());
        }
        let place = match row::place(&mut self.fields, row) {
            Ok(place) => place,
            Err(why) => {
                self.judge_held(None)?;
                self.differs(number, row, What::Unreadable(why));
                return Ok(());
            }
        };
        if self.held.is_some() {
            self.judge_held(Some(place))?;
            if self.is_next(row)? {
                return Ok(());
            }
        }
        self.held = Some(Held { number, row: row.to_owned(), place });
        Ok(())
    }

    /// Judges the row that waits for the one behind it: if that one, at place `next`, belongs before it, the row is in the
    /// wrong place, and nothing is passed over for it.
    fn judge_held(&mut self, next: Option<Place>) -> io::Result<()> {
        let Some(Held { number, row, place }) = self.held.take() else { return Ok(()) };
        let what = match next.is_some_and(|next| next < place) {
            true => Some(What::OutOfOrder),
            false => self.find(place, &row)?,
        };
        if let Some(what) = what {
            self.differs(number, &row, what);
        }
        Ok(())
    }

    /// Whether a row is the next that the city would write; it is taken then. Nearly every row is, and none of them is
    /// read.
    fn is_next(&mut self, row: &[u8]) -> io::Result<bool> {
        if self.is_here(row)? {
            return Ok(true);
        }
        let done = |group: &Group| group.members.iter().all(|member| member.named) && !group.names(row);
        if self.group.as_ref().is_none_or(done) {
            self.step()?;
            return self.is_here(row);
        }
        Ok(false)
    }

    /// Whether a row is one of the place that is looked at, and is not taken yet.
    fn is_here(&mut self, row: &[u8]) -> io::Result<bool> {
        let Some(group) = &mut self.group else { return Ok(false) };
        let free = |member: &&mut Member| member.is(row) && !member.named && member.paid.is_none();
        let Some(member) = group.members.iter_mut().find(free) else { return Ok(false) };
        member.named = true;
        let (place, tap) = (group.place, member.tap);
        self.take(place, &tap, row)?;
        Ok(true)
    }

    /// Looks for a row at its place; what is wrong with it, if something is.
    fn find(&mut self, place: Place, row: &[u8]) -> io::Result<Option<What>> {
        while !self.ended && self.group.as_ref().is_none_or(|group| group.place < place) {
            self.step()?;
        }
        if self.group.as_ref().is_some_and(|group| group.place == place) && self.is_here(row)? {
            return Ok(None);
        }
        let Some(group) = [&self.group, &self.passed].into_iter().flatten().find(|it| it.place == place)
        else {
            let owner = self.owners.owner(place.1);
            return Ok(Some(match owner == Some(place.0) {
                false => What::NotItsTerminal(owner),
                true if self.last.is_some_and(|last| place < last) => What::OutOfOrder,
                true => What::NeverAccepted,
            }));
        };
        Ok(Some(match group.members.iter().find(|member| member.is(row)) {
            Some(Member { paid: Some(cycle), .. }) => What::PaidBefore(*cycle),
            Some(_) => What::Twice,
            None => What::Other(changed(row, &group.members)),
        }))
    }

    /// The city agrees with a row.
    fn take(&mut self, place: Place, tap: &Tap, row: &[u8]) -> io::Result<()> {
        self.last = Some(place);
        let mut content = [0; CONTENT_LEN];
        content.copy_from_slice(tap.content_bytes());
        self.sink.pays(&content)?;
        self.sha256.update(row);
        self.sha256.update(b"\n");
        let fen = u64::from(tap.amount_fen.get());
        let (count, amount_fen) = self.found.by_acquirer.entry(place.0).or_default();
        for (sum, more) in
            [(count, 1), (amount_fen, fen), (&mut self.found.count, 1), (&mut self.found.amount_fen, fen)]
        {
            *sum = sum.saturating_add(more);
        }
        Ok(())
    }

    /// Goes on to the taps of the next place.
    fn step(&mut self) -> io::Result<()> {
        let left = self.group.take();
        let members = left.iter().flat_map(|group| &group.members);
        for member in members.filter(|member| !member.named && member.moves && member.paid.is_none()) {
            let mut content = [0; CONTENT_LEN];
            content.copy_from_slice(member.tap.content_bytes());
            self.sink.waits(&content)?;
        }
        self.passed = left.or(self.passed.take());
        if !self.ended {
            self.group = self.sorted.group()?;
            self.ended = self.group.is_none();
        }
        Ok(())
    }

    fn differs(&mut self, line: u64, row: &[u8], what: What) {
        self.found.differences_total = self.found.differences_total.saturating_add(1);
        if self.found.differences.len() < self.listed_max {
            let row = String::from_utf8_lossy(row).into_owned();
            self.found.differences.push(Difference { line, row, what });
        }
    }

    fn finish(mut self) -> io::Result<Compared> {
        self.judge_held(None)?;
        while !self.ended {
            self.step()?;
        }
        self.found.sha256 = self.sha256.finalize().into();
        Ok(self.found)
    }
}

impl Group {
    /// Whether the city would write this row for one of them.
    fn names(&self, row: &[u8]) -> bool {
        self.members.iter().any(|member| member.is(row))
    }
}

impl Member {
    /// Whether the city would write this row for it.
    fn is(&self, row: &[u8]) -> bool {
        !self.row.is_empty() && self.row == row
    }
}

/// The columns in which a row differs from the tap that is most like it.
fn changed(row: &[u8], members: &[Member]) -> Vec<Changed> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = Fields::default();
    // It was split before, to find its place.
    let _ = fields.split(row);
    let of = |member: &Member| {
        let mut own = Fields::default();
        // A row of ours has no quotes.
        let _ = own.split(&member.row);
        let columns = ISSUER.columns.iter().enumerate().skip(PLACE_COLUMNS);
        let differ = columns.filter(|(at, _)| own.get(*at) != fields.get(*at));
        differ
            .map(|(at, column)| Changed { column, file: text(fields.get(at)), accepted: text(own.get(at)) })
            .collect::<Vec<_>>()
    };
    members.iter().map(of).min_by_key(Vec::len).unwrap_or_default()
}
