//! The model file: a versioned JSON format that is safe to load. `FORMAT.md` beside this file describes it.
//!
//! Loading runs no code and follows no reference: every number and index is checked first, so that `predict` cannot
//! fail, loop or read out of bounds afterwards.

mod parameters;

pub use parameters::{ForestParameters, LogisticParameters, Tree};

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Largest model file that is loaded: a forest of 1,000 trees of depth 10 takes about 40 MB.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What the field `format` holds.
pub const FORMAT: &str = "pawl-model";

/// The one version of the format that this program reads and writes.
pub const FORMAT_VERSION: u64 = 1;

/// Most features of a model, and longest text of a name: far above any tabular model, low enough to bound memory.
const MAX_FEATURES: usize = 10_000;
const MAX_NAME: usize = 200;

/// Why a model could not be loaded, made or asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// User: the file is larger than [`MAX_BYTES`].
    #[error("the model file has {0} bytes, more than the limit of {MAX_BYTES}")]
    TooLarge(u64),
    /// User: the bytes are not the ones that the digest names.
    #[error("the model file has the digest {found}, not {expected}")]
    Digest {
        /// What was asked for.
        expected: String,
        /// What the bytes have.
        found: String,
    },
    /// User: the file is not a model.
    #[error("this is not a model file: {0}")]
    NotAModel(String),
    /// User: the file was written by another version of the program.
    #[error("the model file has format version {0}; this program reads version {FORMAT_VERSION}")]
    Version(u64),
    /// User: the file contradicts itself.
    #[error("the model file is wrong: {0}")]
    Invalid(String),
}

/// Which algorithm made a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Logistic regression on standardised features.
    LogisticRegression,
    /// Bagged decision trees; the probability is the mean of the leaves' shares of class 1.
    RandomForest,
}

impl ModelKind {
    /// The word that the model file uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogisticRegression => "logistic-regression",
            Self::RandomForest => "random-forest",
        }
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a model comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Seed of everything random.
    pub seed: u64,
    /// Rows that it was trained on.
    pub rows: u64,
    /// `sha256:…` of the training data.
    pub data_digest: String,
    /// Commit of the code, or empty.
    pub commit: String,
    /// Hyperparameters by name.
    pub hyperparameters: IndexMap<String, f64>,
}

/// What every kind of model has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelHead {
    /// Name of the model, such as `visit-risk`.
    pub name: String,
    /// Names of the features, in the order of a row's values.
    pub features: Vec<String>,
    /// What class 1 is, such as `mdvis > 0`.
    pub label: String,
    /// Where it comes from.
    pub training: Training,
}

#[derive(Debug, Clone, PartialEq)]
enum Parameters {
    Logistic(LogisticParameters),
    Forest(ForestParameters),
}

/// A model that gives the probability of class 1 for a row of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    head: ModelHead,
    parameters: Parameters,
}

/// The first fields, read alone so that a file of another version gets a clear error.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    format_version: u64,
    #[serde(default)]
    kind: Option<ModelKind>,
}

/// The file as it is written and read. The order of the fields is the order in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile<P> {
    format: String,
    format_version: u64,
    kind: ModelKind,
    name: String,
    features: Vec<String>,
    label: String,
    training: Training,
    parameters: P,
}

impl Model {
    /// A logistic regression.
    ///
    /// # Errors
    /// `Invalid` when lengths differ, a number is not finite, a scale is not positive.
    pub fn logistic(head: ModelHead, parameters: LogisticParameters) -> Result<Self, ModelError> {
        Self::checked(head, Parameters::Logistic(parameters))
    }

    /// A forest.
    ///
    /// # Errors
    /// `Invalid` when a tree's index leads nowhere or backwards, or a number is out of its range.
    pub fn forest(head: ModelHead, parameters: ForestParameters) -> Result<Self, ModelError> {
        Self::checked(head, Parameters::Forest(parameters))
    }

    fn checked(head: ModelHead, parameters: Parameters) -> Result<Self, ModelError> {
        head.check().map_err(ModelError::Invalid)?;
        let features = head.features.len();
        match &parameters {
            Parameters::Logistic(logistic) => logistic.check(features),
            Parameters::Forest(forest) => forest.check(features),
        }
        .map_err(ModelError::Invalid)?;
        Ok(Self { head, parameters })
    }

    /// Loads a model file.
    ///
    /// # Errors
    /// `TooLarge`, `NotAModel`, `Version`, `Invalid`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ModelError::TooLarge(bytes.len() as u64));
        }
        let preamble: Preamble = parse(bytes)?;
        if preamble.format != FORMAT {
            return Err(ModelError::NotAModel(format!("its format is {:?}", preamble.format)));
        }
        if preamble.format_version != FORMAT_VERSION {
            return Err(ModelError::Version(preamble.format_version));
        }
        match preamble.kind {
            None => Err(ModelError::NotAModel("the field kind is missing".to_owned())),
            Some(ModelKind::LogisticRegression) => {
                let (head, parameters) = open(parse(bytes)?);
                Self::logistic(head, parameters)
            }
            Some(ModelKind::RandomForest) => {
                let (head, parameters) = open(parse(bytes)?);
                Self::forest(head, parameters)
            }
        }
    }

    /// Loads a model file that must have this `sha256:…` digest.
    ///
    /// # Errors
    /// `Digest`, and those of [`Model::from_bytes`].
    pub fn from_bytes_with_digest(bytes: &[u8], expected: &str) -> Result<Self, ModelError> {
        let found = digest(bytes);
        if found != expected {
            return Err(ModelError::Digest { expected: expected.to_owned(), found });
        }
        Self::from_bytes(bytes)
    }

    /// The model file. Equal models give equal bytes, and `from_bytes` gives an equal model back.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = match &self.parameters {
            Parameters::Logistic(parameters) => self.file(parameters),
            Parameters::Forest(parameters) => self.file(parameters),
        };
        bytes.push(b'\n');
        bytes
    }

    fn file<P: Serialize>(&self, parameters: P) -> Vec<u8> {
        let head = self.head.clone();
        serde_json::to_vec(&ModelFile {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            kind: self.kind(),
            name: head.name,
            features: head.features,
            label: head.label,
            training: head.training,
            parameters,
        })
        .expect("numbers, texts and lists can always be written as JSON")
    }

    /// Name of the model.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// Which algorithm made it.
    pub fn kind(&self) -> ModelKind {
        match &self.parameters {
            Parameters::Logistic(_) => ModelKind::LogisticRegression,
            Parameters::Forest(_) => ModelKind::RandomForest,
        }
    }

    /// Names of the features, in the order of a row's values.
    pub fn features(&self) -> &[String] {
        &self.head.features
    }

    /// What class 1 is.
    pub fn label(&self) -> &str {
        &self.head.label
    }

    /// Where it comes from.
    pub fn training(&self) -> &Training {
        &self.head.training
    }

    /// The probability of class 1, in [0, 1]; NaN when a value is not finite.
    ///
    /// # Panics
    /// When the row has another number of values than the model has features.
    pub fn predict(&self, row: &[f64]) -> f64 {
        assert_eq!(row.len(), self.head.features.len(), "one value for each feature");
        if row.iter().any(|value| !value.is_finite()) {
            return f64::NAN;
        }
        match &self.parameters {
            Parameters::Logistic(logistic) => logistic.predict(row),
            Parameters::Forest(forest) => forest.predict(row),
        }
    }

    /// [`Model::predict`] for each row.
    ///
    /// # Panics
    /// As [`Model::predict`].
    pub fn predict_rows<'r>(&self, rows: impl IntoIterator<Item = &'r [f64]>) -> Vec<f64> {
        rows.into_iter().map(|row| self.predict(row)).collect()
    }
}

impl ModelHead {
    fn check(&self) -> Result<(), String> {
        if self.features.is_empty() || self.features.len() > MAX_FEATURES {
            return Err(format!("it has {} features", self.features.len()));
        }
        let texts = [&self.name, &self.label, &self.training.data_digest, &self.training.commit];
        if texts.into_iter().chain(&self.features).any(|text| text.len() > MAX_NAME) {
            return Err(format!("a name is longer than {MAX_NAME} bytes"));
        }
        let mut sorted: Vec<&String> = self.features.iter().collect();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("the feature {} is there twice", pair[0]));
        }
        if self.training.hyperparameters.values().any(|value| !value.is_finite()) {
            return Err("a hyperparameter is not a finite number".to_owned());
        }
        Ok(())
    }
}

/// `sha256:` and the digest of the bytes in lower-case hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in hash {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(bytes).map_err(|error| ModelError::NotAModel(error.to_string()))
}

fn open<P>(file: ModelFile<P>) -> (ModelHead, P) {
    let ModelFile { name, features, label, training, parameters, .. } = file;
    (ModelHead { name, features, label, training }, parameters)
}

#[cfg(test)]
mod tests;
