//! The simple request: `{"rows":[{feature: value, ...}]}`.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Rows of one request. More belong into several requests, so that one client cannot hold a core for long.
pub(super) const ROWS_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    rows: Vec<Map<String, Value>>,
}

/// Reads rows in the order of `features`. Other keys are passed over: clients send what they have, and need not change when
/// a model that takes fewer features is rolled out.
///
/// # Errors
/// The client's fault, in words: a feature missing, or not a number.
pub(super) fn parse(body: &[u8], features: &[String]) -> Result<Vec<Vec<f64>>, String> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| format!("{error}; expected {{\"rows\":[{{feature: value}}]}}"))?;
    if request.rows.is_empty() || request.rows.len() > ROWS_MAX {
        return Err(format!("{} rows; send 1 to {ROWS_MAX}", request.rows.len()));
    }
    request.rows.iter().enumerate().map(|(index, row)| one(index, row, features)).collect()
}

fn one(index: usize, row: &Map<String, Value>, features: &[String]) -> Result<Vec<f64>, String> {
    let value = |name: &String| match row.get(name) {
        None => Err(format!("row {index}: feature {name:?} is missing")),
        Some(Value::Bool(flag)) => Ok(f64::from(u8::from(*flag))),
        Some(value) => {
            value.as_f64().ok_or_else(|| format!("row {index}: {name:?} is {value}, not a number"))
        }
    };
    features.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn rows(text: &str) -> Result<Vec<Vec<f64>>, String> {
        parse(text.as_bytes(), &["a".to_owned(), "b".to_owned()])
    }

    #[test]
    fn values_come_in_the_order_of_the_features() {
        let got = rows(r#"{"rows":[{"b":2,"a":1.5},{"a":true,"b":-3}]}"#).unwrap();
        assert_eq!(got, [[1.5, 2.0], [1.0, -3.0]]);
    }

    #[test]
    fn keys_that_the_model_does_not_know_are_passed_over() {
        assert_eq!(rows(r#"{"rows":[{"a":1,"b":2,"c":"x"}]}"#).unwrap(), [[1.0, 2.0]]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (r#"{"rows":[{"a":1}]}"#, "row 0: feature \"b\" is missing"),
            (r#"{"rows":[{"a":1,"b":null}]}"#, "row 0: \"b\" is null, not a number"),
            (r#"{"rows":[{"a":1,"b":"2"}]}"#, "row 0: \"b\" is \"2\", not a number"),
            (r#"{"rows":[]}"#, "0 rows; send 1 to 10000"),
        ];
        for (text, message) in cases {
            assert_eq!(rows(text).unwrap_err(), message);
        }
        for text in ["", "[]", r#"{"row":[]}"#, r#"{"rows":[1]}"#] {
            assert!(rows(text).unwrap_err().contains("expected {\"rows\""), "{text}");
        }
    }
}
