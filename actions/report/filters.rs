//! How values are written in the report. Texts come from data files and scripts: none may break out of its table cell
//! or make markup.

use minijinja::{Environment, Value};

/// Longest text of a cell; the whole text is in the JSON report.
const MAX_CODE: usize = 120;
const MAX_LINE: usize = 400;

pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("code", |value: Value| code(&text(&value)));
    environment.add_filter("line", |value: Value| line(&text(&value)));
    environment.add_filter("num", |value: Value| number(&value).map_or(none(), num));
    environment.add_filter("signed", |value: Value| number(&value).map_or(none(), signed));
    environment.add_filter("p", |value: Value| number(&value).map_or(none(), p));
    environment.add_filter("whole", |value: Value| {
        value.as_i64().map_or(none(), |number| number.to_string())
    });
    environment.add_filter("verdict", |value: Value| verdict(&text(&value)));
    environment.add_filter("spark", |bins: Value| spark(&bins));
}

fn none() -> String {
    "–".to_owned()
}

fn text(value: &Value) -> String {
    if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() }
}

fn number(value: &Value) -> Option<f64> {
    f64::try_from(value.clone()).ok().filter(|number| number.is_finite())
}

fn cut(text: &str, most: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match flat.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &flat[..at]),
        None => flat,
    }
}

/// Text as code, so that nothing in it is markup.
pub(crate) fn code(text: &str) -> String {
    let inner = cut(text, MAX_CODE).replace('`', "'").replace('|', "\\|");
    if inner.trim().is_empty() { String::new() } else { format!("`{inner}`") }
}

/// Text as words, with everything escaped that would be markup.
pub(crate) fn line(text: &str) -> String {
    let mut escaped = String::new();
    for c in cut(text, MAX_LINE).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            // A zero-width joiner keeps a name in data from notifying a person.
            '@' => escaped.push_str("@\u{2060}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Four decimals, without zeros at the end; integers as they are.
fn num(number: f64) -> String {
    trim(format!("{number:.4}"))
}

fn signed(number: f64) -> String {
    trim(format!("{number:+.4}"))
}

fn trim(text: String) -> String {
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if matches!(short, "-0" | "+0" | "") { "0".to_owned() } else { short.to_owned() }
}

fn p(number: f64) -> String {
    if number < 0.0001 { "<0.0001".to_owned() } else { num(number) }
}

/// The verdict with a sign in front of it.
fn verdict(word: &str) -> String {
    format!("{} {}", icon(word), line(word)).trim().to_owned()
}

/// A sign for a verdict or conclusion.
pub(crate) fn icon(word: &str) -> &'static str {
    match word {
        "pass" | "success" | "deployed" | "unchanged" => "✅",
        "fail" | "failure" | "failed" | "error" | "stuck" | "lost" => "❌",
        "rolled-back" => "⏪",
        "warn" | "inconclusive" | "cancelled" => "⚠️",
        "no-baseline" => "🆕",
        _ => "ℹ️",
    }
}

/// The observed share of each bin as a bar of eight heights; `·` for an empty bin.
fn spark(bins: &Value) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Ok(bins) = bins.try_iter() else { return String::new() };
    bins.map(|bin| {
        let observed = bin.get_attr("observed").ok().and_then(|share| number(&share));
        observed.map_or('·', |share| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share from 0 to 1 times 8"
            )]
            let height = (share.clamp(0.0, 1.0) * 8.0) as usize;
            BARS[height.min(7)]
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{code, line, num, p, signed, spark};
    use minijinja::Value;
    use minijinja::value::Serde;

    #[test]
    fn texts_from_data_make_no_markup() {
        assert_eq!(code("a`b|c\nd"), "`a'b\\|c d`");
        assert_eq!(code(" "), "");
        assert_eq!(
            line("<img src=x> | [a](b) *c* @me"),
            "&lt;img src=x> \\| \\[a\\](b) \\*c\\* @\u{2060}me"
        );
        assert_eq!(code(&"é".repeat(200)).chars().count(), 123);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(num(0.5), "0.5");
        assert_eq!(num(12.0), "12");
        assert_eq!(num(-0.00001), "0");
        assert_eq!(signed(0.0275), "+0.0275");
        assert_eq!(signed(0.0), "0");
        assert_eq!(p(0.00001), "<0.0001");
        assert_eq!(p(0.25), "0.25");
    }

    #[test]
    fn a_sparkline_has_one_bar_for_each_bin() {
        let bins = serde_json::json!([
            {"observed": 0.0}, {"observed": null}, {"observed": 0.5}, {"observed": 1.0}
        ]);
        assert_eq!(spark(&Value::from(Serde(bins))), "▁·▅█");
    }
}
