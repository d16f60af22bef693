//! A CSV file: every cell is read, and its rows are written so that they read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_data::{Format, Table};

fuzz_target!(|bytes: &[u8]| {
    let format = Format::Csv { delimiter: b',' };
    let Ok(table) = Table::from_bytes("t.csv", format, bytes.to_vec()) else { return };
    let columns = table.columns().len();
    for row in 0..table.rows() {
        for column in 0..columns {
            let is_null = table.is_null(row, column);
            assert_eq!(table.text(row, column).is_none(), is_null);
            drop(table.number(row, column));
        }
    }
    let rows: Vec<usize> = (0..table.rows()).collect();
    let mut written = Vec::new();
    if table.write_rows(&rows, &mut written).is_err() {
        return;
    }
    let again = Table::from_bytes("t.csv", format, written).expect("what was written can be read");
    assert_eq!((again.rows(), again.columns()), (table.rows(), table.columns()));
    for row in rows {
        for column in 0..columns {
            assert_eq!(again.text(row, column), table.text(row, column));
        }
    }
});
