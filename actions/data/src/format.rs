//! `logicalTypeOptions.format`: what a text or a number must look like.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::value::Value;

/// A format by its name in the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Email,
    Uuid,
    Uri,
    Hostname,
    Ipv4,
    Ipv6,
    /// A hint for people (`password`, `binary`): every text has it.
    AnyText,
    /// Standard base 64.
    Byte,
    /// A range of integers.
    Integer(i128, i128),
    /// Not negative and at most 2^128 - 1.
    Unsigned128,
    Float32,
    Float64,
}

impl Format {
    /// The format of a text.
    pub(crate) fn of_text(name: &str) -> Option<Self> {
        Some(match name {
            "email" => Self::Email,
            "uuid" => Self::Uuid,
            "uri" => Self::Uri,
            "hostname" => Self::Hostname,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "password" | "binary" => Self::AnyText,
            "byte" => Self::Byte,
            _ => return None,
        })
    }

    /// The format of an integer.
    pub(crate) fn of_integer(name: &str) -> Option<Self> {
        Some(match name {
            "i8" => Self::Integer(i8::MIN.into(), i8::MAX.into()),
            "i16" => Self::Integer(i16::MIN.into(), i16::MAX.into()),
            "i32" => Self::Integer(i32::MIN.into(), i32::MAX.into()),
            "i64" => Self::Integer(i64::MIN.into(), i64::MAX.into()),
            "i128" => Self::Integer(i128::MIN, i128::MAX),
            "u8" => Self::Integer(0, u8::MAX.into()),
            "u16" => Self::Integer(0, u16::MAX.into()),
            "u32" => Self::Integer(0, u32::MAX.into()),
            "u64" => Self::Integer(0, u64::MAX.into()),
            "u128" => Self::Unsigned128,
            _ => return None,
        })
    }

    /// The format of a number.
    pub(crate) fn of_number(name: &str) -> Option<Self> {
        match name {
            "f32" => Some(Self::Float32),
            "f64" => Some(Self::Float64),
            _ => None,
        }
    }

    /// Whether the value has the format.
    pub(crate) fn accepts(self, value: &Value<'_>) -> bool {
        match value {
            Value::Text(text) => self.accepts_text(text),
            Value::Int(value) => match self {
                Self::Integer(least, most) => (least..=most).contains(value),
                Self::Unsigned128 => *value >= 0,
                _ => true,
            },
            Value::Big(digits) => match self {
                Self::Unsigned128 => digits.parse::<u128>().is_ok(),
                Self::Integer(..) => false,
                _ => true,
            },
            Value::Float(value) => {
                self != Self::Float32 || !value.is_finite() || value.abs() <= f64::from(f32::MAX)
            }
            _ => true,
        }
    }

    fn accepts_text(self, text: &str) -> bool {
        match self {
            Self::Email => is_email(text),
            Self::Uuid => is_uuid(text),
            Self::Uri => is_uri(text),
            Self::Hostname => is_hostname(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Byte => is_base64(text),
            _ => true,
        }
    }
}

/// RFC 5321 without quoted local parts and address literals.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let atom = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    local.len() <= 64 && local.split('.').all(atom) && is_hostname(domain)
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// RFC 3986: a scheme, a colon, and only characters that a URI may have.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !scheme_ok || rest.matches('#').count() > 1 {
        return false;
    }
    let bytes = rest.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => {
            bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
        }
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    })
}

/// RFC 1123: labels of letters, digits and inner dashes.
fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    text.len().is_multiple_of(4)
        && padding <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::Format;
    use crate::value::Value;

    #[test]
    fn text_formats_have_members_and_strangers() {
        let cases = [
            ("email", "a.b+c@example.org", "a@b@"),
            ("email", "x@localhost", "a..b@example.org"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"),
            ("uri", "https://example.org/a?b=%20#c", "example.org"),
            ("uri", "urn:isbn:1", "http://a b"),
            ("hostname", "a-1.example", "-a.example"),
            ("ipv4", "127.0.0.1", "256.0.0.1"),
            ("ipv6", "::1", "1::2::3"),
            ("byte", "aGk=", "aGk"),
        ];
        for (name, yes, no) in cases {
            let format = Format::of_text(name).expect(name);
            assert!(format.accepts(&Value::Text(yes.into())), "{name} {yes}");
            assert!(!format.accepts(&Value::Text(no.into())), "{name} {no}");
        }
    }

    #[test]
    fn integer_formats_are_ranges() {
        let i8 = Format::of_integer("i8").expect("known");
        assert!(i8.accepts(&Value::Int(-128)) && !i8.accepts(&Value::Int(128)));
        let u64 = Format::of_integer("u64").expect("known");
        assert!(u64.accepts(&Value::Int(u64::MAX.into())) && !u64.accepts(&Value::Int(-1)));
        let f32 = Format::of_number("f32").expect("known");
        assert!(f32.accepts(&Value::Float(1.5)) && !f32.accepts(&Value::Float(1e39)));
        assert!(Format::of_text("i8").is_none());
    }
}
