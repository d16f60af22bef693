//! The methods by the names that Evidently's registry has for them, and what each decides at.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// What a column is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Numbers.
    Num,
    /// Categories.
    Cat,
    /// Texts, most of them different.
    Text,
}

impl ColumnType {
    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Num => "num",
            Self::Cat => "cat",
            Self::Text => "text",
        }
    }
}

/// How two columns are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Kolmogorov-Smirnov's test; the score is a p-value.
    Ks,
    /// The chi-square test; the score is a p-value.
    ChiSquare,
    /// The test of two proportions; the score is a p-value.
    Z,
    /// Wasserstein distance in deviations of the reference.
    Wasserstein,
    /// Jensen-Shannon distance.
    JensenShannon,
    /// Population stability index.
    Psi,
    /// Kullback-Leibler divergence.
    KlDiv,
    /// Hellinger distance.
    Hellinger,
    /// How well texts tell where they are from, against chance.
    PercText,
    /// How well texts tell where they are from, against a fixed figure.
    AbsText,
}

const ALL: [(Method, &str); 10] = [
    (Method::Ks, "ks"),
    (Method::ChiSquare, "chisquare"),
    (Method::Z, "z"),
    (Method::Wasserstein, "wasserstein"),
    (Method::JensenShannon, "jensenshannon"),
    (Method::Psi, "psi"),
    (Method::KlDiv, "kl_div"),
    (Method::Hellinger, "hellinger"),
    (Method::PercText, "perc_text_content_drift"),
    (Method::AbsText, "abs_text_content_drift"),
];

impl Method {
    /// The registry's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }

    /// The score that decides, unless the user sets another.
    #[must_use]
    pub fn threshold(self) -> f64 {
        match self {
            Self::Ks | Self::ChiSquare | Self::Z => 0.05,
            Self::PercText => 0.95,
            Self::AbsText => 0.55,
            _ => 0.1,
        }
    }

    /// Whether a column of a type can be compared like this when it is asked for.
    #[must_use]
    pub fn fits(self, kind: ColumnType) -> bool {
        match self {
            Self::Ks | Self::Wasserstein => kind == ColumnType::Num,
            Self::ChiSquare | Self::Z => kind == ColumnType::Cat,
            Self::PercText | Self::AbsText => kind == ColumnType::Text,
            _ => kind != ColumnType::Text,
        }
    }

    /// Whether the score says how far apart two columns are, and not only how sure it is that they are not one.
    #[must_use]
    pub fn is_effect(self) -> bool {
        !matches!(self, Self::Ks | Self::ChiSquare | Self::Z | Self::PercText)
    }

    /// Whether a score says drift. A score that is not a number never does.
    #[must_use]
    pub fn decides(self, score: f64) -> bool {
        let threshold = self.threshold();
        match self {
            Self::Ks => score <= threshold,
            Self::ChiSquare | Self::Z => score < threshold,
            Self::AbsText => score > threshold,
            _ => score >= threshold,
        }
    }
}

/// No such method: the user's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no method {0:?}: there are {names}", names = names())]
pub struct UnknownMethod(String);

fn names() -> String {
    ALL.map(|(_, name)| name).join(", ")
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let found = ALL.iter().find(|(_, name)| *name == text);
        found.map(|(method, _)| *method).ok_or_else(|| UnknownMethod(text.to_owned()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
