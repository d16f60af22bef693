//! Dates, times and instants: ISO 8601 and JDK patterns, without a time zone database.

/// Attoseconds in a second: fine enough for every unit a file format has and for 18 digits of a fraction.
pub(crate) const ATTOS: i128 = 1_000_000_000_000_000_000;
const DAY_SECONDS: i128 = 86_400;

/// What a text said about a date, a time and an offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moment {
    /// Days since 1970-01-01.
    pub(crate) days: i64,
    pub(crate) second_of_day: u32,
    pub(crate) attos: i128,
    /// Seconds east of UTC, if the text said so.
    pub(crate) offset: Option<i32>,
}

impl Moment {
    /// Attoseconds since the epoch; `zone` (seconds east of UTC) holds where the text has no offset of its own.
    pub(crate) fn instant(&self, zone: i32) -> i128 {
        let seconds = i128::from(self.days) * DAY_SECONDS + i128::from(self.second_of_day)
            - i128::from(self.offset.unwrap_or(zone));
        seconds * ATTOS + self.attos
    }

    /// Attoseconds since midnight.
    pub(crate) fn time_of_day(&self) -> i128 {
        i128::from(self.second_of_day) * ATTOS + self.attos
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, `None` if there is no such day.
/// Era arithmetic as in Howard Hinnant's "chrono-compatible low-level date algorithms".
pub(crate) fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The date of a day number, `yyyy-MM-dd`.
pub(crate) fn date_text(days: i64) -> String {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `HH:mm:ss`, with a fraction where there is one.
pub(crate) fn time_text(attos: i128) -> String {
    let (seconds, fraction) = (attos.div_euclid(ATTOS), attos.rem_euclid(ATTOS));
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        text.push('.');
        text.push_str(format!("{fraction:018}").trim_end_matches('0'));
    }
    text
}

/// ISO 8601 in UTC.
pub(crate) fn instant_text(attos: i128) -> String {
    let day = DAY_SECONDS * ATTOS;
    // A Parquet timestamp is at most i64 seconds, so its day number fits i64.
    let days = i64::try_from(attos.div_euclid(day)).unwrap_or(i64::MAX / 2);
    format!("{}T{}Z", date_text(days), time_text(attos.rem_euclid(day)))
}

/// A reader over the bytes of one text.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn digits(&mut self, least: usize, most: usize) -> Option<u64> {
        let count = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if count < least {
            return None;
        }
        let value =
            self.rest[..count].iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        self.rest = &self.rest[count..];
        Some(value)
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        self.digits(least, most).and_then(|value| u32::try_from(value).ok())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.take_any(&[byte]).map(|_| ())
    }

    fn take_any(&mut self, allowed: &[u8]) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        if !allowed.contains(&first) {
            return None;
        }
        self.rest = rest;
        Some(first)
    }

    fn take_text(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text.as_bytes())?;
        Some(())
    }

    /// A fraction of `least` to `most` digits as attoseconds; at most 18 digits.
    fn fraction(&mut self, least: usize, most: usize) -> Option<i128> {
        let before = self.rest.len();
        let value = self.digits(least, most)?;
        let count = before - self.rest.len();
        Some(i128::from(value) * 10_i128.pow(u32::try_from(18 - count).ok()?))
    }

    /// `±hh`, `±hhmm` or `±hh:mm`; `Z` where allowed. Seconds east of UTC.
    fn offset(&mut self, zulu: bool, form: Offset) -> Option<i32> {
        let sign = self.take_any(b"+-Z")?;
        if sign == b'Z' {
            return zulu.then_some(0);
        }
        let hours = self.number(2, 2)?;
        let minutes = match form {
            Offset::Colon => {
                self.take(b':')?;
                self.number(2, 2)?
            }
            Offset::Plain => self.number(2, 2)?,
            Offset::Hours => 0,
            Offset::Any => {
                let colon = self.take(b':').is_some();
                if colon { self.number(2, 2)? } else { self.number(2, 2).unwrap_or(0) }
            }
        };
        if hours > 18 || minutes > 59 {
            return None;
        }
        let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
        Some(if sign == b'-' { -seconds } else { seconds })
    }

    fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offset {
    Hours,
    Plain,
    Colon,
    Any,
}

/// `yyyy-MM-dd` and nothing else; days since 1970-01-01.
pub(crate) fn read_date(text: &str) -> Option<i64> {
    let mut cursor = Cursor { rest: text.as_bytes() };
    let days = iso_date(&mut cursor)?;
    cursor.end()?;
    Some(days)
}

fn iso_date(cursor: &mut Cursor<'_>) -> Option<i64> {
    let year = cursor.digits(4, 4)?;
    cursor.take(b'-')?;
    let month = cursor.number(2, 2)?;
    cursor.take(b'-')?;
    let day = cursor.number(2, 2)?;
    days(i64::try_from(year).ok()?, month, day)
}

/// `HH:mm:ss` and nothing else; attoseconds since midnight.
pub(crate) fn read_time(text: &str) -> Option<i128> {
    let mut cursor = Cursor { rest: text.as_bytes() };
    let hour = cursor.number(2, 2)?;
    cursor.take(b':')?;
    let minute = cursor.number(2, 2)?;
    cursor.take(b':')?;
    let second = cursor.number(2, 2)?;
    cursor.end()?;
    Some(i128::from(second_of_day(hour, minute, second)?) * ATTOS)
}

/// ISO 8601 date and time: `yyyy-MM-ddTHH:mm[:ss[.fraction]][offset]`. A blank may stand for the `T`, as RFC 3339
/// allows and pandas writes.
pub(crate) fn read_timestamp(text: &str) -> Option<Moment> {
    let mut cursor = Cursor { rest: text.as_bytes() };
    let days = iso_date(&mut cursor)?;
    cursor.take_any(b"Tt ")?;
    let hour = cursor.number(2, 2)?;
    cursor.take(b':')?;
    let minute = cursor.number(2, 2)?;
    let mut second = 0;
    let mut attos = 0;
    if cursor.take(b':').is_some() {
        second = cursor.number(2, 2)?;
        if cursor.take_any(b".,").is_some() {
            attos = cursor.fraction(1, 18)?;
        }
    }
    let offset = if cursor.rest == b"z" {
        cursor.rest = b"";
        Some(0)
    } else if cursor.rest.is_empty() {
        None
    } else {
        Some(cursor.offset(true, Offset::Any)?)
    };
    cursor.end()?;
    Some(Moment { days, second_of_day: second_of_day(hour, minute, second)?, attos, offset })
}

/// `Z`, `UTC` or `±hh:mm` as seconds east of UTC.
pub(crate) fn read_zone(text: &str) -> Option<i32> {
    if matches!(text, "UTC" | "GMT" | "Etc/UTC") {
        return Some(0);
    }
    let mut cursor = Cursor { rest: text.as_bytes() };
    let seconds = cursor.offset(true, Offset::Any)?;
    cursor.end()?;
    Some(seconds)
}

fn second_of_day(hour: u32, minute: u32, second: u32) -> Option<u32> {
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

/// A compiled JDK `DateTimeFormatter` pattern. Numbers have exactly as many digits as letters; a single letter takes
/// as many as are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    Year(usize),
    Month(usize),
    MonthName(bool),
    Day(usize),
    Hour(usize),
    HalfDayHour(usize),
    AmPm,
    Minute(usize),
    Second(usize),
    Fraction(usize),
    Offset(bool, Offset),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The fields that a pattern has read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    half: Option<u32>,
    afternoon: bool,
    minute: u32,
    second: u32,
    attos: i128,
    offset: Option<i32>,
}

impl Pattern {
    /// Compiles a pattern; the error says which letter is not understood.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let letters: Vec<char> = pattern.chars().collect();
        let (mut items, mut at) = (Vec::new(), 0);
        while let Some(&letter) = letters.get(at) {
            if letter == '\'' {
                let (text, next) = quoted(&letters, at)?;
                items.push(Item::Literal(text));
                at = next;
                continue;
            }
            let count = letters[at..].iter().take_while(|&&other| other == letter).count();
            items.push(item(letter, count)?);
            at += count;
        }
        Ok(Self { items })
    }

    /// Whether the pattern says the day, as a date and a timestamp must.
    pub(crate) fn has_date(&self) -> bool {
        let has = |test: fn(&Item) -> bool| self.items.iter().any(test);
        has(|item| matches!(item, Item::Year(_)))
            && has(|item| matches!(item, Item::Month(_) | Item::MonthName(_)))
            && has(|item| matches!(item, Item::Day(_)))
    }

    /// Whether the pattern says the hour.
    pub(crate) fn has_time(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Hour(_) | Item::HalfDayHour(_)))
    }

    /// Reads a whole text; `None` if it does not match or names no real day or time.
    pub(crate) fn read(&self, text: &str) -> Option<Moment> {
        let mut cursor = Cursor { rest: text.as_bytes() };
        let mut fields = Fields { year: 1970, month: 1, day: 1, ..Fields::default() };
        for item in &self.items {
            item.read(&mut cursor, &mut fields)?;
        }
        cursor.end()?;
        fields.moment()
    }
}

impl Fields {
    fn moment(&self) -> Option<Moment> {
        let hour = match self.half {
            Some(hour @ 1..=12) => hour % 12 + if self.afternoon { 12 } else { 0 },
            Some(_) => return None,
            None => self.hour,
        };
        Some(Moment {
            days: days(self.year, self.month, self.day)?,
            second_of_day: second_of_day(hour, self.minute, self.second)?,
            attos: self.attos,
            offset: self.offset,
        })
    }
}

/// The text between quotes; two quotes are one.
fn quoted(letters: &[char], start: usize) -> Result<(String, usize), String> {
    if letters.get(start + 1) == Some(&'\'') {
        return Ok(("'".to_owned(), start + 2));
    }
    let (mut text, mut at) = (String::new(), start + 1);
    loop {
        match (letters.get(at), letters.get(at + 1)) {
            (Some('\''), Some('\'')) => {
                text.push('\'');
                at += 2;
            }
            (Some('\''), _) => return Ok((text, at + 1)),
            (Some(&letter), _) => {
                text.push(letter);
                at += 1;
            }
            (None, _) => return Err("has a quote that is never closed".to_owned()),
        }
    }
}

fn item(letter: char, count: usize) -> Result<Item, String> {
    let item = match (letter, count) {
        ('y' | 'u', 1..=9) => Item::Year(count),
        ('M' | 'L', 1 | 2) => Item::Month(count),
        ('M' | 'L', 3) => Item::MonthName(false),
        ('M' | 'L', 4) => Item::MonthName(true),
        ('d', 1 | 2) => Item::Day(count),
        ('H', 1 | 2) => Item::Hour(count),
        ('h', 1 | 2) => Item::HalfDayHour(count),
        ('a', 1) => Item::AmPm,
        ('m', 1 | 2) => Item::Minute(count),
        ('s', 1 | 2) => Item::Second(count),
        ('S', 1..=18) => Item::Fraction(count),
        ('X' | 'x', 1) => Item::Offset(letter == 'X', Offset::Hours),
        ('X' | 'x', 2) => Item::Offset(letter == 'X', Offset::Plain),
        ('X' | 'x', 3) => Item::Offset(letter == 'X', Offset::Colon),
        ('Z', 1..=3) => Item::Offset(false, Offset::Plain),
        (c, _) if c.is_ascii_alphabetic() || "[]{}#".contains(c) => {
            return Err(format!("has '{}', which is not supported", c.to_string().repeat(count)));
        }
        (c, _) => Item::Literal(c.to_string().repeat(count)),
    };
    Ok(item)
}

/// One letter alone takes up to `most` digits, several exactly their number.
fn width(letters: usize, most: usize) -> (usize, usize) {
    if letters == 1 { (1, most) } else { (letters, letters) }
}

impl Item {
    fn read(&self, cursor: &mut Cursor<'_>, fields: &mut Fields) -> Option<()> {
        let mut two = |letters: usize| {
            let (least, most) = width(letters, 2);
            cursor.number(least, most)
        };
        match self {
            Self::Month(letters) => fields.month = two(*letters)?,
            Self::Day(letters) => fields.day = two(*letters)?,
            Self::Hour(letters) => fields.hour = two(*letters)?,
            Self::HalfDayHour(letters) => fields.half = Some(two(*letters)?),
            Self::Minute(letters) => fields.minute = two(*letters)?,
            Self::Second(letters) => fields.second = two(*letters)?,
            Self::Literal(text) => cursor.take_text(text)?,
            Self::Year(letters) => {
                let (least, most) = width(*letters, 9);
                let year = i64::try_from(cursor.digits(least, most)?).ok()?;
                // Two letters are a reduced year from 2000 on, as in the JDK.
                fields.year = if *letters == 2 { 2000 + year } else { year };
            }
            Self::MonthName(full) => {
                let name = |month: &&str| {
                    cursor.take_text(if *full { month } else { &month[..3] }).is_some()
                };
                fields.month = u32::try_from(MONTHS.iter().position(name)? + 1).ok()?;
            }
            Self::AmPm => {
                fields.afternoon = cursor.take_any(b"AP")? == b'P';
                cursor.take(b'M')?;
            }
            Self::Fraction(letters) => fields.attos = cursor.fraction(*letters, *letters)?,
            Self::Offset(zulu, form) => fields.offset = Some(cursor.offset(*zulu, *form)?),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        ATTOS, Pattern, date_text, days, instant_text, read_date, read_time, read_timestamp,
        read_zone,
    };

    #[test]
    fn day_numbers_go_both_ways() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(1900, 2, 29), None);
        for day in (-800_000..800_000).step_by(97) {
            assert_eq!(read_date(&date_text(day)).unwrap_or(day), day);
        }
    }

    #[test]
    fn only_whole_iso_dates_and_times_are_read() {
        assert_eq!(read_date("1970-01-31"), Some(30));
        for wrong in ["1970-1-31", "1970-02-30", "19700131", "1970-01-31 ", ""] {
            assert_eq!(read_date(wrong), None, "{wrong}");
        }
        assert_eq!(read_time("01:00:01"), Some(3601 * ATTOS));
        for wrong in ["24:00:00", "1:00:00", "01:00", "01:00:60"] {
            assert_eq!(read_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn timestamps_are_instants() {
        let at = |text: &str| read_timestamp(text).map(|moment| moment.instant(0));
        assert_eq!(at("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(at("1970-01-01T00:00:00.5Z"), Some(ATTOS / 2));
        assert_eq!(at("1969-12-31 23:59"), Some(-60 * ATTOS));
        assert_eq!(
            instant_text(at("2024-02-29T12:34:56.25Z").expect("reads")),
            "2024-02-29T12:34:56.25Z"
        );
        for wrong in [
            "1970-01-01",
            "1970-01-01T24:00:00",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+25:00",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
        assert_eq!(read_zone("+02:00"), Some(7200));
        assert_eq!(read_zone("Europe/Berlin"), None);
    }

    #[test]
    fn jdk_patterns_want_exact_digits() {
        let german = Pattern::new("dd.MM.yyyy").expect("compiles");
        assert_eq!(german.read("02.01.1970").map(|moment| moment.days), Some(1));
        for wrong in ["2.01.1970", "02.01.70", "02.13.1970", "02.01.19700"] {
            assert_eq!(german.read(wrong), None, "{wrong}");
        }
        let american = Pattern::new("MMM d, yyyy h:mm a 'o''clock'").expect("compiles");
        let moment = american.read("Jan 2, 1970 12:30 PM o'clock").expect("reads");
        assert_eq!((moment.days, moment.second_of_day), (1, 45_000));
        let zoned = Pattern::new("yyyyMMdd'T'HHmmss.SSSXXX").expect("compiles");
        assert_eq!(zoned.read("19700101T010000.250+01:00").map(|m| m.instant(0)), Some(ATTOS / 4));
        assert_eq!(Pattern::new("yyyy VV").expect_err("zones"), "has 'VV', which is not supported");
    }
}
