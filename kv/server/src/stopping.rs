//! The word that everything is to stop.

use tokio::sync::watch;

/// Says it.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Hears it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<bool>);

/// A pair of those.
pub fn channel() -> (Stop, Stopping) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Stopping(receiver))
}

impl Stop {
    /// Everything is to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stopping {
    /// Returns when everything is to stop.
    pub async fn wait(&self) {
        // An error means that whoever could say so has gone, which says the same.
        let _ = self.0.clone().wait_for(|stopping| *stopping).await;
    }
}
