//! What the help shows: the commands and the keys, cut into rows.

use pigeon_proto::Language;

use super::wrap::breaks;

/// The keys, and what they do.
const KEYS: [(&str, &str); 20] = [
    ("Enter", "send the line (an empty one sends nothing)"),
    ("Tab", "complete a name or a command; again: the next"),
    ("Up, Down", "lines typed before"),
    (
        "PageUp, PageDown",
        "scroll back (the mouse wheel too); Ctrl-Home the first line, Ctrl-End the last",
    ),
    ("F2, Alt-N", "everybody in the room"),
    ("F3, Alt-L", "the messages alone, to copy a link or a text with the mouse; F3 comes back"),
    ("Alt-PageUp, Alt-PageDown", "scroll the names (the mouse wheel too)"),
    ("Ctrl-N, Ctrl-P", "the next and the previous conversation (also Alt-Down, Alt-Up, F6, F5)"),
    ("Alt-1 … Alt-9", "a conversation by its number"),
    ("Alt-A", "the next with something unread"),
    ("Ctrl-F", "search what is shown (also Ctrl-R): Up older, Down newer, Enter stay, Esc back"),
    ("Ctrl-A, Ctrl-E", "to the beginning and the end of the line (also Home, End)"),
    ("Ctrl-Left, Ctrl-Right", "word by word (also Alt-B, Alt-F)"),
    ("Ctrl-W", "cut the word before the cursor"),
    ("Ctrl-U, Ctrl-K", "cut to the beginning, to the end"),
    ("Ctrl-Y", "put back what was cut"),
    ("Ctrl-L", "draw the screen anew (Shift and the mouse select text)"),
    ("Ctrl-Z", "to the shell; `fg` comes back"),
    ("Ctrl-D, Ctrl-C", "leave (Ctrl-D on an empty line)"),
    ("? on an empty line, F1", "this help; Esc closes it, and so does typing on"),
];

/// The same in Chinese.
const KEYS_ZH: [(&str, &str); 20] = [
    ("Enter", "发送这一行（空行不发送）"),
    ("Tab", "补全名字或命令；再按一次换下一个"),
    ("Up, Down", "以前输入过的行"),
    ("PageUp, PageDown", "往回翻（也可用鼠标滚轮）；Ctrl-Home 到第一行，Ctrl-End 到最后"),
    ("F2, Alt-N", "房间里的所有人"),
    ("F3, Alt-L", "只显示消息，便于用鼠标复制链接或文字；再按 F3 返回"),
    ("Alt-PageUp, Alt-PageDown", "滚动名单（也可用鼠标滚轮）"),
    ("Ctrl-N, Ctrl-P", "下一个、上一个对话（也可用 Alt-Down、Alt-Up、F6、F5）"),
    ("Alt-1 … Alt-9", "按编号选对话"),
    ("Alt-A", "下一个有未读消息的对话"),
    ("Ctrl-F", "在显示的消息里查找（也可用 Ctrl-R）：Up 往前，Down 往后，Enter 停在那里，Esc 返回"),
    ("Ctrl-A, Ctrl-E", "到行首、行尾（也可用 Home、End）"),
    ("Ctrl-Left, Ctrl-Right", "逐词移动（也可用 Alt-B、Alt-F）"),
    ("Ctrl-W", "剪去光标前的词"),
    ("Ctrl-U, Ctrl-K", "剪去光标之前、之后的内容"),
    ("Ctrl-Y", "放回剪去的内容"),
    ("Ctrl-L", "重画屏幕（按住 Shift 可用鼠标选文字）"),
    ("Ctrl-Z", "回到 shell；`fg` 再回来"),
    ("Ctrl-D, Ctrl-C", "离开（Ctrl-D 要在空行上）"),
    ("? 在空行上, F1", "这份说明；按 Esc 关闭，直接打字也会关闭"),
];

/// One row of the help.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HelpRow {
    /// A key or a command, if it stands in this row.
    pub(crate) key: &'static str,
    /// What it does, as far as it fits.
    pub(crate) what: &'static str,
    /// The column where that begins.
    pub(crate) indent: usize,
}

/// All rows of the help at so many columns.
pub(crate) fn rows(
    commands: &'static [(&'static str, &'static str)],
    language: Language,
    columns: usize,
) -> Vec<HelpRow> {
    let (title, keys, second) = match language {
        Language::English => ("keys", KEYS, "commands"),
        Language::Chinese => ("按键", KEYS_ZH, "命令"),
    };
    let all = [(second, "")].into_iter().chain(commands.iter().copied());
    let all: Vec<_> = all.chain([("", ""), (title, "")]).chain(keys).collect();
    let first = all.iter().map(|(key, _)| pigeon_text::width(key)).max().unwrap_or(0);
    // On a narrow screen the explanation stands under its key.
    let beside = columns >= first + 30;
    let indent = if beside { first + 2 } else { 2 };
    let mut rows = Vec::new();
    for (key, what) in all {
        let starts = breaks(what, columns.saturating_sub(indent).max(1));
        let starts: Vec<_> = [0].into_iter().chain(starts.iter().map(|&at| at as usize)).collect();
        let ends = starts.iter().copied().skip(1).chain([what.len()]);
        let pieces = starts.iter().zip(ends).map(|(&start, end)| what[start..end].trim_end());
        let mut pieces = pieces.filter(|piece| !piece.is_empty()).peekable();
        let what = if beside { pieces.next().unwrap_or_default() } else { "" };
        rows.push(HelpRow { key, what, indent });
        rows.extend(pieces.map(|what| HelpRow { key: "", what, indent }));
    }
    rows
}
