//! The contacts in a file.

use std::collections::HashMap;

use anyhow::anyhow;
use pigeon_text::{Charset, escape};
use toml_edit::{Document, Item, TableLike};

use super::name::ContactName;
use crate::base::endpoint::Endpoint;
use crate::base::payload::charset;
use crate::base::place::place;
use crate::words::{self, say};

/// A contact.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contact {
    pub(crate) name: ContactName,
    pub(crate) endpoint: Endpoint,
    /// The contact's encoding, if given.
    pub(crate) charset: Option<Charset>,
    /// Whether the contact uses IP Messenger or a related program.
    pub(crate) is_ipmsg: bool,
}

/// A file's contacts, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Contacts(Vec<Contact>);

impl Contacts {
    /// Parses a file's text. An error has the line and the column.
    pub(super) fn parse(text: &str) -> anyhow::Result<Contacts> {
        let at = |offset| place(text, offset);
        let document = Document::parse(text).map_err(|error| {
            let at = at(error.span().map_or(0, |span| span.start));
            placed(at, escape(&error.message().replace('\n', ", ")).to_string())
        })?;
        let mut contacts = Contacts::default();
        let mut places = HashMap::new();
        for (name, item) in document.iter() {
            let key = document.as_table().key(name).and_then(toml_edit::Key::span);
            let key = key.map_or(0, |span| span.start);
            let contact = contact(name, item)
                .map_err(|(why, span)| placed(at(span.map_or(key, |span| span.start)), why))?;
            let place = contacts.0.len();
            if let Some(other) = places.insert(contact.name.folded(), place) {
                let (name, other) = (&contact.name, &contacts.0[other].name);
                return Err(placed(
                    at(key),
                    say!("errors-contacts-same", name = name, other = other),
                ));
            }
            contacts.0.push(contact);
        }
        Ok(contacts)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Contact> {
        self.0.iter()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Contact> {
        let name = ContactName::parse(name).ok()?;
        self.0.iter().find(|contact| contact.name.is(&name))
    }

    /// Up to three names close to a mistyped one.
    pub(crate) fn nearest(&self, name: &str) -> Vec<&str> {
        let length = name.chars().count();
        // In a two-character name one may be wrong; in a long one a third.
        let slips = (length / 3).max(1);
        let mut near: Vec<(usize, &str)> = self
            .0
            .iter()
            .map(|contact| contact.name.as_str())
            .map(|known| (distance(name, known), known))
            .filter(|&(distance, known)| {
                distance <= slips && distance < known.chars().count().max(length)
            })
            .collect();
        near.sort_by_key(|&(distance, _)| distance);
        near.into_iter().map(|(_, known)| known).take(3).collect()
    }

    /// `there is no contact 狗歌; did you mean 狗哥?`
    pub(crate) fn unknown(&self, name: &str) -> String {
        let shown: String = name.chars().take(64).collect();
        let name_shown = escape(&shown);
        match self.nearest(name).as_slice() {
            [] if self.0.is_empty() => say!("errors-contact-none-yet", name = &name_shown),
            [] => say!("errors-contact-unknown", name = &name_shown),
            near => say!("errors-contact-meant", name = &name_shown, near = words::any_of(near)),
        }
    }
}

/// What is wrong with a file, and where.
fn placed(at: String, why: String) -> anyhow::Error {
    anyhow!(words::because(at, why))
}

type Wrong = (String, Option<std::ops::Range<usize>>);

fn contact(name: &str, item: &Item) -> Result<Contact, Wrong> {
    let name = ContactName::parse(name).map_err(|why| (why, None))?;
    // The short form for writing by hand: 狗哥 = "192.168.1.103:8080"
    if let Some(text) = item.as_str() {
        return Ok(Contact {
            name,
            endpoint: endpoint(text, item)?,
            charset: None,
            is_ipmsg: false,
        });
    }
    let Some(table) = item.as_table_like() else {
        let why =
            say!("errors-contact-shape", name = &name, shape = "{ endpoint = \"HOST:PORT\" }");
        return Err((why, item.span()));
    };
    if let Some((other, _)) =
        table.iter().find(|(key, _)| !["endpoint", "encoding", "ipmsg"].contains(key))
    {
        let why = say!("errors-contact-field", name = &name, field = &escape(other));
        return Err((why, table.key(other).and_then(toml_edit::Key::span)));
    }
    let Some(item) = table.get("endpoint") else {
        return Err((say!("errors-contact-no-endpoint", name = &name), None));
    };
    let endpoint = endpoint(text(&name, table, "endpoint")?, item)?;
    let encoding = match table.get("encoding") {
        Some(item) => {
            let label = text(&name, table, "encoding")?;
            Some(charset(label).map_err(|why| (why, item.span()))?)
        }
        None => None,
    };
    let is_ipmsg = match table.get("ipmsg") {
        Some(item) => {
            let why =
                || (say!("errors-contact-switch", name = &name, field = "ipmsg"), item.span());
            item.as_bool().ok_or_else(why)?
        }
        None => false,
    };
    Ok(Contact { name, endpoint, charset: encoding, is_ipmsg })
}

fn endpoint(text: &str, item: &Item) -> Result<Endpoint, Wrong> {
    Endpoint::parse(text, None).map_err(|why| (escape(&why).to_string(), item.span()))
}

fn text<'a>(name: &ContactName, table: &'a dyn TableLike, key: &str) -> Result<&'a str, Wrong> {
    let item = table.get(key);
    let text = item.and_then(Item::as_str);
    text.ok_or_else(|| {
        (say!("errors-contact-text", name = name, field = key), item.and_then(Item::span))
    })
}

/// The edit distance of two names, ignoring case.
fn distance(from: &str, to: &str) -> usize {
    strsim::levenshtein(&from.to_lowercase(), &to.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Contacts::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_form_is_read() {
        let contacts = Contacts::parse(
            "# lab\n\"狗哥\" = { endpoint = \"192.168.1.103:8080\", encoding = \"gb2312\" }\n\
             plain = \"[::1]:9\"\n[table]\nendpoint = \"hub.local:1\"\nencoding = \"auto\"\n",
        );
        let contacts = contacts.unwrap();
        let shown: Vec<String> = contacts
            .iter()
            .map(|c| format!("{} {} {:?}", c.name, c.endpoint, c.charset.map(|c| c.to_string())))
            .collect();
        assert_eq!(
            shown,
            [
                "狗哥 192.168.1.103:8080 Some(\"gb2312\")",
                "plain [::1]:9 None",
                "table hub.local:1 Some(\"auto\")"
            ]
        );
        assert_eq!(contacts.find("PLAIN").unwrap().name.as_str(), "plain");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert!(
            error("a = \"h:1\"\nb = {").starts_with("line 2, column 6: "),
            "{}",
            error("b = {")
        );
        assert!(error("a = \"h:1\"\na = \"h:2\"").starts_with("line 2, column 1: duplicate key"));
        assert_eq!(
            error("a = { endpoint = \"h\" }"),
            "line 1, column 18: no port; write h:PORT, e.g. h:9999"
        );
        assert_eq!(error("a = {}"), "line 1, column 1: a has no endpoint");
        assert!(error("a = 5").starts_with("line 1, column 5: a is not a valid contact; write"));
        assert!(error("\n \"x:1\" = \"h:1\"").starts_with("line 2, column 2: `x:1` cannot be"));
        assert!(
            error("a = { endpoint = \"h:1\", encoding = \"gb2321\" }")
                .contains("did you mean gb2312")
        );
        assert_eq!(
            error("a = { endpoint = \"h:1\", port = 3 }"),
            "line 1, column 25: a: a contact has no port, only endpoint, encoding, ipmsg"
        );

        assert_eq!(
            error("\"Zoë\" = \"h:1\"\n\"ZOË\" = \"h:2\""),
            "line 2, column 1: ZOË and Zoë are the same name"
        );
    }

    #[test]
    fn a_mistyped_name_finds_its_neighbours() {
        let contacts = Contacts::parse(
            "\"狗哥\" = \"h:1\"\n\"猴哥\" = \"h:2\"\nsensor = \"h:3\"\nx = \"h:4\"",
        );
        let contacts = contacts.unwrap();
        assert_eq!(contacts.nearest("狗歌"), ["狗哥"]);
        assert_eq!(contacts.nearest("老哥"), ["狗哥", "猴哥"]);
        assert_eq!(contacts.nearest("Sensro"), ["sensor"]);
        assert!(contacts.nearest("q").is_empty() && contacts.nearest("").is_empty());
        assert_eq!(contacts.unknown("狗歌"), "there is no contact 狗歌; did you mean 狗哥?");
        assert!(contacts.unknown("\x1b").contains(r"\x1b"));
        assert!(Contacts::default().unknown(&"长".repeat(9999)).len() < 400);
    }
}
