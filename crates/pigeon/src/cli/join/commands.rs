//! The commands that the full screen explains: those of the hub, and its own.

use pigeon_proto::Language;

/// The commands, with what they do.
pub(super) fn commands(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::English => ENGLISH,
        Language::Chinese => CHINESE,
    }
}

const ENGLISH: &[(&str, &str)] = &[
    ("/nick NAME", "what others call you"),
    ("/who", "who is in the room"),
    ("/join ROOM", "go into a room, or open it"),
    ("/leave", "back to the lobby"),
    ("/rooms", "which rooms there are"),
    ("/msg NAME TEXT", "say something to one person; the answers become a conversation"),
    ("/me TEXT", "say what you do: *TEXT*"),
    ("/history [N]", "what was said before, where the hub keeps it; PageUp at the top reads on"),
    ("/search WORDS", "what was said with these words; without a history in what is shown"),
    ("/ignore NAME", "hide what somebody says; once more shows it again"),
    ("/clear", "empty the conversation that is shown"),
    ("/close", "close the conversation with one person"),
    ("/bell on|off", "whether the bell rings when somebody names you"),
    ("/quiet on|off", "whether the hub reports who comes and goes (on: it does not)"),
    ("/encoding LABEL", "the encoding you read and write"),
    ("/language zh|en", "the language of the hub's notices and of this screen"),
    ("/pass SECRET", "the hub's password"),
    ("/resume WORD", "take a name back from another address"),
    ("//TEXT", "say a text that begins with /"),
    ("/help", "this"),
    ("quit", "leave"),
];

const CHINESE: &[(&str, &str)] = &[
    ("/nick 名字", "给自己取名字"),
    ("/who", "谁在房间里"),
    ("/join 房间", "进入房间；没有就新开一个"),
    ("/leave", "回到大厅"),
    ("/rooms", "有哪些房间"),
    ("/msg 名字 内容", "只对一个人说；来往的话成为一个对话"),
    ("/me 动作", "说自己在做什么：*动作*"),
    ("/history [条数]", "以前说过的话（hub 保存的话）；翻到最上面再按 PageUp 继续往前"),
    ("/search 要找的字", "找出说过这些字的消息；hub 不保存历史时只在显示的消息里找"),
    ("/ignore 名字", "不看某人说的话；再用一次恢复"),
    ("/clear", "清空显示的对话"),
    ("/close", "关闭与一个人的对话"),
    ("/bell on|off", "有人提到你时是否响铃"),
    ("/quiet on|off", "是否不提示谁进来、谁离开"),
    ("/encoding 编码", "你读写用的编码"),
    ("/language zh|en", "hub 的提示和这个屏幕用的语言"),
    ("/pass 密码", "hub 的密码"),
    ("/resume 口令", "从另一个地址取回名字"),
    ("//内容", "发送以 / 开头的文字"),
    ("/help", "这份说明"),
    ("quit", "离开"),
];

#[cfg(test)]
mod tests {
    use pigeon_proto::Verb;

    use super::*;

    #[test]
    fn every_command_is_explained_in_every_language() {
        // The word, without what stands for an argument.
        let words = |language| {
            let commands = commands(language).iter();
            let words = commands.filter_map(|(command, _)| command.split(' ').next());
            words.map(|word| word.trim_end_matches("TEXT").trim_end_matches("内容"))
        };
        let english: Vec<&str> = words(Language::English).collect();
        assert!(english.iter().copied().eq(words(Language::Chinese)));
        for verb in Verb::ALL {
            assert!(english.contains(&&*format!("/{}", verb.word())), "{verb:?}");
        }
    }
}
