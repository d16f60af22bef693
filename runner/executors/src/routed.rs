//! Two executors behind one: jobs on the label `pawl-host` run on the host, all others in containers.

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use pawl_core::ids::{JobUid, RunId, StepUid};
use pawl_core::planner::HOST_LABEL;
use pawl_core::ports::{
    Attachment, Executor, ExecutorError, JobFacts, JobRequest, ServiceLog, StepRequest, StepSignal,
    StopLadder,
};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Sends each job to the executor that its image names. The way is learnt in `open_job`, which comes first after a restart,
/// too; a job that was never opened here counts as one in a container.
pub struct RoutedExecutor {
    containers: Arc<dyn Executor>,
    host: Arc<dyn Executor>,
    on_host: Mutex<HashSet<JobUid>>,
    /// Runs that have opened a job in a container here: an engine that a run never needed is not asked to clean up.
    in_containers: Mutex<HashSet<RunId>>,
}

impl RoutedExecutor {
    /// Jobs whose image is `pawl-host` go to `host`, all others to `containers`.
    #[must_use]
    pub fn new(containers: Arc<dyn Executor>, host: Arc<dyn Executor>) -> Self {
        Self { containers, host, on_host: Mutex::default(), in_containers: Mutex::default() }
    }

    fn of_job(&self, uid: &JobUid) -> &Arc<dyn Executor> {
        let on_host = self.on_host.lock().unwrap_or_else(PoisonError::into_inner);
        if on_host.contains(uid) { &self.host } else { &self.containers }
    }

    fn of_step(&self, uid: &StepUid) -> &Arc<dyn Executor> {
        self.of_job(&uid.job_uid())
    }
}

#[async_trait]
impl Executor for RoutedExecutor {
    async fn check(&self) -> Result<String, ExecutorError> {
        self.containers.check().await
    }

    async fn ready(&self) -> Result<(), ExecutorError> {
        self.containers.ready().await
    }

    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
        if request.image != HOST_LABEL {
            if let Some(uid) = &request.uid {
                let mut runs = self.in_containers.lock().unwrap_or_else(PoisonError::into_inner);
                runs.insert(uid.run.clone());
            }
            return self.containers.open_job(request).await;
        }
        if let Some(uid) = &request.uid {
            self.on_host.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone());
        }
        self.host.open_job(request).await
    }

    async fn job_facts(&self, uid: &JobUid) -> Result<JobFacts, ExecutorError> {
        self.of_job(uid).job_facts(uid).await
    }

    async fn service_logs(&self, uid: &JobUid) -> Vec<ServiceLog> {
        self.of_job(uid).service_logs(uid).await
    }

    async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError> {
        self.of_step(&request.uid).start(request).await
    }

    async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError> {
        // After a restart this comes before `open_job`, so that the way is not known yet. A run without containers must not
        // fail for want of an engine.
        match self.of_step(uid).attach(uid).await {
            Err(ExecutorError::Environment { .. }) => self.host.attach(uid).await,
            other => other,
        }
    }

    async fn follow(
        &self,
        uid: &StepUid,
        from: u64,
    ) -> Result<BoxStream<'static, StepSignal>, ExecutorError> {
        self.of_step(uid).follow(uid, from).await
    }

    async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError> {
        self.of_step(uid).stop(uid, ladder).await
    }

    fn workspace_path(&self, request: &JobRequest) -> String {
        let on_host = request.image == HOST_LABEL
            || request.uid.as_ref().is_some_and(|uid| Arc::ptr_eq(self.of_job(uid), &self.host));
        if on_host { &self.host } else { &self.containers }.workspace_path(request)
    }

    async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError> {
        self.of_job(uid).close_job(uid).await?;
        self.on_host.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        Ok(())
    }

    async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError> {
        self.host.close_run(run).await?;
        let runs = self.in_containers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if runs.contains(run) {
            self.containers.close_run(run).await?;
        }
        Ok(())
    }
}
