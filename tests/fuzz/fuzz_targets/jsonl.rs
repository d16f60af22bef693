//! JSON Lines: every value is read, and a contract is held against them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_data::{Contract, Format, Profile, Source, Table, ValidateOptions, validate};

const CONTRACT: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: '1'\nstatus: a\nschema:\n  - name: t\n    properties:\n      - { name: a, logicalType: integer, required: true, unique: true }\n      - { name: b, logicalType: timestamp }\n";

fuzz_target!(|bytes: &[u8]| {
    let table = Table::from_bytes("t.jsonl", Format::JsonLines, bytes.to_vec());
    if let Ok(table) = &table {
        for row in 0..table.rows() {
            for column in 0..table.columns().len().min(64) {
                assert_eq!(table.text(row, column).is_none(), table.is_null(row, column));
            }
        }
        drop(Profile::of(table));
    }
    let contract = Contract::parse("c", CONTRACT).expect("a contract");
    let source = Source::from_bytes("t.jsonl", Format::JsonLines, bytes.to_vec());
    let report = validate(&contract, &source, &ValidateOptions::default());
    // What is read in parts is read as it is in whole; an empty file is refused.
    assert!(report.is_ok() == table.is_ok() || bytes.is_empty());
});
