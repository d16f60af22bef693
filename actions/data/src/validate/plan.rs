//! From the rules of a contract to the work they need, in the order of the report.

use super::ValidateError;
use super::column::{CellTest, Limit, ValueSet};
use crate::contract::{
    ColumnRule, Contract, Kind, Latency, Operator, Property, Reference, Rule, Schema, Study, Test,
    Unit,
};
use crate::label::LabelRule;
use crate::source::Source;
use indexmap::IndexMap;
use std::collections::HashMap;

/// All that is to be done with a table.
pub(super) struct Plan<'c> {
    pub(super) schema: &'c Schema,
    /// In the order of the report.
    pub(super) checks: Vec<Draft<'c>>,
    /// One entry a property, then one for each that stands in another one, behind that one.
    pub(super) columns: Vec<ColumnPlan<'c>>,
    pub(super) keys: Vec<KeyPlan<'c>>,
    pub(super) labels: Vec<LabelPlan>,
    /// Number of tallies of cell tests.
    pub(super) tallies: usize,
    pub(super) studies: Vec<StudyPlan<'c>>,
    /// Properties whose cells are kept of the sampled rows.
    pub(super) sampled: Vec<usize>,
    pub(super) limits: Vec<LimitPlan<'c>>,
    /// Each with the property whose moments are looked at.
    pub(super) latencies: Vec<(&'c Latency, usize)>,
}

/// A property's column in some table, if it is there, and how its cells are read.
pub(super) type Placed<'a> = (Option<usize>, &'a Kind);

/// A question about whole columns.
pub(super) struct StudyPlan<'c> {
    pub(super) study: &'c Study,
    /// Properties that are looked at.
    pub(super) columns: Vec<usize>,
    /// For each of them the question about its keys, where there is one.
    pub(super) keys: Vec<usize>,
    pub(super) label: Option<usize>,
    /// The other table, where it is to be read.
    pub(super) source: Option<&'c Source>,
    /// The check's id, for messages.
    pub(super) rule: String,
}

/// The first or last moment of another table, which cells are compared with.
pub(super) struct LimitPlan<'c> {
    pub(super) source: Option<&'c Source>,
    pub(super) column: String,
    pub(super) kind: &'c Kind,
    /// Whether the last one is wanted.
    pub(super) is_later: bool,
    pub(super) limit: Limit,
    pub(super) rule: String,
}

/// What the cells of one property are asked.
pub(super) struct ColumnPlan<'c> {
    pub(super) property: &'c Property,
    pub(super) tests: Vec<CellTest<'c>>,
    /// The place of the first test's tally among all tallies.
    pub(super) first: usize,
    /// For what stands in a property: the plan of that property.
    pub(super) parent: Option<usize>,
    /// For a key of an object: the tally of objects that lack it.
    pub(super) absent: Option<usize>,
}

/// A question about keys.
pub(super) struct KeyPlan<'c> {
    /// Properties that make the key.
    pub(super) columns: Vec<usize>,
    /// Whether every row has a key: nulls equal one another, unreadable cells count as what they are.
    pub(super) whole_rows: bool,
    pub(super) question: Question<'c>,
    /// The check's id, for messages.
    pub(super) rule: String,
}

pub(super) enum Question<'c> {
    /// Rows whose key an earlier row had; with `nulls_fail` also rows with a null in it.
    Duplicates { nulls_fail: bool },
    /// Rows whose key the other table lacks.
    Unknown(Other<'c>),
    /// Rows whose key the other table has, too.
    Shared(Other<'c>),
    /// Rows whose key stands with both labels of this label plan.
    Conflicts { label: usize },
    /// How many keys there are, as long as none stands twice.
    Identifies,
}

/// The other table of a question.
pub(super) enum Other<'c> {
    /// A source, which is not there where its keys are written down already.
    Source { source: Option<&'c Source>, columns: Vec<(String, Kind)> },
    /// Other columns of the same table.
    Itself { columns: Vec<usize> },
}

/// A label that each row has.
pub(super) struct LabelPlan {
    pub(super) rule: LabelRule,
    pub(super) column: usize,
}

/// The draft of a check: all but what was found.
pub(super) struct Draft<'c> {
    pub(super) id: String,
    pub(super) column: Option<String>,
    pub(super) metric: &'static str,
    pub(super) severity: &'c str,
    pub(super) expected: String,
    pub(super) unit: Unit,
    /// Absent where any failing row violates the rule.
    pub(super) operator: Option<&'c Operator>,
    /// Properties whose cells samples show.
    pub(super) shown: Vec<usize>,
    /// Properties without which the check is not made: their absence is reported by a check of its own.
    pub(super) needs: Vec<usize>,
    /// The label plan that every row must have a label of.
    pub(super) label: Option<usize>,
    pub(super) answer: Answer,
}

/// Where the answer of a check is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// In this tally of a cell test.
    Cells(usize),
    /// Whether this property's column is there.
    Column(usize),
    /// In this question about keys.
    Keys(usize),
    /// In the rarer of this plan's labels.
    Balance(usize),
    RowCount,
    /// In this question about whole columns.
    Study(usize),
    /// In the newest moment of this latency.
    Latency(usize),
    /// A text for people.
    Nothing,
}

impl<'c> Plan<'c> {
    pub(super) fn of(
        contract: &'c Contract,
        schema: &'c Schema,
        tables: Option<&'c IndexMap<String, Source>>,
    ) -> Result<Self, ValidateError> {
        let mut planner = Planner {
            contract,
            tables,
            plan: Self {
                schema,
                checks: Vec::new(),
                columns: Vec::new(),
                keys: Vec::new(),
                labels: Vec::new(),
                tallies: 0,
                studies: Vec::new(),
                sampled: Vec::new(),
                limits: Vec::new(),
                latencies: Vec::new(),
            },
            times: HashMap::new(),
        };
        for property in &schema.properties {
            planner.column(property, None);
        }
        for (index, property) in schema.properties.iter().enumerate() {
            planner.property(index, property)?;
        }
        planner.table()?;
        Ok(planner.plan)
    }
}

struct Planner<'c> {
    contract: &'c Contract,
    /// Absent where no data is read any more.
    tables: Option<&'c IndexMap<String, Source>>,
    plan: Plan<'c>,
    /// By the rule's place in the schema: the test of cells that it is.
    times: HashMap<usize, Answer>,
}

/// A check that a property or a schema has by itself.
fn structural<'c>(
    id: String,
    column: Option<&str>,
    metric: &'static str,
    expected: String,
    answer: Answer,
) -> Draft<'c> {
    Draft {
        id,
        column: column.map(str::to_owned),
        metric,
        severity: "error",
        expected,
        unit: Unit::Rows,
        operator: None,
        shown: Vec::new(),
        needs: Vec::new(),
        label: None,
        answer,
    }
}

impl<'c> Planner<'c> {
    fn column(&mut self, property: &'c Property, parent: Option<usize>) -> usize {
        let plan = ColumnPlan { property, tests: Vec::new(), first: 0, parent, absent: None };
        self.plan.columns.push(plan);
        self.plan.columns.len() - 1
    }

    fn property(&mut self, index: usize, property: &'c Property) -> Result<(), ValidateError> {
        let name = property.name.as_str();
        self.plan.columns[index].first = self.plan.tallies;
        let expected = format!("column {}", property.column);
        let absent = Answer::Column(index);
        let draft = structural(format!("{name}.column"), Some(name), "column", expected, absent);
        self.plan.checks.push(draft);
        self.type_and_nulls(index, property);
        if property.unique {
            let question = Question::Duplicates { nulls_fail: false };
            let answer = self.key("", vec![index], false, question);
            self.own_check(index, "unique", "unique".to_owned(), answer);
        }
        for (metric, expected, test) in option_tests(property) {
            self.cell_check(index, metric, expected, test);
        }
        for reference in &property.references {
            let expected = format!("in {}.{}", reference.table, reference.to.join(", "));
            let answer = self.foreign_key(reference, &format!("{name}.foreignKey"))?;
            self.own_check(index, "foreignKey", expected, answer);
        }
        self.property_rules(index, property);
        self.time_rules(index, property)?;
        property.nested.iter().for_each(|nested| self.nested(nested, index));
        Ok(())
    }

    /// Rules of the table that are a test of this property's cells.
    fn time_rules(&mut self, index: usize, property: &'c Property) -> Result<(), ValidateError> {
        for (place, rule) in self.plan.schema.rules.iter().enumerate() {
            let Test::TimeOverlap { table, column, is_later } = &rule.test else { continue };
            if *column != property.name {
                continue;
            }
            let limit = Limit::default();
            let id = of_rule(rule, None, Answer::Nothing).id;
            self.plan.limits.push(LimitPlan {
                source: self.given(table, &[], &id)?,
                column: property.column.clone(),
                kind: &property.kind,
                is_later: *is_later,
                limit: limit.clone(),
                rule: id,
            });
            let answer = self.cells(index, CellTest::Beyond { is_later: *is_later, limit });
            self.times.insert(place, answer);
        }
        Ok(())
    }

    fn type_and_nulls(&mut self, index: usize, property: &'c Property) {
        if property.kind != Kind::Untyped {
            let expected = property.kind.name().to_owned();
            self.cell_check(index, "logicalType", expected, CellTest::Type);
        }
        if property.required {
            self.cell_check(index, "required", "not null".to_owned(), CellTest::Null);
        }
    }

    fn property_rules(&mut self, index: usize, property: &'c Property) {
        for rule in &property.rules {
            let answer = self.property_rule(index, rule);
            let mut draft = of_rule(rule, Some(&property.name), answer);
            (draft.shown, draft.needs) = (vec![index], self.line(index));
            self.plan.checks.push(draft);
        }
    }

    /// What stands in a property: a key of its object, or each item of its array.
    fn nested(&mut self, property: &'c Property, parent: usize) {
        let name = property.name.as_str();
        let index = self.column(property, Some(parent));
        self.plan.columns[index].first = self.plan.tallies;
        if !property.is_item {
            let answer = self.cells(index, CellTest::Absent);
            if let Answer::Cells(tally) = answer {
                self.plan.columns[index].absent = Some(tally);
            }
            let expected = format!("key {}", property.column);
            let (id, absent) = (format!("{name}.column"), Answer::Column(index));
            let draft = structural(id, Some(name), "column", expected, absent);
            self.plan.checks.push(Draft { needs: self.line(parent), ..draft });
        }
        self.type_and_nulls(index, property);
        for (metric, expected, test) in option_tests(property) {
            self.cell_check(index, metric, expected, test);
        }
        self.property_rules(index, property);
        property.nested.iter().for_each(|nested| self.nested(nested, index));
    }

    /// A property and all that it stands in.
    fn line(&self, index: usize) -> Vec<usize> {
        let parent = |index: &usize| self.plan.columns[*index].parent;
        std::iter::successors(Some(index), parent).collect()
    }

    /// A check that the property itself makes.
    fn own_check(&mut self, index: usize, metric: &'static str, expected: String, answer: Answer) {
        let name = self.plan.columns[index].property.name.as_str();
        let mut draft =
            structural(format!("{name}.{metric}"), Some(name), metric, expected, answer);
        (draft.shown, draft.needs) = (vec![index], self.line(index));
        self.plan.checks.push(draft);
    }

    fn cell_check(
        &mut self,
        index: usize,
        metric: &'static str,
        expected: String,
        test: CellTest<'c>,
    ) {
        let answer = self.cells(index, test);
        self.own_check(index, metric, expected, answer);
    }

    /// One more test of a property's cells; its tests are planned one after another.
    fn cells(&mut self, index: usize, test: CellTest<'c>) -> Answer {
        self.plan.columns[index].tests.push(test);
        self.plan.tallies += 1;
        Answer::Cells(self.plan.tallies - 1)
    }

    fn key(
        &mut self,
        rule: &str,
        columns: Vec<usize>,
        whole_rows: bool,
        question: Question<'c>,
    ) -> Answer {
        let rule = rule.to_owned();
        self.plan.keys.push(KeyPlan { columns, whole_rows, question, rule });
        Answer::Keys(self.plan.keys.len() - 1)
    }

    fn property_rule(&mut self, index: usize, rule: &'c Rule) -> Answer {
        let kind = &self.plan.columns[index].property.kind;
        match &rule.test {
            Test::NullValues => self.cells(index, CellTest::Null),
            Test::MissingValues(items) => {
                self.cells(index, CellTest::Missing(ValueSet::new(items, kind)))
            }
            Test::InvalidValues { valid, pattern } => {
                let valid = valid.as_ref().map(|items| ValueSet::new(items, kind));
                self.cells(index, CellTest::Invalid(valid, pattern.as_ref()))
            }
            Test::DuplicateValues(_) => {
                self.key("", vec![index], false, Question::Duplicates { nulls_fail: false })
            }
            Test::RowCount => Answer::RowCount,
            // The reader of contracts lets no other rule stand under a property.
            _ => Answer::Nothing,
        }
    }

    /// The checks that belong to the table: primary key, foreign keys, rules.
    fn table(&mut self) -> Result<(), ValidateError> {
        let schema = self.plan.schema;
        let key = primary_key(schema);
        if !key.is_empty() {
            let names: Vec<&str> =
                key.iter().map(|index| schema.properties[*index].name.as_str()).collect();
            let expected = format!("unique and not null: {}", names.join(", "));
            let question = Question::Duplicates { nulls_fail: true };
            let answer = self.key("", key.clone(), false, question);
            self.table_check("primaryKey", expected, &key, answer);
        }
        for reference in &schema.references {
            let (from, to) = (reference.from.join(", "), reference.to.join(", "));
            let expected = format!("{from} in {}.{to}", reference.table);
            let answer = self.foreign_key(reference, &format!("{}.foreignKey", schema.name))?;
            self.table_check("foreignKey", expected, &self.indexes(&reference.from), answer);
        }
        for (place, rule) in schema.rules.iter().enumerate() {
            self.table_rule(place, rule)?;
        }
        self.latencies();
        Ok(())
    }

    /// How old the newest rows may be.
    fn latencies(&mut self) {
        let schema = self.plan.schema;
        for latency in self.contract.latencies.iter().filter(|l| l.schema == schema.name) {
            let key = self.indexes(std::slice::from_ref(&latency.property));
            let Some(index) = key.first().copied() else { continue };
            let name = latency.property.as_str();
            let id = latency.id.clone().unwrap_or_else(|| format!("{name}.latency"));
            let answer = Answer::Latency(self.plan.latencies.len());
            let draft = structural(id, Some(name), "latency", latency.expected(), answer);
            self.plan.checks.push(Draft { needs: key, ..draft });
            self.plan.latencies.push((latency, index));
        }
    }

    fn table_check(
        &mut self,
        metric: &'static str,
        expected: String,
        of: &[usize],
        answer: Answer,
    ) {
        let id = format!("{}.{metric}", self.plan.schema.name);
        let draft = structural(id, None, metric, expected, answer);
        self.plan.checks.push(Draft { shown: of.to_vec(), needs: of.to_vec(), ..draft });
    }

    /// The places of properties. The reader of contracts has looked that they are there.
    fn indexes(&self, names: &[String]) -> Vec<usize> {
        let place = |name: &String| {
            self.plan.schema.properties.iter().position(|property| property.name == *name)
        };
        names.iter().filter_map(place).collect()
    }

    fn table_rule(&mut self, place: usize, rule: &'c Rule) -> Result<(), ValidateError> {
        let schema = self.plan.schema;
        let every = |except: Option<usize>| -> Vec<usize> {
            (0..schema.properties.len()).filter(|index| Some(*index) != except).collect()
        };
        let or_every = |named: Vec<usize>, except: Option<usize>| {
            if named.is_empty() { every(except) } else { named }
        };
        let mut draft = of_rule(rule, None, Answer::Nothing);
        match &rule.test {
            Test::DuplicateValues(names) => {
                let key = self.indexes(names);
                (draft.shown, draft.needs) = (key.clone(), key.clone());
                let question = Question::Duplicates { nulls_fail: false };
                draft.answer = self.key("", key, false, question);
            }
            Test::RowCount => draft.answer = Answer::RowCount,
            Test::Columns(study) => self.study(study, &mut draft)?,
            Test::TimeOverlap { column, .. } => {
                let key = self.indexes(std::slice::from_ref(column));
                (draft.shown, draft.needs) = (key.clone(), key);
                draft.answer = self.times.get(&place).copied().unwrap_or(Answer::Nothing);
            }
            Test::ConflictingLabels { label, features } => {
                draft.shown = self.indexes(features);
                let label = self.label(label);
                let column = self.plan.labels[label].column;
                draft.label = Some(label);
                let key = or_every(draft.shown.clone(), Some(column));
                draft.needs = key.iter().copied().chain([column]).collect();
                draft.answer = self.key("", key, true, Question::Conflicts { label });
            }
            Test::ClassBalance { label } => {
                let label = self.label(label);
                draft.needs = vec![self.plan.labels[label].column];
                draft.answer = Answer::Balance(label);
            }
            Test::NewCategories { table, column } => {
                let key = self.indexes(std::slice::from_ref(column));
                let source = self.given(table, &[], &draft.id)?;
                let columns = self.same_columns(&key);
                (draft.shown, draft.needs) = (key.clone(), key.clone());
                let question = Question::Unknown(Other::Source { source, columns });
                draft.answer = self.key(&draft.id, key, false, question);
            }
            Test::TrainTestOverlap { table, columns } => {
                draft.shown = self.indexes(columns);
                let key = or_every(draft.shown.clone(), None);
                let source = self.given(table, &[], &draft.id)?;
                let columns = self.same_columns(&key);
                draft.needs.clone_from(&key);
                let question = Question::Shared(Other::Source { source, columns });
                draft.answer = self.key(&draft.id, key, true, question);
            }
            _ => {}
        }
        self.plan.checks.push(draft);
        Ok(())
    }

    fn study(&mut self, study: &'c Study, draft: &mut Draft<'c>) -> Result<(), ValidateError> {
        let label = match &study.rule {
            ColumnRule::Leakage { label, .. } => Some(self.label(label)),
            _ => None,
        };
        let label_column = label.map(|label| self.plan.labels[label].column);
        let columns = match study.columns.is_empty() {
            false => self.indexes(&study.columns),
            true => {
                let properties = self.plan.schema.properties.iter().enumerate();
                let fits = properties.filter(|(_, property)| suits(&study.rule, &property.kind));
                fits.map(|(index, _)| index).filter(|index| Some(*index) != label_column).collect()
            }
        };
        let source = match study.rule.table() {
            Some(table) => self.given(table, &[], &draft.id)?,
            None => None,
        };
        let mut keys = Vec::new();
        if matches!(study.rule, ColumnRule::Identifier) {
            for column in &columns {
                if let Answer::Keys(key) = self.key("", vec![*column], false, Question::Identifies)
                {
                    keys.push(key);
                }
            }
        }
        if label.is_some() || study.rule.table().is_some() {
            for column in &columns {
                if !self.plan.sampled.contains(column) {
                    self.plan.sampled.push(*column);
                }
            }
        }
        draft.label = label;
        draft.needs = columns.iter().copied().chain(label_column).collect();
        draft.answer = Answer::Study(self.plan.studies.len());
        let rule = draft.id.clone();
        self.plan.studies.push(StudyPlan { study, columns, keys, label, source, rule });
        Ok(())
    }

    /// The columns of these properties in another table of the same kind.
    fn same_columns(&self, indexes: &[usize]) -> Vec<(String, Kind)> {
        let column = |index: &usize| {
            let property = &self.plan.schema.properties[*index];
            (property.column.clone(), property.kind.clone())
        };
        indexes.iter().map(column).collect()
    }

    /// A rule about a property as a rule about its column.
    fn label(&mut self, label: &LabelRule) -> usize {
        let column = self.indexes(std::slice::from_ref(&label.column));
        let column = column.first().copied().unwrap_or_default();
        let name = self.plan.schema.properties[column].column.clone();
        let rule = LabelRule { column: name, test: label.test.clone() };
        self.plan.labels.push(LabelPlan { rule, column });
        self.plan.labels.len() - 1
    }

    /// A table by one of its names.
    fn given(
        &self,
        name: &str,
        aliases: &[&str],
        id: &str,
    ) -> Result<Option<&'c Source>, ValidateError> {
        let Some(tables) = self.tables else { return Ok(None) };
        let mut names = std::iter::once(name).chain(aliases.iter().copied());
        match names.find_map(|name| tables.get(name)) {
            Some(source) => Ok(Some(source)),
            None => Err(ValidateError::NoTable { rule: id.to_owned(), table: name.to_owned() }),
        }
    }

    fn foreign_key(&mut self, reference: &'c Reference, id: &str) -> Result<Answer, ValidateError> {
        let schema = self.plan.schema;
        let described =
            self.contract.schemas.iter().find(|schema| schema.is_named(&reference.table));
        let aliases: Vec<&str> = described
            .into_iter()
            .flat_map(|schema| [Some(schema.name.as_str()), schema.physical_name.as_deref()])
            .flatten()
            .collect();
        let own = self.indexes(&reference.from);
        let other = match self.given(&reference.table, &aliases, id) {
            // A table that refers to itself is its own other table, unless one is given.
            Err(_) if described.is_some_and(|described| described.name == schema.name) => {
                Other::Itself { columns: self.indexes(&reference.to) }
            }
            given => {
                let column = |(to, own): (&String, &usize)| {
                    let property = described.and_then(|schema| schema.property(to));
                    let column = property.map_or(to, |property| &property.column).clone();
                    let kind = property
                        .map(|property| &property.kind)
                        .filter(|kind| **kind != Kind::Untyped)
                        .unwrap_or(&schema.properties[*own].kind);
                    (column, kind.clone())
                };
                let columns = reference.to.iter().zip(&own).map(column).collect();
                Other::Source { source: given?, columns }
            }
        };
        Ok(self.key(id, own, false, Question::Unknown(other)))
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
    let inner = options.inner.iter();
    tests.extend(inner.map(|inner| (inner.name(), inner.expected(), CellTest::Inner(inner))));
    tests
}

/// The draft of an entry under `quality`.
fn of_rule<'c>(rule: &'c Rule, column: Option<&str>, answer: Answer) -> Draft<'c> {
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
        (Test::Columns(study), Some(operator)) => format!("{operator} {}", study.rule.counted()),
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
        shown: Vec::new(),
        needs: Vec::new(),
        label: None,
        answer,
    }
}

/// Whether a rule about columns looks at those of a type when none are named.
fn suits(rule: &ColumnRule, kind: &Kind) -> bool {
    let is_text = matches!(kind, Kind::Untyped | Kind::Text);
    let is_number = matches!(kind, Kind::Integer | Kind::Number);
    match rule {
        ColumnRule::Leakage { .. } | ColumnRule::Constant { .. } => true,
        // Measurements and moments are mostly different by nature.
        ColumnRule::Identifier => is_text || *kind == Kind::Integer,
        ColumnRule::MixedTypes { .. } | ColumnRule::NullTokens { .. } => is_text,
        ColumnRule::CorrelationChange { .. } => is_number,
        ColumnRule::Drift { .. } => is_text || is_number || *kind == Kind::Boolean,
    }
}

/// The properties of the primary key by their positions; those without one come last, as they stand.
fn primary_key(schema: &Schema) -> Vec<usize> {
    let position = |position: i128| if position < 0 { i128::MAX } else { position };
    let mut key: Vec<_> = schema
        .properties
        .iter()
        .enumerate()
        .filter_map(|(index, property)| Some((position(property.key_position?), index)))
        .collect();
    key.sort_by_key(|(position, _)| *position);
    key.into_iter().map(|(_, index)| index).collect()
}
