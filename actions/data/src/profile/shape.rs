//! The form that all texts of a column share: runs of digits, letters and signs.

use serde::{Deserialize, Serialize};

/// Runs of one text; a longer one has no form worth a pattern.
const MAX_RUNS: usize = 16;

/// One form for all texts so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// No text yet.
    #[default]
    Nothing,
    /// What all texts have in common.
    Runs(Vec<Run>),
    /// Texts of different forms.
    Mixed,
}

/// Characters of one class, as many as the shortest and the longest such run has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    class: Class,
    least: usize,
    most: usize,
}

/// A class of characters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Class {
    Digit,
    Upper,
    Lower,
    Sign(char),
}

impl Class {
    fn of(letter: char) -> Self {
        match letter {
            '0'..='9' => Self::Digit,
            'A'..='Z' => Self::Upper,
            'a'..='z' => Self::Lower,
            other => Self::Sign(other),
        }
    }
}

impl Shape {
    pub(super) fn add(&mut self, text: &str) {
        if *self != Self::Mixed {
            self.merge(Self::of(text));
        }
    }

    fn of(text: &str) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for letter in text.chars() {
            let class = Class::of(letter);
            if let Some(run) = runs.last_mut()
                && run.class == class
            {
                (run.least, run.most) = (run.least + 1, run.most + 1);
            } else if runs.len() == MAX_RUNS {
                return Self::Mixed;
            } else {
                runs.push(Run { class, least: 1, most: 1 });
            }
        }
        if runs.is_empty() { Self::Mixed } else { Self::Runs(runs) }
    }

    pub(super) fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Nothing) => {}
            (Self::Nothing, other) => *self = other,
            (Self::Runs(own), Self::Runs(other))
                if own.len() == other.len()
                    && own.iter().zip(&other).all(|(a, b)| a.class == b.class) =>
            {
                for (own, other) in own.iter_mut().zip(other) {
                    (own.least, own.most) = (own.least.min(other.least), own.most.max(other.most));
                }
            }
            _ => *self = Self::Mixed,
        }
    }

    /// The form as a pattern, if it says more than "letters".
    pub(super) fn pattern(&self) -> Option<String> {
        let Self::Runs(runs) = self else { return None };
        if runs.len() < 2 && !matches!(runs[..], [Run { class: Class::Digit, .. }]) {
            return None;
        }
        let mut pattern = String::from("^");
        for run in runs {
            match run.class {
                Class::Digit => pattern.push_str(r"\d"),
                Class::Upper => pattern.push_str("[A-Z]"),
                Class::Lower => pattern.push_str("[a-z]"),
                Class::Sign(sign)
                    if sign.is_alphanumeric() || "-_ @%&:;,'\"<>=~#!`".contains(sign) =>
                {
                    pattern.push(sign);
                }
                Class::Sign(sign) if sign.is_ascii_punctuation() => pattern.extend(['\\', sign]),
                Class::Sign(sign) => pattern.push_str(&format!("\\u{{{:X}}}", u32::from(sign))),
            }
            match (run.least, run.most) {
                (1, 1) => {}
                (least, most) if least == most => pattern.push_str(&format!("{{{least}}}")),
                (least, most) => pattern.push_str(&format!("{{{least},{most}}}")),
            }
        }
        pattern.push('$');
        Some(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    fn pattern(texts: &[&str]) -> Option<String> {
        let mut shape = Shape::default();
        texts.iter().for_each(|text| shape.add(text));
        shape.pattern()
    }

    #[test]
    fn texts_of_one_form_have_a_pattern() {
        assert_eq!(pattern(&["AB-1.5", "C-20.5"]).as_deref(), Some(r"^[A-Z]{1,2}-\d{1,2}\.\d$"));
        assert_eq!(pattern(&["00123", "00456"]).as_deref(), Some(r"^\d{5}$"));
        assert_eq!(pattern(&["abc", "de"]), None);
        assert_eq!(pattern(&["a1", "1a"]), None);
        assert_eq!(pattern(&["a1", ""]), None);
        assert_eq!(pattern(&[]), None);
    }
}
