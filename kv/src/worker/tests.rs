//! Tests of both drivers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::manual::ManualWorker;
use super::threads::Worker;
use super::{Runnable, Scheduler, Stopped};

/// A number to be remembered, and something that counts its end.
#[derive(Debug)]
struct Task(u32, Arc<AtomicUsize>);

impl Drop for Task {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Tells the test what it runs, and goes on when the test says so.
struct Runner {
    started: Sender<u32>,
    go: Receiver<()>,
}

impl Runnable for Runner {
    type Task = Task;

    fn run(&mut self, task: Task) {
        self.started.send(task.0).expect("the test listens");
        assert!(task.0 < 100, "as planned");
        // The test may have gone already.
        let _ = self.go.recv();
    }
}

struct Bench {
    runner: Runner,
    started: Receiver<u32>,
    go: Sender<()>,
    dropped: Arc<AtomicUsize>,
}

fn bench() -> Bench {
    let ((started_sender, started), (go, go_receiver)) = (channel(), channel());
    let runner = Runner { started: started_sender, go: go_receiver };
    Bench { runner, started, go, dropped: Arc::new(AtomicUsize::new(0)) }
}

fn schedule(scheduler: &Scheduler<Task>, numbers: impl IntoIterator<Item = u32>, dropped: &Arc<AtomicUsize>) {
    for number in numbers {
        scheduler.schedule(Task(number, dropped.clone())).expect("the worker runs");
    }
}

#[test]
fn a_thread_runs_tasks_in_order() {
    let Bench { runner, started, go, dropped } = bench();
    let (worker, scheduler) = Worker::start("test", runner).unwrap();
    schedule(&scheduler, 0..50, &dropped);
    for number in 0..50 {
        assert_eq!(started.recv(), Ok(number));
        go.send(()).unwrap();
    }
    worker.stop();
    assert_eq!(dropped.load(Ordering::SeqCst), 50);
}

#[test]
fn stopping_finishes_the_task_under_way_and_drops_the_rest() {
    let Bench { runner, started, go, dropped } = bench();
    let (worker, scheduler) = Worker::start("test", runner).unwrap();
    schedule(&scheduler, 0..3, &dropped);
    assert_eq!(started.recv(), Ok(0));
    // The stop is under way once tasks are refused; only then may the first task end.
    let (other, count) = (scheduler.clone(), dropped.clone());
    let helper = std::thread::Builder::new().spawn(move || {
        let mut refused = 0;
        while refused == 0 {
            refused += usize::from(other.schedule(Task(9, count.clone())).is_err());
            std::thread::yield_now();
        }
        go.send(()).unwrap();
    });
    worker.stop();
    helper.unwrap().join().unwrap();
    assert_eq!(started.try_iter().count(), 0, "no other task was begun");
    assert!(dropped.load(Ordering::SeqCst) >= 4);
    let Stopped(task) = scheduler.schedule(Task(7, dropped.clone())).unwrap_err();
    assert_eq!(task.0, 7);
}

#[test]
fn dropping_a_worker_stops_it() {
    let Bench { runner, started, dropped, .. } = bench();
    let (worker, scheduler) = Worker::start("test", runner).unwrap();
    drop(worker);
    assert!(scheduler.schedule(Task(1, dropped)).is_err());
    assert!(started.recv().is_err(), "the runner is gone");
}

#[test]
fn a_panic_goes_on_in_whoever_stops_the_worker() {
    let Bench { runner, started, dropped, .. } = bench();
    let (worker, scheduler) = Worker::start("test", runner).unwrap();
    schedule(&scheduler, [100], &dropped);
    assert_eq!(started.recv(), Ok(100));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker.stop())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"as planned"));
}

#[test]
fn a_manual_worker_runs_one_task_when_told() {
    let Bench { runner, started, go, dropped } = bench();
    let mut worker = ManualWorker::new(runner);
    let scheduler = worker.scheduler();
    assert!(!worker.run_one());
    schedule(&scheduler, 1..=3, &dropped);
    assert_eq!(worker.pending(), 3);
    for number in 1..=2 {
        go.send(()).unwrap();
        assert!(worker.run_one());
        assert_eq!(started.try_recv(), Ok(number));
    }
    assert_eq!((worker.pending(), dropped.load(Ordering::SeqCst)), (1, 2));
    drop(worker);
    assert_eq!(dropped.load(Ordering::SeqCst), 3, "the task that waited is dropped");
    assert!(scheduler.schedule(Task(4, dropped)).is_err());
}
