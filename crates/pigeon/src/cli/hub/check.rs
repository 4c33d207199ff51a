//! `pigeon hub --check`: checks settings and data, changes nothing.

use std::io::{self, Write};
use std::path::Path;

use pigeon_log::OpenError;
use pigeon_text::escape;

use super::{Args, door};
use crate::base::data;
use crate::base::status::Status;
use crate::base::system_error;
use crate::words::say;

/// Prints a line for each check: success on stdout, failure on stderr. The arguments, the
/// environment and the configuration file have been parsed before.
///
/// The status is 2 if a setting or file must be changed, and 1 if something could not be checked.
pub(super) fn run(args: &Args, unknown: &[String]) -> anyhow::Result<Status> {
    let mut report = Report { status: Status::Done };
    unknown.iter().for_each(|what| report.remark(what));
    match &args.config {
        Some(file) => report.good(&say!("hub-check-config", file = shown(file))),
        None => report.good(&say!("hub-check-no-config")),
    }
    let doors = args.doors();
    match door::check(doors, args.format.into()) {
        Ok(()) => {
            let doors: Vec<String> = doors.iter().map(ToString::to_string).collect();
            report.good(&say!("hub-check-doors", what = doors.join(", ")));
        }
        Err(error) => report.bad(Status::Usage, &say!("hub-check-doors", what = &error)),
    }
    match args.password() {
        Ok((password, warnings)) => {
            let asked = match password.is_some() {
                true => say!("hub-check-asked"),
                false => say!("hub-check-not-asked"),
            };
            report.good(&say!("hub-check-password", what = asked));
            warnings
                .iter()
                .for_each(|warning| report.remark(&say!("hub-check-password", what = warning)));
        }
        Err(error) => report.bad(
            Status::of(&error),
            &say!("hub-check-password", what = system_error::chain(&error)),
        ),
    }
    match args.cluster() {
        Ok((None, _)) => {}
        Ok((Some(_), warnings)) => {
            let brokers: Vec<String> = args.cluster.iter().map(ToString::to_string).collect();
            report.good(&say!("hub-check-cluster", what = brokers.join(", ")));
            warnings.iter().for_each(|warning| report.remark(warning));
        }
        Err(error) => report.bad(
            Status::of(&error),
            &say!("hub-check-cluster", what = system_error::chain(&error)),
        ),
    }
    let first = doors.first().map(|door| door.listen.to_string()).unwrap_or_default();
    match data::folder(args.data.as_deref(), &first) {
        Ok(folder) => examine(&mut report, &folder),
        Err(error) => {
            report.bad(Status::Usage, &say!("hub-check-data", what = system_error::chain(&error)))
        }
    }
    Ok(report.status)
}

fn examine(report: &mut Report, folder: &Path) {
    let folder_shown = shown(folder);
    match pigeon_log::check(folder) {
        Ok(()) => report.good(&say!("hub-check-whole", folder = &folder_shown)),
        Err(OpenError::Missing { .. }) => {
            report.good(&say!("hub-check-none-yet", folder = &folder_shown));
        }
        Err(error) => {
            let status = match error {
                OpenError::Folder { .. } | OpenError::Sqlite { .. } => Status::Failed,
                _ => Status::Usage,
            };
            report.bad(status, &say!("hub-check-data", what = system_error::whole(&error)));
        }
    }
}

struct Report {
    status: Status,
}

impl Report {
    /// Ignores closed output; the status remains.
    fn good(&self, line: &str) {
        let _ = writeln!(io::stdout(), "{line}");
    }

    fn remark(&self, line: &str) {
        let _ = writeln!(io::stderr(), "pigeon: {line}");
    }

    fn bad(&mut self, status: Status, line: &str) {
        self.remark(line);
        if self.status as i32 <= status as i32 {
            self.status = status;
        }
    }
}

fn shown(path: &Path) -> String {
    escape(&*path.to_string_lossy()).to_string()
}
