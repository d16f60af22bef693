//! From the rules of a contract to the work they need, in the order of the report.

use std::collections::HashMap;

use super::column::{CellTest, ValueSet};
use super::{Draft, ValidateError, ValidateOptions};
use crate::contract::{Contract, Kind, Property, Reference, Rule, Schema, Test, Unit};
use crate::keys::{KeyReader, KeySet};
use crate::label::{CellError, LabelRule};
use crate::table::Table;

/// One check that is to be made.
pub(super) struct Planned<'c, 't> {
    pub(super) draft: Draft<'c>,
    pub(super) work: Work<'c, 't>,
}

/// How the answer of a check is found.
pub(super) enum Work<'c, 't> {
    /// By the scan of the property's column.
    Cell(CellTest<'c>),
    /// The column is absent.
    Absent,
    Duplicates {
        reader: KeyReader<'t>,
        nulls_fail: bool,
    },
    /// Keys that the other table lacks.
    Unknown {
        reader: KeyReader<'t>,
        known: KeySet<'t>,
    },
    /// Rows that the other table has, too.
    Shared {
        reader: KeyReader<'t>,
        known: KeySet<'t>,
    },
    Conflicts {
        reader: KeyReader<'t>,
        label: LabelRule,
    },
    Balance {
        label: LabelRule,
    },
    RowCount,
    /// A text for people.
    Nothing,
}

/// Where the properties of a schema are in the table.
pub(super) struct Columns<'c> {
    by_name: HashMap<&'c str, (usize, Kind)>,
}

impl<'c> Columns<'c> {
    pub(super) fn of(schema: &'c Schema, table: &Table) -> Self {
        let place = |property: &'c Property| {
            Some((property.name.as_str(), (table.column(&property.column)?, property.kind.clone())))
        };
        Self { by_name: schema.properties.iter().filter_map(place).collect() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&(usize, Kind)> {
        self.by_name.get(name)
    }

    /// The columns of all these properties; `None` if one is absent, which its own check reports.
    fn all(&self, names: &[String]) -> Option<Vec<(usize, Kind)>> {
        names.iter().map(|name| self.get(name).cloned()).collect()
    }

    fn shown(&self, names: &[String]) -> Vec<(String, usize)> {
        names.iter().filter_map(|name| Some((name.clone(), self.get(name)?.0))).collect()
    }
}

/// A check that a property or a schema has by itself.
fn structural<'c>(
    id: String,
    column: Option<&str>,
    metric: &'static str,
    expected: String,
) -> Draft<'c> {
    Draft {
        id,
        column: column.map(str::to_owned),
        metric,
        severity: "error",
        expected,
        unit: Unit::Rows,
        operator: None,
        always: false,
        shown: Vec::new(),
    }
}

/// The checks of one property.
pub(super) fn property<'c, 't>(
    contract: &'c Contract,
    schema: &'c Schema,
    property: &'c Property,
    columns: &Columns<'c>,
    table: &'t Table,
    options: &'t ValidateOptions,
) -> Result<Vec<Planned<'c, 't>>, ValidateError> {
    let name = &property.name;
    let Some((column, kind)) = columns.get(name) else {
        let expected = format!("column {}", property.column);
        let draft = structural(format!("{name}.column"), Some(name), "column", expected);
        return Ok(vec![Planned { draft: Draft { always: true, ..draft }, work: Work::Absent }]);
    };
    let mut planned: Vec<Planned<'c, 't>> = Vec::new();
    let draft = |metric: &'static str, expected: String| Draft {
        shown: vec![(name.clone(), *column)],
        ..structural(format!("{name}.{metric}"), Some(name), metric, expected)
    };
    if *kind != Kind::Untyped {
        planned.push(Planned {
            draft: draft("logicalType", kind.name().to_owned()),
            work: Work::Cell(CellTest::Type),
        });
    }
    if property.required {
        planned.push(Planned {
            draft: draft("required", "not null".to_owned()),
            work: Work::Cell(CellTest::Null),
        });
    }
    if property.unique {
        let reader = KeyReader::new(table, vec![(*column, kind.clone())]);
        let work = Work::Duplicates { reader, nulls_fail: false };
        planned.push(Planned { draft: draft("unique", "unique".to_owned()), work });
    }
    for (metric, expected, test) in option_tests(property) {
        planned.push(Planned { draft: draft(metric, expected), work: Work::Cell(test) });
    }
    for reference in &property.references {
        let draft =
            draft("foreignKey", format!("in {}.{}", reference.table, reference.to.join(", ")));
        let work = foreign_key(contract, schema, reference, &draft.id, columns, table, options)?;
        planned.extend(work.map(|work| Planned { draft, work }));
    }
    for rule in &property.rules {
        let draft = of_rule(rule, Some(name), vec![(name.clone(), *column)]);
        let work = property_work(rule, *column, kind, table);
        planned.push(Planned { draft, work });
    }
    Ok(planned)
}

fn property_work<'c, 't>(
    rule: &'c Rule,
    column: usize,
    kind: &Kind,
    table: &'t Table,
) -> Work<'c, 't> {
    let csv = table.is_csv();
    match &rule.test {
        Test::NullValues => Work::Cell(CellTest::Null),
        Test::MissingValues(items) => {
            Work::Cell(CellTest::Missing(ValueSet::new(items, kind, csv)))
        }
        Test::InvalidValues { valid, pattern } => {
            let valid = valid.as_ref().map(|items| ValueSet::new(items, kind, csv));
            Work::Cell(CellTest::Invalid(valid, pattern.as_ref()))
        }
        Test::DuplicateValues(_) => Work::Duplicates {
            reader: KeyReader::new(table, vec![(column, kind.clone())]),
            nulls_fail: false,
        },
        Test::RowCount => Work::RowCount,
        // The reader of contracts lets no other rule stand under a property.
        _ => Work::Nothing,
    }
}

/// The checks that `logicalTypeOptions` make: metric, what is expected, test.
fn option_tests(property: &Property) -> Vec<(&'static str, String, CellTest<'_>)> {
    let options = &property.options;
    let mut tests: Vec<(&'static str, String, CellTest<'_>)> = Vec::new();
    for (bound, limit) in &options.bounds {
        let test = CellTest::Bound(*bound, limit);
        tests.push((bound.name(), format!("{} {}", bound.name(), limit.display()), test));
    }
    if let Some(step) = &options.multiple_of {
        tests.push((
            "multipleOf",
            format!("multipleOf {}", step.display()),
            CellTest::MultipleOf(step),
        ));
    }
    if let Some(least) = options.min_length {
        tests.push(("minLength", format!("minLength {least}"), CellTest::MinLength(least)));
    }
    if let Some(most) = options.max_length {
        tests.push(("maxLength", format!("maxLength {most}"), CellTest::MaxLength(most)));
    }
    if let Some(pattern) = &options.pattern {
        tests.push((
            "pattern",
            format!("pattern {}", pattern.source()),
            CellTest::Pattern(pattern),
        ));
    }
    if let Some((name, format)) = &options.format {
        tests.push(("format", format!("format {name}"), CellTest::Format(*format)));
    }
    tests
}

/// The draft of an entry under `quality`.
fn of_rule<'c>(rule: &'c Rule, column: Option<&str>, shown: Vec<(String, usize)>) -> Draft<'c> {
    let metric = rule.test.metric();
    let owner = column.unwrap_or("table");
    let id = rule.id.clone().unwrap_or_else(|| format!("{owner}.{metric}"));
    let pattern = match &rule.test {
        Test::InvalidValues { pattern: Some(pattern), .. } => {
            format!("pattern {}: ", pattern.source())
        }
        _ => String::new(),
    };
    let expected = match (&rule.test, &rule.operator) {
        (Test::Text(text), _) => text.clone(),
        (_, Some(operator)) => format!("{pattern}{operator} {}", rule.unit.name()),
        (_, None) => String::new(),
    };
    let belongs_to_table = matches!(rule.test, Test::RowCount);
    Draft {
        id,
        column: column.filter(|_| !belongs_to_table).map(str::to_owned),
        metric,
        severity: &rule.severity,
        expected,
        unit: rule.unit,
        operator: rule.operator.as_ref(),
        always: false,
        shown,
    }
}

/// The checks that belong to the table: primary key, foreign keys, rules.
pub(super) fn schema<'c, 't>(
    contract: &'c Contract,
    schema: &'c Schema,
    columns: &Columns<'c>,
    table: &'t Table,
    options: &'t ValidateOptions,
) -> Result<Vec<Planned<'c, 't>>, ValidateError> {
    let mut planned = Vec::new();
    let key = primary_key(schema);
    if let Some(key_columns) = columns.all(&key).filter(|key| !key.is_empty()) {
        let expected = format!("unique and not null: {}", key.join(", "));
        let draft = structural(format!("{}.primaryKey", schema.name), None, "primaryKey", expected);
        let work =
            Work::Duplicates { reader: KeyReader::new(table, key_columns), nulls_fail: true };
        planned.push(Planned { draft: Draft { shown: columns.shown(&key), ..draft }, work });
    }
    for reference in &schema.references {
        let expected = format!(
            "{} in {}.{}",
            reference.from.join(", "),
            reference.table,
            reference.to.join(", ")
        );
        let draft = structural(format!("{}.foreignKey", schema.name), None, "foreignKey", expected);
        let draft = Draft { shown: columns.shown(&reference.from), ..draft };
        let work = foreign_key(contract, schema, reference, &draft.id, columns, table, options)?;
        planned.extend(work.map(|work| Planned { draft, work }));
    }
    for rule in &schema.rules {
        let names: &[String] = match &rule.test {
            Test::DuplicateValues(names) => names,
            Test::TrainTestOverlap { columns, .. } => columns,
            Test::ConflictingLabels { features, .. } => features,
            _ => &[],
        };
        let draft = of_rule(rule, None, columns.shown(names));
        let work = schema_work(rule, &draft.id, schema, columns, table, options)?;
        planned.extend(work.map(|work| Planned { draft, work }));
    }
    Ok(planned)
}

/// Names of the properties of the primary key by their positions; those without one come last, as they stand.
fn primary_key(schema: &Schema) -> Vec<String> {
    let position = |position: i128| if position < 0 { i128::MAX } else { position };
    let mut key: Vec<_> = schema
        .properties
        .iter()
        .filter_map(|p| Some((position(p.key_position?), p.name.clone())))
        .collect();
    key.sort_by_key(|(position, _)| *position);
    key.into_iter().map(|(_, name)| name).collect()
}

/// The work of a rule under a schema; none if a column it needs is absent, which that column's check reports.
fn schema_work<'c, 't>(
    rule: &'c Rule,
    id: &str,
    schema: &'c Schema,
    columns: &Columns<'c>,
    table: &'t Table,
    options: &'t ValidateOptions,
) -> Result<Option<Work<'c, 't>>, ValidateError> {
    let every = |except: Option<&str>| -> Vec<String> {
        let names = schema.properties.iter().map(|property| property.name.clone());
        names.filter(|name| Some(name.as_str()) != except).collect()
    };
    Ok(match &rule.test {
        Test::DuplicateValues(names) => columns
            .all(names)
            .map(|key| Work::Duplicates { reader: KeyReader::new(table, key), nulls_fail: false }),
        Test::RowCount => Some(Work::RowCount),
        Test::ConflictingLabels { label, features } => {
            let names =
                if features.is_empty() { every(Some(&label.column)) } else { features.clone() };
            let label = in_data(label, schema);
            columns
                .all(&names)
                .map(|key| Work::Conflicts { reader: KeyReader::whole_rows(table, key), label })
        }
        Test::ClassBalance { label } => {
            columns.get(&label.column).map(|_| Work::Balance { label: in_data(label, schema) })
        }
        Test::TrainTestOverlap { table: other, columns: names } => {
            let names = if names.is_empty() { every(None) } else { names.clone() };
            let other = given(other, &[], id, options)?;
            let Some(own) = columns.all(&names) else { return Ok(None) };
            let theirs = in_other(schema, &names, other, &own, id)?;
            let known = KeySet::all(KeyReader::whole_rows(other, theirs));
            Some(Work::Shared { reader: KeyReader::whole_rows(table, own), known })
        }
        _ => Some(Work::Nothing),
    })
}

/// A rule about a property as a rule about its column.
fn in_data(label: &LabelRule, schema: &Schema) -> LabelRule {
    let column = schema.property(&label.column).map_or(&label.column, |property| &property.column);
    LabelRule { column: column.clone(), test: label.test.clone() }
}

/// The columns of these properties in another table of the same kind.
fn in_other(
    schema: &Schema,
    names: &[String],
    other: &Table,
    own: &[(usize, Kind)],
    id: &str,
) -> Result<Vec<(usize, Kind)>, ValidateError> {
    let column = |(name, (_, kind)): (&String, &(usize, Kind))| {
        let column = schema.property(name).map_or(name.as_str(), |property| &property.column);
        find(other, column, id).map(|index| (index, kind.clone()))
    };
    names.iter().zip(own).map(column).collect()
}

fn find(table: &Table, column: &str, id: &str) -> Result<usize, ValidateError> {
    table.column(column).ok_or_else(|| ValidateError::OtherTable {
        rule: id.to_owned(),
        source: CellError::no_column(table, column),
    })
}

/// A table by one of its names.
fn given<'t>(
    name: &str,
    aliases: &[&str],
    id: &str,
    options: &'t ValidateOptions,
) -> Result<&'t Table, ValidateError> {
    let found = std::iter::once(&name).chain(aliases).find_map(|name| options.tables.get(*name));
    found.ok_or_else(|| ValidateError::NoTable { rule: id.to_owned(), table: name.to_owned() })
}

/// The work of a foreign key; none if an own column is absent.
fn foreign_key<'c, 't>(
    contract: &'c Contract,
    schema: &'c Schema,
    reference: &'c Reference,
    id: &str,
    columns: &Columns<'c>,
    table: &'t Table,
    options: &'t ValidateOptions,
) -> Result<Option<Work<'c, 't>>, ValidateError> {
    let described = contract.schemas.iter().find(|schema| schema.is_named(&reference.table));
    let aliases: Vec<&str> = described
        .into_iter()
        .flat_map(|schema| [Some(schema.name.as_str()), schema.physical_name.as_deref()])
        .flatten()
        .collect();
    // A table that refers to itself is its own other table, unless one is given.
    let itself = described.is_some_and(|described| described.name == schema.name);
    let other = match given(&reference.table, &aliases, id, options) {
        Err(_) if itself => table,
        found => found?,
    };
    let Some(own) = columns.all(&reference.from) else { return Ok(None) };
    let mut theirs = Vec::new();
    for (to, (_, own_kind)) in reference.to.iter().zip(&own) {
        let property = described.and_then(|schema| schema.property(to));
        let column = find(other, property.map_or(to.as_str(), |property| &property.column), id)?;
        let kind = property
            .map(|property| &property.kind)
            .filter(|kind| **kind != Kind::Untyped)
            .unwrap_or(own_kind);
        theirs.push((column, kind.clone()));
    }
    let known = KeySet::all(KeyReader::new(other, theirs));
    Ok(Some(Work::Unknown { reader: KeyReader::new(table, own), known }))
}
