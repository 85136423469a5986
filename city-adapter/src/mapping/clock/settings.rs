//! How the times of a file are written, and which local time they are.

use domain::date::{Date, LocalTime};

use super::{Format, Piece, Written, parts::offset};
use crate::mapping::spec::{RuleSpec, Unix};

const DAY: i64 = 86_400;

/// Reads times.
#[derive(Clone, Debug)]
pub struct Clock {
    written: Form,
    pivot: u8,
    /// The zone in which the text is written, if it is not the local one.
    zone: Option<i32>,
    ignore_offset: bool,
    local: i32,
    /// The second at which a service day ends.
    until: u32,
}

#[derive(Clone, Debug)]
enum Form {
    Formats(Vec<Format>),
    Unix(Unix),
}

impl Clock {
    /// The settings of a rule.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(spec: &RuleSpec) -> Result<Self, String> {
        let written = match (&spec.formats, spec.unix) {
            (Some(_), Some(_)) => return Err("has both `formats` and `unix`".to_owned()),
            (None, Some(unix)) => Form::Unix(unix),
            (formats, None) => {
                let default = ["%Y-%m-%dT%H:%M:%S".to_owned()];
                let formats = formats.as_deref().unwrap_or(&default);
                if formats.is_empty() {
                    return Err("has an empty list of `formats`".to_owned());
                }
                Form::Formats(formats.iter().map(|format| Format::parse(format)).collect::<Result<_, _>>()?)
            }
        };
        let any =
            |piece| matches!(&written, Form::Formats(all) if all.iter().any(|format| format.has(piece)));
        if any(Piece::ShortYear) != spec.pivot.is_some() {
            return Err(
                "needs `pivot`, the first two-digit year of the 1900s, exactly if a format has %y".to_owned()
            );
        }
        if spec.pivot.is_some_and(|pivot| pivot > 100) {
            return Err("has a `pivot` over 100".to_owned());
        }
        let ignore_offset = spec.zone.as_deref() == Some("ignore");
        let zone = spec.zone.as_deref().filter(|_| !ignore_offset).map(zone_of).transpose()?;
        let unix = matches!(written, Form::Unix(_));
        if unix && spec.zone.is_some() {
            return Err("has `zone`, but a count since 1970 has none".to_owned());
        }
        if ignore_offset && !any(Piece::Offset) {
            return Err("has zone = \"ignore\", but no format has %z".to_owned());
        }
        let instants = unix || zone.is_some() || any(Piece::Offset) && !ignore_offset;
        if spec.local.is_some() && !instants {
            return Err("has `local`, but its times are local already".to_owned());
        }
        let local = spec.local.as_deref().map_or(Ok(LocalTime::AHEAD_OF_UTC_S), zone_of)?;
        let until = spec.service_day_until.as_deref().map_or(Ok(24 * 3600), service_day_end)?;
        let pivot = spec.pivot.unwrap_or(0);
        Ok(Self { written, pivot, zone, ignore_offset, local, until })
    }

    /// The local time that a text says.
    pub fn read(&self, text: &[u8]) -> Option<LocalTime> {
        let formats = match &self.written {
            Form::Formats(formats) => formats,
            Form::Unix(unix) => return self.since_1970(text, *unix),
        };
        let written = formats.iter().find_map(|format| format.read(text, self.pivot, self.until))?;
        let Written { date, second, offset } = written;
        let zone = offset.filter(|_| !self.ignore_offset).or(self.zone);
        match zone {
            None if i64::from(second) < DAY => Some(LocalTime { date, second }),
            None => local_time(i64::from(date.julian_day()) * DAY + i64::from(second)),
            Some(zone) => {
                let seconds = i64::from(date.julian_day()) * DAY + i64::from(second);
                local_time(seconds - i64::from(zone) + i64::from(self.local))
            }
        }
    }

    fn since_1970(&self, text: &[u8], unix: Unix) -> Option<LocalTime> {
        let count: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        let seconds = match unix {
            Unix::Seconds => count,
            Unix::Millis => count.div_euclid(1000),
        };
        local_time(seconds.checked_add(epoch())?.checked_add(i64::from(self.local))?)
    }

    /// Writes a local time as the first format does. `None` if it cannot be written so.
    pub fn write(&self, time: LocalTime, to: &mut Vec<u8>) -> Option<()> {
        let utc = time.seconds() - i64::from(self.local);
        match &self.written {
            Form::Unix(Unix::Seconds) => to.extend_from_slice((utc - epoch()).to_string().as_bytes()),
            Form::Unix(Unix::Millis) => {
                to.extend_from_slice(((utc - epoch()) * 1000).to_string().as_bytes());
            }
            Form::Formats(formats) => {
                let time = match self.zone {
                    Some(zone) => local_time(utc + i64::from(zone))?,
                    None => time,
                };
                formats.first()?.write(time, self.pivot, self.zone.unwrap_or(self.local), to)?;
            }
        }
        Some(())
    }
}

/// The Unix epoch on the scale of [`LocalTime::seconds`].
fn epoch() -> i64 {
    i64::from(Date::UNIX_EPOCH.julian_day()) * DAY
}

/// The local time of seconds on the scale of [`LocalTime::seconds`].
fn local_time(seconds: i64) -> Option<LocalTime> {
    let date = Date::from_julian_day(i32::try_from(seconds.div_euclid(DAY)).ok()?);
    let (year, month, day) = date.ymd();
    let date = Date::from_ymd(year, month, day).ok().filter(|known| *known == date)?;
    Some(LocalTime { date, second: u32::try_from(seconds.rem_euclid(DAY)).ok()? })
}

fn zone_of(text: &str) -> Result<i32, String> {
    match offset(text.as_bytes()) {
        Some((seconds, [])) => Ok(seconds),
        _ => Err(format!("has zone `{text}`; expected an offset to UTC such as \"+08:00\"")),
    }
}

/// `HH:MM` of the last minute, to the second behind it.
fn service_day_end(text: &str) -> Result<u32, String> {
    let part = |text: &str| if text.len() == 2 { text.parse::<u32>().ok() } else { None };
    let parts = text.split_once(':').and_then(|(hours, minutes)| Some((part(hours)?, part(minutes)?)));
    match parts {
        Some((hours, minutes)) if (24..48).contains(&hours) && minutes < 60 => {
            Ok(hours * 3600 + minutes * 60 + 60)
        }
        _ => Err(format!("has service_day_until `{text}`; expected its last minute, from 24:00 to 47:59")),
    }
}
