//! Looks at the clock each second: is it trusted, did it go back, what do readings that wait for it become, and what
//! is to be told to devices that have none.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pantau_journal::{FileLayer, Ticket};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::figures::value;
use crate::mqtt_server::Outbound;
use crate::spool::Spool;
use crate::trust::{Evidence, Trust};

/// A look at the clock. The ticket is that of a decision on the readings that waited for it.
pub(crate) fn look<F: FileLayer>(spool: &Spool<F>, trust: &mut Trust) -> Option<Ticket> {
    let wall = clock::now();
    let trusted = trust.look(Evidence { wall, synchronised: clock::synchronised() });
    let before = spool.counters().clock_trusted.swap(u64::from(trusted), Ordering::Relaxed) != 0;
    if trusted && !before {
        tracing::info!("the clock is trusted");
    }
    spool.look(wall, trusted).unwrap_or_else(|error| {
        tracing::debug!(%error, "what the clock says could not be journaled; the next look tries again");
        None
    })
}

/// Seconds between two times that the devices are told the time.
const TELL: u32 = 60;

/// Looks each second, lets readings go that waited for the clock, and tells devices the time.
pub(crate) async fn run<F: FileLayer>(
    spool: Spool<F>,
    mut trust: Trust,
    mut decided: Option<Ticket>,
    devices: Outbound,
    stop: CancellationToken,
) -> Result<(), String> {
    if value(&spool.counters().clock_trusted) == 0 {
        tracing::warn!(
            "the clock is not trusted yet: readings without a time of their own wait, for an hour at most; mend: see to its time server, or set gateway.clock"
        );
    }
    // So that the first time that is told is told to all.
    let mut told = TELL;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            done = async { match &mut decided {
                Some(ticket) => ticket.await,
                None => std::future::pending().await,
            } } => {
                done.map_err(|error| error.to_string())?;
                decided = None;
                spool.release_held();
            }
            () = sleep(Duration::from_secs(1)), if decided.is_none() => {
                decided = look(&spool, &mut trust);
                if value(&spool.counters().clock_trusted) != 0 {
                    told = if told >= TELL { 1 } else { told + 1 };
                    if let Err(error) = devices.time(clock::now(), told == 1) {
                        tracing::debug!(%error, "the time is not told");
                    }
                }
            }
        }
    }
}
