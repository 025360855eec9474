//! The group commit: everything that is logged to runs goes through one writer per process. While a commit is on its way to the
//! disk, requests gather; the next transaction writes all of them with a few statements, and each is answered when it is durable.
//! Nothing waits for company: a lone request is written at once.
//!
//! `work` says what can be written, `apply` writes a batch in one transaction, `fold` keeps what was logged where reads look.
//! A request that fails its checks fails alone. A batch that the database refuses is written again one by one, so that only the
//! culprit hears of it. A client that goes away changes nothing: what was queued is written.

mod apply;
mod fold;
mod work;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::App;
use crate::error::{Error, Kind, Result};

use fold::Folding;
pub use work::Batch;
pub(super) use work::{Attempt, Done, Log, OnParam, Refusal, Start, Work};

/// Requests of one transaction at most.
const MOST_REQUESTS: usize = 1024;
/// Bytes of one transaction, about: one request may have more.
const MOST_BYTES: usize = 4 << 20;
/// Bytes that may wait. More is refused, and the client told to come again.
const MOST_WAITING: usize = 64 << 20;
/// Times that a request lets others be heard before the writer goes on without company.
const PATIENCE: usize = 16;

/// What waits to be written.
#[derive(Default)]
pub struct Writer {
    queue: Mutex<Queue>,
    folding: Folding,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Entry>,
    bytes: usize,
    /// Whether a task is writing.
    running: bool,
}

struct Entry {
    work: Work,
    bytes: usize,
    answer: oneshot::Sender<Result<Done>>,
}

impl Writer {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the next transaction writes; nothing means that the writer rests.
    fn take(&self) -> Vec<Entry> {
        let mut queue = self.queue();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < MOST_REQUESTS && (taken.is_empty() || bytes < MOST_BYTES) {
            let Some(entry) = queue.waiting.pop_front() else { break };
            bytes += entry.bytes;
            taken.push(entry);
        }
        queue.bytes -= bytes;
        queue.running = !taken.is_empty();
        taken
    }

    fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }
}

impl App {
    /// Writes something together with what else waits; the answer means that it is durable, or was refused.
    pub(super) async fn write(&self, work: Work) -> Result<Done> {
        let (answer, answered) = oneshot::channel();
        let bytes = work.bytes();
        {
            let mut queue = self.writer().queue();
            if queue.bytes + bytes > MOST_WAITING && !queue.waiting.is_empty() {
                return Err(Error::new(Kind::ResourceExhausted, "too_much_waits", "more is logged than the database takes; try again"));
            }
            queue.bytes += bytes;
            queue.waiting.push_back(Entry { work, bytes, answer });
            if !std::mem::replace(&mut queue.running, true) {
                tokio::spawn(run(self.clone()));
            }
        }
        answered.await.unwrap_or_else(|_| Err(Error::internal("the writer broke off")))
    }
}

/// Writes until nothing waits.
async fn run(app: App) {
    let guard = Guard(app);
    let app = &guard.0;
    let mut last = 1;
    loop {
        gather(app, last).await;
        let batch = app.writer().take();
        if batch.is_empty() {
            return;
        }
        last = batch.len();
        commit(app, batch).await;
        app.fold_if_behind().await;
    }
}

/// Lets those who were answered just now send their next request, as long as more of them come: half of a batch would wait for a
/// commit of its own otherwise. Costs a lone request nothing.
async fn gather(app: &App, last: usize) {
    let mut seen = app.writer().waiting();
    for _ in 0..PATIENCE {
        if seen >= last {
            return;
        }
        tokio::task::yield_now().await;
        seen = app.writer().waiting();
    }
}

async fn commit(app: &App, batch: Vec<Entry>) {
    let works: Vec<&Work> = batch.iter().map(|entry| &entry.work).collect();
    match apply::apply(app, &works).await {
        Ok(done) => batch.into_iter().zip(done).for_each(|(entry, done)| entry.tell(done)),
        Err(e) if e.kind == Kind::Unavailable || batch.len() == 1 => {
            tracing::error!(error = %e, requests = batch.len(), "what was logged could not be written");
            let (kind, code, message) = (e.kind, e.code, e.message);
            batch.into_iter().for_each(|entry| entry.tell(Err(Error::new(kind, code, message.clone()))));
        }
        Err(e) => {
            tracing::warn!(error = %e, requests = batch.len(), "a commit of many requests failed; they are written one by one");
            for entry in batch {
                let done = apply::apply(app, &[&entry.work]).await.and_then(|mut done| done.pop().unwrap_or_else(nothing));
                entry.tell(done);
            }
        }
    }
}

fn nothing() -> Result<Done> {
    Err(Error::internal("a request was not answered"))
}

impl Entry {
    /// Answers; a client that went away hears nothing.
    fn tell(self, done: Result<Done>) {
        let _ = self.answer.send(done);
    }
}

/// Frees the place of the writing task, whatever ends it: those who wait hear of it, and the next request starts another.
struct Guard(App);

impl Drop for Guard {
    fn drop(&mut self) {
        let mut queue = self.0.writer().queue();
        if std::thread::panicking() {
            queue.running = false;
            queue.bytes = 0;
            queue.waiting.clear();
        }
    }
}
