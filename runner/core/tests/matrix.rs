//! Laws of matrices, whatever is in them.

use pawl_core::matrix::{MAX_INSTANCES, instances};
use proptest::prelude::{ProptestConfig, Strategy, prop, proptest};
use serde_json::{Map, Value as Json, json};

type Axes = Vec<(String, Vec<i64>)>;

fn axes() -> impl Strategy<Value = Axes> {
    let values = prop::collection::btree_set(0i64..6, 1..4)
        .prop_map(|set| set.into_iter().collect::<Vec<_>>());
    prop::collection::btree_map("[a-d]", values, 1..4).prop_map(|map| map.into_iter().collect())
}

fn entries() -> impl Strategy<Value = Vec<Vec<(String, i64)>>> {
    let entry = prop::collection::btree_map("[a-f]", 0i64..6, 1..3)
        .prop_map(|map| map.into_iter().collect::<Vec<_>>());
    prop::collection::vec(entry, 0..4)
}

fn object(entry: &[(String, i64)]) -> Map<String, Json> {
    entry.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
}

fn matrix(axes: &Axes) -> Map<String, Json> {
    axes.iter().map(|(name, values)| (name.clone(), json!(values))).collect()
}

fn has(whole: &Map<String, Json>, part: &Map<String, Json>) -> bool {
    part.iter().all(|(name, value)| whole.get(name) == Some(value))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_matrix_is_the_product_of_its_axes(axes in axes()) {
        let all = instances(&Json::Object(matrix(&axes))).expect("it has values");
        let product: usize = axes.iter().map(|(_, values)| values.len()).product();
        assert_eq!(all.len(), product);
        for (index, instance) in all.iter().enumerate() {
            assert_eq!((instance.index, instance.total), (Some(index), product));
            let others = all.iter().filter(|other| other.matrix == instance.matrix);
            assert_eq!(others.count(), 1, "each combination is there once");
        }
        let last = axes.last().expect("there is one");
        let seen: Vec<&Json> = all.iter().take(last.1.len()).map(|one| &one.matrix[&last.0]).collect();
        assert_eq!(json!(seen), json!(last.1), "the last axis changes fastest");
    }

    #[test]
    fn exclude_takes_exactly_the_matching_combinations(axes in axes(), exclude in entries()) {
        let mut with = matrix(&axes);
        let excludes: Vec<Map<String, Json>> = exclude.iter().map(|entry| object(entry)).collect();
        with.insert("exclude".to_owned(), json!(excludes));
        let all = instances(&Json::Object(matrix(&axes))).expect("it has values");
        let expected: Vec<Map<String, Json>> = all
            .into_iter()
            .map(|instance| instance.matrix)
            .filter(|one| !excludes.iter().any(|entry| has(one, entry)))
            .collect();
        match instances(&Json::Object(with)) {
            Ok(kept) => {
                let kept: Vec<Map<String, Json>> = kept.into_iter().map(|one| one.matrix).collect();
                assert_eq!(kept, expected);
            }
            Err(_) => assert!(expected.is_empty()),
        }
    }

    #[test]
    fn include_never_changes_an_original_value_and_loses_nothing(axes in axes(), include in entries()) {
        let mut with = matrix(&axes);
        let includes: Vec<Map<String, Json>> = include.iter().map(|entry| object(entry)).collect();
        with.insert("include".to_owned(), json!(includes));
        let before = instances(&Json::Object(matrix(&axes))).expect("it has values");
        let after = instances(&Json::Object(with)).expect("it has values");
        assert!(after.len() <= before.len() + includes.len() && after.len() <= MAX_INSTANCES);
        for (old, new) in before.iter().zip(&after) {
            assert!(has(&new.matrix, &old.matrix), "{:?} lost {:?}", new.matrix, old.matrix);
        }
        for added in &after[before.len()..] {
            assert!(includes.contains(&added.matrix), "a new combination is an include of its own");
        }
    }
}
