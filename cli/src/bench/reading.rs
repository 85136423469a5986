//! Reading alone: lines of tap files and of files of other layouts become taps, on one core and from memory.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use city_adapter::{
    mapping::{MappedFile, Mapping},
    tapfile::{HEADER, Line, TapFile},
};
use domain::city::City;

/// Whose terminals collected the taps.
const ACQUIRER: &str = "cu-2000";

/// A separated file with yuan, own terminal numbers, card number ranges and a clock of its own.
const SEPARATED: &str = r#"
layout = "cityunion-mapping/1"
[file]
separator = ";"
[[drop]]
column = "kind"
values = ["入站"]
[tables.home]
ranges = [
    { from = "3000000000000000", to = "3999999999999999", value = "cu-3000" },
    { from = "2000000000000000", to = "2999999999999999", value = "cu-2000" },
]
[columns]
terminal = { column = "gate", form = "decimal", prefix = "2000" }
terminal_seq = { column = "seq" }
issuer = { column = "card", table = "home" }
card = { column = "card" }
card_counter = { column = "count" }
type = { constant = "06" }
amount_fen = { column = "paid", unit = "yuan" }
fare_fen = { column = "fare", unit = "yuan" }
tapped_at = { column = "time", formats = ["%Y-%m-%d %H:%M:%S"], service_day_until = "28:59" }
medium = { constant = "cpu" }
sector = { column = "kind", values = { "出站" = "metro", "巴士" = "bus" } }
product = { constant = "distance" }
operator = { column = "operator" }
line = { constant = "" }
station = { column = "station" }
key_version = { constant = "1" }
algorithm = { constant = "3des" }
tac = { column = "tac" }
"#;

/// The same in places of bytes, in GBK, with amounts in hex digits, last byte first.
const FIXED: &str = r#"
layout = "cityunion-mapping/1"
[file]
encoding = "gbk"
fixed = true
[tables.home]
prefixes = { "3" = "cu-3000", "2" = "cu-2000" }
[columns]
terminal = { at = 1, length = 12 }
terminal_seq = { at = 13, length = 8, form = "hex-le" }
issuer = { at = 21, length = 16, table = "home" }
card = { at = 21, length = 16 }
card_counter = { at = 37, length = 4, form = "hex" }
type = { constant = "06" }
amount_fen = { at = 41, length = 8, form = "hex-le" }
fare_fen = { at = 41, length = 8, form = "hex-le" }
tapped_at = { at = 49, length = 14, formats = ["%Y%m%d%H%M%S"] }
medium = { constant = "cpu" }
sector = { constant = "metro" }
product = { constant = "distance" }
station = { at = 63, length = 12 }
key_version = { constant = "1" }
algorithm = { constant = "3des" }
tac = { at = 75, length = 8 }
"#;

/// `世纪大道` in GBK.
const STATION_GBK: &[u8] = b"\xCA\xC0\xBC\xCD\xB4\xF3\xB5\xC0";

/// Lines a second.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Of layout `cityunion-tap/1`.
    pub canonical: u64,
    /// Of a separated file of another layout.
    pub mapped: u64,
    /// Of a fixed file in GBK.
    pub mapped_fixed: u64,
    /// Of the canonical file by the crate `csv`, which only splits it.
    pub csv: u64,
}

/// Files to read.
pub struct Prepared {
    lines: u64,
    canonical: Vec<u8>,
    separated: Vec<u8>,
    fixed: Vec<u8>,
}

/// Makes files of `lines` data lines.
#[must_use]
pub fn prepare(lines: u64) -> Prepared {
    let mut canonical = format!("{HEADER}\n").into_bytes();
    let mut separated =
        "time;kind;gate;seq;card;count;paid;fare;operator;station;tac\n".to_owned().into_bytes();
    let mut fixed = Vec::new();
    for n in 0..lines {
        let (gate, card, tac) =
            (n % 2000, 3_000_000_000_000_000 + n * 7919 % 1_000_000, n * 2_654_435_761 % (1 << 32));
        let (amount, fare, count) = (100 + n % 900, 100 + n % 1000, n % 60_000);
        let (hour, minute, second) = (6 + n % 16, n / 16 % 60, n / 960 % 60);
        let clock = format!("{hour:02}:{minute:02}:{second:02}");
        canonical.extend_from_slice(
            format!(
                "20000000{gate:04X},{n},cu-3000,{card},{count},06,{amount},{fare},2018-09-01T{clock},cpu,metro,distance,\
                 上海地铁,2,世纪大道,1,3des,{tac:08X}\n"
            )
            .as_bytes(),
        );
        let yuan = |fen: u64| format!("{}.{:02}", fen / 100, fen % 100);
        separated.extend_from_slice(
            format!(
                "2018-09-01 {clock};出站;{gate};{n};{card};{count};{};{};上海地铁;世纪大道;{tac:08X}\n",
                yuan(amount),
                yuan(fare)
            )
            .as_bytes(),
        );
        let last_first = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).swap_bytes();
        fixed.extend_from_slice(
            format!(
                "20000000{gate:04X}{:08X}{card}{count:04X}{:08X}20180901{hour:02}{minute:02}{second:02}",
                last_first(n),
                last_first(amount)
            )
            .as_bytes(),
        );
        fixed.extend_from_slice(STATION_GBK);
        fixed.extend_from_slice(format!("    {tac:08X}\n").as_bytes());
    }
    Prepared { lines, canonical, separated, fixed }
}

/// Reads each file once.
///
/// # Errors
/// If a line is not read as a tap.
pub fn run(prepared: &Prepared) -> Result<Measured> {
    let acquirer: City = ACQUIRER.parse().context("name a city")?;
    let canonical = timed(prepared.lines, || {
        let mut file = TapFile::open(prepared.canonical.as_slice(), acquirer)?;
        let mut taps = 0;
        while let Some(line) = file.next_line()? {
            taps += u64::from(matches!(line, Line::Tap(_)));
        }
        Ok(taps)
    })?;
    let mapped = |text: &str, bytes: &[u8]| {
        let mapping = Mapping::parse(text)?;
        timed(prepared.lines, || {
            let mut file = MappedFile::open(bytes, acquirer, &mapping)?;
            let mut taps = 0;
            while let Some(line) = file.next_line()? {
                taps += u64::from(matches!(line, Line::Tap(_)));
            }
            Ok(taps)
        })
    };
    let csv = timed(prepared.lines, || {
        let mut reader = csv::Reader::from_reader(prepared.canonical.as_slice());
        let (mut record, mut records) = (csv::ByteRecord::new(), 0);
        while reader.read_byte_record(&mut record)? {
            records += 1;
        }
        Ok(records)
    })?;
    let (separated, fixed) = (mapped(SEPARATED, &prepared.separated)?, mapped(FIXED, &prepared.fixed)?);
    Ok(Measured { canonical, mapped: separated, mapped_fixed: fixed, csv })
}

/// Lines a second of work that must read `lines` of them.
fn timed(lines: u64, work: impl FnOnce() -> Result<u64>) -> Result<u64> {
    let started = Instant::now();
    let read = work()?;
    let elapsed_ns = started.elapsed().as_nanos().max(1);
    ensure!(read == lines, "{read} of {lines} lines were read");
    Ok(u64::try_from(u128::from(lines) * 1_000_000_000 / elapsed_ns)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_of_the_files_to_read_is_a_tap() {
        let measured = super::run(&super::prepare(500)).unwrap();
        assert!(measured.canonical > 0 && measured.mapped > 0 && measured.mapped_fixed > 0);
    }
}
