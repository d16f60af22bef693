//! Steps as processes of this machine, without a container: no isolation, no image, nothing to install.

use crate::agent::{self, COOKIE, session};
use crate::link::{Link, LinkError, Next};
use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use pawl_core::ids::{JobUid, RunId, StepUid};
use pawl_core::ports::{
    Attachment, CommandFiles, Executor, ExecutorError, ExitKind, JobRequest, StepExit, StepRequest,
    StepSignal, StopLadder,
};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncReadExt;

/// What the host gives to steps; nothing else of the runner's own environment reaches them.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// `PATH`.
    pub path: String,
    /// `HOME`.
    pub home: PathBuf,
    /// Folder for scripts and command files, such as `/tmp`.
    pub temp: PathBuf,
    /// The pawl binary, for built-in actions.
    pub pawl: PathBuf,
}

#[derive(Debug)]
struct Job {
    link: Arc<Link>,
    marker: PathBuf,
    /// An earlier process had this sandbox, and what it started is not known here.
    reopened: bool,
}

/// Runs steps on this host.
#[derive(Debug)]
pub struct HostExecutor {
    settings: HostSettings,
    jobs: Mutex<HashMap<JobUid, Job>>,
}

impl HostExecutor {
    /// Nothing happens before the first job.
    #[must_use]
    pub fn new(settings: HostSettings) -> Self {
        Self { settings, jobs: Mutex::new(HashMap::new()) }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobUid, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, job: &JobUid) -> Option<Arc<Link>> {
        self.jobs().get(job).map(|job| Arc::clone(&job.link))
    }

    fn env(&self, request: &JobRequest) -> Vec<(OsString, OsString)> {
        let own = [
            ("PATH".into(), OsString::from(&self.settings.path)),
            ("HOME".into(), self.settings.home.clone().into()),
        ];
        let given = request.env.iter().map(|(name, value)| (name.into(), value.into()));
        let cookie = (COOKIE.into(), cookie(&request.workspace).into());
        own.into_iter().chain(given).chain([cookie]).collect()
    }

    /// Starts an agent on threads of this process.
    fn connect(&self, request: &JobRequest) -> io::Result<Link> {
        let (ours, theirs) = UnixStream::pair()?;
        let reports = theirs.try_clone()?;
        let sandbox = agent::host(
            &request.workspace,
            self.env(request),
            &self.settings.pawl,
            self.settings.temp.clone(),
        )?;
        std::thread::Builder::new().name("host agent".to_owned()).spawn(move || {
            let orders = io::BufReader::new(theirs);
            if let Err(error) = agent::serve(orders, reports, sandbox) {
                tracing::error!(%error, "the host's agent could not start");
            }
        })?;
        ours.set_nonblocking(true)?;
        let (input, output) = tokio::net::UnixStream::from_std(ours)?.into_split();
        let chunks = futures_util::stream::unfold(input, |mut input| async {
            let mut chunk = vec![0_u8; 64 << 10];
            match input.read(&mut chunk).await {
                Ok(0) | Err(_) => None,
                Ok(count) => {
                    chunk.truncate(count);
                    Some((Ok(Bytes::from(chunk)), input))
                }
            }
        });
        Ok(Link::new(chunks.boxed(), Box::pin(output)))
    }
}

/// Marks the processes of a sandbox, so that a later process finds what this one left when it was killed.
fn cookie(workspace: &Path) -> String {
    format!("pawl:{}", workspace.display())
}

/// File beside the workspace that says that a sandbox is open.
fn marker(workspace: &Path) -> PathBuf {
    let mut name = workspace.file_name().unwrap_or_default().to_owned();
    name.push(".open");
    workspace.with_file_name(name)
}

fn environment(error: &io::Error) -> ExecutorError {
    let hint = if error.kind() == io::ErrorKind::StorageFull {
        "free some space on the disk".to_owned()
    } else {
        "look at the permissions of the work folder and the temporary folder".to_owned()
    };
    ExecutorError::Environment { message: format!("cannot run steps on this host: {error}"), hint }
}

fn broken(error: &LinkError) -> ExecutorError {
    ExecutorError::Internal(error.to_string())
}

fn not_open(job: &JobUid) -> ExecutorError {
    ExecutorError::Internal(format!("the job {job} is not open"))
}

fn lost(reason: &str) -> StepSignal {
    StepSignal::Exit(StepExit {
        kind: ExitKind::Lost(reason.to_owned()),
        files: CommandFiles::default(),
        duration_ms: 0,
        log_dropped_bytes: 0,
        is_out_of_memory: false,
    })
}

#[async_trait]
impl Executor for HostExecutor {
    async fn check(&self) -> Result<String, ExecutorError> {
        Ok("this host, without isolation".to_owned())
    }

    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
        let uid = request
            .uid
            .clone()
            .ok_or_else(|| ExecutorError::Internal("a job needs a name".into()))?;
        if self.link(&uid).is_some() {
            return Ok(true);
        }
        if !request.workspace.is_dir() {
            return Err(ExecutorError::Internal(format!(
                "the workspace {} does not exist",
                request.workspace.display()
            )));
        }
        let marker = marker(&request.workspace);
        let reopened = marker.exists();
        if reopened {
            session::kill_marked(&format!("{COOKIE}={}", cookie(&request.workspace)));
        }
        // Connected first: a sandbox that could not be opened leaves no marker.
        let link = self.connect(request).map_err(|error| environment(&error))?;
        link.greet().await.map_err(|error| broken(&error))?;
        std::fs::write(&marker, b"").map_err(|error| environment(&error))?;
        self.jobs().insert(uid, Job { link: Arc::new(link), marker, reopened });
        Ok(reopened)
    }

    async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError> {
        let job = request.uid.job_uid();
        let link = self.link(&job).ok_or_else(|| not_open(&job))?;
        link.start(request).await.map_err(|error| broken(&error))
    }

    async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError> {
        let known =
            self.jobs().get(&uid.job_uid()).map(|job| (Arc::clone(&job.link), job.reopened));
        let lost = || Attachment::Lost("the process that ran it on this host ended".to_owned());
        let Some((link, reopened)) = known else { return Ok(lost()) };
        let present = link.knows(uid).await.map_err(|error| broken(&error))?;
        Ok(match (present, reopened) {
            (true, _) => Attachment::Present,
            (false, true) => lost(),
            (false, false) => Attachment::NeverStarted,
        })
    }

    async fn follow(
        &self,
        uid: &StepUid,
        from: u64,
    ) -> Result<BoxStream<'static, StepSignal>, ExecutorError> {
        let Some(link) = self.link(&uid.job_uid()) else {
            let gone = lost("the process that ran it on this host ended");
            return Ok(futures_util::stream::iter([gone]).boxed());
        };
        let follow = link.follow(uid, from).await.map_err(|error| broken(&error))?;
        let signals = futures_util::stream::unfold(Some(follow), |follow| async {
            let mut follow = follow?;
            Some(match follow.next().await {
                Next::Signal(signal @ StepSignal::Line { .. }) => (signal, Some(follow)),
                Next::Signal(exit) => (exit, None),
                Next::Unknown => (lost("it was never started here"), None),
                Next::Gone => (lost("the job was closed"), None),
            })
        });
        Ok(signals.boxed())
    }

    async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError> {
        match self.link(&uid.job_uid()) {
            Some(link) => link.stop(uid, ladder).await.map_err(|error| broken(&error)),
            None => Ok(()),
        }
    }

    fn workspace_path(&self, request: &JobRequest) -> String {
        request.workspace.to_string_lossy().into_owned()
    }

    async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError> {
        let Some(job) = self.jobs().remove(uid) else { return Ok(()) };
        job.link.close().await.map_err(|error| broken(&error))?;
        match std::fs::remove_file(&job.marker) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(environment(&error)),
            _ => Ok(()),
        }
    }

    async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError> {
        let jobs: Vec<JobUid> = self.jobs().keys().filter(|job| job.run == *run).cloned().collect();
        for job in jobs {
            self.close_job(&job).await?;
        }
        Ok(())
    }
}
