//! Files of definitions, one for each rule: nothing is told of the good ones, and of each bad one
//! the message beside it; the format's JSON Schema agrees, and what is made out of all of them
//! neither breaks nor holds up the loader.

mod files;
mod format;
mod hostile;
mod messages;
