//! Where tables come from: every format and packing gives the same answers, and what is wrong is named with its place.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use pawl_data::{Contract, Format, Source, ValidateOptions, ValidationReport, validate};

const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: c
version: 1.0.0
status: active
schema:
  - name: t
    properties:
      - { name: id, logicalType: integer, required: true, unique: true }
      - { name: name, logicalType: string, quality: [{ metric: nullValues, mustBe: 0 }] }
";

fn check(source: &Source, threads: usize) -> Result<ValidationReport, String> {
    let contract = Contract::parse("c.yaml", CONTRACT).map_err(|error| error.to_string())?;
    let options = ValidateOptions { threads, ..ValidateOptions::default() };
    validate(&contract, source, &options).map_err(|error| error.to_string())
}

fn opened(reference: &str) -> Result<ValidationReport, String> {
    check(&Source::open(reference, None).map_err(|error| error.to_string())?, 2)
}

fn csv(text: impl Into<Vec<u8>>) -> Result<ValidationReport, String> {
    check(&Source::from_bytes("d.csv", Format::Csv { delimiter: b',' }, text.into()), 2)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

fn parquet(ids: Vec<Option<i64>>, names: Vec<Option<&str>>) -> Vec<u8> {
    let columns: [(&str, ArrayRef); 2] =
        [("id", Arc::new(Int64Array::from(ids))), ("name", Arc::new(StringArray::from(names)))];
    let batch = RecordBatch::try_from_iter(columns).expect("equal lengths");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a schema");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    bytes
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a temporary folder");
    path.to_str().expect("a text").to_owned()
}

#[test]
fn every_format_and_packing_gives_the_same_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let csv = b"id,name\n1,a\n2,\n2,c\n,d\n";
    let tsv = b"name\tid\na\t1\n\t2\nc\t2\nd\t\n";
    let json = br#"{"id":1,"name":"a"}
{"id":2,"name":null}
{"name":"c","id":2}
{"name":"d"}
"#;
    let columnar =
        parquet(vec![Some(1), Some(2), Some(2), None], vec![Some("a"), None, Some("c"), Some("d")]);
    let zstd = zstd::encode_all(&csv[..], 1).expect("memory");
    let files: [(&str, Vec<u8>); 9] = [
        ("d.csv", csv.to_vec()),
        ("d.tsv", tsv.to_vec()),
        ("d.jsonl", json.to_vec()),
        ("d.parquet", columnar.clone()),
        ("d.csv.gz", gzip(csv)),
        ("d.csv.zst", zstd),
        ("d.tsv.gz", gzip(tsv)),
        ("d.ndjson.gz", gzip(json)),
        ("d.parquet.gz", gzip(&columnar)),
    ];
    let expected = opened(&write(folder.path(), "first.csv", csv)).expect("a report");
    let failing: Vec<_> = expected.checks.iter().map(|check| check.failing_rows).collect();
    assert_eq!((expected.rows, failing), (4, vec![0, 1, 1, 0, 1]));
    for (name, bytes) in files {
        let path = write(folder.path(), name, &bytes);
        assert_eq!(opened(&path), Ok(expected.clone()), "{name}");
        assert_eq!(opened(&format!("file:{path}")), Ok(expected.clone()), "{name}");
        assert_eq!(opened(&format!("file://{path}")), Ok(expected.clone()), "{name}");
        if !name.contains("tsv") {
            let stream = Source::from_stream("stdin", None, Box::new(std::io::Cursor::new(bytes)));
            assert_eq!(check(&stream.expect("bytes"), 2), Ok(expected.clone()), "{name}");
        }
    }
}

#[test]
fn several_files_are_one_table_whose_rows_are_numbered_through() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("sub")).expect("a folder");
    write(folder.path(), "a.csv", b"id,name\n1,a\n2,b\n");
    write(folder.path(), "b.csv", b"name,id\na,3\n,1\n");
    write(folder.path(), "sub/c.csv", b"id,name\n9,a\n9,a\n");
    let top = folder.path().to_str().expect("a text");
    let report = opened(&format!("{top}/*.csv")).expect("a report");
    assert_eq!(report.rows, 4);
    let unique = report.checks.iter().find(|check| check.metric == "unique").expect("a check");
    let sample = &unique.samples[0];
    assert_eq!((unique.failing_rows, sample.row, sample.first_row), (1, 4, Some(1)));
    assert_eq!(opened(&format!("{top}/**/*.csv")).expect("a report").rows, 6);
    assert_eq!(
        opened(&format!("{top}/[x-z].csv")),
        Err(format!("{top}/[x-z].csv matches no file"))
    );
    write(folder.path(), "z.csv", b"id\n7\n");
    assert_eq!(
        opened(&format!("{top}/*.csv")),
        Err(format!("{top}/z.csv has no column 'name', which other files of {top}/*.csv have"))
    );
}

#[test]
fn parts_and_threads_change_nothing() {
    // Several blocks, with quoted line ends around their seams.
    let mut text = String::from("id,name,note\n");
    for row in 0..90_000 {
        let note = if row % 7 == 0 { "\"a\r\nb,\"\"c\"\"\"" } else { "plain" };
        let id = if row % 10_000 == 9_999 { row - 5_000 } else { row };
        text.push_str(&format!("{id},n{row},{note}\n"));
    }
    let source = Source::from_bytes("d.csv", Format::Csv { delimiter: b',' }, text.into());
    let expected = check(&source, 1).expect("a report");
    assert_eq!(expected.rows, 90_000);
    let unique = expected.checks.iter().find(|check| check.metric == "unique").expect("a check");
    let rows: Vec<_> = unique.samples.iter().map(|s| (s.row, s.first_row)).collect();
    assert_eq!(unique.failing_rows, 9);
    assert_eq!(rows[..2], [(10_000, Some(5_000)), (20_000, Some(15_000))]);
    for threads in [2, 3, 8] {
        assert_eq!(check(&source, threads), Ok(expected.clone()), "{threads}");
    }
}

#[test]
fn bad_input_is_named_with_file_row_column_and_reason() {
    let cases: [(&[u8], &str); 10] = [
        (b"", "d.csv is empty"),
        (b"\n\n", "d.csv is empty: a CSV file begins with a header row"),
        (
            b"id,name\n1,a\n2\n",
            "d.csv: row 2, column 'name' has 1 fields where the header has 2 (line 3)",
        ),
        (
            b"id,name\n1,a\n2,b,c\n",
            "d.csv: row 2, column 'name' has 3 fields where the header has 2 (line 3)",
        ),
        (
            b"id,name,id\n1,a,2\n",
            "d.csv: header, column 'id' stands twice in the header, as columns 1 and 3",
        ),
        (
            b"id,name\n1,\xe9t\xe9\n",
            "d.csv: row 1, column 'name' is not UTF-8 text (byte 0xe9 at offset 10); save the file as UTF-8",
        ),
        (b"\xff\xfei\0d\0", "d.csv is UTF-16 text; save it as UTF-8"),
        (
            b"id,name\n1,\"a\n2,b\n",
            "d.csv: row 1, column 'name' begins with a quote that is never closed (from line 2 on)",
        ),
        (
            b"id,name\n1,\"a\"b\n",
            "d.csv: row 1, column 'name' has text after its closing quote (line 2); double a quote that belongs to the text",
        ),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x4b", "d.csv is damaged: "),
    ];
    for (bytes, wanted) in cases {
        let error = csv(bytes).expect_err(wanted);
        assert!(error.starts_with(wanted), "{error}\nwanted {wanted}");
    }
    assert_eq!(csv("id,name\n").expect("a header is a table").rows, 0);
    assert_eq!(
        csv("\u{feff}id,name\n1,a\n").expect("a mark is no letter").checks[0].failing_rows,
        0
    );
    let missing = Source::open("/nowhere/d.csv", None).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(missing, Err("/nowhere/d.csv is not there".into()));
    let folder = Source::open("/tmp", None).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(folder, Err("/tmp is a folder; name its files, such as /tmp/*.csv".into()));
}

#[test]
fn an_error_far_into_a_file_has_its_own_row_and_line() {
    let mut text = String::from("id,name\n");
    for row in 0..300_000 {
        text.push_str(&format!("{row},name{row}\n"));
    }
    text.push_str("1,2,3\n");
    let error = csv(text).expect_err("ragged");
    assert_eq!(
        error,
        "d.csv: row 300001, column 'name' has 3 fields where the header has 2 (line 300002)"
    );
}

#[test]
fn a_field_without_end_meets_a_limit_not_the_memory() {
    /// Text of a given length that is never in memory.
    struct Endless(usize);
    impl std::io::Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let read = out.len().min(self.0);
            out[..read].fill(b'x');
            self.0 -= read;
            Ok(read)
        }
    }
    let start = std::io::Cursor::new(b"id,name\n1,a\n2,\"".to_vec());
    let reader = Box::new(std::io::Read::chain(start, Endless(1 << 30)));
    let source = Source::from_stream("d.csv", Some(Format::Csv { delimiter: b',' }), reader);
    assert_eq!(
        check(&source.expect("bytes"), 2),
        Err("d.csv: row 2, column 'name' is in a row longer than 64 MiB (from line 3 on); is a quote never closed?".into())
    );
}

#[test]
fn truncated_parquet_is_refused() {
    let whole = parquet((0..1000).map(Some).collect(), (0..1000).map(|_| Some("a")).collect());
    for end in [0, 1, 4, 100, whole.len() / 2, whole.len() - 1] {
        let source = Source::from_bytes("d.parquet", Format::Parquet, whole[..end].to_vec());
        let error = check(&source, 2).expect_err("cut off");
        assert!(error.starts_with("d.parquet is "), "{error}");
    }
    let none = parquet(Vec::new(), Vec::new());
    let report =
        check(&Source::from_bytes("d.parquet", Format::Parquet, none), 2).expect("a table");
    assert_eq!((report.rows, report.checks.len()), (0, 5));
}

#[test]
fn one_row_group_keeps_all_threads_busy_and_rows_in_order() {
    let ids = (0..50_000).map(|row| Some(if row % 20_000 == 19_999 { row - 19_000 } else { row }));
    let bytes =
        parquet(ids.collect(), (0..50_000).map(|row| (row != 17_000).then_some("a")).collect());
    let source = Source::from_bytes("d.parquet", Format::Parquet, bytes);
    let one = check(&source, 1).expect("a report");
    let unique: Vec<_> = one.checks[2].samples.iter().map(|s| (s.row, s.first_row)).collect();
    assert_eq!(unique, [(20_000, Some(1_000)), (40_000, Some(21_000))]);
    assert_eq!(one.checks[4].samples[0].row, 17_001);
    assert_eq!((one.rows, check(&source, 4)), (50_000, Ok(one.clone())));
}

#[test]
fn ten_thousand_columns_are_read() {
    let names: Vec<String> = (0..10_000).map(|index| format!("c{index}")).collect();
    let row = vec!["1"; 10_000].join(",");
    let text = format!("{},id,name\n{row},1,a\n{row},x,b\n", names.join(","));
    let report = csv(text).expect("a report");
    assert_eq!(report.checks[0].failing_rows, 1);
}
