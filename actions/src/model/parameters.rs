//! The numbers of each kind of model: how they are checked and how they predict.

use serde::{Deserialize, Serialize};

/// Most trees of a forest: above, predictions take longer and gain nothing.
const MAX_TREES: usize = 10_000;

/// A logistic regression on standardised features: `p = 1 / (1 + exp(-z))` with
/// `z = intercept + Σ coefficient · (value - mean) / scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticParameters {
    /// Constant term of `z`.
    pub intercept: f64,
    /// One for each feature.
    pub coefficients: Vec<f64>,
    /// What is subtracted from each feature.
    pub means: Vec<f64>,
    /// What each feature is divided by; greater than 0.
    pub scales: Vec<f64>,
}

impl LogisticParameters {
    pub(super) fn check(&self, features: usize) -> Result<(), String> {
        let lists = [&self.coefficients, &self.means, &self.scales];
        if lists.iter().any(|list| list.len() != features) {
            return Err(format!("its lists of parameters do not have {features} numbers each"));
        }
        let numbers = lists.into_iter().flatten().chain([&self.intercept]);
        if numbers.copied().any(|number| !number.is_finite()) {
            return Err("a parameter is not a finite number".to_owned());
        }
        if self.scales.iter().any(|scale| *scale <= 0.0) {
            return Err("a scale is not greater than 0".to_owned());
        }
        Ok(())
    }

    /// Finite values only. A `z` that overflows gives 0 or 1; opposite infinities give NaN.
    pub(super) fn predict(&self, row: &[f64]) -> f64 {
        let mut z = self.intercept;
        for (index, value) in row.iter().enumerate() {
            z += self.coefficients[index] * ((value - self.means[index]) / self.scales[index]);
        }
        sigmoid(z)
    }
}

/// `1 / (1 + exp(-z))` without overflow on either side.
fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + (-z).exp())
    } else {
        let e = z.exp();
        e / (1.0 + e)
    }
}

/// Trees whose leaves hold a share of class 1; the prediction is the mean over the trees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestParameters {
    /// The trees, at least one.
    pub trees: Vec<Tree>,
}

/// A decision tree as five lists of the same length, one entry for each node; node 0 is the root. A node whose `left`
/// and `right` are 0 is a leaf. Otherwise a row goes left when its value of `feature` is at most `threshold`. Children
/// come after their parent in the lists, so that every walk ends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Which feature an inner node looks at; 0 for a leaf.
    pub feature: Vec<u32>,
    /// Where it splits; 0 for a leaf.
    pub threshold: Vec<f64>,
    /// Index of the child for smaller or equal values.
    pub left: Vec<u32>,
    /// Index of the child for greater values.
    pub right: Vec<u32>,
    /// Share of class 1 among the node's training rows, in [0, 1].
    pub value: Vec<f64>,
}

impl ForestParameters {
    pub(super) fn check(&self, features: usize) -> Result<(), String> {
        if self.trees.is_empty() || self.trees.len() > MAX_TREES {
            return Err(format!("it has {} trees", self.trees.len()));
        }
        for (index, tree) in self.trees.iter().enumerate() {
            tree.check(features).map_err(|problem| format!("tree {index}: {problem}"))?;
        }
        Ok(())
    }

    pub(super) fn predict(&self, row: &[f64]) -> f64 {
        let sum: f64 = self.trees.iter().map(|tree| tree.value[tree.leaf(row)]).sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 10,000 trees")]
        let count = self.trees.len() as f64;
        sum / count
    }
}

impl Tree {
    /// Index of the leaf that a row of finite values reaches.
    pub(crate) fn leaf(&self, row: &[f64]) -> usize {
        let mut node = 0;
        while self.left[node] != 0 {
            let goes_left = row[self.feature[node] as usize] <= self.threshold[node];
            node = if goes_left { self.left[node] } else { self.right[node] } as usize;
        }
        node
    }

    fn check(&self, features: usize) -> Result<(), String> {
        let nodes = self.value.len();
        let lengths = [self.feature.len(), self.threshold.len(), self.left.len(), self.right.len()];
        if nodes == 0 || lengths.iter().any(|length| *length != nodes) {
            return Err("its lists are empty or of different lengths".to_owned());
        }
        (0..nodes).try_for_each(|node| {
            self.check_node(node, features).map_err(|problem| format!("node {node}: {problem}"))
        })
    }

    fn check_node(&self, node: usize, features: usize) -> Result<(), String> {
        let (left, right) = (self.left[node] as usize, self.right[node] as usize);
        if self.feature[node] as usize >= features {
            return Err("its feature does not exist".to_owned());
        }
        if !self.threshold[node].is_finite() {
            return Err("its threshold is not a finite number".to_owned());
        }
        if !(0.0..=1.0).contains(&self.value[node]) {
            return Err("its value is not between 0 and 1".to_owned());
        }
        if (left, right) == (0, 0) {
            return Ok(());
        }
        if left <= node || right <= node || left == right || left.max(right) >= self.value.len() {
            return Err("its children are not later nodes of the tree".to_owned());
        }
        Ok(())
    }
}
