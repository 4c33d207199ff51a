//! The model as cells. Pure: the same model on the same area gives the same cells.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::colors::Look;
use super::help;
use super::keys::MAX_PASTED;
use super::layout::Areas;
use super::log::{Kind, Row, find_in, fold};
use super::model::{Mode, Model};
use super::update::{PlaceId, Presence};
use super::wrap::{cautious, clusters, columns};
use crate::base::count::count;

/// Draws everything, and says where the cursor stands: where typing happens, so that an input
/// method shows its candidates there.
pub(crate) fn draw(model: &Model, look: Look, buffer: &mut Buffer) -> Option<Position> {
    let area = buffer.area;
    let areas = Areas::of((area.width, area.height), model.side_width());
    draw_side(model, look, areas.side, buffer);
    for y in areas.border.top()..areas.border.bottom() {
        put(buffer, Rect::new(areas.border.x, y, areas.border.width, 1), 0, "│", look.dim());
    }
    draw_header(model, look, areas.header, buffer);
    match &model.mode {
        Mode::Help(at) => draw_help(model, look, *at, areas.messages, buffer),
        Mode::Pasted(lines) => {
            // At most half of what can be seen is covered.
            let covered = (lines.len() as u16).min(areas.messages.height / 2);
            let (above, below) = split(areas.messages, covered);
            draw_messages(model, look, &areas, above, buffer);
            draw_pasted(lines, look, below, buffer);
        }
        _ => draw_messages(model, look, &areas, areas.messages, buffer),
    }
    draw_status(model, look, &areas, buffer);
    draw_input(model, look, areas.input, buffer)
}

fn split(area: Rect, below: u16) -> (Rect, Rect) {
    let above = area.height - below;
    (Rect { height: above, ..area }, Rect { y: area.y + above, height: below, ..area })
}

/// Writes text into the first row of `area`, from its column `at` on, as far as there is room.
/// Returns the column behind it.
fn put(buffer: &mut Buffer, area: Rect, at: usize, text: &str, style: Style) -> usize {
    let most = usize::from(area.width);
    let mut column = at;
    if area.height == 0 {
        return column;
    }
    for (_, cluster) in clusters(text) {
        let wide = columns(cluster);
        // Nothing unescaped may come as far as this; what does is not drawn.
        if column + cautious(cluster) > most || cluster.contains(char::is_control) {
            break;
        }
        // Below the width of the area, which is one of `u16`.
        let x = area.x + column as u16;
        let on_nothing = pigeon_text::width(cluster) == 0;
        if let Some(cell) = buffer.cell_mut((x, area.y)) {
            match on_nothing {
                true => cell.set_symbol(&format!(" {cluster}")),
                false => cell.set_symbol(cluster),
            };
            cell.set_style(style);
        }
        for behind in 1..wide {
            if let Some(cell) = buffer.cell_mut((x + behind as u16, area.y)) {
                cell.reset();
                cell.set_style(style);
            }
        }
        column += wide;
    }
    column
}

/// The same, but a text that does not fit ends in `…`.
fn put_short(buffer: &mut Buffer, area: Rect, at: usize, text: &str, style: Style) -> usize {
    let room = usize::from(area.width).saturating_sub(at);
    let all: usize = clusters(text).map(|(_, cluster)| cautious(cluster)).sum();
    if all <= room || room == 0 {
        return put(buffer, area, at, text, style);
    }
    let narrower = Rect { width: area.width - 1, ..area };
    let end = put(buffer, narrower, at, text, style);
    put(buffer, area, end, "…", style)
}

fn row(area: Rect, n: u16) -> Rect {
    let below = n >= area.height;
    Rect { y: area.y + n, height: u16::from(!below), ..area }
}

// The left side.

fn draw_side(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    let height = usize::from(area.height);
    if area.area() == 0 {
        return;
    }
    // Members get at least half, if there are so many; the place that is shown is always seen.
    let wanted = model.members.len() + 2;
    let for_places = model.places.len().min(height.saturating_sub(wanted).max(height / 2)).max(1);
    let first = (model.current + 1).saturating_sub(for_places);
    let mut y = 0;
    for at in (first..model.places.len()).take(for_places) {
        draw_place(model, look, at, row(area, y), buffer);
        y += 1;
    }
    let left = height.saturating_sub(usize::from(y));
    if left < 2 || model.members.is_empty() {
        return;
    }
    let total = model.more_members.saturating_add(model.members.len() as u64);
    let title = format!(" {total} here");
    put_short(buffer, row(area, y), 0, &title, look.dim());
    y += 1;
    let room = left - 1;
    let fits = model.members.len() <= room && model.more_members == 0;
    let named = if fits { model.members.len() } else { model.members.len().min(room - 1) };
    for name in &model.members[..named] {
        let shown = pigeon_text::escape(name).to_string();
        put_short(buffer, row(area, y), 2, &shown, look.name(name));
        y += 1;
    }
    if !fits {
        let more = total - named as u64;
        put_short(buffer, row(area, y), 2, &format!("and {more} more"), look.dim());
    }
}

fn draw_place(model: &Model, look: Look, at: usize, area: Rect, buffer: &mut Buffer) {
    let Some(place) = model.places.get(at) else { return };
    let shown = at == model.current;
    let presence = match (&place.id, place.presence) {
        (PlaceId::Room(room), _) if model.here.as_ref() == Some(room) => "#",
        (_, Presence::Unknown) => " ",
        (_, Presence::Here) => "+",
        (_, Presence::Refused) => "!",
    };
    let style = match shown {
        true => look.reverse(),
        false if place.unread > 0 => look.bold(),
        false => Style::new(),
    };
    if shown {
        buffer.set_style(area, style);
    }
    put(buffer, area, 0, presence, style);
    let count = match (place.unread, place.count) {
        (0, None) => String::new(),
        (0, Some(members)) => format!(" {members} "),
        (unread, _) => format!(" ({unread}) "),
    };
    let room = usize::from(area.width).saturating_sub(count.len());
    let name = match &place.id {
        PlaceId::Room(name) if name.is_empty() => "here".to_string(),
        PlaceId::Person(name) if name.is_empty() => "nobody".to_string(),
        id => pigeon_text::escape(id.name()).to_string(),
    };
    // Columns of a screen fit `u16`.
    put_short(buffer, Rect { width: room as u16, ..area }, 2, &name, style);
    put(buffer, area, room, &count, style);
}

// The middle.

fn draw_header(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    let place = model.place();
    let name = pigeon_text::escape(place.id.name()).to_string();
    let at = put_short(buffer, area, 0, &name, look.bold());
    let gap = if at > 0 { "  " } else { "" };
    let what = if place.about.is_empty() { &model.title } else { &*place.about };
    let mut rest = format!("{gap}{what}");
    if !model.is_here() {
        rest.push_str("  (you are not in this room)");
    }
    // Where there are no names on the left, what is unread elsewhere is shown here.
    let unread: u64 = model.places.iter().map(|place| place.unread).sum();
    if area.x == 0 && unread > 0 {
        rest.push_str(&format!("  ({unread} unread elsewhere: Alt-A)"));
    }
    put_short(buffer, area, at, &rest, look.dim());
}

fn draw_messages(model: &Model, look: Look, areas: &Areas, area: Rect, buffer: &mut Buffer) {
    let log = &model.place().log;
    let sought = match &model.mode {
        Mode::Search(search) => fold(search.sought.text()),
        _ => Vec::new(),
    };
    let rows = log.rows(areas.text_columns(), area.height.into());
    // Few lines stand above the line being typed, like the last of many.
    let empty = area.height - u16::try_from(rows.len()).unwrap_or(area.height).min(area.height);
    for (n, line) in (empty..).zip(&rows) {
        draw_row(line, look, areas, &sought, row(area, n), buffer);
    }
}

fn draw_row(
    line: &Row<'_>,
    look: Look,
    areas: &Areas,
    sought: &[char],
    area: Rect,
    buffer: &mut Buffer,
) {
    let entry = line.entry;
    let time = areas.time_columns();
    if line.first && time > 0 {
        let (hours, minutes, seconds) = (entry.time / 3600, entry.time / 60 % 60, entry.time % 60);
        let text = match time {
            9 => format!("{hours:02}:{minutes:02}:{seconds:02}"),
            _ => format!("{hours:02}:{minutes:02}"),
        };
        put(buffer, area, 0, &text, look.dim());
    }
    let all = |range: &Range<usize>| range.start < line.bytes.end && range.end > line.bytes.start;
    let found: Vec<Range<usize>> = match sought {
        [] => Vec::new(),
        // Only what is seen is searched, and what runs into it from the row before.
        sought => {
            let near = line.bytes.start.saturating_sub(8 * sought.len());
            let near = (near..).find(|&at| entry.shown.is_char_boundary(at)).unwrap_or(0);
            let seen = &entry.shown[near..line.bytes.end];
            find_in(seen, sought).map(|r| r.start + near..r.end + near).filter(all).collect()
        }
    };
    let name = &entry.shown[..entry.sender];
    let text = &entry.shown[line.bytes.clone()];
    let mut column = usize::from(time);
    for (at, cluster) in clusters(text.trim_end()) {
        let at = at + line.bytes.start;
        let mut style = match entry.kind {
            Kind::Notice | Kind::Note => look.dim(),
            Kind::Said if at < entry.sender => look.name(name),
            Kind::Mine if at < entry.sender => look.mine(name),
            Kind::Said | Kind::Mine if entry.empty => look.dim(),
            Kind::Said | Kind::Mine => Style::new(),
        };
        if found.iter().any(|range| range.contains(&at)) {
            style = style.patch(look.reverse());
        }
        column = put(buffer, area, column, cluster, style);
    }
}

fn draw_help(model: &Model, look: Look, from: usize, area: Rect, buffer: &mut Buffer) {
    let rows = help::rows(model.commands, area.width.into());
    // A screen that has grown shows more than it did.
    let from = from.min(rows.len().saturating_sub(area.height.into()));
    for (y, line) in (0..area.height).zip(rows.iter().skip(from)) {
        put_short(buffer, row(area, y), 0, line.key, look.bold());
        put(buffer, row(area, y), line.indent, line.what, Style::new());
    }
}

fn draw_pasted(lines: &[String], look: Look, area: Rect, buffer: &mut Buffer) {
    for (n, line) in (0..area.height).zip(lines) {
        let last = n + 1 == area.height && lines.len() > usize::from(area.height);
        let shown: String = match last {
            true => format!("… {} more lines", lines.len() - usize::from(n)),
            // A row shows no more than its columns.
            false => pigeon_text::escape(&line.chars().take(500).collect::<String>()).to_string(),
        };
        let at = put(buffer, row(area, n), 0, "| ", look.dim());
        put_short(buffer, row(area, n), at, &shown, Style::new());
    }
}

// The bottom.

fn draw_status(model: &Model, look: Look, areas: &Areas, buffer: &mut Buffer) {
    let area = areas.status;
    let (text, alarm) = &model.status;
    let style = if *alarm { look.alarm() } else { look.reverse() };
    buffer.set_style(area, style);
    let mut right = Vec::new();
    let log = &model.place().log;
    if !log.follows() {
        right.push(format!("{} below", count(log.below(areas.text_columns()), "message")));
        // Who reads back should know where it ends.
        if model.forgotten() > 0 {
            right.push(format!("{} gone", count(model.forgotten(), "old message")));
        }
    }
    let lost = model.dropped + model.missed;
    if lost > 0 {
        right.push(format!("{} lost: too fast", count(lost, "message")));
    }
    right.push("? keys".to_string());
    let right = format!(" {} ", right.join(" | "));
    let room = usize::from(area.width).saturating_sub(right.len());
    // On a screen too narrow for both, what is wrong with the hub matters more.
    let beside = room >= pigeon_text::width(text).min(20) + 2;
    let left = if beside { room } else { area.width.into() };
    put_short(buffer, Rect { width: left as u16, ..area }, usize::from(left > 20), text, style);
    if beside {
        put(buffer, area, room, &right, style);
    }
}

fn draw_input(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let (prompt, input) = match &model.mode {
        Mode::Search(search) => {
            let none = search.found.is_none() && !search.sought.is_empty();
            (if none { "nothing found: " } else { "search: " }, &search.sought)
        }
        Mode::Pasted(lines) => {
            let question = paste_question(lines, area.width.into());
            let at = put_short(buffer, area, 0, &question, look.bold());
            return position(area, at.min(usize::from(area.width.saturating_sub(1))));
        }
        _ => ("> ", &model.input),
    };
    // The prompt takes no more than half.
    let prompt = if usize::from(area.width) >= 2 * prompt.len() { prompt } else { "" };
    let at = put(buffer, area, 0, prompt, look.dim());
    let view = input.view(usize::from(area.width) - at);
    put(buffer, area, at, &view.shown, Style::new());
    position(area, at + view.cursor)
}

fn paste_question(lines: &[String], columns: usize) -> String {
    let number = messages_in(lines);
    let messages = count(number, "message");
    let many = lines.len() > MAX_PASTED;
    match (many, columns) {
        (false, 70..) => format!(
            "{} lines pasted: s send as {messages}, j join into one, Esc cancel",
            lines.len()
        ),
        (false, 40..) => format!("{messages}: s send, j join, Esc cancel"),
        (false, _) => format!("{number}: s/j/Esc"),
        (true, 40..) => format!("{} lines, too many: j join, Esc cancel", lines.len()),
        (true, _) => format!("{}: j/Esc", lines.len()),
    }
}

/// How many messages the lines would be: empty lines do not count.
fn messages_in(lines: &[String]) -> u64 {
    lines.iter().filter(|line| !line.trim().is_empty()).count() as u64
}

fn position(area: Rect, column: usize) -> Option<Position> {
    let column = u16::try_from(column).ok()?;
    (area.area() > 0).then(|| Position::new(area.x + column, area.y))
}
