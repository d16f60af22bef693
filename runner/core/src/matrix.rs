//! Matrices: from `strategy.matrix`, fully evaluated, to the instances of a job, as GitHub makes them.

use crate::plan::JobInstance;
use serde_json::{Map, Value as Json};

/// Most instances of one job. GitHub's own limit.
pub const MAX_INSTANCES: usize = 256;

type Combination = Map<String, Json>;

/// The instances of a job with this matrix, in GitHub's order: the first key changes slowest.
///
/// `exclude` takes away each combination that has all values of one of its entries. Each `include` entry is added to every
/// combination whose own values it would not change (values that came from another `include` may be); when there is
/// none, it is a combination of its own.
///
/// # Errors
/// Not a mapping, a key that is not a list, an entry that is not a mapping, nothing left, or more than 256 instances.
pub fn instances(matrix: &Json) -> Result<Vec<JobInstance>, String> {
    let Json::Object(matrix) = matrix else {
        return Err("a matrix is a mapping from names to lists of values".to_owned());
    };
    let entries = |key: &str| {
        let found = matrix.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map_or(Ok(Vec::new()), |(_, value)| mappings(key, value))
    };
    let (include, exclude) = (entries("include")?, entries("exclude")?);
    let mut combinations = product(matrix)?;
    combinations.retain(|combination| !exclude.iter().any(|entry| is_part(entry, combination)));
    let all = with_includes(combinations, include);
    let total = all.len();
    match total {
        0 => Err("the matrix has no instance".to_owned()),
        _ if total > MAX_INSTANCES => {
            Err(format!("the matrix has {total} instances; at most {MAX_INSTANCES} are allowed"))
        }
        _ => Ok(numbered(all)),
    }
}

fn numbered(all: Vec<Combination>) -> Vec<JobInstance> {
    let total = all.len();
    let one = |(index, matrix)| JobInstance { index: Some(index), total, matrix };
    all.into_iter().enumerate().map(one).collect()
}

fn mappings(key: &str, value: &Json) -> Result<Vec<Combination>, String> {
    let Json::Array(items) = value else { return Err(format!("{key} is a list of mappings")) };
    let one = |item: &Json| match item {
        Json::Object(map) => Ok(map.clone()),
        _ => Err(format!("{key} is a list of mappings, but one of its entries is {item}")),
    };
    items.iter().map(one).collect()
}

fn product(matrix: &Map<String, Json>) -> Result<Vec<Combination>, String> {
    let is_axis =
        |name: &str| !name.eq_ignore_ascii_case("include") && !name.eq_ignore_ascii_case("exclude");
    let axes: Vec<_> = matrix.iter().filter(|(name, _)| is_axis(name)).collect();
    if axes.is_empty() {
        return Ok(Vec::new());
    }
    let mut combinations = vec![Combination::new()];
    for (name, values) in axes {
        let Json::Array(values) = values else {
            return Err(format!("matrix key {name} is a list of values"));
        };
        if values.is_empty() {
            return Err(format!("matrix key {name} has no value"));
        }
        // Each axis multiplies: stop before a hostile matrix fills the memory. Excludes may take many away again.
        if combinations.len() * values.len() > 64 * MAX_INSTANCES {
            return Err(format!("the matrix has far more than {MAX_INSTANCES} combinations"));
        }
        combinations = crossed(&combinations, name, values);
    }
    Ok(combinations)
}

fn crossed(combinations: &[Combination], name: &str, values: &[Json]) -> Vec<Combination> {
    let extend = |combination: &Combination, value: &Json| {
        let mut combination = combination.clone();
        combination.insert(name.to_owned(), value.clone());
        combination
    };
    let pairs = combinations
        .iter()
        .flat_map(|combination| values.iter().map(move |value| (combination, value)));
    pairs.map(|(combination, value)| extend(combination, value)).collect()
}

/// True when `whole` has everything that `part` has; mappings are compared the same way inside.
fn is_part(part: &Combination, whole: &Combination) -> bool {
    part.iter().all(|(name, wanted)| match (wanted, whole.get(name)) {
        (Json::Object(wanted), Some(Json::Object(found))) => is_part(wanted, found),
        (wanted, Some(found)) => is_same(wanted, found),
        (_, None) => false,
    })
}

fn is_same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn with_includes(originals: Vec<Combination>, include: Vec<Combination>) -> Vec<Combination> {
    let mut all = originals.clone();
    let mut added = Vec::new();
    for entry in include {
        let mut fits = false;
        for (original, combination) in originals.iter().zip(&mut all) {
            let changes = |(name, value): (&String, &Json)| {
                original.get(name).is_some_and(|old| !is_same(old, value))
            };
            if entry.iter().any(changes) {
                continue;
            }
            fits = true;
            combination.extend(entry.clone());
        }
        if !fits {
            added.push(entry);
        }
    }
    all.extend(added);
    all
}

#[cfg(test)]
mod tests {
    use super::instances;
    use serde_json::{Value as Json, json};

    fn matrices(matrix: &Json) -> Vec<Json> {
        let all = instances(matrix).expect("a good matrix");
        all.into_iter().map(|instance| Json::Object(instance.matrix)).collect()
    }

    #[test]
    fn the_first_key_changes_slowest() {
        let all = matrices(&json!({"os": ["a", "b"], "v": [1, 2]}));
        assert_eq!(all[1], json!({"os": "a", "v": 2}));
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn githubs_own_include_example_holds() {
        let matrix = json!({
            "fruit": ["apple", "pear"], "animal": ["cat", "dog"],
            "include": [
                {"color": "green"}, {"color": "pink", "animal": "cat"}, {"fruit": "apple", "shape": "circle"},
                {"fruit": "banana"}, {"fruit": "banana", "animal": "cat"}]
        });
        let expected = [
            json!({"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"}),
            json!({"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"}),
            json!({"fruit": "pear", "animal": "cat", "color": "pink"}),
            json!({"fruit": "pear", "animal": "dog", "color": "green"}),
            json!({"fruit": "banana"}),
            json!({"fruit": "banana", "animal": "cat"}),
        ];
        assert_eq!(matrices(&matrix), expected);
    }

    #[test]
    fn exclude_takes_partial_matches_away() {
        let matrix =
            json!({"os": ["a", "b"], "v": [1, 2], "exclude": [{"os": "a"}, {"os": "b", "v": 2}]});
        assert_eq!(matrices(&matrix), [json!({"os": "b", "v": 1})]);
    }

    #[test]
    fn bad_matrices_say_why() {
        let many: Vec<u32> = (0..257).collect();
        for (matrix, reason) in [
            (json!([1]), "a matrix is a mapping from names to lists of values"),
            (json!({"a": 1}), "matrix key a is a list of values"),
            (json!({"a": []}), "matrix key a has no value"),
            (json!({"a": [1], "exclude": [{"a": 1}]}), "the matrix has no instance"),
            (
                json!({"a": [1], "include": [2]}),
                "include is a list of mappings, but one of its entries is 2",
            ),
            (json!({"a": many}), "the matrix has 257 instances; at most 256 are allowed"),
        ] {
            assert_eq!(instances(&matrix), Err(reason.to_owned()));
        }
    }
}
