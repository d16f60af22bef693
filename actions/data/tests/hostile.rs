//! Bytes that nobody meant as data: clear errors, never a panic; and CSV against an independent reader.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Int32Array, RecordBatch,
    StringArray, TimestampMillisecondArray, UInt64Array,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use pawl_data::{Contract, Format, Source, Table, ValidateOptions, validate};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

const CSV: Format = Format::Csv { delimiter: b',' };

/// Bytes in which the characters that matter to CSV are frequent.
fn csvish() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), Just(b'\r')],
        4 => prop_oneof![Just(b'a'), Just(b'1'), Just(b' '), Just(b'.')],
        1 => any::<u8>(),
    ];
    proptest::collection::vec(byte, 0..200)
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn hostile_csv_is_a_table_or_an_error(bytes in csvish()) {
        if let Ok(table) = Table::from_bytes("h.csv", CSV, bytes.clone()) {
            for row in 0..table.rows() {
                for column in 0..table.columns().len() {
                    prop_assert_eq!(table.text(row, column).is_none(), table.is_null(row, column));
                    let _ = table.number(row, column);
                }
            }
            let all: Vec<usize> = (0..table.rows()).collect();
            let mut copy = Vec::new();
            table.write_rows(&all, &mut copy).expect("a vector takes all");
            let again = Table::from_bytes("h.csv", CSV, copy).expect("a copy reads like the original");
            prop_assert_eq!(again.rows(), table.rows());
        }
    }

    #[test]
    fn csv_reads_as_an_independent_reader_reads_it(
        rows in proptest::collection::vec(proptest::collection::vec("[a\",\n\r é]{0,6}", 3), 0..20),
        ending in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
    ) {
        let line = |row: &[String]| row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",");
        let mut text = format!("x,y,z{ending}");
        for row in &rows {
            text.push_str(&line(row));
            text.push_str(ending);
        }
        let table = Table::from_bytes("t.csv", CSV, text.clone().into_bytes()).expect("reads");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let theirs: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("reads");
        prop_assert_eq!(table.rows(), theirs.len());
        for (row, record) in theirs.iter().enumerate() {
            for (column, field) in record.iter().enumerate() {
                let cell = table.text(row, column);
                prop_assert_eq!(cell.as_deref(), Some(field));
                prop_assert_eq!(field, rows[row][column].as_str());
            }
        }
    }

    #[test]
    fn hostile_contracts_are_contracts_or_errors(text in "[a-z:\\-\\[\\]{}\n '\"*&!|>0-9]{0,200}") {
        let _ = Contract::parse("h.yaml", &text);
    }

    #[test]
    fn a_damaged_contract_has_a_place(at in 0_usize..900, byte in 32_u8..127) {
        let mut bytes = include_bytes!("../../../workflows/visit-risk/contract.odcs.yaml").to_vec();
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        if let Err(error) = Contract::parse("h.yaml", &String::from_utf8_lossy(&bytes)) {
            prop_assert!(error.problems.iter().all(|problem| problem.line > 0), "{error}");
        }
    }

    #[test]
    fn hostile_patterns_compile_or_are_refused(pattern in "[a(\\[\\]){}*+?|^$.\\\\dwsbu0-9<>:=!,-]{0,30}", text in "[a0-9 -]{0,20}") {
        let quoted = pattern.replace('\'', "''");
        let contract = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: a\nschema:\n  - name: t\n    properties:\n      - name: v\n        logicalType: string\n        logicalTypeOptions: {{ pattern: '{quoted}' }}\n",
        );
        if let Ok(contract) = Contract::parse("h.yaml", &contract) {
            let table = Source::from_bytes("t.csv", CSV, format!("v\n\"{text}\"\n").into_bytes());
            let _ = validate(&contract, &table, &ValidateOptions::default()).expect("checked");
        }
    }

    #[test]
    fn damaged_parquet_is_a_table_or_an_error(at: proptest::sample::Index, byte: u8, cut: bool) {
        let mut bytes = parquet_file();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = Table::from_bytes("h.parquet", Format::Parquet, bytes);
    }
}

fn parquet_file() -> Vec<u8> {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]))),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1]))),
        ("f", Arc::new(Float32Array::from(vec![0.5, f32::NAN, -0.0]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("s", Arc::new(StringArray::from(vec![Some(""), None, Some("é")]))),
        ("d", Arc::new(Date32Array::from(vec![0, 1, 2]))),
        ("t", Arc::new(TimestampMillisecondArray::from(vec![0, 1500, -1]))),
        (
            "m",
            Arc::new(
                Decimal128Array::from(vec![150, 100, -5])
                    .with_precision_and_scale(9, 2)
                    .expect("fits"),
            ),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("one length");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("writes");
    writer.write(&batch).expect("writes");
    writer.close().expect("writes");
    bytes
}

#[test]
fn parquet_keeps_its_physical_types() {
    let table = Table::from_bytes("t.parquet", Format::Parquet, parquet_file()).expect("reads");
    let kinds: Vec<&str> = (0..8).map(|column| table.physical_type(column)).collect();
    assert_eq!(
        kinds,
        ["integer", "integer", "number", "boolean", "string", "date", "timestamp", "number"]
    );
    let cells = |column: usize| {
        (0..3).map(|row| table.text(row, column).map(|text| text.into_owned())).collect::<Vec<_>>()
    };
    let texts = |texts: [Option<&str>; 3]| texts.map(|text| text.map(str::to_owned)).to_vec();
    assert_eq!(cells(0), texts([Some("1"), None, Some("-3")]));
    assert_eq!(cells(1), texts([Some("18446744073709551615"), Some("0"), Some("1")]));
    assert_eq!(cells(4), texts([Some(""), None, Some("é")]));
    assert_eq!(cells(5), texts([Some("1970-01-01"), Some("1970-01-02"), Some("1970-01-03")]));
    assert_eq!(
        cells(6),
        texts([
            Some("1970-01-01T00:00:00Z"),
            Some("1970-01-01T00:00:01.5Z"),
            Some("1969-12-31T23:59:59.999Z")
        ])
    );
    assert_eq!(cells(7), texts([Some("1.50"), Some("1.00"), Some("-0.05")]));
}

#[test]
fn a_logical_type_on_parquet_is_the_physical_one() {
    let contract = |column: &str, kind: &str| {
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: a\nschema:\n  - name: t\n    properties:\n      - {{ name: {column}, logicalType: {kind} }}\n"
        );
        Contract::parse("c.yaml", &text).expect("parses")
    };
    let table = Source::from_bytes("t.parquet", Format::Parquet, parquet_file());
    let failing = |column: &str, kind: &str| {
        let report = validate(&contract(column, kind), &table, &ValidateOptions::default())
            .expect("checked");
        report.checks[0].failing_rows
    };
    for (column, kind) in [
        ("i", "integer"),
        ("i", "number"),
        ("f", "number"),
        ("m", "number"),
        ("b", "boolean"),
        ("s", "string"),
        ("d", "date"),
        ("t", "timestamp"),
    ] {
        assert_eq!(failing(column, kind), 0, "{column} as {kind}");
    }
    for (column, kind, rows) in [
        ("i", "string", 2),
        ("f", "integer", 3),
        ("m", "integer", 3),
        ("s", "integer", 2),
        ("d", "timestamp", 3),
        ("b", "string", 2),
    ] {
        assert_eq!(failing(column, kind), rows, "{column} as {kind}");
    }
}

#[test]
fn truncated_parquet_and_unknown_formats_are_named() {
    let mut bytes = parquet_file();
    bytes.truncate(bytes.len() / 2);
    let error =
        Table::from_bytes("t.parquet", Format::Parquet, bytes).expect_err("truncated").to_string();
    assert!(error.starts_with("t.parquet is not readable as Parquet: "), "{error}");
    let error = Table::open(std::path::Path::new("data.xls")).expect_err("unknown").to_string();
    assert_eq!(error, "data.xls has no known format; name it .csv, .tsv, .parquet or .jsonl");
    let error = Table::open(std::path::Path::new("/no/such.csv")).expect_err("absent").to_string();
    assert!(error.starts_with("/no/such.csv cannot be read: No such file"), "{error}");
}

#[test]
fn every_usual_compression_reads_and_a_column_without_values_is_null() {
    let nulls: ArrayRef = Arc::new(arrow_array::NullArray::new(3));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let batch = RecordBatch::try_from_iter([("n", nulls), ("i", numbers)]).expect("columns fit");
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let mut bytes = Vec::new();
        let properties = WriterProperties::builder().set_compression(codec).build();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("writes");
        writer.write(&batch).expect("writes");
        writer.close().expect("closes");
        let table = Table::from_bytes("n.parquet", Format::Parquet, bytes).expect("reads");
        let nulls: Vec<_> =
            (0..3).map(|row| (table.is_null(row, 0), table.is_null(row, 1))).collect();
        assert_eq!(nulls, [(true, false), (true, true), (true, false)], "{codec}");
    }
}
