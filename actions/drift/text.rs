//! Whether a classifier can tell from a text which side it is from: terms weighted by how rare they are, and logistic
//! regression on one half of the rows, judged on the other.
//!
//! Evidently trains scikit-learn's classifier at this place. Ours is another one, so that scores differ in their digits; where
//! the texts clearly differ, or clearly don't, both say the same.

use pawl_data::pandas::{NULL, Texts};
use pawl_stats::descriptive::midranks;
use pawl_stats::random::Lcg;
use std::collections::{HashMap, HashSet};

/// How well the sides are told apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Told {
    /// Area under the curve on the rows that were not trained on; NaN where these have one side only.
    pub(super) auc: f64,
    /// What a guess stays below in 95 of 100 cases.
    pub(super) chance: f64,
    /// Standard deviation of the area, by Hanley & McNeil (1982).
    pub(super) deviation: f64,
}

/// The order of rows and of training steps is the same in each run.
const SEED: u64 = 42;
/// Passes over the rows that are trained on.
const PASSES: usize = 20;
/// Terms in more than this share of the rows say nothing.
const MAX_SHARE: f64 = 0.5;
const PENALTY: f64 = 1e-4;
/// The 95th percentile of the normal distribution.
const UPPER: f64 = 1.644_853_626_951_472_2;

/// Words too common in English to say what a text is about.
const STOP_WORDS: [&str; 64] = [
    "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "before", "but", "by", "can", "could", "do", "for", "from", "had", "has", "have", "he",
    "her", "his", "how", "if", "in", "into", "is", "it", "its", "me", "my", "no", "not", "of",
    "on", "or", "our", "out", "she", "so", "some", "that", "the", "their", "them", "then", "there",
    "they", "this", "to", "up", "was", "we", "were", "what", "when", "which", "with", "you",
];

/// A row: its terms with weights, and whether it is from the current data.
struct Row {
    terms: Vec<(u32, f64)>,
    is_current: bool,
}

/// Trains and judges.
pub(super) fn told_apart(reference: &Texts, current: &Texts) -> Told {
    let mut documents: Vec<(&str, bool)> = words(reference).map(|text| (text, false)).collect();
    documents.extend(words(current).map(|text| (text, true)));
    shuffle(&mut documents);
    let (train, test) = documents.split_at(documents.len() / 2);
    let vocabulary = Vocabulary::of(train);
    let mut train: Vec<Row> = train.iter().map(|document| vocabulary.row(document)).collect();
    let weights = fit(&mut train, vocabulary.rarity.len());
    let scores: Vec<(f64, bool)> = test
        .iter()
        .map(|document| (weights.margin(&vocabulary.row(document).terms), document.1))
        .collect();
    judge(&scores)
}

fn words(texts: &Texts) -> impl Iterator<Item = &str> {
    let codes = texts.codes.iter().filter(|code| **code != NULL);
    codes.map(|code| texts.words[*code as usize].as_str())
}

fn shuffle<T>(items: &mut [T]) {
    let mut random = Lcg::new(SEED);
    for i in (1..items.len()).rev() {
        items.swap(i, random.index(i + 1));
    }
}

/// Terms of two or more letters or digits, in small letters.
fn terms(text: &str) -> Vec<String> {
    let is_inside = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !is_inside(c))
        .filter(|term| term.chars().nth(1).is_some())
        .map(str::to_lowercase)
        .filter(|term| STOP_WORDS.binary_search(&term.as_str()).is_err())
        .collect()
}

struct Vocabulary {
    numbers: HashMap<String, u32>,
    /// Weight of each term: larger where fewer rows have it.
    rarity: Vec<f64>,
}

impl Vocabulary {
    fn of(documents: &[(&str, bool)]) -> Self {
        let mut rows: HashMap<String, usize> = HashMap::new();
        for (text, _) in documents {
            let terms: HashSet<String> = terms(text).into_iter().collect();
            terms.into_iter().for_each(|term| *rows.entry(term).or_insert(0) += 1);
        }
        let most = MAX_SHARE * documents.len() as f64;
        let mut kept: Vec<(String, usize)> =
            rows.into_iter().filter(|(_, rows)| *rows as f64 <= most).collect();
        kept.sort_unstable();
        let all = 1.0 + documents.len() as f64;
        let rarity = kept.iter().map(|(_, rows)| (all / (1.0 + *rows as f64)).ln() + 1.0).collect();
        let numbers = kept.into_iter().zip(0..).map(|((term, _), number)| (term, number)).collect();
        Self { numbers, rarity }
    }

    fn row(&self, (text, is_current): &(&str, bool)) -> Row {
        let mut counts: HashMap<u32, f64> = HashMap::new();
        for term in terms(text) {
            if let Some(number) = self.numbers.get(&term) {
                *counts.entry(*number).or_insert(0.0) += 1.0;
            }
        }
        let mut terms: Vec<(u32, f64)> = counts
            .into_iter()
            .map(|(number, count)| (number, (1.0 + count.ln()) * self.rarity[number as usize]))
            .collect();
        terms.sort_unstable_by_key(|(number, _)| *number);
        let length = terms.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        terms.iter_mut().for_each(|(_, weight)| *weight /= length);
        Row { terms, is_current: *is_current }
    }
}

/// A linear model.
struct Weights {
    terms: Vec<f64>,
    offset: f64,
}

impl Weights {
    fn margin(&self, row: &[(u32, f64)]) -> f64 {
        self.offset
            + row.iter().map(|(number, weight)| self.terms[*number as usize] * weight).sum::<f64>()
    }
}

/// Logistic regression by stochastic gradient descent with steps that get smaller.
fn fit(rows: &mut [Row], size: usize) -> Weights {
    let mut weights = Weights { terms: vec![0.0; size], offset: 0.0 };
    let mut step = 0.0;
    for _ in 0..PASSES {
        shuffle(rows);
        for row in rows.iter() {
            step += 1.0;
            let rate = 1.0 / (1.0 + PENALTY * step);
            let target = f64::from(u8::from(row.is_current));
            let error = target - 1.0 / (1.0 + (-weights.margin(&row.terms)).exp());
            for (number, weight) in &row.terms {
                let term = &mut weights.terms[*number as usize];
                *term += rate * (error * weight - PENALTY * *term);
            }
            weights.offset += 0.1 * rate * error;
        }
    }
    weights
}

fn judge(scores: &[(f64, bool)]) -> Told {
    let n = scores.iter().filter(|(_, is_current)| *is_current).count() as f64;
    let m = scores.len() as f64 - n;
    if n == 0.0 || m == 0.0 {
        return Told { auc: f64::NAN, chance: f64::NAN, deviation: f64::NAN };
    }
    let ranks = midranks(&scores.iter().map(|(score, _)| *score).collect::<Vec<_>>()).ranks;
    let sum: f64 = ranks
        .iter()
        .zip(scores)
        .filter(|(_, (_, is_current))| *is_current)
        .map(|(rank, _)| rank)
        .sum();
    let auc = (sum - n * (n + 1.0) / 2.0) / (n * m);
    let chance = 0.5 + UPPER * ((n + m + 1.0) / (12.0 * n * m)).sqrt();
    let (one, two) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
    let square = auc * auc;
    let spread = auc - square + (n - 1.0) * (one - square) + (m - 1.0) * (two - square);
    Told { auc, chance, deviation: (spread.max(0.0) / (n * m)).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::{STOP_WORDS, terms, told_apart};
    use pawl_data::pandas::Texts;

    fn texts(words: impl Iterator<Item = String>) -> Texts {
        let words: Vec<String> = words.collect();
        let codes = (0..words.len() as u32).collect();
        Texts { words, codes, is_category: false }
    }

    #[test]
    fn the_stop_words_are_in_order() {
        assert!(STOP_WORDS.is_sorted());
        assert_eq!(terms("The cat_1, a Dog & 7"), ["cat_1", "dog"]);
    }

    #[test]
    fn other_words_are_told_apart_and_equal_ones_are_not() {
        let fruit = ["apple", "pear", "plum", "cherry", "quince"];
        let tools = ["hammer", "saw", "drill", "file", "plane"];
        let say = |list: [&'static str; 5], from: usize| {
            texts(
                (from..from + 200)
                    .map(move |i| format!("{} {} number{}", list[i % 5], list[(i / 5) % 5], i)),
            )
        };
        let told = told_apart(&say(fruit, 0), &say(tools, 1000));
        assert!(told.auc > 0.95, "{told:?}");
        let told = told_apart(&say(fruit, 0), &say(fruit, 1000));
        assert!(told.auc < told.chance, "{told:?}");
        assert!(told.chance < 0.6);
    }

    #[test]
    fn texts_without_a_term_are_not_told_apart() {
        let letters = || texts(["a", "b", "c", "d", "e", "f"].into_iter().map(str::to_owned));
        let told = told_apart(&letters(), &letters());
        assert!((told.auc - 0.5).abs() < 1e-12, "{told:?}");
    }
}
