//! `logicalType` and its options.

use super::kind::Kind;
use super::node::{Node, Value as Yaml};
use super::read::{Fields, Reader};
use super::{Bound, Inner, Options};
use crate::format::Format;
use crate::time;
use crate::value::Value;

const LOGICAL_TYPES: &str =
    "string, date, timestamp, time, number, integer, object, array, boolean";

impl Reader {
    pub(super) fn logical_type(&mut self, fields: &Fields<'_>, name: &str) -> (Kind, Options) {
        let word = self.text(fields, "logicalType");
        let options = fields.get("logicalTypeOptions");
        let Some(word) = word else {
            if let Some(options) = options {
                self.at(options, format!("logicalTypeOptions of '{name}' need a logicalType"));
            }
            return (Kind::Untyped, Options::default());
        };
        let known: &[&str] = match word {
            "string" => &["minLength", "maxLength", "pattern", "format"],
            "integer" | "number" => &[
                "minimum",
                "maximum",
                "exclusiveMinimum",
                "exclusiveMaximum",
                "multipleOf",
                "format",
            ],
            "date" => &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"],
            "timestamp" | "time" => &[
                "minimum",
                "maximum",
                "exclusiveMinimum",
                "exclusiveMaximum",
                "format",
                "timezone",
                "defaultTimezone",
            ],
            "array" => &["minItems", "maxItems", "uniqueItems"],
            "object" => &["minProperties", "maxProperties", "required"],
            _ => &[],
        };
        let what = format!("logicalTypeOptions of a property of type {word}");
        let options = options.and_then(|node| self.fields(node, &what, known));
        let kind = self.kind(fields, word, options.as_ref());
        let options =
            options.map_or_else(Options::default, |options| self.options(&options, &kind));
        (kind, options)
    }

    fn kind(&mut self, fields: &Fields<'_>, word: &str, options: Option<&Fields<'_>>) -> Kind {
        match word {
            "string" => Kind::Text,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "boolean" => Kind::Boolean,
            "object" => Kind::Object,
            "array" => Kind::Array,
            "date" => Kind::Date(self.date_format(options, time::Pattern::has_date)),
            "time" => {
                if let Some(node) =
                    options.and_then(|o| o.get("timezone").or(o.get("defaultTimezone")))
                {
                    self.at(node, "a time of day with a time zone is not supported");
                }
                Kind::Time(self.date_format(options, time::Pattern::has_time))
            }
            "timestamp" => Kind::Timestamp {
                format: self.date_format(options, |format| format.has_date() && format.has_time()),
                zone: options.map_or(0, |options| self.zone(options)),
                zoned: options.is_some_and(|options| self.boolean(options, "timezone")),
            },
            other => {
                if let Some(node) = fields.get("logicalType") {
                    self.at(
                        node,
                        format!("unknown logicalType '{other}'; it is one of {LOGICAL_TYPES}"),
                    );
                }
                Kind::Untyped
            }
        }
    }

    fn date_format(
        &mut self,
        options: Option<&Fields<'_>>,
        complete: impl Fn(&time::Pattern) -> bool,
    ) -> Option<time::Pattern> {
        let options = options?;
        let node = options.get("format")?;
        let text = self.text(options, "format")?;
        match time::Pattern::new(text) {
            Ok(pattern) if complete(&pattern) => Some(pattern),
            Ok(_) => {
                self.at(node, format!("format '{text}' does not say all that the type needs"));
                None
            }
            Err(reason) => {
                self.at(node, format!("format '{text}' {reason}"));
                None
            }
        }
    }

    fn zone(&mut self, options: &Fields<'_>) -> i32 {
        let (Some(node), Some(text)) =
            (options.get("defaultTimezone"), self.text(options, "defaultTimezone"))
        else {
            return 0;
        };
        time::read_zone(text).unwrap_or_else(|| {
            self.at(
                node,
                format!(
                    "defaultTimezone '{text}' is not supported; write UTC or an offset like +02:00"
                ),
            );
            0
        })
    }

    fn options(&mut self, options: &Fields<'_>, kind: &Kind) -> Options {
        let mut read = Options::default();
        // Where a type has no bounds, the keys were already reported as unknown.
        let bounded = !matches!(
            kind,
            Kind::Untyped | Kind::Text | Kind::Boolean | Kind::Object | Kind::Array
        );
        for bound in Bound::ALL.into_iter().filter(|_| bounded) {
            if let Some(node) = options.get(bound.name())
                && let Some(value) = self.bound(node, bound.name(), kind)
            {
                read.bounds.push((bound, value));
            }
        }
        if let Some(node) = options.get("multipleOf")
            && let Some(step) = self.number(node, "multipleOf")
        {
            if step.compare(&Value::Int(0)).is_some_and(|order| order.is_gt()) {
                read.multiple_of = Some(step);
            } else {
                self.at(node, "'multipleOf' must be greater than 0");
            }
        }
        read.min_length = self.length(options, "minLength");
        read.max_length = self.length(options, "maxLength");
        read.pattern = options.get("pattern").and_then(|node| self.pattern(node));
        read.format = self.format(options, kind);
        match kind {
            Kind::Array => read.inner = self.array_options(options),
            Kind::Object => read.inner = self.object_options(options),
            _ => {}
        }
        read
    }

    fn array_options(&mut self, options: &Fields<'_>) -> Vec<Inner> {
        let least = self.length(options, "minItems").map(Inner::MinItems);
        let most = self.length(options, "maxItems").map(Inner::MaxItems);
        let unique = self.boolean(options, "uniqueItems").then_some(Inner::UniqueItems);
        [least, most, unique].into_iter().flatten().collect()
    }

    fn object_options(&mut self, options: &Fields<'_>) -> Vec<Inner> {
        let least = self.length(options, "minProperties").map(Inner::MinProperties);
        let most = self.length(options, "maxProperties").map(Inner::MaxProperties);
        let names: Vec<String> = self.list_of_names(options, "required");
        let required = (!names.is_empty()).then_some(Inner::Required(names));
        [least, most, required].into_iter().flatten().collect()
    }

    fn list_of_names(&mut self, options: &Fields<'_>, key: &str) -> Vec<String> {
        if let Some(node) = options.get(key)
            && !matches!(&node.value, Yaml::List(items) if !items.is_empty())
        {
            self.wrong(node, key, "a list of names");
            return Vec::new();
        }
        self.names(options, key).into_iter().map(|(name, ..)| name).collect()
    }

    fn bound(&mut self, node: &Node, key: &str, kind: &Kind) -> Option<Value<'static>> {
        if matches!(kind, Kind::Integer | Kind::Number) {
            return self.number(node, key);
        }
        let value = match &node.value {
            Yaml::Text(text) => kind.read_text(text),
            _ => None,
        };
        if value.is_none() {
            self.at(
                node,
                format!("'{key}' must be a {} in quotes, written as the data is", kind.name()),
            );
        }
        value
    }

    fn length(&mut self, options: &Fields<'_>, key: &str) -> Option<u64> {
        let value = self.integer(options, key)?;
        let length = u64::try_from(value).ok();
        if let (None, Some(node)) = (length, options.get(key)) {
            self.at(node, format!("'{key}' must not be negative"));
        }
        length
    }

    fn format(&mut self, options: &Fields<'_>, kind: &Kind) -> Option<(String, Format)> {
        let (of, known): (fn(&str) -> Option<Format>, &str) = match kind {
            Kind::Text => {
                (Format::of_text, "email, uuid, uri, hostname, ipv4, ipv6, byte, binary, password")
            }
            Kind::Integer => {
                (Format::of_integer, "i8, i16, i32, i64, i128, u8, u16, u32, u64, u128")
            }
            Kind::Number => (Format::of_number, "f32, f64"),
            _ => return None,
        };
        let node = options.get("format")?;
        let name = self.text(options, "format")?;
        let format = of(name);
        if format.is_none() {
            self.at(
                node,
                format!("unknown format '{name}'; for type {} it is one of {known}", kind.name()),
            );
        }
        format.map(|format| (name.to_owned(), format))
    }
}
