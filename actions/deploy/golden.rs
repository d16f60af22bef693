//! Golden rows: rows with the probabilities that the model gave when it was evaluated. A server that answers otherwise
//! serves another model, or serves this one wrongly.
//!
//! File: one JSON object a line, `{"row": {feature: value}, "probability": p}`.

use pawl_core::rollout::{ProbeRequest, RolloutError, RolloutTarget};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Rows of a file: enough to tell models apart, few enough to ask within seconds.
pub(crate) const ROWS_MAX: usize = 1_000;
/// Bytes of a file.
pub(crate) const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Rows of one request.
const CHUNK: usize = 100;
/// Time for one request.
const TIMEOUT_MS: u64 = 10_000;

/// One golden row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoldenRow {
    row: Map<String, Value>,
    probability: f64,
}

/// What the comparison saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct GoldenReport {
    /// Rows asked.
    pub(crate) rows: usize,
    /// Greatest absolute difference.
    pub(crate) max_difference: f64,
}

/// Reads golden rows.
///
/// # Errors
/// The user's: line and reason.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<GoldenRow>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row: GoldenRow = serde_json::from_str(line).map_err(|error| {
            format!(
                "line {}: {error}; expected {{\"row\":{{feature: value}},\"probability\":p}}",
                index + 1
            )
        })?;
        rows.push(row);
    }
    match rows.len() {
        0 => Err("it has no rows".to_owned()),
        1..=ROWS_MAX => Ok(rows),
        more => Err(format!("it has {more} rows, at most {ROWS_MAX} are asked")),
    }
}

/// Compares answers with what was expected.
///
/// # Errors
/// In words, naming the first row that differs by more than `tolerance`.
fn compare(
    rows: &[GoldenRow],
    answers: &[f64],
    first: usize,
    tolerance: f64,
) -> Result<f64, String> {
    if rows.len() != answers.len() {
        return Err(format!("{} rows asked, {} answers", rows.len(), answers.len()));
    }
    let mut max = 0.0_f64;
    for (index, (row, answer)) in rows.iter().zip(answers).enumerate() {
        let difference = (row.probability - answer).abs();
        // A NaN must not pass.
        if difference.is_nan() || difference > tolerance {
            let (number, wanted) = (first + index + 1, row.probability);
            return Err(format!("golden row {number}: expected {wanted}, got {answer}"));
        }
        max = max.max(difference);
    }
    Ok(max)
}

#[derive(Deserialize)]
struct Answer {
    predictions: Vec<f64>,
}

/// Asks one revision all golden rows, past the weights.
///
/// # Errors
/// In words: what was answered otherwise, or that nothing was answered.
pub(crate) async fn ask(
    target: &dyn RolloutTarget,
    service: &str,
    number: u64,
    rows: &[GoldenRow],
    tolerance: f64,
) -> Result<GoldenReport, String> {
    let mut report = GoldenReport { rows: rows.len(), max_difference: 0.0 };
    for (chunk, asked) in rows.chunks(CHUNK).enumerate() {
        let body = json!({ "rows": asked.iter().map(|golden| &golden.row).collect::<Vec<_>>() });
        let request = ProbeRequest {
            method: "POST".to_owned(),
            path: "/predict".to_owned(),
            body: body.to_string().into_bytes(),
            timeout_ms: TIMEOUT_MS,
        };
        let response = target
            .probe(service, number, &request)
            .await
            .map_err(|error: RolloutError| format!("golden rows: {error}"))?;
        let text = String::from_utf8_lossy(&response.body);
        if response.status != 200 {
            let text: String = text.chars().take(300).collect();
            return Err(format!("golden rows: answered {} {text}", response.status));
        }
        let answer: Answer = serde_json::from_str(&text)
            .map_err(|error| format!("golden rows: not an answer: {error}"))?;
        let max = compare(asked, &answer.predictions, chunk * CHUNK, tolerance)?;
        report.max_difference = report.max_difference.max(max);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::{compare, parse};

    const LINE: &str = r#"{"row":{"a":1},"probability":0.25}"#;

    #[test]
    fn rows_are_read_and_a_wrong_line_is_named() {
        assert_eq!(parse(format!("{LINE}\n\n{LINE}\n").as_bytes()).unwrap().len(), 2);
        let refused = parse(format!("{LINE}\n{{\"row\":{{}}}}").as_bytes()).unwrap_err();
        assert!(refused.starts_with("line 2: missing field `probability`"), "{refused}");
        assert_eq!(parse(b"\n").unwrap_err(), "it has no rows");
        assert!(parse(format!("{LINE}\n").repeat(1001).as_bytes()).is_err());
    }

    #[test]
    fn a_difference_beyond_the_tolerance_is_named_and_nan_never_passes() {
        let rows = parse(format!("{LINE}\n{LINE}").as_bytes()).unwrap();
        assert_eq!(compare(&rows, &[0.25, 0.25], 0, 1e-9), Ok(0.0));
        assert!(compare(&rows, &[0.25, 0.25 + 1e-10], 0, 1e-9).is_ok());
        let refused = compare(&rows, &[0.25, 0.75], 100, 1e-9).unwrap_err();
        assert_eq!(refused, "golden row 102: expected 0.25, got 0.75");
        assert!(compare(&rows, &[0.25, f64::NAN], 0, 1e-9).is_err());
        assert!(compare(&rows, &[0.25], 0, 1e-9).is_err());
    }
}
