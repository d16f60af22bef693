//! `logicalType`: how a cell is read.

use crate::table::Origin;
use crate::time;
use crate::value::{self, Value};

/// A logical type with what decides how texts are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No `logicalType`: CSV cells are text, typed cells what they are.
    Untyped,
    Text,
    Integer,
    Number,
    Boolean,
    /// With `format`, else ISO 8601.
    Date(Option<time::Pattern>),
    Timestamp {
        format: Option<time::Pattern>,
        /// Seconds east of UTC for texts without an offset.
        zone: i32,
        /// Whether a text must have an offset.
        zoned: bool,
    },
    Time(Option<time::Pattern>),
    Object,
    Array,
}

/// What a cell is as some type.
pub(crate) enum Reading<'v> {
    /// The cell itself.
    AsItIs,
    /// What its text says.
    Read(Value<'v>),
    /// It is not of this type.
    Unreadable,
}

impl Kind {
    /// The name in the standard; empty without a `logicalType`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Untyped => "",
            Self::Text => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date(_) => "date",
            Self::Timestamp { .. } => "timestamp",
            Self::Time(_) => "time",
            Self::Object => "object",
            Self::Array => "array",
        }
    }

    /// Reads the text of a CSV cell; `None` if it is not of this type.
    #[inline]
    pub(crate) fn read_text<'v>(&self, text: &str) -> Option<Value<'v>> {
        match self {
            Self::Integer => value::read_integer(text),
            Self::Number => value::read_number(text),
            Self::Boolean => value::read_boolean(text),
            Self::Date(None) => time::read_date(text).map(Value::Date),
            Self::Date(Some(format)) => format.read(text).map(|moment| Value::Date(moment.days)),
            Self::Timestamp { format, zone, zoned } => {
                let moment = match format {
                    None => time::read_timestamp(text)?,
                    Some(format) => format.read(text)?,
                };
                (moment.offset.is_some() || !zoned).then(|| Value::Timestamp(moment.instant(*zone)))
            }
            Self::Time(None) => time::read_time(text).map(Value::Time),
            Self::Time(Some(format)) => {
                format.read(text).map(|moment| Value::Time(moment.time_of_day()))
            }
            Self::Untyped | Self::Text => Some(Value::Text(text.to_owned().into())),
            Self::Object | Self::Array => None,
        }
    }

    /// A cell as this type: CSV text is read, a typed cell must have the type physically. JSON has no dates and times, so
    /// there they are texts.
    #[inline]
    pub(crate) fn read<'a>(&self, cell: Value<'a>, origin: Origin) -> Option<Value<'a>> {
        match self.look(&cell, origin) {
            Reading::AsItIs => Some(cell),
            Reading::Read(value) => Some(value),
            Reading::Unreadable => None,
        }
    }

    /// The same without taking the cell, of which there are millions.
    #[inline]
    pub(crate) fn look<'v>(&self, cell: &Value<'_>, origin: Origin) -> Reading<'v> {
        let read = match (origin, self, cell) {
            (Origin::Text, Self::Untyped | Self::Text, _) => return Reading::AsItIs,
            (Origin::Text, _, Value::Text(text))
            | (
                Origin::Json,
                Self::Date(_) | Self::Timestamp { .. } | Self::Time(_),
                Value::Text(text),
            ) => self.read_text(text),
            (Origin::Text, ..) => None,
            _ if self.is_of(cell) => return Reading::AsItIs,
            _ => None,
        };
        read.map_or(Reading::Unreadable, Reading::Read)
    }

    fn is_of(&self, cell: &Value<'_>) -> bool {
        match self {
            Self::Untyped => true,
            Self::Text => matches!(cell, Value::Text(_)),
            Self::Integer => matches!(cell, Value::Int(_) | Value::Big(_)),
            Self::Number => {
                matches!(cell, Value::Int(_) | Value::Big(_) | Value::Float(_) | Value::Decimal(..))
            }
            Self::Boolean => matches!(cell, Value::Bool(_)),
            Self::Date(_) => matches!(cell, Value::Date(_)),
            Self::Timestamp { .. } => matches!(cell, Value::Timestamp(_)),
            Self::Time(_) => matches!(cell, Value::Time(_)),
            Self::Object => matches!(cell, Value::Object(_) | Value::Opaque("object")),
            Self::Array => matches!(cell, Value::Array(_) | Value::Opaque("array")),
        }
    }
}
