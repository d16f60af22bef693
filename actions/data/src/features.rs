//! From a table to the numbers that a model is trained on.

use crate::label::{CellError, LabelRule};
use crate::table::Table;

/// Feature values and labels of rows, in the table's order.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    /// Names of the features, in the order of the values.
    pub columns: Vec<String>,
    /// Number of rows.
    pub rows: usize,
    /// `rows x columns.len()` finite values, row after row.
    pub values: Vec<f64>,
    /// One label a row; empty when no rule was given.
    pub labels: Vec<bool>,
    /// Row numbers in the table, counted from 1.
    pub ids: Vec<i64>,
}

impl FeatureMatrix {
    /// Reads features (and labels, if a rule is given) from every row.
    ///
    /// # Errors
    /// A missing column; a cell that is null, no number or not finite; a row without a label; with row and column.
    pub fn extract(
        table: &Table,
        features: &[String],
        label: Option<&LabelRule>,
    ) -> Result<Self, CellError> {
        let columns: Vec<usize> = features
            .iter()
            .map(|name| table.column(name).ok_or_else(|| CellError::no_column(table, name)))
            .collect::<Result<_, _>>()?;
        let mut values = Vec::with_capacity(table.rows() * columns.len());
        for row in 0..table.rows() {
            for &column in &columns {
                values.push(finite(table, row, column)?);
            }
        }
        let labels = label.map_or(Ok(Vec::new()), |label| label.labels(table))?;
        let ids = (1..).take(table.rows()).collect();
        Ok(Self { columns: features.to_vec(), rows: table.rows(), values, labels, ids })
    }

    /// The values of one row, counted from 0.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f64] {
        let width = self.columns.len();
        &self.values[row * width..(row + 1) * width]
    }
}

fn finite(table: &Table, row: usize, column: usize) -> Result<f64, CellError> {
    match table.number(row, column) {
        Some(Ok(value)) if value.is_finite() => Ok(value),
        Some(Ok(value)) => {
            Err(CellError::cell(table, row, column, format!("is {value}, not a finite number")))
        }
        Some(Err(text)) => {
            Err(CellError::cell(table, row, column, format!("is '{text}', not a number")))
        }
        None => Err(CellError::cell(
            table,
            row,
            column,
            "is null; a feature needs a number in every row",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::FeatureMatrix;
    use crate::table::{Format, Table};

    fn extract(csv: &str, features: &[&str]) -> Result<FeatureMatrix, String> {
        let table = Table::from_bytes("t.csv", Format::Csv { delimiter: b',' }, csv.into())
            .expect("a table");
        let features: Vec<String> = features.iter().map(|name| (*name).to_owned()).collect();
        let label = "y > 0".parse().expect("a rule");
        FeatureMatrix::extract(&table, &features, Some(&label)).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_become_numbers_in_the_order_asked_for() {
        let matrix = extract("a,b,y\n1,2.5,0\n-3,1e2,4\n", &["b", "a"]).expect("extracts");
        assert_eq!(
            (matrix.rows, matrix.row(0), matrix.row(1)),
            (2, &[2.5, 1.0][..], &[100.0, -3.0][..])
        );
        assert_eq!((matrix.labels, matrix.ids), (vec![false, true], vec![1, 2]));
    }

    #[test]
    fn a_cell_that_is_no_number_is_named() {
        let error = |csv: &str, feature: &str| extract(csv, &[feature]).expect_err("fails");
        assert_eq!(error("a,y\n1,1\nx,1\n", "a"), "t.csv: row 2, column 'a' is 'x', not a number");
        assert_eq!(
            error("a,y\n,1\n", "a"),
            "t.csv: row 1, column 'a' is null; a feature needs a number in every row"
        );
        assert_eq!(
            error("a,y\nnan,1\n", "a"),
            "t.csv: row 1, column 'a' is NaN, not a finite number"
        );
        assert_eq!(error("a,y\n1,1\n", "c"), "t.csv has no column 'c'; it has a, y");
    }
}
