//! The step summary: a table with the columns' verdicts and how their bins changed.

use super::columns::Paired;
use super::method::{ColumnType, Method};
use super::report::{ColumnReport, DriftReport, Status};
use super::score::histogram;
use super::step::verdict;

/// Columns that are shown; drifted ones come first.
const MAX_COLUMNS: usize = 50;
/// Bins that are shown of one column.
const MAX_BINS: usize = 16;

/// Markdown. `pair` gives both sides of a column.
pub(super) fn of<'a>(report: &DriftReport, pair: &dyn Fn(&str) -> Option<Paired<'a>>) -> String {
    let mut columns: Vec<&ColumnReport> = report.columns.iter().collect();
    columns.sort_by_key(|column| !column.drifted);
    let mut text = format!("### Drift: {}\n\n", verdict(report));
    text.push_str("| column | verdict | method | score | threshold | reference → current |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for column in columns.iter().take(MAX_COLUMNS) {
        let bars = pair(&column.column).and_then(|pair| bars(&pair));
        let bars = bars.map(|(before, now)| format!("{before} → {now}")).unwrap_or_default();
        text.push_str(&row(column, &bars));
    }
    if columns.len() > MAX_COLUMNS {
        text.push_str(&format!("\nand {} columns more\n", columns.len() - MAX_COLUMNS));
    }
    text
}

fn row(column: &ColumnReport, bars: &str) -> String {
    let uncertainty = column.uncertainty.as_ref();
    let word = match (uncertainty.map(|uncertainty| uncertainty.status), column.drifted) {
        (Some(Status::Insufficient), _) => "too few rows",
        (_, true) => "**drifted**",
        (_, false) => "same",
    };
    let interval = uncertainty.and_then(|uncertainty| uncertainty.interval);
    let interval = interval.map_or(String::new(), |[low, high]| format!(" [{low:.3}, {high:.3}]"));
    let name = plain(&column.column);
    format!(
        "| {name} | {word} | {} | {:.3}{interval} | {} | {bars} |\n",
        column.method, column.score, column.threshold
    )
}

/// A name that cannot end the cell or become markup.
fn plain(name: &str) -> String {
    let code: String = name.chars().filter(|c| !c.is_control() && *c != '`').take(80).collect();
    format!("`{}`", code.replace('|', "\\|"))
}

/// The shares of both sides' bins as little bars.
pub(super) fn bars(pair: &Paired<'_>) -> Option<(String, String)> {
    if pair.kind == ColumnType::Text {
        return None;
    }
    let (reference, current) = pair.samples().ok()?;
    let bins = histogram(Method::JensenShannon, pair.kind, &reference, &current).ok()?;
    let mut both: Vec<(f64, f64)> = bins.reference.into_iter().zip(bins.current).collect();
    if pair.kind == ColumnType::Cat {
        both.sort_by(|a, b| (b.0 + b.1).total_cmp(&(a.0 + a.1)));
    }
    both.truncate(MAX_BINS);
    let rows = (reference.len() as f64, current.len() as f64);
    let shares: Vec<(f64, f64)> = both.iter().map(|(r, c)| (r / rows.0, c / rows.1)).collect();
    let most = shares.iter().map(|(r, c)| r.max(*c)).fold(f64::MIN_POSITIVE, f64::max);
    let draw = |side: fn(&(f64, f64)) -> f64| -> String {
        shares.iter().map(|share| bar(side(share) / most)).collect()
    };
    Some((draw(|share| share.0), draw(|share| share.1)))
}

fn bar(height: f64) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    BARS[((height * 7.0).round() as usize).min(7)]
}
