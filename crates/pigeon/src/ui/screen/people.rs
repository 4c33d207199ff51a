//! The list of a room's members in columns: people first, then programs that only send.

use super::model::Model;
use crate::words::say_in;

/// The widest name shown in full.
const WIDEST: usize = 34;

/// A row of names in columns of equal width; a heading has one.
pub(crate) struct Row {
    pub(crate) names: Vec<String>,
    pub(crate) width: usize,
    pub(crate) is_heading: bool,
}

/// The list's rows at this width.
pub(crate) fn rows(model: &Model, columns: usize) -> Vec<Row> {
    let (language, members) = (model.language, &model.members);
    let heading = |text: String| Row { names: vec![text], width: columns, is_heading: true };
    let known = members.people.len() as u64;
    let room = pigeon_text::escape(model.here.as_deref().unwrap_or_default()).to_string();
    let people = say_in!(language, "screen-people", people = known.saturating_add(members.more));
    let everybody = say_in!(language, "screen-everybody", people = &people, room = &room);
    let mut rows = vec![heading(everybody)];
    rows.extend(in_columns(&members.people, columns));
    if members.more > 0 {
        rows.push(heading(say_in!(language, "screen-more-unnamed", more = members.more)));
    }
    if !members.senders.is_empty() {
        rows.push(heading(String::new()));
        let senders = say_in!(language, "screen-senders", senders = members.senders.len());
        rows.push(heading(senders));
        rows.extend(in_columns(&members.senders, columns));
    }
    rows
}

fn in_columns(names: &[String], columns: usize) -> Vec<Row> {
    let names: Vec<String> = names.iter().map(|n| pigeon_text::escape(n).to_string()).collect();
    let widest = names.iter().map(|name| pigeon_text::width(name)).max().unwrap_or(0);
    let width = widest.min(WIDEST) + 2;
    let row = |names: &[String]| Row { names: names.to_vec(), width, is_heading: false };
    names.chunks((columns / width).max(1)).map(row).collect()
}
