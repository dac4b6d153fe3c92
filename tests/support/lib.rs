//! What the tests of the whole share: a world of real processes, orders, load, and the checker.

mod chaos;
mod checker;
mod load;
mod order;
mod settings;
mod world;

pub use chaos::{Chaos, Victim, say};
pub use checker::{check, check_sagas, check_within};
pub use load::{Load, Placed};
pub use order::{order, order_with};
pub use settings::ChaosSettings;
pub use world::{Answer, Said, World, definitions, step_of};
