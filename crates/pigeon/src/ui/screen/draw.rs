//! Draws the model as cells. Pure: the same model and area give the same cells.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::colors::Look;
use super::help;
use super::keys::{self, MAX_PASTED};
use super::layout::Areas;
use super::log::{Kind, Row, find_in, fold};
use super::model::{Mode, Model};
use super::people;
use super::update::{PlaceId, Presence};
use super::wall_clock::WallTime;
use super::wrap::{cautious, clusters, columns};
use crate::words::say_in;

/// Draws everything, and returns the cursor's position in the input line, where an input method
/// shows its candidates.
pub(crate) fn draw(model: &Model, look: Look, buffer: &mut Buffer) -> Option<Position> {
    let area = buffer.area;
    let areas = Areas::of((area.width, area.height));
    draw_side(model, look, areas.side, buffer);
    for y in areas.border.top()..areas.border.bottom() {
        put(buffer, Rect::new(areas.border.x, y, areas.border.width, 1), 0, "│", look.dim());
    }
    draw_header(model, look, areas.header, buffer);
    match &model.mode {
        Mode::Help(at) => draw_help(model, look, *at, areas.messages, buffer),
        Mode::People(at) => draw_people(model, look, *at, areas.messages, buffer),
        Mode::Pasted(lines) => {
            // At most half of the visible rows are covered.
            let covered = (lines.len() as u16).min(areas.messages.height / 2);
            let (above, below) = split(areas.messages, covered);
            draw_messages(model, look, &areas, above, buffer);
            draw_pasted(model, lines, look, below, buffer);
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

/// Writes text into the first row of `area`, from its column `at`, as far as it fits. Returns the
/// column after it.
fn put(buffer: &mut Buffer, area: Rect, at: usize, text: &str, style: Style) -> usize {
    let most = usize::from(area.width);
    let mut column = at;
    if area.height == 0 {
        return column;
    }
    for (_, cluster) in clusters(text) {
        let wide = columns(cluster);
        // Text should be escaped already; control characters are not drawn.
        if column + cautious(cluster) > most || cluster.contains(char::is_control) {
            break;
        }
        // Less than the area's width, which is a `u16`.
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

/// Like `put`, but a text that does not fit ends in `…`.
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
    if area.area() == 0 {
        return;
    }
    let (side, members, language) = (model.side(), &model.members, model.language);
    let mut y = 0;
    let mut next = || {
        y += 1;
        row(area, y - 1)
    };
    for at in side.places.clone() {
        draw_place(model, look, at, next(), buffer);
    }
    if side.title {
        let people = members.more.saturating_add(members.people.len() as u64);
        let people = say_in!(language, "screen-people", people = people);
        put_short(buffer, next(), 1, &people, look.dim());
    }
    for name in members.people.get(side.people).unwrap_or_default() {
        let shown = pigeon_text::escape(name).to_string();
        put_short(buffer, next(), 2, &shown, look.name(name));
    }
    if side.hidden > 0 {
        let more = say_in!(language, "screen-more-people", more = side.hidden);
        put_short(buffer, next(), 2, &more, look.dim());
    }
    if side.senders {
        let senders = say_in!(language, "screen-senders", senders = members.senders.len());
        put_short(buffer, next(), 1, &senders, look.dim());
    }
}

fn draw_place(model: &Model, look: Look, at: usize, area: Rect, buffer: &mut Buffer) {
    let Some(place) = model.places.get(at) else { return };
    let shown = at == model.current;
    let presence = match (&place.id, place.presence) {
        (PlaceId::Room(room), _) if model.is_in && model.here.as_ref() == Some(room) => "#",
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
        // A mention is marked by `!`, not only by its colour.
        (unread, _) if place.mentioned => format!(" ({unread}!) "),
        (unread, _) => format!(" ({unread}) "),
    };
    let room = usize::from(area.width).saturating_sub(count.len());
    let name = match &place.id {
        PlaceId::Room(name) if name.is_empty() && model.is_in => {
            say_in!(model.language, "screen-room-here")
        }
        PlaceId::Room(name) if name.is_empty() => say_in!(model.language, "screen-room-not-joined"),
        PlaceId::Person(name) if name.is_empty() => say_in!(model.language, "screen-nobody"),
        id => pigeon_text::escape(id.name()).to_string(),
    };
    // Columns of a screen fit `u16`.
    put_short(buffer, Rect { width: room as u16, ..area }, 2, &name, style);
    put(buffer, area, room, &count, style);
}

// The middle.

fn draw_header(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    if let (Mode::Hits, Some(hits)) = (&model.mode, &model.hits) {
        let query = pigeon_text::escape(&*hits.query).to_string();
        let hits = say_in!(model.language, "screen-hits", hits = hits.found, query = &query);
        put_short(buffer, area, 0, &hits, look.bold());
        return;
    }
    let place = model.place();
    let name = pigeon_text::escape(place.id.name()).to_string();
    let at = put_short(buffer, area, 0, &name, look.bold());
    let gap = if at > 0 { "  " } else { "" };
    let what = if place.about.is_empty() { &model.title } else { &*place.about };
    let mut rest = format!("{gap}{what}");
    if !model.is_here() {
        rest.push_str(&format!("  {}", say_in!(model.language, "screen-not-in-room")));
    }
    // If the names on the left are hidden, the title has their number, and that of unread
    // messages elsewhere.
    let unread: u64 = model.places.iter().map(|place| place.unread).sum();
    if area.x == 0 && unread > 0 {
        let unread = say_in!(model.language, "screen-unread-elsewhere", unread = unread);
        rest.push_str(&format!("  {unread}"));
    }
    let people = model.members.more.saturating_add(model.members.people.len() as u64);
    if area.x == 0 && people > 0 {
        let people = say_in!(model.language, "screen-people", people = people);
        rest.push_str(&format!("  {people}: F2"));
    }
    put_short(buffer, area, at, &rest, look.dim());
}

fn draw_messages(model: &Model, look: Look, areas: &Areas, area: Rect, buffer: &mut Buffer) {
    let (log, dated) = (model.shown(), model.is_dated());
    let sought = match (&model.mode, &model.hits) {
        (Mode::Search(search), _) => fold(search.sought.text()),
        (Mode::Hits, Some(hits)) => fold(&hits.query),
        _ => Vec::new(),
    };
    let rows = log.rows(areas.text_columns(dated), area.height.into());
    // A few lines are at the bottom, next to the input line.
    let empty = area.height - u16::try_from(rows.len()).unwrap_or(area.height).min(area.height);
    for (n, line) in (empty..).zip(&rows) {
        draw_row(model, line, look, areas, &sought, row(area, n), buffer);
    }
}

fn draw_row(
    model: &Model,
    line: &Row<'_>,
    look: Look,
    areas: &Areas,
    sought: &[char],
    area: Rect,
    buffer: &mut Buffer,
) {
    let entry = line.entry;
    let time = areas.time_columns(model.is_dated());
    if line.first && time > 0 && !entry.is_mark() {
        put(buffer, area, 0, &time_of(entry.time, model.time, time), look.dim());
        if entry.mention.is_some() {
            put(buffer, area, usize::from(time) - 1, "!", look.bold());
        }
    }
    let all = |range: &Range<usize>| range.start < line.bytes.end && range.end > line.bytes.start;
    let found: Vec<Range<usize>> = match sought {
        [] => Vec::new(),
        // Searches only the visible part, and matches that continue into it from the row before.
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
            Kind::Notice | Kind::Note | Kind::End => look.dim(),
            Kind::Mark | Kind::Private => look.bold(),
            Kind::Said if at < entry.sender => look.name(name),
            Kind::Mine if at < entry.sender => look.mine(name),
            Kind::Said | Kind::Mine if entry.empty => look.dim(),
            Kind::Said | Kind::Mine => Style::new(),
        };
        if entry.mention.as_ref().is_some_and(|mention| mention.contains(&at)) {
            style = style.patch(look.mention());
        }
        if found.iter().any(|range| range.contains(&at)) {
            style = style.patch(look.reverse());
        }
        column = put(buffer, area, column, cluster, style);
    }
}

/// A time in this many columns: with the date if not today's, and with the year if not this one.
pub(crate) fn time_of(time: WallTime, now: WallTime, columns: u16) -> String {
    let (hours, minutes, seconds) = time.time_of_day();
    let ((year, month, day), (this_year, ..)) = (time.date(), now.date());
    let of_today = time.day() == now.day();
    match columns {
        15 if of_today => format!("      {hours:02}:{minutes:02}:{seconds:02}"),
        15 if year == this_year => {
            format!("{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}")
        }
        15 => format!("{:02}-{month:02}-{day:02} {hours:02}:{minutes:02}", year.rem_euclid(100)),
        9 => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        _ if of_today => format!("{hours:02}:{minutes:02}"),
        _ => format!("{month:02}-{day:02}"),
    }
}

fn draw_people(model: &Model, look: Look, from: usize, area: Rect, buffer: &mut Buffer) {
    let rows = people::rows(model, area.width.into());
    // A larger screen shows more rows.
    let from = from.min(rows.len().saturating_sub(area.height.into()));
    for (y, line) in (0..area.height).zip(rows.iter().skip(from)) {
        for (n, name) in line.names.iter().enumerate() {
            let style = if line.is_heading { look.bold() } else { look.name(name) };
            let place = Rect { width: area.width.min((line.width * (n + 1) - 1) as u16), ..area };
            put_short(buffer, row(place, y), line.width * n, name, style);
        }
    }
}

fn draw_help(model: &Model, look: Look, from: usize, area: Rect, buffer: &mut Buffer) {
    let rows = help::rows(model.commands(), model.language, area.width.into());
    // A larger screen shows more rows.
    let from = from.min(rows.len().saturating_sub(area.height.into()));
    for (y, line) in (0..area.height).zip(rows.iter().skip(from)) {
        put_short(buffer, row(area, y), 0, &line.key, look.bold());
        put(buffer, row(area, y), line.indent, &line.what, Style::new());
    }
}

fn draw_pasted(model: &Model, lines: &[String], look: Look, area: Rect, buffer: &mut Buffer) {
    for (n, line) in (0..area.height).zip(lines) {
        let last = n + 1 == area.height && lines.len() > usize::from(area.height);
        let shown: String = match last {
            true => {
                let lines = lines.len() - usize::from(n);
                say_in!(model.language, "screen-more-lines", lines = lines)
            }
            // A row shows at most its columns.
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
    let (log, language) = (model.shown(), model.language);
    let rows_below = keys::rows_below(model);
    if rows_below > 0 {
        right.push(say_in!(language, "screen-rows-below", rows = rows_below));
    } else if !log.follows() {
        let messages = log.below(areas.text_columns(model.is_dated()));
        right.push(say_in!(language, "screen-below", messages = messages));
        // Tells readers of the history where it ends.
        if model.forgotten() > 0 {
            right.push(say_in!(language, "screen-gone", messages = model.forgotten()));
        }
    }
    let lost = model.dropped + model.missed;
    if lost > 0 {
        right.push(say_in!(language, "screen-lost", messages = lost));
    }
    right.push(say_in!(language, "screen-help"));
    let right = format!(" {} ", right.join(" | "));
    let room = usize::from(area.width).saturating_sub(pigeon_text::width(&right));
    // On a narrow screen a problem with the hub takes precedence.
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
            let prompt = match (none, model.keeps) {
                (false, _) => say_in!(model.language, "screen-search"),
                (true, false) => say_in!(model.language, "screen-search-nothing"),
                (true, true) => say_in!(model.language, "screen-search-hub"),
            };
            (prompt, &search.sought)
        }
        Mode::Pasted(lines) => {
            let question = pasted_question(model, lines, area.width);
            let at = put_short(buffer, area, 0, &question, look.bold());
            return position(area, at.min(usize::from(area.width.saturating_sub(1))));
        }
        _ => ("> ".to_string(), &model.input),
    };
    // The prompt takes at most half.
    let fits = usize::from(area.width) >= 2 * pigeon_text::width(&prompt);
    let at = put(buffer, area, 0, if fits { &prompt } else { "" }, look.dim());
    let view = input.view(usize::from(area.width) - at);
    put(buffer, area, at, &view.shown, Style::new());
    position(area, at + view.cursor)
}

/// A question about pasted lines, as complete as the space allows.
fn pasted_question(model: &Model, lines: &[String], columns: u16) -> String {
    let (language, count, messages) = (model.language, lines.len(), messages_in(lines));
    match columns {
        ..40 if count > MAX_PASTED => format!("{count}: j/Esc"),
        ..40 => format!("{messages}: s/j/Esc"),
        _ if count > MAX_PASTED => say_in!(language, "screen-pasted-many", lines = count),
        40..70 => say_in!(language, "screen-pasted-short", messages = messages),
        _ => say_in!(language, "screen-pasted", lines = count, messages = messages),
    }
}

/// The number of messages in the lines: empty lines do not count.
fn messages_in(lines: &[String]) -> u64 {
    lines.iter().filter(|line| !line.trim().is_empty()).count() as u64
}

fn position(area: Rect, column: usize) -> Option<Position> {
    let column = u16::try_from(column).ok()?;
    (area.area() > 0).then(|| Position::new(area.x + column, area.y))
}
