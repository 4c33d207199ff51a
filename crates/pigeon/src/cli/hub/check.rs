//! `pigeon hub --check`: examines settings and data, and changes nothing.

use std::io::{self, Write};
use std::path::Path;

use pigeon_log::OpenError;
use pigeon_text::escape;

use super::{Args, door};
use crate::base::data;
use crate::base::status::Status;

/// Prints a line for each thing examined: on stdout what is good, on stderr what is not. That the
/// arguments, the environment and the configuration file can be read is known by now.
///
/// The status is 2 where a setting or a file must be changed, and 1 where something could not be
/// examined.
pub(super) fn run(args: &Args, unknown: &[String]) -> anyhow::Result<Status> {
    let mut report = Report { status: Status::Done };
    unknown.iter().for_each(|what| report.remark(what));
    match &args.config {
        Some(file) => report.good(&format!("configuration: {} is good", shown(file))),
        None => report.good("configuration: no file is named"),
    }
    let doors = args.doors();
    match door::check(doors, args.format.into()) {
        Ok(()) => {
            let doors: Vec<String> = doors.iter().map(ToString::to_string).collect();
            report.good(&format!("doors: {}", doors.join(", ")));
        }
        Err(error) => report.bad(Status::Usage, &format!("doors: {error}")),
    }
    match args.password() {
        Ok((password, warnings)) => {
            let asked = if password.is_some() { "is asked" } else { "none is asked" };
            report.good(&format!("password: {asked}"));
            warnings.iter().for_each(|warning| report.remark(&format!("password: {warning}")));
        }
        Err(error) => report.bad(Status::of(&error), &format!("password: {error:#}")),
    }
    let first = doors.first().map(|door| door.listen.to_string()).unwrap_or_default();
    match data::folder(args.data.as_deref(), &first) {
        Ok(folder) => examine(&mut report, &folder),
        Err(error) => report.bad(Status::Usage, &format!("data: {error:#}")),
    }
    Ok(report.status)
}

fn examine(report: &mut Report, folder: &Path) {
    let folder_shown = shown(folder);
    match pigeon_log::check(folder) {
        Ok(()) => report.good(&format!("data: the log in {folder_shown} is whole")),
        Err(OpenError::Missing { .. }) => {
            report.good(&format!("data: no log is in {folder_shown} yet"));
        }
        Err(error) => {
            let status = match error {
                OpenError::Folder { .. } | OpenError::Sqlite { .. } => Status::Failed,
                _ => Status::Usage,
            };
            report.bad(status, &format!("data: {}", escape(&error.to_string())));
        }
    }
}

struct Report {
    status: Status,
}

impl Report {
    /// If nobody reads there is nobody to say it to; the status remains.
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
