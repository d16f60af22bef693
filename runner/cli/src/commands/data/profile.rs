//! `pawl data profile`

use super::table::{self, TableFormat};
use crate::error::CommandError;
use crate::output::escape::harmless;
use crate::output::print;
use clap::Args;
use pawl_data::{ColumnProfile, Profile, profile};
use std::fmt::Write as _;

/// `pawl data profile`
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// The data: a path or pattern (CSV, TSV, Parquet, JSON Lines; also .gz and .zst), or - for stdin
    data: String,
    /// The format of the data [default: by the name; of stdin, by its beginning]
    #[arg(long, value_enum)]
    format: Option<TableFormat>,
    /// Threads that read and count [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Reads the data once and prints what each column holds.
pub(super) fn run(args: &ProfileArgs) -> Result<(), CommandError> {
    let data = table::open(&args.data, args.format)?;
    let profile = profile(&data, args.threads.unwrap_or_else(table::cores))?;
    if args.json {
        let json = serde_json::to_string(&profile)
            .map_err(|error| CommandError::internal(error.to_string()))?;
        return print(&json);
    }
    print(text(&profile).trim_end())
}

/// One paragraph a column.
fn text(profile: &Profile) -> String {
    let mut out = format!("{} rows, {} columns\n", profile.rows, profile.columns.len());
    for column in &profile.columns {
        let about = if column.distinct_exact { "" } else { "about " };
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "\n{}  {}  {} nulls, {about}{} different",
            harmless(&column.name, false),
            column.kind,
            column.nulls,
            column.distinct
        );
        out.push_str(&figures(column));
        if !column.histogram.is_empty() {
            let _ = writeln!(out, "  {}", bars(&column.histogram));
        }
        let top: Vec<String> = column
            .top
            .iter()
            .take(5)
            .map(|(value, count)| format!("{} ({count})", harmless(&format!("{value:?}"), false)))
            .collect();
        if !top.is_empty() && column.distinct < column.count {
            let _ = writeln!(out, "  most frequent: {}", top.join(", "));
        }
    }
    out
}

fn figures(column: &ColumnProfile) -> String {
    let mut out = String::new();
    if let (Some(min), Some(max), Some(mean)) = (column.min, column.max, column.mean) {
        let sd = column.sd.map_or(String::new(), |sd| format!(", sd {sd:.6}"));
        let _ = writeln!(out, "  {min} to {max}, mean {mean:.6}{sd}");
        let quantiles: Vec<String> =
            column.quantiles.iter().map(|(share, value)| format!("{share}: {value}")).collect();
        let _ = writeln!(out, "  quantiles {}", quantiles.join(", "));
    }
    if let (Some(first), Some(last)) = (&column.earliest, &column.latest) {
        let _ = writeln!(out, "  {first} to {last}");
    }
    if let (Some(shortest), Some(longest)) = (column.min_length, column.max_length) {
        let _ = writeln!(out, "  {shortest} to {longest} characters");
    }
    out
}

/// Counts as bars of eight heights; `·` for none.
fn bars(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or_default().max(1);
    let bar = |count: &u64| match count {
        0 => '·',
        count => {
            let height = u128::from(*count) * 8 / u128::from(most);
            BARS[usize::try_from(height.saturating_sub(1)).unwrap_or_default().min(7)]
        }
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::bars;

    #[test]
    fn bars_show_shares_of_the_greatest() {
        assert_eq!(bars(&[0, 1, 4, 8]), "·▁▄█");
        assert_eq!(bars(&[]), "");
    }
}
