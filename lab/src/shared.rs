//! Servers that tests break, one for all tests of a program: to start one for each would take most
//! of their time. One test has it at a time, in order; the others wait.

use anyhow::Result;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::{Broker, DatabaseServer};

/// A server that is one test's alone until this is dropped.
pub type Shared<T> = MappedMutexGuard<'static, T>;

static BROKER: Mutex<Option<Broker>> = Mutex::const_new(None);
static DATABASE: Mutex<Option<DatabaseServer>> = Mutex::const_new(None);

impl Broker {
    /// The broker that the tests of this program break in turn, whole again whatever was done to it
    /// before. Who breaks a database too asks for the broker first, else two tests wait for each
    /// other. It ends with the program.
    ///
    /// # Errors
    /// When it does not start, or cannot be healed.
    pub async fn shared() -> Result<Shared<Self>> {
        let mut slot = BROKER.lock().await;
        let broker = match slot.take() {
            Some(mut broker) => {
                broker.heal().await?;
                broker
            }
            None => Self::start().await?,
        };
        Ok(MutexGuard::map(slot, |slot| slot.insert(broker)))
    }
}

impl DatabaseServer {
    /// The Postgres that the tests of this program break in turn, whole again whatever was done to
    /// it before. Who breaks a broker too asks for that first. It ends with the program.
    ///
    /// # Errors
    /// When it does not start, or cannot be healed.
    pub async fn shared() -> Result<Shared<Self>> {
        let mut slot = DATABASE.lock().await;
        let server = match slot.take() {
            Some(mut server) => {
                server.heal().await?;
                server
            }
            None => Self::start().await?,
        };
        Ok(MutexGuard::map(slot, |slot| slot.insert(server)))
    }
}
