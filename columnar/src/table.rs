//! One CSV file becomes one Parquet file.

use std::{collections::BTreeMap, fs::File, path::PathBuf, sync::Arc};

use files::{
    layout::{self, Layout},
    manifest::FileEntry,
};
use parquet::{
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};

use crate::{
    LAYOUT,
    column::{Column, Kind},
    error::ColumnarError,
    rows::Rows,
};

/// The most rows of a group.
pub(crate) const GROUP_ROWS: usize = 1 << 17;
/// The bytes of texts after which a group ends early.
const GROUP_TEXT_BYTES: usize = 64 << 20;
/// Rows after which it is looked how many bytes were read.
const LOOK_ROWS: u64 = 8192;
/// Who made the files: nothing that changes from one build to the next.
const CREATED_BY: &str = "cityunion version 1 (build cityunion-parquet)";
/// How hard texts and numbers are packed: harder is slower and hardly smaller.
const ZSTD_LEVEL: i32 = 3;

/// A CSV file of a cycle, and what is known of it.
pub(crate) struct Source<'a> {
    pub(crate) path: PathBuf,
    /// What the manifest says of it.
    pub(crate) entry: &'a FileEntry,
    pub(crate) layout: &'static Layout,
    /// Name of the cycle's folder.
    pub(crate) cycle: String,
    pub(crate) manifest_sha256: String,
}

/// Rows, and the sums of those columns whose sum a manifest states.
#[derive(Default)]
struct Sums {
    rows: u64,
    totals: BTreeMap<String, i128>,
}

impl Source<'_> {
    /// Writes the file as Parquet, in groups of at most `group_rows` rows, and gives it back. `heard` is told how many
    /// bytes were read since the last time.
    ///
    /// # Errors
    /// [`ColumnarError`] if a file cannot be read or written, or it is not what the manifest says.
    pub(crate) fn convert(
        &self,
        to: File,
        group_rows: usize,
        heard: &mut dyn FnMut(u64),
    ) -> Result<File, ColumnarError> {
        let mut rows = Rows::open(&self.path, self.layout)?;
        let mut columns: Vec<Column> =
            self.layout.columns.iter().map(|name| Column::new(Kind::of(name))).collect();
        let mut writer = self.begin(to).map_err(|source| self.failed(source))?;
        let mut sums = Sums::default();
        let (mut gathered, mut told) = (0_usize, 0_u64);
        while self.take(&mut rows, &mut columns, &mut sums)? {
            gathered = gathered.saturating_add(1);
            let texts = columns.iter().fold(0_usize, |sum, it| sum.saturating_add(it.text_bytes()));
            if gathered >= group_rows || texts >= GROUP_TEXT_BYTES {
                write_group(&mut writer, &mut columns).map_err(|source| self.failed(source))?;
                gathered = 0;
            }
            if sums.rows.is_multiple_of(LOOK_ROWS) {
                heard(rows.position().saturating_sub(told));
                told = rows.position();
            }
        }
        if gathered > 0 {
            write_group(&mut writer, &mut columns).map_err(|source| self.failed(source))?;
        }
        heard(rows.position().saturating_sub(told));
        self.compare(&sums, &rows.sha256())?;
        writer.into_inner().map_err(|source| self.failed(source))
    }

    /// Takes the next row; false at the end.
    fn take(&self, rows: &mut Rows, columns: &mut [Column], sums: &mut Sums) -> Result<bool, ColumnarError> {
        let Some(record) = rows.next()? else { return Ok(false) };
        let names = self.layout.columns.iter();
        let mut bad = None;
        for (at, ((field, column), name)) in record.iter().zip(columns.iter_mut()).zip(names).enumerate() {
            let Some(number) = column.take(field) else {
                bad = Some((at, column.kind().wanted()));
                break;
            };
            if layout::is_summed(name) {
                let total = sums.totals.entry((*name).to_owned()).or_default();
                *total = total.saturating_add(number.into());
            }
        }
        if let Some((at, wanted)) = bad {
            return Err(rows.bad_field(at, wanted));
        }
        sums.rows = sums.rows.saturating_add(1);
        Ok(true)
    }

    fn begin(&self, to: File) -> Result<SerializedFileWriter<File>, ParquetError> {
        let declared: String = self.layout.columns.iter().map(|name| Kind::of(name).declared(name)).collect();
        let schema = parse_message_type(&format!("message rows {{ {declared} }}"))?;
        let said = |key: &str, value: &str| KeyValue::new(format!("cityunion.{key}"), value.to_owned());
        let about = vec![
            said("layout", LAYOUT),
            said("cycle", &self.cycle),
            said("manifest_sha256", &self.manifest_sha256),
            said("file", &self.entry.name),
            said("file_sha256", &self.entry.sha256),
        ];
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by(CREATED_BY.to_owned())
            .set_key_value_metadata(Some(about))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .build();
        SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties))
    }

    /// Refuses a file that is not what the manifest says.
    fn compare(&self, sums: &Sums, sha256: &str) -> Result<(), ColumnarError> {
        let (entry, path) = (self.entry, self.path.clone());
        if sha256 != entry.sha256 {
            let what = format!("its SHA-256 is {sha256}, the manifest says {}", entry.sha256);
            return Err(ColumnarError::Damaged { path, what });
        }
        if Some(sums.rows) != entry.rows {
            let what = format!("it has {} rows, the manifest says {:?}", sums.rows, entry.rows);
            return Err(ColumnarError::Damaged { path, what });
        }
        for (column, total) in &entry.totals {
            let found = sums.totals.get(column).copied().unwrap_or_default();
            if found != *total {
                let what = format!("its column {column} comes to {found}, the manifest says {total}");
                return Err(ColumnarError::Damaged { path, what });
            }
        }
        Ok(())
    }

    fn failed(&self, source: ParquetError) -> ColumnarError {
        ColumnarError::Parquet { path: self.path.clone(), source }
    }
}

/// Writes the rows that were gathered as one group.
fn write_group(writer: &mut SerializedFileWriter<File>, columns: &mut [Column]) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        let Some(mut to) = group.next_column()? else {
            return Err(ParquetError::General("the schema has fewer columns than the rows".to_owned()));
        };
        column.write(&mut to)?;
        to.close()?;
    }
    group.close().map(drop)
}
