//! The end of the threads of buses, which app.rs starts.

use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long a stop waits for the calls to sensors that are under way.
const WAIT: Duration = Duration::from_secs(1);

/// Joins the threads of buses, each with its bus's name. Each ends once its bus is dropped and the call that it makes has
/// returned; one that hangs in the kernel is left behind and ends with the process.
pub async fn join(mut threads: Vec<(String, JoinHandle<()>)>) {
    let ended = async {
        while let Some((bus, thread)) = threads.pop() {
            while !thread.is_finished() {
                sleep(Duration::from_millis(5)).await;
            }
            if thread.join().is_err() {
                tracing::error!(bus, "the thread of a bus panicked");
            }
        }
    };
    if timeout(WAIT, ended).await.is_err() {
        tracing::warn!("a call to a sensor hangs; it is not waited for");
    }
}
