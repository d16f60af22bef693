//! Crashes at every call to the world: the runner dies before or after each of them, and the next one goes on.

use crate::recovering::{YAML, script};
use crate::rig::{Rig, essence, reader, run_id};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use pawl_core::ids::{JobUid, RunId, StepUid};
use pawl_core::ports::{
    Attachment, Executor, ExecutorError, JobRequest, StepRequest, StepSignal, StopLadder,
};
use pawl_executors::fake::{FakeCall, FakeExecutor};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Lets calls through until the one at which the runner dies: that one never returns.
struct Mortal {
    inner: FakeExecutor,
    calls: AtomicU64,
    dies_at: u64,
    /// It dies after the call had its effect.
    after: bool,
    death: Arc<Notify>,
}

impl Mortal {
    async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if number < self.dies_at {
            return call.await;
        }
        if number == self.dies_at && self.after {
            drop(call.await);
        }
        self.death.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Executor for Mortal {
    async fn check(&self) -> Result<String, ExecutorError> {
        self.inner.check().await
    }
    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
        self.pass(self.inner.open_job(request)).await
    }
    async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError> {
        self.pass(self.inner.start(request)).await
    }
    async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError> {
        self.pass(self.inner.attach(uid)).await
    }
    async fn follow(
        &self,
        uid: &StepUid,
        from: u64,
    ) -> Result<BoxStream<'static, StepSignal>, ExecutorError> {
        self.pass(self.inner.follow(uid, from)).await
    }
    async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError> {
        self.pass(self.inner.stop(uid, ladder)).await
    }
    fn workspace_path(&self, request: &JobRequest) -> String {
        self.inner.workspace_path(request)
    }
    async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError> {
        self.pass(self.inner.close_job(uid)).await
    }
    async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError> {
        self.pass(self.inner.close_run(run)).await
    }
}

/// Runs until the crash; false when the run ended before it came.
async fn run_until_death(rig: &Rig, dies_at: u64, after: bool) -> bool {
    let death = Arc::new(Notify::new());
    let mortal = Mortal {
        inner: rig.world.executor(),
        calls: AtomicU64::new(0),
        dies_at,
        after,
        death: Arc::clone(&death),
    };
    let engine = rig.engine_over(Arc::new(mortal));
    let (sink, _seen) = reader();
    tokio::select! {
        biased;
        // Dropping the run's future is the crash: its tasks end where they are.
        () = death.notified() => true,
        outcome = engine.run(rig.order(YAML), sink, &rig.cancel) => {
            outcome.unwrap();
            false
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_call_leads_to_the_same_end_and_runs_nothing_twice() {
    let original = Rig::new(script);
    let expected = essence(&original.run(YAML).await.0.unwrap());
    let processes = original.world.processes();
    let mut crashes = 0;
    for dies_at in 1.. {
        let mut is_over = false;
        for after in [false, true] {
            let rig = Rig::new(script);
            is_over = !run_until_death(&rig, dies_at, after).await;
            if is_over {
                break;
            }
            crashes += 1;
            // The lease of a process that died is free; here the process lives on.
            rig.journal.release(&run_id()).await.unwrap();
            let place = format!("crash at call {dies_at}, after {after}");
            let state = rig.resume().await.0.unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(essence(&state), expected, "{place}");
            assert_eq!(rig.world.processes(), processes, "{place}: each step ran exactly once");
            assert_eq!(rig.world.open_jobs(), [], "{place}");
            for (uid, count) in opened_after_close(&rig) {
                assert_eq!(count, 0, "{place}: {uid} was opened again after its end");
            }
        }
        if is_over {
            break;
        }
    }
    assert!(crashes > 40, "{crashes} crashes");
}

fn opened_after_close(rig: &Rig) -> HashMap<JobUid, usize> {
    let mut counts: HashMap<JobUid, usize> = HashMap::new();
    for call in rig.world.calls() {
        match call {
            FakeCall::CloseJob(uid) => drop(counts.insert(uid, 0)),
            FakeCall::OpenJob(uid) => {
                if let Some(count) = counts.get_mut(&uid) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    counts
}

macro_rules! passes_on {
    ($name:ident { $($changed:item)* }) => {
        #[async_trait]
        impl Executor for $name {
            async fn check(&self) -> Result<String, ExecutorError> {
                self.0.check().await
            }
            async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError> {
                self.0.attach(uid).await
            }
            async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError> {
                self.0.start(request).await
            }
            async fn follow(
                &self,
                uid: &StepUid,
                from: u64,
            ) -> Result<BoxStream<'static, StepSignal>, ExecutorError> {
                self.0.follow(uid, from).await
            }
            fn workspace_path(&self, request: &JobRequest) -> String {
                self.0.workspace_path(request)
            }
            async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError> {
                self.0.close_job(uid).await
            }
            async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError> {
                self.0.close_run(run).await
            }
            $($changed)*
        }
    };
}

/// Does not hear when it is told to stop a step.
pub(crate) struct Deaf(pub(crate) FakeExecutor);

passes_on!(Deaf {
    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
        self.0.open_job(request).await
    }
    async fn stop(&self, _uid: &StepUid, _ladder: StopLadder) -> Result<(), ExecutorError> {
        Ok(())
    }
});

/// Takes for ever to make a sandbox, as when an image is pulled.
pub(crate) struct Slow(pub(crate) FakeExecutor);

passes_on!(Slow {
    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
        self.0.open_job(request).await?;
        std::future::pending().await
    }
    async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError> {
        self.0.stop(uid, ladder).await
    }
});
