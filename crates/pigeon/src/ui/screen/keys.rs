//! Handles keys: each changes the model, and requests at most one action of the loop.
//!
//! The keys are those of weechat and irssi where these agree, and of a shell's line editor.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::help;
use super::input::MAX_BYTES;
use super::model::{Completion, Mode, Model, Search};
use super::people;
use super::update::PlaceId;
use crate::base::status::Status;
use crate::ui::keyboard::{self, MAX_PASTE};
use crate::words::say_in;

/// Maximum number of pasted lines that can be sent as messages.
pub(crate) const MAX_PASTED: usize = 1_000;

/// Rows per turn of the mouse wheel.
const WHEEL: usize = 3;

/// An action requested from the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Lines to send, each for itself, as typed: also commands.
    Say(PlaceId, Vec<String>),
    /// Leave with this exit status.
    Leave(Status),
    /// Suspend the program and return to the shell.
    Suspend,
    /// Redraw the screen.
    Redraw,
    /// Show this place from now on.
    Look(PlaceId),
    /// Request the hub's older messages of the room, before this position or before its end.
    Older(Option<u64>),
    /// Nobody asked, but the status line should be brought up to date.
    Refresh,
}

/// Takes in what a person did.
pub(crate) fn take(model: &mut Model, input: keyboard::Input) -> Option<Action> {
    match input {
        keyboard::Input::Key(key) => press(model, key),
        keyboard::Input::Paste(text) => paste(model, &text),
        keyboard::Input::PasteTooLong => {
            model.note(&say_in!(model.language, "screen-paste-too-long", most = MAX_PASTE));
            None
        }
        keyboard::Input::Wheel { up, column } => turn_wheel(model, up, column),
        keyboard::Input::NotUtf8 => {
            model.note(&say_in!(model.language, "screen-input-not-utf8"));
            None
        }
    }
}

/// Takes a key in.
pub(crate) fn press(model: &mut Model, key: KeyEvent) -> Option<Action> {
    if is_escape_and_more(model, key) {
        press(model, KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
        return press(model, KeyEvent::new(key.code, key.modifiers - KeyModifiers::ALT));
    }
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if ctrl => return Some(Action::Leave(Status::Interrupted)),
        KeyCode::Char('z') if ctrl => return Some(Action::Suspend),
        KeyCode::Char('l') if ctrl => return Some(Action::Redraw),
        _ => {}
    }
    match std::mem::take(&mut model.mode) {
        Mode::Typing => type_line(model, key),
        Mode::Help(at) => match scroll_list(model, key, at, help_rows(model)) {
            Some(at) => {
                model.mode = Mode::Help(at);
                None
            }
            // The key that opened the help closes it.
            None if matches!(key.code, KeyCode::Char('?' | '？')) && model.input.is_empty() => {
                None
            }
            None => close_by(model, key),
        },
        Mode::People(at) => match scroll_list(model, key, at, people_rows(model)) {
            Some(at) => {
                model.mode = Mode::People(at);
                None
            }
            None => close_by(model, key),
        },
        Mode::Hits => {
            model.mode = Mode::Hits;
            if scroll_rows(model, key) {
                return None;
            }
            close_by(model, key)
        }
        Mode::Bare => match scroll_rows(model, key) {
            true => {
                model.mode = Mode::Bare;
                Some(Action::Redraw)
            }
            false => close_by(model, key),
        },
        Mode::Search(search) => {
            search_key(model, key, search);
            None
        }
        Mode::Pasted(lines) => decide_paste(model, key, lines),
    }
}

/// Whether an unassigned Alt-character means Esc followed by the character. A terminal sends the
/// same bytes for both, and a lost `/` would send a password to the room.
fn is_escape_and_more(model: &Model, key: KeyEvent) -> bool {
    let KeyCode::Char(c) = key.code else { return false };
    let has_meaning = match model.mode {
        Mode::Typing => matches!(c, 'a' | 'b' | 'f' | 'l' | 'n' | '1'..='9'),
        Mode::Bare => c == 'l',
        Mode::Search(_) => matches!(c, 'b' | 'f'),
        Mode::Help(_) | Mode::People(_) | Mode::Hits | Mode::Pasted(_) => false,
    };
    let is_alt = key.modifiers.contains(KeyModifiers::ALT);
    is_alt && !key.modifiers.contains(KeyModifiers::CONTROL) && !has_meaning
}

/// Closes the view that covers the messages. A printing key also goes to the input line: without
/// its first character a command such as `/pass` would be sent to the whole room.
fn close_by(model: &mut Model, key: KeyEvent) -> Option<Action> {
    model.mode = Mode::Typing;
    if prints(key) { type_line(model, key) } else { None }
}

fn prints(key: KeyEvent) -> bool {
    let is_plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    is_plain && matches!(key.code, KeyCode::Char(c) if !c.is_control())
}

/// Handles a paste. One line goes to the input line; for several the user is asked.
pub(crate) fn paste(model: &mut Model, text: &str) -> Option<Action> {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let mut lines: Vec<String> = text.trim_end_matches('\n').split('\n').map(plain).collect();
    if lines.len() == 1 || matches!(model.mode, Mode::Search(_)) {
        let line = lines.remove(0);
        match &mut model.mode {
            Mode::Search(search) => {
                search.sought.insert(&line);
            }
            _ => {
                model.mode = Mode::Typing;
                model.completion = None;
                if !model.input.insert(&line) {
                    note_too_long(model, line.len());
                }
            }
        }
        return None;
    }
    // The text typed before becomes a part of the first line.
    model.mode = Mode::Pasted(lines);
    None
}

/// Notes that a pasted line does not fit the input line.
fn note_too_long(model: &mut Model, length: usize) {
    let language = model.language;
    model.note(&say_in!(language, "screen-line-too-long", length = length, most = MAX_BYTES));
}

/// Converts tabs to spaces; drops other control characters, which would be sent invisibly.
fn plain(line: &str) -> String {
    line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).collect()
}

fn type_line(model: &mut Model, key: KeyEvent) -> Option<Action> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    if key.code != KeyCode::Tab && key.code != KeyCode::BackTab {
        model.completion = None;
    }
    match key.code {
        KeyCode::Enter => return send(model),
        KeyCode::Tab => complete(model, false),
        KeyCode::BackTab => complete(model, true),
        KeyCode::F(1) => model.mode = Mode::Help(0),
        KeyCode::F(2) => model.mode = Mode::People(0),
        KeyCode::Char('n') if alt => model.mode = Mode::People(0),
        KeyCode::F(3) => model.mode = Mode::Bare,
        KeyCode::Char('l') if alt => model.mode = Mode::Bare,
        KeyCode::PageUp if alt => scroll_people(model, true, usize::MAX),
        KeyCode::PageDown if alt => scroll_people(model, false, usize::MAX),
        KeyCode::PageUp => {
            scroll(model, key, ctrl);
            return older(model);
        }
        KeyCode::Home if ctrl => {
            scroll(model, key, ctrl);
            return older(model);
        }
        // Input methods for Chinese write the full-width one.
        KeyCode::Char('?' | '？') if !ctrl && model.input.is_empty() => model.mode = Mode::Help(0),
        KeyCode::Char('d') if ctrl && model.input.is_empty() => {
            return Some(Action::Leave(Status::Done));
        }
        KeyCode::Char('f' | 'r') if ctrl => search(model, ""),
        _ if go(model, key, ctrl, alt) || scroll(model, key, ctrl) => {}
        _ => edit(model, key),
    }
    None
}

/// Keys that select another conversation.
fn go(model: &mut Model, key: KeyEvent, ctrl: bool, alt: bool) -> bool {
    let (count, current) = (model.places.len(), model.current);
    let to = match key.code {
        KeyCode::Char('n') if ctrl => (current + 1) % count,
        KeyCode::Char('p') if ctrl => (current + count - 1) % count,
        KeyCode::Down if alt => (current + 1) % count,
        KeyCode::Up if alt => (current + count - 1) % count,
        KeyCode::F(6) => (current + 1) % count,
        KeyCode::F(5) => (current + count - 1) % count,
        KeyCode::Char('a') if alt => {
            let unread = |at: &usize| model.places[*at].unread > 0;
            (1..count).map(|n| (current + n) % count).find(unread).unwrap_or(current)
        }
        KeyCode::Char(digit @ '1'..='9') if alt => digit as usize - '1' as usize,
        _ => return false,
    };
    model.look_at(to);
    true
}

/// Keys that scroll the messages.
fn scroll(model: &mut Model, key: KeyEvent, ctrl: bool) -> bool {
    let (columns, height) = model.pane();
    // One row stays visible for orientation.
    let page = height.saturating_sub(1).max(1);
    let log = model.shown_mut();
    match key.code {
        KeyCode::PageUp => log.up(page, columns, height),
        KeyCode::PageDown => log.down(page, columns),
        KeyCode::Home if ctrl => log.go_to_top(columns, height),
        KeyCode::End if ctrl => log.follow(),
        _ => return false,
    }
    true
}

/// Keys that change the line.
fn edit(model: &mut Model, key: KeyEvent) {
    let (input, history) = (&mut model.input, &mut model.history);
    match key.code {
        KeyCode::Up => history.older(input),
        KeyCode::Down => history.newer(input),
        // As in a shell of Windows. Nothing is lost: Up brings the line back.
        KeyCode::Esc if !input.is_empty() => history.push(&input.take()),
        _ => input.press(key),
    }
}

fn send(model: &mut Model) -> Option<Action> {
    let line = model.input.text().to_string();
    if do_here(model, &line) {
        return None;
    }
    if line.trim().is_empty() {
        model.input.take();
        return None;
    }
    say(model, vec![line]).inspect(|_| {
        model.input.take();
        model.place_mut().log.follow();
    })
}

/// Executes the screen's own commands. Returns false for the loop's.
fn do_here(model: &mut Model, line: &str) -> bool {
    let line = line.trim();
    let Some(line) = line.strip_prefix(['/', '／']) else { return false };
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let (word, rest) = (format!("/{word}"), rest.trim());
    if !model.has_command(&word) {
        return false;
    }
    match (&*word, rest) {
        // With a history, the hub shows the matches.
        ("/search", sought) if !model.keeps || sought.is_empty() => {
            model.input.take();
            search(model, sought);
            return true;
        }
        ("/help", _) if model.has_command("/bell") => model.mode = Mode::Help(0),
        ("/clear", _) => model.place_mut().log.clear(),
        ("/close", _) => model.close_shown(),
        ("/ignore", name) => model.ignore(name),
        ("/bell", on_off) => match on_off {
            "on" | "off" => {
                model.bell = on_off == "on";
                model.note(&match model.bell {
                    true => say_in!(model.language, "screen-bell-on"),
                    false => say_in!(model.language, "screen-bell-off"),
                });
            }
            _ => model.note(&say_in!(model.language, "screen-bell-usage")),
        },
        _ => return false,
    }
    let line = model.input.take();
    model.history.push(&line);
    true
}

/// Sends lines to the selected place, if possible.
fn say(model: &mut Model, lines: Vec<String>) -> Option<Action> {
    let command = lines.first().is_some_and(|line| {
        let line = line.trim();
        line.starts_with(['/', '／']) || line == "quit"
    });
    if !model.is_here() && !command {
        let room = model.place().id.name().to_string();
        let here = model.here.as_deref().unwrap_or_default().to_string();
        let language = model.language;
        model.note(&say_in!(language, "screen-not-here", here = &here, room = &room));
        return None;
    }
    lines.iter().for_each(|line| model.history.push(line));
    Some(Action::Say(model.place().id.clone(), lines))
}

fn decide_paste(model: &mut Model, key: KeyEvent, lines: Vec<String>) -> Option<Action> {
    let typed = model.input.text().to_string();
    match key.code {
        KeyCode::Char('s') if prints(key) && lines.len() <= MAX_PASTED => {
            let mut lines = lines;
            if let Some(first) = lines.first_mut() {
                first.insert_str(0, &typed);
            }
            lines.retain(|line| !line.trim().is_empty());
            let said = say(model, lines);
            if said.is_some() {
                model.input.take();
                model.place_mut().log.follow();
            }
            said
        }
        KeyCode::Char('j') if prints(key) => {
            let joined = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
            let joined = joined.collect::<Vec<_>>().join(" ");
            model.input.end();
            if !model.input.insert(&joined) {
                note_too_long(model, joined.len());
            }
            None
        }
        KeyCode::Esc => None,
        KeyCode::Char('c') if prints(key) => None,
        // There are too many lines to send.
        KeyCode::Char('s') if prints(key) => {
            model.mode = Mode::Pasted(lines);
            None
        }
        // A user who types on has not read the question. If it stayed, the `s` of `/pass s…` would
        // answer it.
        _ if prints(key) => {
            model.note(&say_in!(model.language, "screen-paste-dropped"));
            close_by(model, key)
        }
        _ => {
            model.mode = Mode::Pasted(lines);
            None
        }
    }
}

/// Requests stored messages at the top of the scroll-back.
fn older(model: &mut Model) -> Option<Action> {
    model.older().map(Action::Older)
}

fn help_rows(model: &Model) -> usize {
    help::rows(model.commands(), model.language, model.areas().messages.width.into()).len()
}

fn people_rows(model: &Model) -> usize {
    people::rows(model, model.areas().messages.width.into()).len()
}

/// The rows of the help or the list of people below the visible ones.
pub(crate) fn rows_below(model: &Model) -> usize {
    let (at, rows) = match model.mode {
        Mode::Help(at) => (at, help_rows(model)),
        Mode::People(at) => (at, people_rows(model)),
        _ => return 0,
    };
    rows.saturating_sub(usize::from(model.areas().messages.height)).saturating_sub(at)
}

/// A list's scroll position after a key. `None` closes it.
fn scroll_list(model: &Model, key: KeyEvent, at: usize, rows: usize) -> Option<usize> {
    let height = usize::from(model.areas().messages.height);
    let last = rows.saturating_sub(height);
    let page = height.max(1);
    match key.code {
        KeyCode::Down => Some((at + 1).min(last)),
        KeyCode::Up => Some(at.min(last).saturating_sub(1)),
        KeyCode::PageDown => Some((at + page).min(last)),
        KeyCode::PageUp => Some(at.min(last).saturating_sub(page)),
        _ => None,
    }
}

/// Scrolls by rows and pages. Returns false for other keys. Terminals that keep the mouse send the
/// wheel as arrow keys.
fn scroll_rows(model: &mut Model, key: KeyEvent) -> bool {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let (columns, height) = model.pane();
    match key.code {
        KeyCode::Up => model.shown_mut().up(1, columns, height),
        KeyCode::Down => model.shown_mut().down(1, columns),
        _ => return scroll(model, key, ctrl),
    }
    true
}

/// Scrolls the names on the left by `by`, at most by the number shown.
fn scroll_people(model: &mut Model, up: bool, by: usize) {
    let shown = model.side().people;
    let by = by.min(shown.len().max(1));
    let last = model.members.people.len() - shown.len();
    model.members_at = match up {
        true => shown.start.saturating_sub(by),
        false => (shown.start + by).min(last),
    };
}

/// Handles the mouse wheel: over the names it scrolls them, elsewhere the shown list.
pub(crate) fn turn_wheel(model: &mut Model, up: bool, column: u16) -> Option<Action> {
    if column < model.areas().border.right() {
        scroll_people(model, up, WHEEL);
        return None;
    }
    match model.mode {
        Mode::Help(at) => model.mode = Mode::Help(turned(model, up, at, help_rows(model))),
        Mode::People(at) => model.mode = Mode::People(turned(model, up, at, people_rows(model))),
        _ => {
            let (columns, height) = model.pane();
            match up {
                true => model.shown_mut().up(WHEEL, columns, height),
                false => model.shown_mut().down(WHEEL, columns),
            }
            return if up && matches!(model.mode, Mode::Typing) { older(model) } else { None };
        }
    }
    None
}

fn turned(model: &Model, up: bool, at: usize, rows: usize) -> usize {
    let last = rows.saturating_sub(model.areas().messages.height.into());
    if up { at.min(last).saturating_sub(WHEEL) } else { (at + WHEEL).min(last) }
}

/// Starts a search.
fn search(model: &mut Model, sought: &str) {
    let mut search = Search { before: model.place().log.place(), ..Search::default() };
    search.sought.set(sought);
    find(model, &mut search, true);
    model.mode = Mode::Search(search);
}

fn search_key(model: &mut Model, key: KeyEvent, mut search: Search) {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => return model.place_mut().log.return_to(search.before),
        KeyCode::Enter => return,
        KeyCode::Up | KeyCode::PageUp => find(model, &mut search, true),
        KeyCode::Char('f' | 'r') if ctrl => find(model, &mut search, true),
        KeyCode::Down | KeyCode::PageDown => find(model, &mut search, false),
        _ => {
            search.sought.press(key);
            // The text has changed, so the search restarts at the newest line.
            search.found = None;
            find(model, &mut search, true);
        }
    }
    model.mode = Mode::Search(search);
}

/// Finds the next older or newer match; without one, the last match stays.
fn find(model: &mut Model, search: &mut Search, older: bool) {
    let (columns, height) = model.pane();
    let log = &mut model.place_mut().log;
    if search.sought.is_empty() {
        return log.return_to(search.before);
    }
    if let Some(found) = log.find(search.sought.text(), search.found, older) {
        search.found = Some(found);
        log.show(found, columns, height);
    }
}

/// Inserts the next candidate for the word before the cursor.
fn complete(model: &mut Model, back: bool) {
    let completion = match model.completion.take() {
        Some(completion) => completion,
        None => match candidates(model) {
            Some(completion) => completion,
            None => return,
        },
    };
    let Completion { candidates, next, from } = completion;
    let count = candidates.len();
    // `next` is for the next Tab; the candidate shown now is the one before.
    let at = if back { (next + 2 * count - 2) % count } else { next };
    model.input.replace(from, &candidates[at]);
    model.completion = Some(Completion { next: (at + 1) % count, candidates, from });
}

fn candidates(model: &Model) -> Option<Completion> {
    let typed = &model.input.text()[..model.input.cursor()];
    let from = typed.rfind(' ').map_or(0, |at| at + 1);
    let word = typed[from..].to_lowercase();
    if word.is_empty() {
        return None;
    }
    let word = word.strip_prefix('／').map(|word| format!("/{word}")).unwrap_or(word);
    let fits = |name: &&str| name.to_lowercase().starts_with(&word);
    let mut candidates: Vec<String> = if from == 0 && word.starts_with('/') {
        let commands = model.commands().iter().map(|entry| &*entry.key);
        let commands = commands.map(|command| command.split(' ').next().unwrap_or(command));
        commands.filter(fits).map(|command| format!("{command} ")).collect()
    } else {
        let members = model.members.people.iter().chain(&model.members.senders);
        let names = members.chain(&model.names).map(String::as_str);
        let names = names.chain(model.places.iter().map(|place| place.id.name()));
        // As usual in chats: at the start of a line a name is an address.
        let end = if from == 0 { ": " } else { " " };
        names.filter(fits).map(|name| format!("{name}{end}")).collect()
    };
    candidates.sort();
    candidates.dedup();
    (!candidates.is_empty()).then_some(Completion { candidates, next: 0, from })
}
