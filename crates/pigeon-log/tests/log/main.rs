//! The log on real files. `kill` and `power` also run as children, which are this same program.

mod append;
mod damage;
mod deleting;
mod files;
mod kill;
mod power;
mod search;
mod support;
mod transfer;
mod trouble;
mod upgrade;
