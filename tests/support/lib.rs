//! What the tests of the whole share: a world of real processes, orders, load, and the checker.

mod builder;
mod chaos;
mod checker;
mod load;
mod order;
mod rows;
mod seen;
mod settings;
mod world;

pub use builder::{Builder, FAIL, Roads};
pub use chaos::{
    Deed, Done, Ending, Fault, Place, Report, Server, Stage, Times, plan, publish, say, section,
};
pub use checker::{check, check_files, check_promised, check_sagas, check_within};
pub use load::{Load, Placed, Promised};
pub use order::{order, order_with};
pub use settings::ChaosSettings;
pub use world::{Answer, Said, World, definitions, step_of, undone};
