//! What a key does: changes the model, and at most asks the loop for one thing.
//!
//! The keys are those of weechat and irssi where these agree, and of a shell's line editor.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::help;
use super::input::MAX_BYTES;
use super::layout::Areas;
use super::model::{Completion, Mode, Model, Search};
use super::update::PlaceId;
use crate::base::status::Status;

/// The most lines of a paste that are sent as messages.
pub(crate) const MAX_PASTED: usize = 1_000;

/// What the person wants of the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Lines to send, each for itself, as typed: also commands.
    Say(PlaceId, Vec<String>),
    /// To leave, with this exit status.
    Leave(Status),
    /// To go to the shell for a while.
    Suspend,
    /// To have the screen drawn anew.
    Redraw,
    /// To look at this place from now on.
    Look(PlaceId),
    /// Nobody asked, but the status line should be brought up to date.
    Refresh,
}

/// Takes a key in.
pub(crate) fn press(model: &mut Model, key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
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
        Mode::Help(at) => {
            scroll_help(model, key, at);
            None
        }
        Mode::Search(search) => {
            search_key(model, key, search);
            None
        }
        Mode::Pasted(lines) => decide_paste(model, key, lines),
    }
}

/// Takes in what was pasted. One line goes where typing does; of several the person is asked.
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
                    model.note(&too_long(line.len()));
                }
            }
        }
        return None;
    }
    // What was typed already stands before the first of them.
    model.mode = Mode::Pasted(lines);
    None
}

/// A tab is a space; other control characters would be sent unseen.
fn plain(line: &str) -> String {
    line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).collect()
}

fn too_long(length: usize) -> String {
    format!("not pasted: {length} bytes, and a line holds at most {MAX_BYTES}")
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
        KeyCode::Char('?') if !ctrl && model.input.is_empty() => model.mode = Mode::Help(0),
        KeyCode::Char('d') if ctrl && model.input.is_empty() => {
            return Some(Action::Leave(Status::Done));
        }
        KeyCode::Char('f' | 'r') if ctrl => search(model, ""),
        _ if go(model, key, ctrl, alt) || scroll(model, key, ctrl) => {}
        _ => edit(model, key, ctrl, alt),
    }
    None
}

/// Keys that go to another conversation.
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
    // A row stays in sight, to read on from.
    let page = height.saturating_sub(1).max(1);
    let log = &mut model.place_mut().log;
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
fn edit(model: &mut Model, key: KeyEvent, ctrl: bool, alt: bool) {
    let (input, history) = (&mut model.input, &mut model.history);
    match key.code {
        KeyCode::Up => history.older(input),
        KeyCode::Down => history.newer(input),
        KeyCode::Esc => {}
        _ => edit_input(input, key, ctrl, alt),
    }
}

fn edit_input(input: &mut super::input::Input, key: KeyEvent, ctrl: bool, alt: bool) {
    match key.code {
        KeyCode::Left if ctrl || alt => input.word_left(),
        KeyCode::Right if ctrl || alt => input.word_right(),
        KeyCode::Left => input.left(),
        KeyCode::Right => input.right(),
        KeyCode::Home => input.home(),
        KeyCode::End => input.end(),
        KeyCode::Backspace if ctrl || alt => input.cut_word(),
        KeyCode::Backspace => input.backspace(),
        KeyCode::Delete => input.delete(),
        KeyCode::Char(c) if ctrl => match c {
            'a' => input.home(),
            'e' => input.end(),
            'b' => input.left(),
            'd' => input.delete(),
            'h' => input.backspace(),
            'w' => input.cut_word(),
            'u' => input.cut_to_start(),
            'k' => input.cut_to_end(),
            'y' => input.paste_cut(),
            _ => {}
        },
        KeyCode::Char('b') if alt => input.word_left(),
        KeyCode::Char('f') if alt => input.word_right(),
        KeyCode::Char(c) if !alt && !c.is_control() => {
            input.insert(c.encode_utf8(&mut [0; 4]));
        }
        _ => {}
    }
}

fn send(model: &mut Model) -> Option<Action> {
    let line = model.input.text().to_string();
    if let Some(sought) =
        line.strip_prefix("/search").filter(|rest| rest.is_empty() || rest.starts_with(' '))
    {
        model.input.take();
        search(model, sought.trim());
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

/// Lines for the place that is shown, if one can speak there.
fn say(model: &mut Model, lines: Vec<String>) -> Option<Action> {
    let command = lines.first().is_some_and(|line| {
        let line = line.trim();
        line.starts_with(['/', '／']) || line == "quit"
    });
    if !model.is_here() && !command {
        let room = model.place().id.name().to_string();
        let here = model.here.as_deref().unwrap_or_default().to_string();
        model.note(&format!("not sent: you are in {here}; /join {room} to speak here"));
        return None;
    }
    lines.iter().for_each(|line| model.history.push(line));
    Some(Action::Say(model.place().id.clone(), lines))
}

fn decide_paste(model: &mut Model, key: KeyEvent, lines: Vec<String>) -> Option<Action> {
    let typed = model.input.text().to_string();
    match key.code {
        KeyCode::Char('s') if lines.len() <= MAX_PASTED => {
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
        KeyCode::Char('j') => {
            let joined = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
            let joined = joined.collect::<Vec<_>>().join(" ");
            model.input.end();
            if !model.input.insert(&joined) {
                model.note(&too_long(joined.len()));
            }
            None
        }
        KeyCode::Char('c') | KeyCode::Esc => None,
        // Any other key may have been meant for the line: it decides nothing.
        _ => {
            model.mode = Mode::Pasted(lines);
            None
        }
    }
}

fn scroll_help(model: &mut Model, key: KeyEvent, at: usize) {
    let area = Areas::of(model.size, model.side_width()).messages;
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    let last = help::rows(model.commands, columns).len().saturating_sub(height);
    let page = height.max(1);
    model.mode = match key.code {
        KeyCode::Down => Mode::Help((at + 1).min(last)),
        KeyCode::Up => Mode::Help(at.min(last).saturating_sub(1)),
        KeyCode::PageDown => Mode::Help((at + page).min(last)),
        KeyCode::PageUp => Mode::Help(at.min(last).saturating_sub(page)),
        _ => Mode::Typing,
    };
}

/// Begins to look for something.
fn search(model: &mut Model, sought: &str) {
    let mut search = Search { before: model.place().log.place(), ..Search::default() };
    search.sought.set(sought);
    find(model, &mut search, true);
    model.mode = Mode::Search(search);
}

fn search_key(model: &mut Model, key: KeyEvent, mut search: Search) {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match key.code {
        KeyCode::Esc => return model.place_mut().log.return_to(search.before),
        KeyCode::Enter => return,
        KeyCode::Up | KeyCode::PageUp => find(model, &mut search, true),
        KeyCode::Char('f' | 'r') if ctrl => find(model, &mut search, true),
        KeyCode::Down | KeyCode::PageDown => find(model, &mut search, false),
        _ => {
            edit_input(&mut search.sought, key, ctrl, alt);
            // What is sought has changed: from the newest line again.
            search.found = None;
            find(model, &mut search, true);
        }
    }
    model.mode = Mode::Search(search);
}

/// The next older or newer line that matches; if there is none, the last match stays.
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

/// Puts the next candidate for the word before the cursor in its place.
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
    // `next` is what comes with Tab; what is shown now is the one before it.
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
    let fits = |name: &&str| name.to_lowercase().starts_with(&word);
    let mut candidates: Vec<String> = if from == 0 && word.starts_with('/') {
        let commands = model.commands.iter().map(|(command, _)| *command);
        let commands = commands.map(|command| command.split(' ').next().unwrap_or(command));
        commands.filter(fits).map(|command| format!("{command} ")).collect()
    } else {
        let names = model.members.iter().chain(&model.names).map(String::as_str);
        let names = names.chain(model.places.iter().map(|place| place.id.name()));
        // As in other rooms: at the beginning of a line a name is an address.
        let end = if from == 0 { ": " } else { " " };
        names.filter(fits).map(|name| format!("{name}{end}")).collect()
    };
    candidates.sort();
    candidates.dedup();
    (!candidates.is_empty()).then_some(Completion { candidates, next: 0, from })
}
