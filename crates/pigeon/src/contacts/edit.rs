//! Edits the text of a contacts file and preserves comments, order and spelling.

use pigeon_text::Charset;
use toml_edit::{DocumentMut, InlineTable, Item, Key, RawString, Value};

use crate::base::endpoint::Endpoint;

/// Adds a contact at the end, or replaces the one with its name.
pub(super) fn put(
    document: &mut DocumentMut,
    name: &str,
    endpoint: &Endpoint,
    charset: Option<Charset>,
    is_ipmsg: bool,
) {
    let mut contact = InlineTable::new();
    contact.insert("endpoint", endpoint.to_string().into());
    if let Some(charset) = charset {
        contact.insert("encoding", charset.to_string().into());
    }
    if is_ipmsg {
        contact.insert("ipmsg", true.into());
    }
    let mut value = Value::InlineTable(contact);
    match document.get_mut(name) {
        // Assigned rather than inserted, to keep the comments above the name.
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
            return;
        }
        // A table of its own, which may contain comments too.
        Some(table) => {
            table["endpoint"] = toml_edit::value(endpoint.to_string());
            if let Some(charset) = charset {
                table["encoding"] = toml_edit::value(charset.to_string());
            }
            if is_ipmsg {
                table["ipmsg"] = toml_edit::value(true);
            }
            return;
        }
        None => {}
    }
    // After the last `[table]`, a line would belong to that table.
    if document.iter().any(|(_, item)| item.is_table()) {
        let mut table = toml_edit::Table::new();
        table.insert("endpoint", toml_edit::value(endpoint.to_string()));
        if let Some(charset) = charset {
            table.insert("encoding", toml_edit::value(charset.to_string()));
        }
        if is_ipmsg {
            table.insert("ipmsg", toml_edit::value(true));
        }
        document.as_table_mut().insert(name, Item::Table(table));
        return;
    }
    // Comments at the end of the file stay before the new line.
    let mut before = raw(Some(document.trailing()));
    if !before.is_empty() && !before.ends_with('\n') {
        before.push('\n');
    }
    document.set_trailing("");
    let mut key = Key::new(name);
    key.leaf_decor_mut().set_prefix(before);
    document.as_table_mut().insert_formatted(&key, Item::Value(value));
}

/// Removes a contact with the comment directly above it. A comment separated by an empty line
/// stays, because it may concern other contacts.
pub(super) fn remove(document: &mut DocumentMut, name: &str) {
    let names: Vec<String> = document.iter().map(|(name, _)| name.to_string()).collect();
    let Some(place) = names.iter().position(|known| known == name) else { return };
    let Some((key, item)) = document.as_table_mut().remove_entry(name) else { return };
    let above = match &item {
        Item::Table(table) => raw(table.decor().prefix()),
        _ => raw(key.leaf_decor().prefix()),
    };
    let Some(end) = above.rfind("\n\n") else { return };
    let kept = &above[..end + 2];
    match names.get(place + 1) {
        Some(next) => match document.as_table_mut().get_key_value_mut(next) {
            Some((_, Item::Table(table))) => {
                let prefix = format!("{kept}{}", raw(table.decor().prefix()));
                table.decor_mut().set_prefix(prefix);
            }
            Some((mut key, _)) => {
                let prefix = format!("{kept}{}", raw(key.leaf_decor().prefix()));
                key.leaf_decor_mut().set_prefix(prefix);
            }
            None => {}
        },
        None => {
            let trailing = format!("{kept}{}", raw(Some(document.trailing())));
            document.set_trailing(trailing);
        }
    }
}

/// Renames a contact in its place, with its comments.
pub(super) fn rename(document: &mut DocumentMut, old: &str, new: &str) {
    let names: Vec<String> = document.iter().map(|(name, _)| name.to_string()).collect();
    let table = document.as_table_mut();
    // A map has no rename, so all entries are removed and inserted in order.
    for name in names {
        let Some((key, item)) = table.remove_entry(&name) else { continue };
        let key = match name == old {
            true => Key::new(new).with_leaf_decor(key.leaf_decor().clone()),
            false => key,
        };
        table.insert_formatted(&key, item);
    }
}

fn raw(text: Option<&RawString>) -> String {
    text.and_then(RawString::as_str).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# My contacts\n# of the lab\n\n# the dog\n\"狗哥\" = \"h:1\"  # behind\n\n\
                        # the monkey\n'猴哥' = { endpoint='h:2' }\n# the end\n";

    fn changed(text: &str, change: impl FnOnce(&mut DocumentMut)) -> String {
        let mut document: DocumentMut = text.parse().unwrap();
        change(&mut document);
        document.to_string()
    }

    fn endpoint() -> Endpoint {
        Endpoint::parse("h:3", None).unwrap()
    }

    #[test]
    fn adding_changes_no_other_byte() {
        let charset = Charset::for_label("gb2312").ok();
        let added = changed(FILE, |d| put(d, "新", &endpoint(), charset, false));
        assert_eq!(
            added,
            format!("{FILE}\"新\" = {{ endpoint = \"h:3\", encoding = \"gb2312\" }}\n")
        );
        let added = changed("", |d| put(d, "a", &endpoint(), None, true));
        assert_eq!(added, "a = { endpoint = \"h:3\", ipmsg = true }\n");
        assert_eq!(
            changed("", |d| put(d, "a", &endpoint(), None, false)),
            "a = { endpoint = \"h:3\" }\n"
        );
        let tables = "[t]\nendpoint = \"h:1\" # c\n";
        let added = changed(tables, |d| put(d, "a", &endpoint(), None, false));
        assert_eq!(added, format!("{tables}\n[a]\nendpoint = \"h:3\"\n"));
    }

    #[test]
    fn another_encoding_keeps_the_place_and_the_comments() {
        let put = changed(FILE, |d| put(d, "狗哥", &endpoint(), None, false));
        assert_eq!(put, FILE.replace("\"h:1\"", "{ endpoint = \"h:3\" }"));
    }

    #[test]
    fn removing_takes_the_own_comment_and_leaves_the_others() {
        let removed = changed(FILE, |d| remove(d, "狗哥"));
        assert_eq!(
            removed,
            "# My contacts\n# of the lab\n\n\n# the monkey\n'猴哥' = { endpoint='h:2' }\n# the end\n"
        );
        let removed = changed(&removed, |d| remove(d, "猴哥"));
        assert_eq!(removed, "# My contacts\n# of the lab\n\n\n# the end\n");
    }

    #[test]
    fn renaming_keeps_everything_else() {
        let renamed = changed(FILE, |d| rename(d, "狗哥", "dog"));
        assert_eq!(renamed, FILE.replace("\"狗哥\"", "dog"));
        let tables = "# one\n[a]\nendpoint = \"h:1\"\n\n# two\n[b]\nendpoint = \"h:2\"\n";
        let renamed = changed(tables, |d| rename(d, "a", "c"));
        assert_eq!(renamed, tables.replace("[a]", "[c]"));
    }
}
