//! A step's command files: made before it, read after it, gone with it.

use pawl_core::ports::CommandFiles;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Most that one command file may hold. GitHub's limit for outputs and summaries.
pub(crate) const FILE_LIMIT: usize = 1 << 20;

const SUMMARY: usize = 4;

/// Variables that name the files, in the order of `StepFiles::paths`.
const VARIABLES: [&str; 6] = [
    "GITHUB_OUTPUT",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "PAWL_REPORT",
];

/// A folder that only the agent's user may enter, under the first root that lets us.
#[derive(Debug)]
pub(crate) struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// Makes it. A missing root is made as `/tmp` should be: an image from scratch has none.
    pub(crate) fn new(roots: &[PathBuf]) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no folder for temporary files");
        for root in roots {
            let made = ensure_root(root).and_then(|()| {
                let path = root.join(format!("pawl-{}", random_name()?));
                make_private(&path)?;
                Ok(path)
            });
            match made {
                Ok(path) => return Ok(Self { path }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Makes a new empty file that only this user may touch. A step may have emptied `/tmp`: then the folder is made
    /// again.
    fn file(&self, ending: &str, mode: u32) -> io::Result<(PathBuf, File)> {
        let path = self.path.join(format!("{}{ending}", random_name()?));
        let open =
            || std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(&self.path)?;
                open()?
            }
            other => other?,
        };
        Ok((path, file))
    }

    /// Removes it with everything in it.
    pub(crate) fn remove(&self) {
        // Already gone, or not ours any more: either way nothing is left to do.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn ensure_root(root: &Path) -> io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    std::fs::create_dir(root)?;
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o1777))
}

fn make_private(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// 128 bits that nobody can guess, in hex.
pub(crate) fn random_name() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The files of one step.
#[derive(Debug)]
pub(crate) struct StepFiles {
    paths: [PathBuf; 6],
    script: Option<PathBuf>,
}

impl StepFiles {
    /// Makes them.
    pub(crate) fn new(temp: &TempDir) -> io::Result<Self> {
        let mut paths: [PathBuf; 6] = Default::default();
        for path in &mut paths {
            *path = temp.file("", 0o600)?.0;
        }
        Ok(Self { paths, script: None })
    }

    /// Adds the step's script and gives its path.
    pub(crate) fn write_script(
        &mut self,
        temp: &TempDir,
        body: &str,
        extension: &str,
    ) -> io::Result<PathBuf> {
        let (path, mut file) = temp.file(extension, 0o700)?;
        self.script = Some(path.clone());
        file.write_all(body.as_bytes())?;
        Ok(path)
    }

    /// The variables that tell the step about them.
    pub(crate) fn env(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        VARIABLES.into_iter().zip(self.paths.iter().map(PathBuf::as_path))
    }

    /// What they hold; an error says what is wrong with which, for the user. Too long a summary is left out with a warning, for it
    /// only informs, and so is one that is no file any more; half of anything else would be wrong.
    pub(crate) fn read(&self) -> Result<CommandFiles, String> {
        let mut texts: [String; 6] = Default::default();
        let mut warnings = Vec::new();
        for (index, (variable, path)) in self.env().enumerate() {
            let (text, size) = match read_capped(path) {
                Ok(read) => read,
                Err(error) if index == SUMMARY => {
                    warnings.push(format!("cannot read the step's {variable}: {error}"));
                    continue;
                }
                Err(error) => return Err(format!("cannot read the step's {variable}: {error}")),
            };
            texts[index] = text;
            if size <= FILE_LIMIT as u64 {
                continue;
            }
            if index != SUMMARY {
                return Err(format!(
                    "the step's {variable} holds {size} bytes, more than the {FILE_LIMIT} that are allowed"
                ));
            }
            texts[index].clear();
            warnings.push(format!(
                "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of {}k, got {}k.",
                FILE_LIMIT / 1024,
                size / 1024
            ));
        }
        let [output, env, path, state, summary, report] = texts;
        Ok(CommandFiles { output, env, path, state, summary, report, warnings })
    }

    /// Removes them.
    pub(crate) fn remove(&self) {
        for path in self.paths.iter().chain(&self.script) {
            // The step may have removed it itself.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The first `FILE_LIMIT` bytes as text, and the file's size. A file that the step removed is empty. The step may have
/// put anything in its place: links are not followed, and only a regular file is read.
fn read_capped(path: &Path) -> io::Result<(String, u64)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Ok((String::new(), 0)),
        Err(rustix::io::Errno::LOOP) => return Err(io::Error::other("it is a symbolic link")),
        Err(error) => return Err(error.into()),
    };
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT as u64).read_to_end(&mut bytes)?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), facts.len().max(bytes.len() as u64)))
}

#[cfg(test)]
mod tests {
    use super::{FILE_LIMIT, StepFiles, TempDir};
    use std::path::PathBuf;

    fn files() -> (tempfile::TempDir, TempDir, StepFiles) {
        let root = tempfile::tempdir().unwrap();
        let temp = TempDir::new(&[root.path().join("tmp")]).unwrap();
        let files = StepFiles::new(&temp).unwrap();
        (root, temp, files)
    }

    fn path(files: &StepFiles, variable: &str) -> PathBuf {
        files.env().find(|(name, _)| *name == variable).unwrap().1.to_owned()
    }

    #[test]
    fn what_a_step_writes_comes_back_and_the_files_go() {
        let (_root, _temp, files) = files();
        std::fs::write(path(&files, "GITHUB_OUTPUT"), "a=1\n").unwrap();
        std::fs::write(path(&files, "PAWL_REPORT"), "{}").unwrap();
        let read = files.read().unwrap();
        assert_eq!(
            (read.output.as_str(), read.report.as_str(), read.env.as_str()),
            ("a=1\n", "{}", "")
        );
        files.remove();
        assert!(!path(&files, "GITHUB_OUTPUT").exists());
        assert_eq!(files.read().unwrap().output, "");
    }

    #[test]
    fn a_link_or_a_folder_in_place_of_a_file_is_refused() {
        let (_root, _temp, files) = files();
        let output = path(&files, "GITHUB_OUTPUT");
        std::fs::remove_file(&output).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &output).unwrap();
        assert_eq!(
            files.read().unwrap_err(),
            "cannot read the step's GITHUB_OUTPUT: it is a symbolic link"
        );
        std::fs::remove_file(&output).unwrap();
        std::fs::create_dir(&output).unwrap();
        assert!(files.read().unwrap_err().ends_with("it is not a regular file"));
    }

    #[test]
    fn too_long_an_output_fails_and_too_long_a_summary_is_left_out() {
        let (_root, _temp, files) = files();
        let long = "x".repeat(FILE_LIMIT + 1);
        std::fs::write(path(&files, "GITHUB_STEP_SUMMARY"), &long).unwrap();
        let read = files.read().unwrap();
        assert_eq!(read.summary, "");
        assert_eq!(
            read.warnings,
            [
                "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got 1024k."
            ]
        );
        std::fs::write(path(&files, "GITHUB_OUTPUT"), &long).unwrap();
        assert_eq!(
            files.read().unwrap_err(),
            "the step's GITHUB_OUTPUT holds 1048577 bytes, more than the 1048576 that are allowed"
        );
        std::fs::write(path(&files, "GITHUB_OUTPUT"), &long[..FILE_LIMIT]).unwrap();
        assert_eq!(files.read().unwrap().output.len(), FILE_LIMIT);
    }

    #[test]
    fn a_step_that_emptied_the_temporary_folder_does_not_break_the_next() {
        let (_root, temp, _files) = files();
        temp.remove();
        assert!(StepFiles::new(&temp).is_ok());
    }
}
