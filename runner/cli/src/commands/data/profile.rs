//! `pawl data profile`

use super::table::{self, TableFormat};
use super::validate::shard;
use crate::error::CommandError;
use crate::output::escape::harmless;
use crate::output::print;
use clap::Args;
use pawl_data::{ColumnProfile, Profile, Shard, merge_profiles, profile, profile_shard};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;

/// `pawl data profile`
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// The data: a path or pattern (CSV, TSV, Parquet, JSON Lines; also .gz and .zst), or - for stdin
    #[arg(required_unless_present = "merge", conflicts_with = "merge")]
    data: Option<String>,
    /// The format of the data [default: by the name; of stdin, by its beginning]
    #[arg(long, value_enum)]
    format: Option<TableFormat>,
    /// Threads that read and count [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Read the Ith of N parts of the data alone, from 1/N to N/N; needs --state
    #[arg(long, value_name = "I/N", requires = "state", value_parser = shard)]
    shard: Option<Shard>,
    /// Write what was learnt into a file instead of a profile
    #[arg(long, value_name = "FILE", conflicts_with = "merge")]
    state: Option<PathBuf>,
    /// Put the files of all shards together
    #[arg(long, value_name = "STATE", num_args = 1..)]
    merge: Vec<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Reads the data once and prints what each column holds.
pub(super) fn run(args: &ProfileArgs) -> Result<(), CommandError> {
    let threads = args.threads.unwrap_or_else(table::cores);
    let profile = match (&args.data, &args.state) {
        (None, _) => merge_profiles(&args.merge)?,
        (Some(data), None) => profile(&table::open(data, args.format)?, threads)?,
        (Some(data), Some(state)) => {
            let shard = args.shard.unwrap_or(Shard { index: 0, count: 1 });
            let rows = profile_shard(&table::open(data, args.format)?, threads, shard, state)?;
            let of = format!("{}/{}", shard.index + 1, shard.count);
            return match args.json {
                true => print(&json!({ "rows": rows, "shard": of, "state": state }).to_string()),
                false => print(&format!("read {rows} rows of shard {of} into {}", state.display())),
            };
        }
    };
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
