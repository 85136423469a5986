//! An upload in the layout of its city's inbox.

use std::io::Read;

use domain::city::City;

use crate::{
    lines::KeptLine,
    mapping::{Counts, MappedFile, Mapping, MappingError},
    tapfile::{Line, TapFile, TapFileError},
};

/// Why an upload cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// As a tap file.
    #[error(transparent)]
    TapFile(#[from] TapFileError),
    /// Through the mapping of its city.
    #[error(transparent)]
    Mapped(#[from] MappingError),
}

impl InboxError {
    /// Whether the file itself, by its header or its control lines, says that it must be refused whole.
    pub fn is_of_header(&self) -> bool {
        match self {
            Self::TapFile(error) => matches!(error, TapFileError::Header),
            Self::Mapped(error) => error.is_of_file(),
        }
    }
}

impl From<std::io::Error> for InboxError {
    fn from(error: std::io::Error) -> Self {
        Self::TapFile(error.into())
    }
}

/// An upload that is being read.
pub enum Inbox<R> {
    /// In layout `cityunion-tap/1`.
    TapFile(TapFile<R>),
    /// In another layout.
    Mapped(Box<MappedFile<R>>),
}

impl<R: Read> Inbox<R> {
    /// Begins to read an upload of `city`, through its mapping if it has one.
    pub fn open(input: R, city: City, mapping: Option<&Mapping>) -> Result<Self, InboxError> {
        Ok(match mapping {
            None => Self::TapFile(TapFile::open(input, city)?),
            Some(mapping) => Self::Mapped(Box::new(MappedFile::open(input, city, mapping)?)),
        })
    }

    /// The next data line.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, InboxError> {
        Ok(match self {
            Self::TapFile(file) => file.next_line()?,
            Self::Mapped(file) => file.next_line()?,
        })
    }

    /// The bytes of the last line without its line end, of UTF-16 as UTF-8; empty if it was too long.
    pub fn raw(&self) -> &[u8] {
        match self {
            Self::TapFile(file) => file.raw(),
            Self::Mapped(file) => file.raw(),
        }
    }

    /// The lines before the data.
    pub fn head(&self) -> &[KeptLine] {
        match self {
            Self::TapFile(file) => file.head(),
            Self::Mapped(file) => file.head(),
        }
    }

    /// The entry of the trip that the last line ends, if that line is malformed.
    pub fn entry(&self) -> Option<&KeptLine> {
        match self {
            Self::TapFile(_) => None,
            Self::Mapped(file) => file.entry(),
        }
    }

    /// The control line at the end, once the file is read to its end.
    pub fn tail(&self) -> Option<KeptLine> {
        match self {
            Self::TapFile(_) => None,
            Self::Mapped(file) => file.tail(),
        }
    }

    /// What became so far of rows that are no lines by themselves.
    pub fn counts(&self) -> Counts {
        match self {
            Self::TapFile(_) => Counts::default(),
            Self::Mapped(file) => file.counts(),
        }
    }

    /// The input, for what was found out while it was read.
    pub fn into_input(self) -> R {
        match self {
            Self::TapFile(file) => file.into_input(),
            Self::Mapped(file) => file.into_input(),
        }
    }
}
