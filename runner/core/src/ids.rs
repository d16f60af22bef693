//! Names of runs, jobs and steps. All are deterministic, so that starting twice finds the first.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Name of one run, unique in a store and sortable by time, such as `20261123-165512-k3f9q2`.
/// Lower-case letters, digits and dashes only: it is part of container and folder names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

/// Bits of a run's number below the seconds. With 31 bits of seconds the whole is exact in a JavaScript number, which is how actions
/// read `GITHUB_RUN_ID`.
const BELOW_SECOND: u32 = 22;

impl RunId {
    /// The run as the number that `github.run_id` is on GitHub: greater for later runs, and as good as unique.
    pub fn number(&self) -> u64 {
        let digest = Sha256::digest(self.0.as_bytes());
        let below = digest.iter().take(3).fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        (self.seconds().unwrap_or(0) << BELOW_SECOND) | (below % (1 << BELOW_SECOND))
    }

    /// The time in the name, seconds since 1970.
    fn seconds(&self) -> Option<u64> {
        let time = format!("{}+0000", self.0.get(..15)?);
        let time = Timestamp::strptime("%Y%m%d-%H%M%S%z", time).ok()?;
        u64::try_from(time.as_second()).ok()
    }
}

/// Name of one job instance inside a run: the job's id, and for a matrix instance `~` and its index (`test~3`). A job of a
/// called workflow has its caller's key and a dot before it (`deploy~0.test~3`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobKey(pub String);

impl JobKey {
    /// The key of instance `index` of job `id`; a job without a matrix has just its id.
    pub fn new(id: &str, index: Option<usize>) -> Self {
        match index {
            None => Self(id.to_owned()),
            Some(index) => Self(format!("{id}~{index}")),
        }
    }

    /// A name for files of the job: the key, cut short with a digest where nested calls make it longer than a file system takes.
    pub fn file_name(&self) -> String {
        const LONGEST: usize = 150;
        if self.0.len() <= LONGEST {
            return self.0.clone();
        }
        let digest = Sha256::digest(self.0.as_bytes());
        let digest: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        // Keys are ASCII: ids are, and so is what joins them.
        format!("{}-{digest}", self.0.get(..100).unwrap_or_default())
    }

    /// Id of the job `id` of the workflow that this job calls.
    pub fn called(&self, id: &str) -> String {
        format!("{}.{id}", self.0)
    }
}

/// Place of a step in its job: the index of the declared step, then of the inner step of a composite
/// action, and so on. Ordered as the steps run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepPath(pub Vec<u32>);

impl StepPath {
    /// The path of the declared step `index`.
    pub fn top(index: usize) -> Self {
        Self(vec![u32::try_from(index).unwrap_or(u32::MAX)])
    }

    /// The path of inner step `index` of this step.
    pub fn child(&self, index: usize) -> Self {
        let mut path = self.0.clone();
        path.push(u32::try_from(index).unwrap_or(u32::MAX));
        Self(path)
    }

    /// The path of the declared step that this one is, or is inside of.
    pub fn declared(&self) -> Self {
        Self(self.0.iter().take(1).copied().collect())
    }

    /// The path of the step that this one is an inner step of.
    pub fn parent(&self) -> Option<Self> {
        (self.0.len() > 1).then(|| Self(self.0[..self.0.len() - 1].to_vec()))
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

impl std::str::FromStr for StepPath {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split('.').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Serialize for StepPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One job instance of one run. Names the container and the work folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobUid {
    /// The run.
    pub run: RunId,
    /// The job instance.
    pub job: JobKey,
}

impl JobUid {
    /// A name that a container or a folder may have: `pawl-RUN-JOB`, with `.`, `~` and `_` replaced.
    pub fn container_name(&self) -> String {
        let job = self.job.file_name().replace('.', ".c").replace('~', ".m").replace('_', "-u");
        format!("pawl-{}-{job}", self.run.0)
    }
}

/// One attempt at one step of one job of one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepUid {
    /// The run.
    pub run: RunId,
    /// The job instance.
    pub job: JobKey,
    /// The step's place in the job.
    pub step: StepPath,
    /// The attempt, from 1.
    pub attempt: u32,
}

impl StepUid {
    /// The job that this step belongs to.
    pub fn job_uid(&self) -> JobUid {
        JobUid { run: self.run.clone(), job: self.job.clone() }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for JobUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.job)
    }
}

impl fmt::Display for StepUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.run, self.job, self.step, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::RunId;

    #[test]
    fn numbers_of_runs_grow_with_time_and_are_exact_in_javascript() {
        let number = |name: &str| RunId(name.to_owned()).number();
        let (early, late) = (number("20261128-091537-zzzzzz"), number("20261128-091538-000000"));
        assert!(early < late && late < 1 << 53, "{early} {late}");
        assert_eq!(early >> 22, 1_795_857_337, "seconds since 1970");
        assert_ne!(early, number("20261128-091537-2r3n2h"));
        assert!(number("anything else") < 1 << 22);
    }
}
