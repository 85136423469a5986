//! An upload in the layout of its city's inbox.

use std::io::Read;

use domain::city::City;

use crate::{
    mapping::{MappedFile, Mapping, MappingError},
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

    /// The input, for what was found out while it was read.
    pub fn into_input(self) -> R {
        match self {
            Self::TapFile(file) => file.into_input(),
            Self::Mapped(file) => file.into_input(),
        }
    }
}
