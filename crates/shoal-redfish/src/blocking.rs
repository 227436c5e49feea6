//! The same client for programs without an async runtime. One thread of its own keeps the
//! connection alive and its timers running; callers wait on their own threads, so values are
//! borrowed as in any other call. As with all blocking code, it must not be called from within
//! an async task.

use std::{future::Future, thread::JoinHandle};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::{
    boot::{BootOnce, OverrideCleared},
    discover::Discovery,
    endpoint::{Endpoint, Options},
    error::Error,
    examine::Examined,
    flow::{Checkpoint, Report, Save, Urls},
    kind::Kind,
    media_url::MediaUrl,
    plan::{Plan, PlanRequest, Role},
    power::{PowerOn, Sight},
    record::Recording,
    slot::SlotRef,
    transcript::{Counts, Exchange},
};

/// A blocking connection to one BMC. Dropping it ends its thread; call [`Bmc::close`] first to log out.
#[derive(Debug)]
pub struct Bmc {
    inner: crate::Bmc,
    /// Last, so that the connection is closed while its runtime still turns.
    worker: Worker,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start() -> Result<Self, Error> {
        let failed =
            |error: std::io::Error| Error::new(Kind::Unreachable).because(error.to_string());
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread =
            std::thread::Builder::new().name("shoal-redfish".to_owned()).spawn(move || {
                // Ends when the sender is used or dropped; both mean stop.
                let _ = runtime.block_on(stopped);
            });
        Ok(Self { handle, stop: Some(stop), thread: Some(thread.map_err(failed)?) })
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by its own hook; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Bmc {
    /// See [`crate::Bmc::connect`].
    ///
    /// # Errors
    /// As there; also when no thread can be started.
    pub fn connect(endpoint: Endpoint, options: Options) -> Result<Self, Error> {
        let worker = Worker::start()?;
        let inner = worker.run(async move { crate::Bmc::connect(endpoint, options).await })?;
        Ok(Self { inner, worker })
    }

    /// See [`crate::Bmc::resume`].
    ///
    /// # Errors
    /// As there; also when no thread can be started.
    pub fn resume(endpoint: &Endpoint, options: Options, plan: &Plan) -> Result<Self, Error> {
        Ok(Self { inner: crate::Bmc::resume(endpoint, options, plan)?, worker: Worker::start()? })
    }

    /// See [`crate::Bmc::prepare`].
    ///
    /// # Errors
    /// As there; also when no thread can be started.
    pub fn prepare(endpoint: &Endpoint, options: Options) -> Result<Self, Error> {
        Ok(Self { inner: crate::Bmc::prepare(endpoint, options)?, worker: Worker::start()? })
    }

    /// See [`crate::Bmc::examine`].
    pub fn examine(&self, request: &PlanRequest) -> Examined {
        self.worker.run(self.inner.examine(request))
    }

    /// See [`crate::Bmc::record`].
    ///
    /// # Errors
    /// As there.
    pub fn record(&self) -> Result<Recording, Error> {
        self.worker.run(self.inner.record())
    }

    /// See [`crate::Bmc::look`].
    ///
    /// # Errors
    /// As there.
    pub fn look(&self) -> Result<Sight, Error> {
        self.worker.run(self.inner.look())
    }

    /// See [`crate::Bmc::discover`].
    ///
    /// # Errors
    /// As there.
    pub fn discover(&self) -> Result<Discovery, Error> {
        self.worker.run(self.inner.discover())
    }

    /// See [`crate::Bmc::discover_machine`].
    ///
    /// # Errors
    /// As there.
    pub fn discover_machine(&self, name: &str) -> Result<Discovery, Error> {
        self.worker.run(self.inner.discover_machine(name))
    }

    /// See [`crate::Bmc::ensure_media_on`].
    ///
    /// # Errors
    /// As there.
    pub fn ensure_media_on(&self, discovery: &Discovery) -> Result<bool, Error> {
        self.worker.run(self.inner.ensure_media_on(discovery))
    }

    /// See [`crate::Bmc::ensure_off`].
    ///
    /// # Errors
    /// As there.
    pub fn ensure_off(&self, plan: &Plan) -> Result<(), Error> {
        self.worker.run(self.inner.ensure_off(plan))
    }

    /// See [`crate::Bmc::ensure_ejected`].
    ///
    /// # Errors
    /// As there.
    pub fn ensure_ejected(&self, plan: &Plan) -> Result<(), Error> {
        self.worker.run(self.inner.ensure_ejected(plan))
    }

    /// See [`crate::Bmc::ensure_inserted`].
    ///
    /// # Errors
    /// As there.
    pub fn ensure_inserted(
        &self,
        plan: &Plan,
        role: Role,
        url: &MediaUrl,
    ) -> Result<SlotRef, Error> {
        self.worker.run(self.inner.ensure_inserted(plan, role, url))
    }

    /// See [`crate::Bmc::ensure_boot_once`].
    ///
    /// # Errors
    /// As there.
    pub fn ensure_boot_once(&self, plan: &Plan) -> Result<BootOnce, Error> {
        self.worker.run(self.inner.ensure_boot_once(plan))
    }

    /// See [`crate::Bmc::ensure_override_cleared`].
    ///
    /// # Errors
    /// As there.
    pub fn ensure_override_cleared(&self, plan: &Plan) -> Result<OverrideCleared, Error> {
        self.worker.run(self.inner.ensure_override_cleared(plan))
    }

    /// See [`crate::Bmc::power_on`].
    ///
    /// # Errors
    /// As there.
    pub fn power_on(&self, plan: &Plan) -> Result<PowerOn, Error> {
        self.worker.run(self.inner.power_on(plan))
    }

    /// See [`crate::Bmc::apply`].
    ///
    /// # Errors
    /// As there.
    pub fn apply(
        &self,
        plan: &Plan,
        urls: &Urls,
        checkpoint: &mut Checkpoint,
        save: Save<'_>,
    ) -> Result<Report, Error> {
        self.worker.run(self.inner.apply(plan, urls, checkpoint, save))
    }

    /// See [`crate::Bmc::revert`].
    ///
    /// # Errors
    /// As there.
    pub fn revert(
        &self,
        plan: &Plan,
        checkpoint: &mut Checkpoint,
        save: Save<'_>,
    ) -> Result<Report, Error> {
        self.worker.run(self.inner.revert(plan, checkpoint, save))
    }

    /// See [`crate::Bmc::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(&self) -> Result<(), Error> {
        self.worker.run(self.inner.close())
    }

    /// See [`crate::Bmc::requests`].
    pub fn requests(&self) -> Counts {
        self.inner.requests()
    }

    /// See [`crate::Bmc::transcript`].
    pub fn transcript(&self) -> Vec<Exchange> {
        self.inner.transcript()
    }
}
