//! A forest: linfa grows the trees, each on its own bootstrap sample and its own features; the shares in the leaves
//! are counted here.
//!
//! linfa's trees prune every split whose two sides would vote for the same class. With ordinary samples that would
//! merge all rows on one side of probability ½ and lose the ranking among them. So each tree's sample draws class 1
//! with other odds, such that its vote turns at another probability around the base rate. The leaves then hold the
//! plain share of class 1 among *all* training rows that reach them, and the forest's probability is the mean of these
//! shares.
//!
//! linfa breaks a tie of votes at random (by the order of a hash map), which would make pruning, and so the file,
//! differ from run to run. `Grown::merge` prunes every split that some way of breaking ties would prune: whatever
//! linfa did, the result is the same.

use super::TrainError;
use crate::model::{ForestParameters, Tree};
use linfa::Dataset;
use linfa::traits::Fit;
use linfa_trees::{DecisionTree, TreeNode};
use ndarray::{Array1, Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the user may choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForestOptions {
    /// Number of trees.
    pub trees: usize,
    /// Deepest split, counted from the root.
    pub max_depth: usize,
    /// Fewest rows of a tree's sample in a leaf.
    pub min_leaf: usize,
    /// Share of the features that each tree sees, in (0, 1].
    pub feature_share: f64,
    /// Seed of everything random.
    pub seed: u64,
}

/// How far, in log-odds, the votes of the first and last tree turn from the base rate: odds from 1/4.5 to 4.5 times those
/// of the base rate. Wider, more trees see nothing to split; narrower, rows far from the base rate are told apart less.
const SPREAD: f64 = 1.5;

/// Most threads: trees are independent, and memory grows with every thread by one copy of the sample.
const MAX_THREADS: usize = 16;

/// Grows the forest. The same rows, labels and options give the same forest, however many threads there are.
///
/// # Errors
/// `OneClass`, and `Solver` with linfa's words.
pub fn fit(
    rows: &Array2<f64>,
    labels: &[bool],
    options: ForestOptions,
) -> Result<ForestParameters, TrainError> {
    super::check_classes(labels)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let classes = Classes::of(labels);
    let grow = |index| grow_tree(rows, labels, &classes, options, index);
    let mut grown: Vec<Option<Result<Tree, TrainError>>> = vec![None; options.trees];
    let each = options.trees.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (part, slots) in grown.chunks_mut(each).enumerate() {
            scope.spawn(move || {
                for (offset, slot) in slots.iter_mut().enumerate() {
                    *slot = Some(grow(part * each + offset));
                }
            });
        }
    });
    let trees: Result<Vec<Tree>, TrainError> = grown.into_iter().flatten().collect();
    Ok(ForestParameters { trees: trees? })
}

/// Indices of the rows of each class.
struct Classes {
    positive: Vec<usize>,
    negative: Vec<usize>,
}

impl Classes {
    fn of(labels: &[bool]) -> Self {
        let (positive, negative) = (0..labels.len()).partition(|row| labels[*row]);
        Self { positive, negative }
    }

    /// The probability at which the vote of tree `index` turns: the base rate, with its log-odds moved by from
    /// `-SPREAD` to `SPREAD`, evenly over the trees.
    #[expect(clippy::cast_precision_loss, reason = "row and tree counts are far below 2^53")]
    fn cut(&self, index: usize, trees: usize) -> f64 {
        let base = (self.positive.len() as f64 / self.negative.len() as f64).ln();
        let place = 2.0 * (index as f64 + 0.5) / trees as f64 - 1.0;
        1.0 / (1.0 + (-(base + SPREAD * place)).exp())
    }

    /// As many rows as there are, drawn with replacement so that a tree's vote turns at the probability `cut`: rows of
    /// class 1 weigh `1 - cut`, rows of class 0 weigh `cut`.
    fn sample(&self, cut: f64, rng: &mut ChaCha8Rng) -> Vec<usize> {
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        let (ones, zeros) = (self.positive.len() as f64, self.negative.len() as f64);
        let share = ones * (1.0 - cut) / (ones * (1.0 - cut) + zeros * cut);
        (0..self.positive.len() + self.negative.len())
            .map(|_| {
                let class = if rng.gen_bool(share) { &self.positive } else { &self.negative };
                class[rng.gen_range(0..class.len())]
            })
            .collect()
    }
}

fn grow_tree(
    rows: &Array2<f64>,
    labels: &[bool],
    classes: &Classes,
    options: ForestOptions,
    index: usize,
) -> Result<Tree, TrainError> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(index as u64);
    let cut = classes.cut(index, options.trees);
    let sample = classes.sample(cut, &mut rng);
    let features = choose_features(rows.ncols(), options.feature_share, &mut rng);
    let seen = rows.select(Axis(0), &sample).select(Axis(1), &features);
    let votes: Vec<bool> = sample.iter().map(|row| labels[*row]).collect();
    #[expect(clippy::cast_precision_loss, reason = "linfa counts rows as f32")]
    let min_leaf = options.min_leaf as f32;
    let tree = DecisionTree::params()
        .max_depth(Some(options.max_depth))
        .min_weight_leaf(min_leaf)
        .min_weight_split(2.0 * min_leaf)
        .fit(&Dataset::new(seen.clone(), Array1::from(votes.clone())))
        .map_err(|error| TrainError::Solver(error.to_string()))?;
    let everybody: Vec<usize> = (0..sample.len()).collect();
    let grown = Grown::of(tree.root_node(), &seen, &votes, everybody).merge();
    let mut flat = Tree::default();
    grown.flatten(&features, &mut flat);
    fill_shares(&mut flat, rows, labels);
    Ok(flat)
}

/// A seeded choice of `share` of the columns, at least one, in order.
fn choose_features(columns: usize, share: f64, rng: &mut ChaCha8Rng) -> Vec<usize> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share in (0, 1] of at most 10,000 columns"
    )]
    let wanted = ((columns as f64 * share).ceil() as usize).clamp(1, columns);
    let mut chosen = rand::seq::index::sample(rng, columns, wanted).into_vec();
    chosen.sort_unstable();
    chosen
}

/// An inner node: rows with values up to `threshold` go to the first side.
struct Split {
    feature: usize,
    threshold: f64,
    sides: Box<(Grown, Grown)>,
}

/// A tree while it is rebuilt: what splits, and how the sample's votes fall.
struct Grown {
    split: Option<Split>,
    ones: usize,
    zeros: usize,
}

impl Grown {
    fn of(
        node: &TreeNode<f64, bool>,
        seen: &Array2<f64>,
        votes: &[bool],
        here: Vec<usize>,
    ) -> Self {
        let ones = here.iter().filter(|row| votes[**row]).count();
        let zeros = here.len() - ones;
        let children = node.children();
        let (feature, threshold, _) = node.split();
        let split = match (node.is_leaf(), children.as_slice()) {
            (false, [Some(left), Some(right)]) => {
                let (low, high) =
                    here.into_iter().partition(|row| seen[(*row, feature)] <= threshold);
                let sides = (Self::of(left, seen, votes, low), Self::of(right, seen, votes, high));
                Some(Split { feature, threshold, sides: Box::new(sides) })
            }
            _ => None,
        };
        Self { split, ones, zeros }
    }

    /// True when both may vote for the same class: a tie may vote for either.
    fn may_agree(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.ones.cmp(&self.zeros), other.ones.cmp(&other.zeros));
        ours.is_eq() || theirs.is_eq() || ours == theirs
    }

    fn merge(self) -> Self {
        let Self { split, ones, zeros } = self;
        let split = split.and_then(|Split { feature, threshold, sides }| {
            let (left, right) = (sides.0.merge(), sides.1.merge());
            let leaves = left.split.is_none() && right.split.is_none();
            let keep = !leaves || !left.may_agree(&right);
            keep.then(|| Split { feature, threshold, sides: Box::new((left, right)) })
        });
        Self { split, ones, zeros }
    }

    /// Appends the nodes, parents first, and gives the index of this one.
    fn flatten(&self, features: &[usize], tree: &mut Tree) -> u32 {
        let at = tree.value.len();
        tree.feature.push(0);
        tree.threshold.push(0.0);
        tree.left.push(0);
        tree.right.push(0);
        tree.value.push(0.0);
        if let Some(split) = &self.split {
            tree.feature[at] = index_u32(features[split.feature]);
            tree.threshold[at] = split.threshold;
            tree.left[at] = split.sides.0.flatten(features, tree);
            tree.right[at] = split.sides.1.flatten(features, tree);
        }
        index_u32(at)
    }
}

fn index_u32(index: usize) -> u32 {
    u32::try_from(index).expect("a tree of depth at most 32 over at most 2^32 rows has fewer nodes")
}

/// Counts the share of class 1 in every node over all training rows. A node that no row reaches gets its parent's.
fn fill_shares(tree: &mut Tree, rows: &Array2<f64>, labels: &[bool]) {
    let mut counts = vec![(0.0_f64, 0.0_f64); tree.value.len()];
    for (row, label) in rows.rows().into_iter().zip(labels) {
        let mut node = 0;
        loop {
            counts[node].0 += f64::from(u8::from(*label));
            counts[node].1 += 1.0;
            if tree.left[node] == 0 {
                break;
            }
            let low = row[tree.feature[node] as usize] <= tree.threshold[node];
            node = if low { tree.left[node] } else { tree.right[node] } as usize;
        }
    }
    for (node, (ones, all)) in counts.into_iter().enumerate() {
        if all > 0.0 {
            tree.value[node] = ones / all;
        }
        let share = tree.value[node];
        for child in [tree.left[node], tree.right[node]] {
            if child != 0 {
                tree.value[child as usize] = share;
            }
        }
    }
}
