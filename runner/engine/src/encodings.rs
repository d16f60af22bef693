//! The forms in which programs print a value, as the official runner knows them (base64 at three places, command line, expression,
//! JSON, URI, XML, without quotes, both sides of an ampersand in PowerShell) and some more: hex, wrapped, backslashes, shells.

use crate::mask::SHORTEST;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Shortest part of a value that is hidden although the whole is not there: shorter ones would hide innocent text.
const SHORTEST_PART: usize = 6;

/// Columns at which `xxd -p`, `openssl base64` and `base64` break lines.
const WRAPS: [usize; 3] = [60, 64, 76];

/// Puts in a value and the forms that programs turn it into.
pub(crate) fn insert_forms(value: &str, patterns: &mut BTreeSet<String>) {
    let mut forms = vec![value.to_owned(), value.replace('\'', "''"), xml_form(value)];
    for shift in 0..3 {
        forms.extend(base64_forms(value.as_bytes(), shift));
    }
    forms.extend(hex_forms(value.as_bytes()));
    forms.extend(url_forms(value));
    forms.extend(json_forms(value));
    forms.extend(shell_forms(value));
    forms.extend(backslash_forms(value));
    let quotes = ['"', '\''];
    forms.push(value.trim_matches('"').to_owned());
    forms.push(value.trim_matches(|c: char| quotes.contains(&c) || c.is_whitespace()).to_owned());
    patterns.extend(forms.into_iter().filter(|form| form.chars().count() >= SHORTEST));
    let parts = powershell_parts(value).into_iter().chain(wrapped_forms(value.as_bytes()));
    patterns.extend(parts.filter(|part| part.chars().count() >= SHORTEST_PART));
}

/// Both sides of an ampersand: PowerShell prints the parts of a command that fails in different colours. After `&+` it colours one
/// more letter.
fn powershell_parts(value: &str) -> Vec<String> {
    let cut = match (value.find("&+"), value.rfind('&')) {
        (Some(at), _) => Some((at + 2, 1)),
        (None, Some(at)) => Some((at + 1, 0)),
        (None, None) => None,
    };
    let Some((end, coloured)) = cut else { return Vec::new() };
    vec![value[..end].to_owned(), value[end..].chars().skip(coloured).collect()]
}

/// Lower- and upper-case hexadecimal digits.
fn hex_forms(value: &[u8]) -> [String; 2] {
    let mut lower = String::with_capacity(value.len() * 2);
    for byte in value {
        write!(lower, "{byte:02x}").expect("a string takes everything");
    }
    let upper = lower.to_uppercase();
    [lower, upper]
}

/// The lines into which long base64 and hexadecimal digits are broken.
fn wrapped_forms(value: &[u8]) -> Vec<String> {
    let [hex, _] = hex_forms(value);
    let encoded = [base64(value), hex];
    let lines = WRAPS.into_iter().flat_map(|columns| {
        encoded.iter().filter(move |text| text.len() > columns).flat_map(move |text| {
            text.as_bytes().chunks(columns).map(|line| String::from_utf8_lossy(line).into_owned())
        })
    });
    lines.collect()
}

/// Each backslash twice, and what is left when somebody reads the value as one that has escapes.
fn backslash_forms(value: &str) -> [String; 2] {
    let mut read = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        let Some(escaped) = Some(character).filter(|c| *c == '\\').and_then(|_| rest.next()) else {
            read.push(character);
            continue;
        };
        read.push(match escaped {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            other => other,
        });
    }
    [value.replace('\\', "\\\\"), read]
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of the value where `shift` other bytes stand before it, in both alphabets: the characters that the value alone
/// decides. With nothing after it, also the last character, which holds its last bits, and the padding. And of the value
/// without its first `shift` bytes, as the official runner has it.
fn base64_forms(value: &[u8], shift: usize) -> Vec<String> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value);
    let encoded = base64(&bytes);
    // Character i holds bits 6i to 6i+5; the value has bits 8*shift to 8*len.
    let start = (8 * shift).div_ceil(6);
    let sure = 8 * bytes.len() / 6;
    let padding = "=".repeat((4 - encoded.len() % 4) % 4);
    let ends = [(sure, ""), (encoded.len(), ""), (encoded.len(), padding.as_str())];
    let mut forms =
        ends.map(|(end, padding)| format!("{}{padding}", &encoded[start.min(end)..end])).to_vec();
    let tail = value.get(shift..).unwrap_or_default();
    let whole = base64(tail);
    forms.push(whole[..8 * tail.len() / 6].to_owned());
    forms.push(format!("{whole}{}", "=".repeat((4 - whole.len() % 4) % 4)));
    forms.push(whole);
    let other_alphabet: Vec<String> =
        forms.iter().map(|form| form.replace('+', "-").replace('/', "_")).collect();
    forms.into_iter().chain(other_alphabet).collect()
}

/// Base64 without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..=chunk.len() {
            let place = bits >> (18 - 6 * index) & 63;
            text.push(char::from(STANDARD[place as usize]));
        }
    }
    text
}

/// Percent-encodings: RFC 3986, JavaScript's `encodeURIComponent`, Python's `quote`, forms; upper- and lower-case digits.
fn url_forms(value: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for kept in ["", "!~*'()", "/", "/:@!$&'()*+,;="] {
        let upper = percent(value, kept, true);
        forms.push(percent(value, kept, false));
        forms.push(upper.replace("%20", "+"));
        forms.push(upper);
    }
    forms
}

fn percent(value: &str, kept: &str, upper: bool) -> String {
    let mut text = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain || kept.as_bytes().contains(&byte) {
            text.push(char::from(byte));
        } else {
            let written =
                if upper { write!(text, "%{byte:02X}") } else { write!(text, "%{byte:02x}") };
            written.expect("a string takes everything");
        }
    }
    text
}

fn json_forms(value: &str) -> Vec<String> {
    let quoted = Value::String(value.to_owned()).to_string();
    let plain = quoted[1..quoted.len() - 1].to_owned();
    let mut ascii = String::with_capacity(plain.len());
    for unit in plain.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => ascii.push(char::from(byte)),
            _ => write!(ascii, "\\u{unit:04x}").expect("a string takes everything"),
        }
    }
    // JSON inside JSON, as structured loggers print it.
    let nested = plain.replace('\\', "\\\\").replace('"', "\\\"");
    // Line ends that JavaScript would not take in a text.
    let line_ends = ['\u{85}', '\u{2028}', '\u{2029}']
        .into_iter()
        .fold(plain.clone(), |text, c| text.replace(c, &format!("\\u{:04x}", u32::from(c))));
    vec![plain.replace('/', "\\/"), plain, ascii, nested, line_ends]
}

/// As shells write it: inside single quotes in two ways, inside double quotes, with backslashes (`printf %q`), and as
/// `set -x` and `$'…'` do.
fn shell_forms(value: &str) -> Vec<String> {
    let escape = |special: &dyn Fn(char) -> bool| {
        value.chars().fold(String::new(), |mut text, character| {
            if special(character) {
                text.push('\\');
            }
            text.push(character);
            text
        })
    };
    let word =
        |c: char| c.is_ascii_graphic() && !c.is_ascii_alphanumeric() && !"-_./:=@%+,".contains(c);
    vec![
        value.replace('\'', r"'\''"),
        value.replace('\'', r#"'"'"'"#),
        escape(&|c| c == '"'),
        escape(&|c| "\"\\$`".contains(c)),
        escape(&|c| "\"\\$`!".contains(c)),
        escape(&|c| c == ' ' || c == '\t' || word(c)),
        escape(&|c| "'\\".contains(c)).replace('\n', "\\n").replace('\t', "\\t"),
    ]
}

fn xml_form(value: &str) -> String {
    let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&apos;")
}
